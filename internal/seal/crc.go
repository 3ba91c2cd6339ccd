package seal

// CombineCRC32 returns the CRC-32 (IEEE) of two pieces of data put together,
// from that of each and the length in bytes of the second, without the data.
// The method is that of zlib's crc32_combine (zlib 1.2.12 and later, crc32.c,
// multmodp and x2nmodp): appending len2 bytes multiplies the first CRC by
// x^(8·len2) modulo the CRC's polynomial.
func CombineCRC32(crc1, crc2 uint32, len2 int64) uint32 {
	const one, x8 = 1 << 31, 1 << 23 // bit 31 is x^0
	shift, square := uint32(one), uint32(x8)
	for n := len2; n > 0; n >>= 1 {
		if n&1 == 1 {
			shift = multiplyCRC(square, shift)
		}
		square = multiplyCRC(square, square)
	}
	return multiplyCRC(shift, crc1) ^ crc2
}

// multiplyCRC returns a·b modulo the CRC's polynomial, bits reflected.
func multiplyCRC(a, b uint32) uint32 {
	const polynomial = 0xedb88320
	var product uint32
	for bit := uint32(1 << 31); bit != 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		if b&1 == 1 {
			b = b>>1 ^ polynomial
		} else {
			b >>= 1
		}
	}
	return product
}
