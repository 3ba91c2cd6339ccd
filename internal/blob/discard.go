package blob

import "io"

// OpenDiscard returns a store that reads what it is given, keeps only its size
// and gives back zeros: what is left when the cost of storing is taken away.
// For benchmarks.
func OpenDiscard() *Store {
	return newMem(MemOptions{}, func(b *body) (content, error) {
		buf := make([]byte, 64<<10)
		err := b.copyTo(struct{ io.Writer }{io.Discard}, buf)
		return content{size: b.size}, err
	})
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
