package seal

import (
	"bytes"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
)

// Digest is what a body's plain bytes must hash to.
type Digest struct {
	Hash hash.Hash // fresh; the reader writes the plain bytes to it
	Want []byte
}

// PartOptions are the optional things of a PartReader.
type PartOptions struct {
	Rand    io.Reader // where salt and prefix come from; crypto/rand.Reader if nil
	Digests []Digest  // checked before the last segment is given out
}

// PartReader seals a body while it is read: an io.Reader and io.WriterTo of
// exactly Len sealed bytes. It pulls from the body, holds one segment at most
// and needs no Close. The last segment is held back until the body has ended
// at exactly the part's size and every digest agrees; otherwise reading ends
// in ErrBodyShort, ErrBodyLong, ErrDigest or the body's own error, wrapped,
// with the sealed part unfinished. An error stays. Not for concurrent use.
type PartReader struct {
	body     io.Reader
	bodyErr  error // what the body said together with bytes that we took
	digests  []Digest
	part     Part
	head     [HeadSize]byte
	segments *segments
	index    int64 // of the next segment
	left     int64 // plain bytes still to come from the body
	crc      uint32
	buf      []byte // made when first needed
	out      []byte // sealed bytes in buf that wait to be read
	err      error
}

// NewPartReader returns a reader of the sealed form of part p, whose plain
// bytes are body. Salt and prefix are new each time, so the same part may be
// sealed again with other bytes. It reads nothing from body yet. A part that
// the format does not allow, or a key of zeros, is ErrInvalid.
func NewPartReader(key Key, p Part, body io.Reader, o PartOptions) (*PartReader, error) {
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("seal a part: %w", err)
	}
	if key.isZero() {
		return nil, fmt.Errorf("seal part %d: key is not set: %w", p.Number, ErrInvalid)
	}
	r := &PartReader{body: body, digests: o.Digests, part: p, left: p.Size}
	if _, err := io.ReadFull(randomOr(o.Rand), r.head[:]); err != nil {
		return nil, fmt.Errorf("seal part %d: make its salt: %w", p.Number, err)
	}
	var err error
	if r.segments, err = newSegments(&key, p, r.head); err != nil {
		return nil, fmt.Errorf("seal part %d: %w", p.Number, err)
	}
	return r, nil
}

// Len returns the sealed length of the whole part in bytes, whatever was read
// of it.
func (r *PartReader) Len() int64 { return SealedLen(r.part.Size) }

// Head returns the part's salt ‖ prefix, to be kept beside the part. It is
// valid at once.
func (r *PartReader) Head() [HeadSize]byte { return r.head }

// CRC32 returns the CRC-32 (IEEE) of the plain bytes. It is that of the part
// once reading has ended in io.EOF.
func (r *PartReader) CRC32() uint32 { return r.crc }

// Read gives the next sealed bytes. Where p holds a whole segment, the body is
// read straight into p and sealed there, which saves a copy.
func (r *PartReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(r.out) == 0 {
		need, ok := r.nextLen()
		if !ok {
			return 0, r.end()
		}
		if len(p) >= need {
			return r.sealInto(p[:need])
		}
		if err := r.fill(need); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	return n, nil
}

// WriteTo writes what is left of the sealed part to w, one segment at a time.
func (r *PartReader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		if len(r.out) == 0 {
			need, ok := r.nextLen()
			if !ok {
				break
			}
			if err := r.fill(need); err != nil {
				return total, err
			}
		}
		n, err := w.Write(r.out)
		total += int64(n)
		r.out = r.out[n:]
		if err != nil {
			return total, err
		}
		if len(r.out) > 0 {
			return total, io.ErrShortWrite
		}
	}
	if err := r.end(); err != io.EOF {
		return total, err
	}
	return total, nil
}

// end returns how reading ended.
func (r *PartReader) end() error {
	if r.err != nil {
		return r.err
	}
	return io.EOF
}

// nextLen returns the sealed length of the next segment, with the header where
// it is the first, and false where there is none.
func (r *PartReader) nextLen() (int, bool) {
	if r.err != nil || r.index >= segmentCount(r.part.Size) {
		return 0, false
	}
	if r.index == 0 {
		return HeaderSize + int(min(r.left, segmentPlain-HeaderSize)) + TagSize, true
	}
	return int(min(r.left, segmentPlain)) + TagSize, true
}

// fill seals the next segment, of need bytes, into the reader's own buffer.
func (r *PartReader) fill(need int) error {
	if r.buf == nil {
		r.buf = make([]byte, need) // the first segment is never smaller than a later one
	}
	n, err := r.sealInto(r.buf[:need])
	r.out = r.buf[:n]
	return err
}

// sealInto reads the body's next bytes into dst and seals them there; dst is
// exactly as long as the sealed segment. On an error dst is wiped, so that no
// plain byte stays in a buffer that is about to be sent.
func (r *PartReader) sealInto(dst []byte) (int, error) {
	plain := dst[:len(dst)-TagSize]
	if r.index == 0 {
		plain = plain[HeaderSize:]
	}
	if err := r.take(plain); err != nil {
		clear(dst)
		r.err = fmt.Errorf("seal part %d: %w", r.part.Number, err)
		return 0, r.err
	}
	last := r.left == 0
	r.segments.seal(r.index, last, plain)
	if r.index == 0 {
		h := headerOf(r.head)
		copy(dst, h[:])
	}
	r.index++
	return len(dst), nil
}

// take fills plain from the body and, where that completes the part, makes
// sure that the body is what was announced.
func (r *PartReader) take(plain []byte) error {
	for got := 0; got < len(plain); {
		n, err := r.readBody(plain[got:])
		got += n
		if got < len(plain) && err != nil {
			if err == io.EOF {
				return fmt.Errorf("%w: %d of %d bytes", ErrBodyShort, r.part.Size-r.left+int64(got), r.part.Size)
			}
			return fmt.Errorf("read the body: %w", err)
		}
	}
	r.left -= int64(len(plain))
	r.crc = crc32.Update(r.crc, crc32.IEEETable, plain)
	for _, d := range r.digests {
		d.Hash.Write(plain)
	}
	if r.left > 0 {
		return nil
	}
	return r.finish()
}

// finish makes sure that the body ends here and that the digests agree.
func (r *PartReader) finish() error {
	var probe [1]byte
	for {
		n, err := r.readBody(probe[:])
		if n > 0 {
			return fmt.Errorf("%w of %d bytes", ErrBodyLong, r.part.Size)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("read the body's end: %w", err)
		}
	}
	for _, d := range r.digests {
		if !bytes.Equal(d.Hash.Sum(nil), d.Want) {
			return ErrDigest
		}
	}
	return nil
}

// readBody reads from the body, and keeps an error that came with bytes for
// the call after them: a reader need not say it twice.
func (r *PartReader) readBody(p []byte) (int, error) {
	if r.bodyErr != nil {
		return 0, r.bodyErr
	}
	n, err := r.body.Read(p)
	r.bodyErr = err
	return n, err
}
