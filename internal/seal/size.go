package seal

// Sizes of the format, in bytes unless said otherwise. SPEC.md has the same
// table.
const (
	// SegmentSize is the length of a sealed segment; the last one of a part may be shorter.
	SegmentSize = 64 << 10
	// TagSize is what authentication adds to each segment.
	TagSize = 16
	// HeaderSize is the length of the header at the start of a sealed part.
	HeaderSize = 40
	// HeadSize is the length of the header without its first byte: salt ‖ prefix.
	HeadSize = saltSize + prefixSize

	// MinPartSize is the smallest part size that PartSize gives.
	MinPartSize = 10 << 20
	// MaxParts is the largest number of parts of a file, which is that of a multipart upload.
	MaxParts = 10000
	// MaxFileSize is the largest file whose sealed object is no larger than 5 TiB.
	MaxFileSize int64 = 5496215410832

	saltSize   = 32
	prefixSize = 7

	// segmentPlain is the number of plain bytes in a full segment. The
	// header counts as part of the first segment, which holds that much less.
	segmentPlain = SegmentSize - TagSize

	// bufferSize is what is read of a quick body at once, and sealed: enough
	// that it is worth its system calls.
	bufferSize = 4 * SegmentSize

	mebibyte = 1 << 20
)

// PartSize returns the part size in bytes for a file of size bytes: the
// larger of 10 MiB and size / MaxParts rounded up to a whole MiB. So no file
// up to MaxFileSize has more than MaxParts parts.
func PartSize(size int64) int64 {
	return max(MinPartSize, ceilDiv(size, MaxParts*mebibyte)*mebibyte)
}

// PartCount returns how many parts a file of size bytes has, 0 for an empty
// one. For any other partSize must be above 0.
func PartCount(size, partSize int64) int {
	if size <= 0 {
		return 0
	}
	return int(ceilDiv(size, partSize))
}

// SealedLen returns the sealed length in bytes of one part of plain bytes.
func SealedLen(plain int64) int64 {
	return HeaderSize + plain + TagSize*segmentCount(plain)
}

// SealedSize returns the length in bytes of the whole sealed object of a file
// of size bytes, 0 for an empty one.
func SealedSize(size, partSize int64) int64 {
	n := int64(PartCount(size, partSize))
	if n == 0 {
		return 0
	}
	return (n-1)*SealedLen(partSize) + SealedLen(size-(n-1)*partSize)
}

// segmentCount returns how many segments a part of plain bytes has: at least
// one, and never an empty one behind a full one.
func segmentCount(plain int64) int64 {
	return ceilDiv(plain+HeaderSize, segmentPlain)
}

// ceilDiv returns a / b rounded up, for a >= 0 and b > 0, without overflow.
func ceilDiv(a, b int64) int64 {
	n := a / b
	if a%b != 0 {
		n++
	}
	return n
}
