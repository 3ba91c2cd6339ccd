package seal

import "sync"

// Buffers is working memory that one PartReader leaves to the next, so that
// parts make no garbage. The zero value is ready; it may be used by many at
// once. What is in it is gone when nobody needs it for a while.
type Buffers struct {
	pool sync.Pool // of *[bufferSize]byte
}

// take gives size bytes, at most bufferSize, with anything in them. Small ones
// are made to measure.
func (b *Buffers) take(size int) []byte {
	if b == nil || size < bufferSize {
		return make([]byte, size)
	}
	if p, ok := b.pool.Get().(*[bufferSize]byte); ok {
		return p[:]
	}
	return make([]byte, bufferSize)
}

// give takes back what take gave.
func (b *Buffers) give(p []byte) {
	if b != nil && len(p) == bufferSize {
		b.pool.Put((*[bufferSize]byte)(p))
	}
}
