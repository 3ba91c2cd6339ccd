package config

import (
	"errors"
	"math/big"
	"strconv"
	"strings"
)

// ByteSize is a number of bytes.
type ByteSize int64

// The binary units.
const (
	KiB ByteSize = 1 << 10
	MiB ByteSize = 1 << 20
	GiB ByteSize = 1 << 30
	TiB ByteSize = 1 << 40
)

var errSize = errors.New("it is not a size: give bytes, or a number with KB, MB, GB, TB, KiB, MiB, GiB or TiB")

// sizeUnit returns the bytes of a unit in lower case, and 0 for what is none. K, M and G alone are none: whether
// they mean thousands or 1,024s is a guess.
func sizeUnit(name string) int64 {
	switch name {
	case "", "b":
		return 1
	case "kb":
		return 1e3
	case "mb":
		return 1e6
	case "gb":
		return 1e9
	case "tb":
		return 1e12
	case "kib":
		return int64(KiB)
	case "mib":
		return int64(MiB)
	case "gib":
		return int64(GiB)
	case "tib":
		return int64(TiB)
	}
	return 0
}

// ParseByteSize reads 25GiB, 1.5 GB, 10mb or plain bytes. Fractions of a byte are dropped. Anything else, a
// negative number, or one above 2^63-1 bytes, is an error.
func ParseByteSize(text string) (ByteSize, error) {
	text = strings.TrimSpace(text)
	end := strings.IndexFunc(text, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end < 0 {
		end = len(text)
	}
	number, unit := text[:end], sizeUnit(strings.ToLower(strings.TrimSpace(text[end:])))
	// Twenty digits hold every valid number; the bound keeps the arithmetic small whatever is given.
	if unit == 0 || number == "" || len(number) > 20 || number[0] == '.' || number[len(number)-1] == '.' {
		return 0, errSize
	}
	value, ok := new(big.Rat).SetString(number)
	if !ok {
		return 0, errSize
	}
	value.Mul(value, new(big.Rat).SetInt64(unit))
	whole := new(big.Int).Quo(value.Num(), value.Denom())
	if !whole.IsInt64() {
		return 0, errSize
	}
	return ByteSize(whole.Int64()), nil
}

// String writes the size in the largest unit that divides it, so that ParseByteSize gives it back exactly.
func (s ByteSize) String() string {
	for _, unit := range []string{"TiB", "GiB", "MiB", "KiB", "TB", "GB", "MB", "KB"} {
		if bytes := ByteSize(sizeUnit(strings.ToLower(unit))); s != 0 && s%bytes == 0 {
			return strconv.FormatInt(int64(s/bytes), 10) + unit
		}
	}
	return strconv.FormatInt(int64(s), 10)
}
