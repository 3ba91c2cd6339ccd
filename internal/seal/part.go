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
	Buffers *Buffers  // where working memory comes from and goes back to; its own if nil
}

// PartReader seals a body while it is read: an io.Reader and io.WriterTo of
// exactly Len sealed bytes. It pulls from the body, holds a segment as it came and
// one sealed, four each where the body is quick, and needs no Close. The last segment is held back until the body has ended
// at exactly the part's size and every digest agrees; otherwise reading ends
// in ErrBodyShort, ErrBodyLong, ErrDigest or the body's own error, wrapped,
// with the sealed part unfinished. An error stays. Not for concurrent use.
type PartReader struct {
	body     io.Reader
	bodyErr  error // what the body said together with bytes that we took
	digests  []Digest
	buffers  *Buffers
	part     Part
	head     [HeadSize]byte
	segments *segments
	index    int64 // of the next segment
	left     int64 // plain bytes still to be sealed
	crc      uint32
	ahead    []byte // what was read of the body; made when first needed
	quick    bool   // the body came in large pieces when it was last read
	plain    []byte // the end of it that waits to be sealed
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
	r := &PartReader{body: body, digests: o.Digests, buffers: o.Buffers, part: p, left: p.Size}
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

// Read gives the next sealed bytes. Where p holds whole segments they are sealed
// straight into it: one at least, and those behind it whose plain bytes have come
// already, so that Read waits for no more of the body than it must.
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
			n, err := r.sealInto(p)
			r.giveBack()
			return n, err
		}
		if err := r.fill(need); err != nil {
			r.giveBack()
			return 0, err
		}
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	r.giveBack()
	return n, nil
}

// WriteTo writes what is left of the sealed part to w, several segments at a
// time where the body is quick.
func (r *PartReader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	defer r.giveBack()
	for {
		if len(r.out) == 0 {
			if _, ok := r.nextLen(); !ok {
				break
			}
			if err := r.fill(int(min(r.worth(), r.Len()))); err != nil {
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
		r.giveBack()
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

// worth is how large buffers should be now, in bytes. A body that comes in small
// pieces gains nothing by more than a segment, and many of that kind are in
// flight at once.
func (r *PartReader) worth() int64 {
	if r.quick {
		return bufferSize
	}
	return SegmentSize
}

// fill seals into the reader's own buffer, of size bytes at least and a segment
// or so. It is taken when there is something to seal: a body that stands still
// does not hold it.
func (r *PartReader) fill(size int) error {
	need, _ := r.nextLen()
	if err := r.await(r.plainIn(need)); err != nil {
		r.err = fmt.Errorf("seal part %d: %w", r.part.Number, err)
		return r.err
	}
	if n := len(r.buf); n < size || n > max(size, SegmentSize) {
		r.buffers.give(r.buf)
		r.buf = r.buffers.take(size)
	}
	n, err := r.sealInto(r.buf)
	r.out = r.buf[:n]
	return err
}

// giveBack ends the use of a buffer that is empty, and of both when nothing will
// come of them any more.
func (r *PartReader) giveBack() {
	if len(r.out) == 0 {
		r.buffers.give(r.buf)
		r.buf, r.out = nil, nil
	}
	if _, more := r.nextLen(); !more {
		r.buffers.give(r.ahead)
		r.ahead, r.plain = nil, nil
	}
}

// plainIn is how many plain bytes the next segment holds, of need sealed ones.
func (r *PartReader) plainIn(need int) int {
	if r.index == 0 {
		need -= HeaderSize
	}
	return need - TagSize
}

// sealInto seals the next segment into dst, which has room for it, and those
// behind it that have come. An error after the first segment is for the next
// call. No plain byte ever lies in dst.
func (r *PartReader) sealInto(dst []byte) (int, error) {
	total := 0
	for {
		need, ok := r.nextLen()
		if !ok || need > len(dst)-total {
			return total, nil
		}
		size := r.plainIn(need)
		if total > 0 && len(r.plain) < size {
			return total, nil
		}
		if err := r.sealNext(dst[total:total+need:total+need], size); err != nil {
			r.err = fmt.Errorf("seal part %d: %w", r.part.Number, err)
			if total > 0 {
				return total, nil
			}
			return 0, r.err
		}
		total += need
	}
}

// sealNext seals the next segment, of size plain bytes; dst is exactly as long
// as it will be.
func (r *PartReader) sealNext(dst []byte, size int) error {
	if err := r.await(size); err != nil {
		return err
	}
	plain := r.plain[:size]
	if err := r.take(plain); err != nil {
		return err
	}
	if r.index == 0 {
		h := headerOf(r.head)
		dst = dst[copy(dst, h[:]):]
	}
	r.segments.sealTo(dst, r.index, r.left == 0, plain)
	r.plain = r.plain[size:]
	r.index++
	return nil
}

// await reads from the body until size plain bytes wait to be sealed. It takes
// more where more has come.
func (r *PartReader) await(size int) error {
	if len(r.plain) >= size {
		return nil
	}
	have := r.makeRoom()
	for have < size {
		room := r.ahead[have:min(int64(len(r.ahead)), r.left)]
		n, err := r.readBody(room)
		have += n
		r.quick = n >= max(SegmentSize, len(room))/2
		if have < size && err != nil {
			if err == io.EOF {
				return fmt.Errorf("%w: %d of %d bytes", ErrBodyShort, r.part.Size-r.left+int64(have), r.part.Size)
			}
			return fmt.Errorf("read the body: %w", err)
		}
	}
	r.plain = r.ahead[:have]
	return nil
}

// makeRoom puts what waits to be sealed at the beginning of a buffer that is as
// large as the body is worth, and tells how much that is.
func (r *PartReader) makeRoom() (have int) {
	room := r.ahead
	if size := int(min(r.worth(), r.part.Size)); len(room) != size {
		room = r.buffers.take(size)
	}
	have = copy(room, r.plain)
	if len(room) != len(r.ahead) {
		r.buffers.give(r.ahead)
	}
	r.ahead = room
	return have
}

// take counts and sums plain bytes and, where they complete the part, makes
// sure that the body is what was announced.
func (r *PartReader) take(plain []byte) error {
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
