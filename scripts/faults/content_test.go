package faults_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
)

// maker makes the bytes of a file from a seed, at any offset, so that no file
// has to be kept to be compared: the key stream of AES in counter mode.
type maker struct {
	block cipher.Block
	size  int64
}

func newMaker(run, file uint64, size int64) maker {
	var key [16]byte
	binary.BigEndian.PutUint64(key[:8], run)
	binary.BigEndian.PutUint64(key[8:], file)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has a length that AES knows
	}
	return maker{block, size}
}

// bytes reads n bytes from off. Of another variant, one below 256, every byte is
// another one.
func (m maker) bytes(variant uint64, off, n int64) io.Reader {
	var iv [aes.BlockSize]byte
	binary.BigEndian.PutUint64(iv[8:], uint64(off/aes.BlockSize))
	s := cipher.NewCTR(m.block, iv[:])
	var skip [aes.BlockSize]byte
	s.XORKeyStream(skip[:off%aes.BlockSize], skip[:off%aes.BlockSize])
	return &keyStream{s, n, byte(variant)}
}

type keyStream struct {
	stream  cipher.Stream
	left    int64
	variant byte
}

func (k *keyStream) Read(p []byte) (int, error) {
	if k.left == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), k.left)]
	for i := range p {
		p[i] = k.variant
	}
	k.stream.XORKeyStream(p, p)
	k.left -= int64(len(p))
	return len(p), nil
}

// file is what a guest sends under one path.
type file struct {
	maker
	path  string
	twice map[int]bool // parts for which two bodies are sent at once

	id       string
	partSize int64
	parts    int
}

// part is one part of a file in one of its variants.
func (f *file) part(n int, variant uint64) io.Reader {
	return f.bytes(variant, int64(n-1)*f.partSize, f.partLen(n))
}

func (f *file) partLen(n int) int64 {
	return min(f.partSize, f.size-int64(n-1)*f.partSize)
}

func (f *file) partCRC(n int, variant uint64) string {
	sum := crc32.NewIEEE()
	drain(sum, f.part(n, variant))
	return fmt.Sprintf("%08x", sum.Sum32())
}

// digest is the SHA-256 of the whole, with the given variant of each part that
// has two; a part that is not named is as it was first made.
func (f *file) digest(variants map[int]uint64) [sha256.Size]byte {
	sum := sha256.New()
	if len(f.twice) == 0 {
		drain(sum, f.bytes(0, 0, f.size))
	} else {
		for n := 1; n <= f.parts; n++ {
			drain(sum, f.part(n, variants[n]))
		}
	}
	return [sha256.Size]byte(sum.Sum(nil))
}

// drain copies from a source that cannot fail.
func drain(to hash.Hash, from io.Reader) {
	if _, err := io.CopyBuffer(struct{ io.Writer }{to}, from, make([]byte, 128<<10)); err != nil {
		panic(err)
	}
}
