package seal

import (
	"bytes"
	"fmt"
	"io"
)

// A part's head is known in two places: the row that recorded the part, and
// the header in the object. Either may be wrong while the segments are whole,
// so the second is tried before a segment is called damaged. Trying is safe:
// a head that was not the one used for sealing authenticates nothing.

// headOrigin says where the head of a part came from.
type headOrigin int

const (
	fromStream headOrigin = iota + 1 // the header that the stream brought along
	fromHeads                        // Heads
	fromSource                       // a request of its own for the 40 bytes
)

// partCipher is the cipher of the part that is being read.
type partCipher struct {
	part     int
	segments *segments // nil where the header was no header
	head     [HeadSize]byte
	origin   headOrigin
	proven   bool // a segment has authenticated under it
}

// use derives the cipher of part n from head.
func (r *Opener) use(n int, head [HeadSize]byte, origin headOrigin) error {
	segments, err := newSegments(r.key(), r.file.Part(n), head)
	if err != nil {
		return fmt.Errorf("open part %d: %w", n, err)
	}
	r.cipher = partCipher{part: n, segments: segments, head: head, origin: origin}
	return nil
}

// useHeader takes the head from the header in the stream. A header with a
// wrong length byte gives a cipher that opens nothing.
func (r *Opener) useHeader(s span, h header) error {
	head, ok := h.head()
	if !ok {
		r.cipher = partCipher{part: s.part, origin: fromStream}
		return nil
	}
	return r.use(s.part, head, fromStream)
}

// findHead gets the cipher for a stream that begins inside a part.
func (r *Opener) findHead(s span) error {
	if r.cipher.part == s.part && r.cipher.proven {
		return nil
	}
	head, known, err := r.askHeads(s.part)
	if err != nil {
		return err
	}
	if known {
		return r.use(s.part, head, fromHeads)
	}
	return r.fetchHead(s)
}

func (r *Opener) askHeads(part int) (head [HeadSize]byte, known bool, err error) {
	if r.o.Heads == nil {
		return head, false, nil
	}
	head, known, err = r.o.Heads(r.ctx, part)
	if err != nil {
		return head, false, fmt.Errorf("look up the head of part %d: %w", part, err)
	}
	return head, known, nil
}

// fetchHead reads the part's header from the source. One with a wrong length
// byte is damage.
func (r *Opener) fetchHead(s span) error {
	stream, err := r.src(r.ctx, r.file.partOffset(s.part), HeaderSize)
	if err != nil {
		return fmt.Errorf("read the header of part %d: %w", s.part, err)
	}
	var h header
	_, err = io.ReadFull(stream, h[:])
	_ = stream.Close() // all that was wanted is read, or err says why not
	if err != nil {
		return &SegmentError{Part: s.part, Err: shortRead(err)}
	}
	head, ok := h.head()
	if !ok {
		return r.damaged(s)
	}
	return r.use(s.part, head, fromSource)
}

// secondTry opens s again under the head from the other place. Opening in
// place destroyed the ciphertext, so it is requested again: the case is rare,
// a second buffer for each reader would not be.
func (r *Opener) secondTry(s span) error {
	if r.cipher.proven {
		return r.damaged(s)
	}
	first := r.cipher
	if err := r.otherHead(s, first.origin); err != nil {
		return err
	}
	if r.cipher.origin == first.origin || bytes.Equal(r.cipher.head[:], first.head[:]) && first.segments != nil {
		return r.damaged(s)
	}
	_ = r.drop() // its remaining bytes are asked for again
	if err := r.request(s); err != nil {
		return err
	}
	_, sealed, err := r.receive(s)
	if err != nil {
		return err
	}
	if !r.authenticate(s, sealed) {
		return r.damaged(s)
	}
	return nil
}

// otherHead replaces the cipher by one from the place that was not asked yet,
// and leaves it where there is none.
func (r *Opener) otherHead(s span, origin headOrigin) error {
	switch origin {
	case fromHeads:
		return r.fetchHead(s)
	case fromStream:
		head, known, err := r.askHeads(s.part)
		if err != nil || !known {
			return err
		}
		return r.use(s.part, head, fromHeads)
	}
	return nil
}

// damaged reports that s does not authenticate.
func (r *Opener) damaged(s span) error {
	err := &SegmentError{Part: s.part, Segment: s.index, Err: ErrDamaged}
	if r.o.OnDamage != nil {
		r.o.OnDamage(s.part, s.index, err)
	}
	return err
}
