package seal

import "sync"

// Buffers is working memory that one PartReader leaves to the next, so that
// parts make no garbage. The zero value is ready; it may be used by many at
// once. What is in it is gone when nobody needs it for a while.
type Buffers struct {
	small sync.Pool // of *[SegmentSize]byte
	large sync.Pool // of *[bufferSize]byte
}

// take gives size bytes with anything in them. What is of neither size that is
// kept is made to measure.
func (b *Buffers) take(size int) []byte {
	if b == nil {
		return make([]byte, size)
	}
	switch size {
	case SegmentSize:
		if p, ok := b.small.Get().(*[SegmentSize]byte); ok {
			return p[:]
		}
	case bufferSize:
		if p, ok := b.large.Get().(*[bufferSize]byte); ok {
			return p[:]
		}
	}
	return make([]byte, size)
}

// give takes back what take gave.
func (b *Buffers) give(p []byte) {
	if b == nil {
		return
	}
	switch len(p) {
	case SegmentSize:
		b.small.Put((*[SegmentSize]byte)(p))
	case bufferSize:
		b.large.Put((*[bufferSize]byte)(p))
	}
}
