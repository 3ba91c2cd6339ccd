package seal

import (
	"hash/crc32"
	"testing"
)

func TestCombineCRC32(t *testing.T) {
	t.Parallel()
	data := pattern(3, 100_000)
	whole := crc32.ChecksumIEEE(data)
	for _, at := range []int{0, 1, 2, 3, 255, 256, 65_535, 65_536, 99_999, 100_000} {
		got := CombineCRC32(crc32.ChecksumIEEE(data[:at]), crc32.ChecksumIEEE(data[at:]), int64(len(data)-at))
		if got != whole {
			t.Errorf("cut at %d: %08x, want %08x", at, got, whole)
		}
	}
}

// Lengths that no test can hash: combining is associative, so a doubling of
// zeros must give the same whichever way it is put together.
func TestCombineCRC32OfLargeLengths(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	crc, size := crc32.ChecksumIEEE(make([]byte, mib)), int64(mib)
	quarter := crc
	for size < MaxFileSize {
		left := CombineCRC32(CombineCRC32(crc, crc, size), quarter, mib)
		right := CombineCRC32(crc, CombineCRC32(crc, quarter, mib), size+mib)
		if left != right {
			t.Fatalf("%d bytes: %08x and %08x", 2*size+mib, left, right)
		}
		crc, size = CombineCRC32(crc, crc, size), 2*size
	}
}
