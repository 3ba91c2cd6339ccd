package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// partLabel starts the associated data of every part of a file. Nothing else
// may use it.
const partLabel = "lenzeye/part/v1"

// Part says which part of which file is sealed: the associated data, and the
// number of plain bytes. File.Part makes it.
type Part struct {
	FileID   [16]byte
	PartSize int64 // plain bytes in every part but the last
	Number   int   // from 1
	Last     bool  // the file's last part
	Size     int64 // plain bytes in this part
}

// check refuses a part that no file can have.
func (p Part) check() error {
	switch {
	case p.Number < 1 || p.Number > MaxParts:
		return fmt.Errorf("part number %d is not in 1 to %d: %w", p.Number, MaxParts, ErrInvalid)
	case p.PartSize < 1:
		return fmt.Errorf("part size %d is below 1: %w", p.PartSize, ErrInvalid)
	case p.Size < 0 || p.Size > p.PartSize:
		return fmt.Errorf("part %d of %d bytes exceeds the part size %d: %w", p.Number, p.Size, p.PartSize, ErrInvalid)
	case !p.Last && p.Size != p.PartSize:
		return fmt.Errorf("part %d of %d bytes is not the last and not of the part size %d: %w", p.Number, p.Size, p.PartSize, ErrInvalid)
	case segmentCount(p.Size) > 1<<32:
		return fmt.Errorf("part of %d bytes has too many segments: %w", p.Size, ErrInvalid)
	}
	return nil
}

// associatedData binds a sealed part to its place (SPEC.md, "A part").
func (p Part) associatedData() string {
	b := make([]byte, 0, len(partLabel)+len(p.FileID)+8+4+1)
	b = append(b, partLabel...)
	b = append(b, p.FileID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(p.PartSize))
	b = binary.BigEndian.AppendUint32(b, uint32(p.Number))
	return string(append(b, flagByte(p.Last)))
}

// header is the only place that knows what lies where in a part's first 40
// bytes: its own length, salt, prefix.
type header [HeaderSize]byte

func headerOf(head [HeadSize]byte) (h header) {
	h[0] = HeaderSize
	copy(h[1:], head[:])
	return h
}

// head returns salt ‖ prefix; ok is false where the length byte is wrong.
func (h header) head() (head [HeadSize]byte, ok bool) {
	copy(head[:], h[1:])
	return head, h[0] == HeaderSize
}

// segments seals or opens the segments of one part, in any order.
type segments struct {
	aead  cipher.AEAD
	nonce [prefixSize + 4 + 1]byte // prefix ‖ segment number ‖ last segment?
}

// newSegments derives the part's key from the file's: HKDF-SHA-256 with the
// head's salt and the part's associated data (Tink's AES256-GCM-HKDF).
func newSegments(key *Key, p Part, head [HeadSize]byte) (*segments, error) {
	derived, err := hkdf.Key(sha256.New, key[:], head[:saltSize], p.associatedData(), len(key))
	if err != nil {
		return nil, fmt.Errorf("derive the key of part %d: %w", p.Number, err)
	}
	aead, err := newGCM(derived)
	if err != nil {
		return nil, err
	}
	s := &segments{aead: aead}
	copy(s.nonce[:], head[saltSize:])
	return s, nil
}

// sealTo seals plain into dst, which is longer by the tag and shares no byte
// with it.
func (s *segments) sealTo(dst []byte, index int64, last bool, plain []byte) {
	s.aead.Seal(dst[:0], s.nonceOf(index, last), plain, nil)
}

// open opens sealed in place. On failure it leaves nothing of it.
func (s *segments) open(index int64, last bool, sealed []byte) ([]byte, error) {
	return s.aead.Open(sealed[:0], s.nonceOf(index, last), sealed, nil)
}

func (s *segments) nonceOf(index int64, last bool) []byte {
	binary.BigEndian.PutUint32(s.nonce[prefixSize:], uint32(index))
	s.nonce[prefixSize+4] = flagByte(last)
	return s.nonce[:]
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make the cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("make the cipher: %w", err)
	}
	return aead, nil
}

func flagByte(set bool) byte {
	if set {
		return 1
	}
	return 0
}
