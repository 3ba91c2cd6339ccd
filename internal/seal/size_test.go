package seal

import "testing"

func TestSealedLenIsWhatTheReaderGives(t *testing.T) {
	t.Parallel()
	for _, size := range boundaries() {
		p := Part{FileID: testID("file"), PartSize: 1 << 20, Number: 1, Last: true, Size: size}
		if got := int64(len(sealPart(t, testKey("file"), p, pattern(0, size), testHead("1")))); got != SealedLen(size) {
			t.Errorf("%d plain bytes: SealedLen %d, sealed to %d", size, SealedLen(size), got)
		}
	}
}

func TestSealedLenOfTheSpec(t *testing.T) {
	t.Parallel()
	for plain, want := range map[int64]int64{
		0: 56, 1: 57, 65480: 65536, 65481: 65481 + 40 + 32, 131000: 131072, 131001: 131001 + 40 + 48, 10 << 20: 10<<20 + 40 + 161*16,
	} {
		if got := SealedLen(plain); got != want {
			t.Errorf("SealedLen(%d) = %d, want %d", plain, got, want)
		}
	}
}

func TestPartSize(t *testing.T) {
	t.Parallel()
	const limit = MinPartSize * MaxParts
	for _, c := range []struct{ size, want int64 }{
		{0, MinPartSize}, {1, MinPartSize}, {limit, MinPartSize}, {limit + 1, 11 << 20},
		{11 * MaxParts << 20, 11 << 20}, {11*MaxParts<<20 + 1, 12 << 20}, {MaxFileSize, 525 << 20},
	} {
		got := PartSize(c.size)
		if got != c.want {
			t.Errorf("PartSize(%d) = %d, want %d", c.size, got, c.want)
		}
		if n := PartCount(c.size, got); n > MaxParts {
			t.Errorf("%d bytes: %d parts", c.size, n)
		}
	}
}

func TestPartCount(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		size, partSize int64
		want           int
	}{{0, MinPartSize, 0}, {0, 0, 0}, {1, 10, 1}, {10, 10, 1}, {11, 10, 2}, {MaxFileSize, 525 << 20, 9984}} {
		if got := PartCount(c.size, c.partSize); got != c.want {
			t.Errorf("PartCount(%d, %d) = %d, want %d", c.size, c.partSize, got, c.want)
		}
	}
}

func TestMaxFileSizeIsTheLargestWithin5TiB(t *testing.T) {
	t.Parallel()
	const limit = 5 << 40
	if got := SealedSize(MaxFileSize, PartSize(MaxFileSize)); got > limit {
		t.Errorf("largest file seals to %d, over 5 TiB", got)
	}
	if got := SealedSize(MaxFileSize+1, PartSize(MaxFileSize+1)); got <= limit {
		t.Errorf("one byte more seals to %d, still within 5 TiB", got)
	}
}

func TestSealedSizeIsTheSumOfTheParts(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{0, 1, 99, 100, 101, 250, 300} {
		o := sealFile(t, size, 100)
		if got := SealedSize(size, 100); got != int64(len(o.bytes)) {
			t.Errorf("SealedSize(%d, 100) = %d, want %d", size, got, len(o.bytes))
		}
	}
}

// Every plain byte must lie in exactly one span, and the spans must cover the
// object without a gap.
func TestLocateCoversTheFile(t *testing.T) {
	t.Parallel()
	for _, partSize := range []int64{1, 65480, 65481, 131000, 200000} {
		f := File{Size: min(400_001, 5*partSize-partSize/2), PartSize: partSize}
		var plain, sealed int64
		for plain < f.Size {
			s := f.locate(plain)
			if s.start != plain || s.sealedStart != sealed || f.locate(s.end-1) != s || s.end <= s.start {
				t.Fatalf("part size %d: at plain %d, sealed %d: %+v", partSize, plain, sealed, s)
			}
			plain, sealed = s.end, s.sealedEnd()
		}
		if plain != f.Size || sealed != SealedSize(f.Size, partSize) {
			t.Errorf("part size %d: spans end at %d, %d", partSize, plain, sealed)
		}
	}
}
