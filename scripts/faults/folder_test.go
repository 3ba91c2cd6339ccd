package faults_test

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// folderSums are the SHA-256 of every file below a folder, by path with slashes.
type folderSums map[string][sha256.Size]byte

// makeFolder writes what a photographer sends, so many bytes in so many files:
// nested folders, names in several scripts, empty files, most files small and a
// few large. All of it follows from the seed.
func makeFolder(root string, seed uint64, files int, bytes int64) (folderSums, error) {
	random := rand.New(rand.NewPCG(seed, 50))
	sums := folderSums{}
	for i, size := range spread(random, files, bytes) {
		if i%200 == 7 {
			size = 0
		}
		name := filepath.Join(root, folderName(i), fmt.Sprintf(fileNames()[i%len(fileNames())], i))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return nil, err
		}
		sum, err := makeFile(name, newMaker(seed, uint64(1_000_000+i), size), size)
		if err != nil {
			return nil, err
		}
		below, err := filepath.Rel(root, name)
		if err != nil {
			return nil, err
		}
		sums[filepath.ToSlash(below)] = sum
	}
	return sums, nil
}

func folderName(i int) string {
	return []string{
		"Card A", "Card A/DCIM/100MSDCF", "Card B", "Müller & Söhne, Trauung", "शादी/संगीत", "写真/家族", "e\u0301te\u0301 2026", "a/b/c/d/e/f/g/h",
		".",
	}[i%9]
}

func fileNames() []string {
	return []string{
		"DSC_%05d.NEF", "DSC_%05d.JPG", "Straße %d (final).tif", "_MG_%d.CR3", "%d 📷.jpg", "दूल्हा-%d.jpg", "nai\u0308ve %d", ".hidden-%d",
		"it's %d & all.mov", "%d",
	}
}

func makeFile(name string, m maker, size int64) (sum [sha256.Size]byte, err error) {
	f, err := os.Create(name)
	if err != nil {
		return sum, err
	}
	out, h := bufio.NewWriterSize(f, 1<<20), sha256.New()
	_, err = io.CopyBuffer(io.MultiWriter(out, h), struct{ io.Reader }{m.bytes(0, 0, size)}, make([]byte, 256<<10))
	return finalSum(h), errors.Join(err, out.Flush(), f.Close())
}

func finalSum(h hash.Hash) (sum [sha256.Size]byte) {
	h.Sum(sum[:0])
	return sum
}

// differ gives what of a folder is not what it should be, named.
func (want folderSums) differ(root string) (found []string, err error) {
	seen := 0
	buf := make([]byte, 256<<10)
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		below, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		sum, ok := want[filepath.ToSlash(below)]
		if !ok {
			found = append(found, fmt.Sprintf("%q was never sent", below))
			return nil
		}
		seen++
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		h := sha256.New()
		_, err = io.CopyBuffer(h, struct{ io.Reader }{f}, buf)
		if got := finalSum(h); got != sum {
			found = append(found, fmt.Sprintf("%q has SHA-256 %x, was sent with %x", below, got, sum))
		}
		return errors.Join(err, f.Close())
	})
	if missing := len(want) - seen; missing > 0 {
		found = append(found, fmt.Sprintf("%d files are missing", missing))
	}
	return found, err
}
