package seal

import "fmt"

// File is what must be known of a file to seal and open it. Offsets into its
// plain bytes and into its sealed object follow from it alone.
type File struct {
	ID       [16]byte
	Size     int64 // plain bytes
	PartSize int64 // plain bytes in every part but the last
}

// Part returns part n, from 1 to PartCount.
func (f File) Part(n int) Part {
	count := PartCount(f.Size, f.PartSize)
	p := Part{FileID: f.ID, PartSize: f.PartSize, Number: n, Last: n == count, Size: f.PartSize}
	if p.Last {
		p.Size = f.Size - int64(count-1)*f.PartSize
	}
	return p
}

// check refuses a file whose parts could not be computed.
func (f File) check() error {
	switch {
	case f.Size < 0:
		return fmt.Errorf("file size %d is negative: %w", f.Size, ErrInvalid)
	case f.Size == 0:
		return nil
	case f.PartSize < 1:
		return fmt.Errorf("part size %d is below 1: %w", f.PartSize, ErrInvalid)
	case ceilDiv(f.Size, f.PartSize) > MaxParts:
		return fmt.Errorf("file of %d bytes has more than %d parts of %d: %w", f.Size, MaxParts, f.PartSize, ErrInvalid)
	}
	return f.Part(1).check()
}

// span is one segment of a file: where it lies among the plain bytes and in
// the sealed object. The header of a part belongs to the span of its first
// segment.
type span struct {
	part        int
	index       int64 // of the segment, within the part
	last        bool  // the part's last segment
	start, end  int64 // plain bytes of the file
	sealedStart int64 // in the object
	sealedLen   int
}

// contains reports whether the plain byte at off is in the span.
func (s span) contains(off int64) bool { return off >= s.start && off < s.end }

// locate returns the span of the plain byte at off, which must be in the file.
func (f File) locate(off int64) span {
	part := off / f.PartSize
	partStart := part * f.PartSize
	size := min(f.PartSize, f.Size-partStart)
	index := (off - partStart + HeaderSize) / segmentPlain
	from := max(0, index*segmentPlain-HeaderSize)
	to := min(size, (index+1)*segmentPlain-HeaderSize)
	s := span{
		part:        int(part) + 1,
		index:       index,
		last:        to == size,
		start:       partStart + from,
		end:         partStart + to,
		sealedStart: f.partOffset(int(part)+1) + index*SegmentSize,
		sealedLen:   int(to-from) + TagSize,
	}
	if index == 0 {
		s.sealedLen += HeaderSize
	}
	return s
}

// sealedEnd returns where the span ends in the object.
func (s span) sealedEnd() int64 { return s.sealedStart + int64(s.sealedLen) }

// partOffset returns where part n begins in the sealed object.
func (f File) partOffset(n int) int64 { return int64(n-1) * SealedLen(f.PartSize) }
