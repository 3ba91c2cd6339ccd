package archive

import (
	"encoding/binary"
	"time"
)

// What stands in a field of 16 or 32 bits when the value is in a zip64 field.
const (
	max16 = 0xFFFF
	max32 = 0xFFFFFFFF
)

// Values of APPNOTE.TXT 4.4 that every archive of ours has.
const (
	localSignature   = 0x04034b50
	centralSignature = 0x02014b50
	end64Signature   = 0x06064b50
	locatorSignature = 0x07064b50
	endSignature     = 0x06054b50

	madeBy       = 3<<8 | 45 // Unix, and the newest version that any entry needs
	needsStored  = 10
	needsZip64   = 45
	utf8Names    = 1 << 11
	regular0644  = 0o100644 << 16
	zip64ID      = 0x0001
	timestampID  = 0x5455
	modifiedOnly = 1 // of the three times that a timestamp can hold
)

// Lengths of the fixed parts.
const (
	localFixed     = 30
	centralFixed   = 46
	timestampLen   = 9
	zip64Head      = 4
	end64Len       = 56
	locatorLen     = 20
	endLen         = 22
	end64Remaining = end64Len - 12 // what end64's own length field counts
)

// header is all that the two headers of an entry are made from.
type header struct {
	name     string
	size     int64
	crc32    uint32
	modified time.Time
	offset   int64 // of the local header
}

func (h *header) isLarge() bool { return h.size >= max32 }
func (h *header) isFar() bool   { return h.offset >= max32 }

// hasTimestamp tells whether all readers agree on the time's 32 bits.
func (h *header) hasTimestamp() bool {
	unix := h.modified.Unix()
	return unix >= 0 && unix <= 1<<31-1
}

// localExtra and centralExtra are the lengths of the extra fields.
func (h *header) localExtra() int64 {
	var n int64
	if h.hasTimestamp() {
		n += timestampLen
	}
	if h.isLarge() {
		n += zip64Head + 16
	}
	return n
}

func (h *header) centralExtra() int64 {
	n := h.localExtra()
	if h.isFar() {
		if !h.isLarge() {
			n += zip64Head
		}
		n += 8
	}
	return n
}

func (h *header) localLen() int64   { return localFixed + int64(len(h.name)) + h.localExtra() }
func (h *header) centralLen() int64 { return centralFixed + int64(len(h.name)) + h.centralExtra() }

// appendLocal appends the local header.
func (h *header) appendLocal(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(b, localSignature)
	b = le.AppendUint16(b, h.needs(h.isLarge()))
	b = h.appendShared(b)
	b = le.AppendUint16(b, uint16(h.localExtra()))
	b = append(b, h.name...)
	b = h.appendTimestamp(b)
	if h.isLarge() {
		b = le.AppendUint16(b, zip64ID)
		b = le.AppendUint16(b, 16)
		b = le.AppendUint64(b, uint64(h.size))
		b = le.AppendUint64(b, uint64(h.size))
	}
	return b
}

// appendCentral appends the record of the central directory.
func (h *header) appendCentral(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(b, centralSignature)
	b = le.AppendUint16(b, madeBy)
	b = le.AppendUint16(b, h.needs(h.isLarge() || h.isFar()))
	b = h.appendShared(b)
	b = le.AppendUint16(b, uint16(h.centralExtra()))
	b = le.AppendUint16(b, 0) // comment
	b = le.AppendUint16(b, 0) // disk
	b = le.AppendUint16(b, 0) // internal attributes
	b = le.AppendUint32(b, regular0644)
	b = le.AppendUint32(b, capped(h.offset))
	b = append(b, h.name...)
	b = h.appendTimestamp(b)
	return h.appendCentral64(b)
}

// appendShared appends the fields from the flags to the name's length, which
// both headers have.
func (h *header) appendShared(b []byte) []byte {
	le := binary.LittleEndian
	clock, date := dosTime(h.modified)
	b = le.AppendUint16(b, utf8Names)
	b = le.AppendUint16(b, 0) // stored
	b = le.AppendUint16(b, clock)
	b = le.AppendUint16(b, date)
	b = le.AppendUint32(b, h.crc32)
	b = le.AppendUint32(b, capped(h.size)) // compressed
	b = le.AppendUint32(b, capped(h.size))
	return le.AppendUint16(b, uint16(len(h.name)))
}

func (h *header) appendTimestamp(b []byte) []byte {
	if !h.hasTimestamp() {
		return b
	}
	le := binary.LittleEndian
	b = le.AppendUint16(b, timestampID)
	b = le.AppendUint16(b, timestampLen-4)
	b = append(b, modifiedOnly)
	return le.AppendUint32(b, uint32(h.modified.Unix()))
}

// appendCentral64 appends those of the zip64 fields that did not fit before, in
// the order of APPNOTE.TXT 4.5.3.
func (h *header) appendCentral64(b []byte) []byte {
	if !h.isLarge() && !h.isFar() {
		return b
	}
	le := binary.LittleEndian
	b = le.AppendUint16(b, zip64ID)
	length := len(b)
	b = le.AppendUint16(b, 0)
	if h.isLarge() {
		b = le.AppendUint64(b, uint64(h.size))
		b = le.AppendUint64(b, uint64(h.size))
	}
	if h.isFar() {
		b = le.AppendUint64(b, uint64(h.offset))
	}
	le.PutUint16(b[length:], uint16(len(b)-length-2))
	return b
}

func (h *header) needs(zip64 bool) uint16 {
	if zip64 {
		return needsZip64
	}
	return needsStored
}

// endRecords returns what closes an archive of count files, whose directory of
// size bytes begins at offset.
func endRecords(count, size, offset int64) []byte {
	le := binary.LittleEndian
	var b []byte
	if count >= max16 || size >= max32 || offset >= max32 {
		b = le.AppendUint32(b, end64Signature)
		b = le.AppendUint64(b, end64Remaining)
		b = le.AppendUint16(b, madeBy)
		b = le.AppendUint16(b, needsZip64)
		b = le.AppendUint64(b, 0) // this disk, and the directory's
		b = le.AppendUint64(b, uint64(count))
		b = le.AppendUint64(b, uint64(count))
		b = le.AppendUint64(b, uint64(size))
		b = le.AppendUint64(b, uint64(offset))
		b = le.AppendUint32(b, locatorSignature)
		b = le.AppendUint32(b, 0)
		b = le.AppendUint64(b, uint64(offset+size))
		b = le.AppendUint32(b, 1) // disks in all
	}
	b = le.AppendUint32(b, endSignature)
	b = le.AppendUint32(b, 0) // this disk, and the directory's
	b = le.AppendUint16(b, uint16(min(count, max16)))
	b = le.AppendUint16(b, uint16(min(count, max16)))
	b = le.AppendUint32(b, capped(size))
	b = le.AppendUint32(b, capped(offset))
	return le.AppendUint16(b, 0) // comment
}

func capped(n int64) uint32 { return uint32(min(n, max32)) }

// dosTime returns t in UTC as a ZIP holds it, rounded down to two seconds, or
// the first or last time that it can hold.
func dosTime(t time.Time) (clock, date uint16) {
	t = t.UTC()
	switch {
	case t.Year() < 1980:
		t = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
	case t.Year() > 2107:
		t = time.Date(2107, 12, 31, 23, 59, 58, 0, time.UTC)
	}
	clock = uint16(t.Hour()<<11 | t.Minute()<<5 | t.Second()/2)
	date = uint16((t.Year()-1980)<<9 | int(t.Month())<<5 | t.Day())
	return clock, date
}
