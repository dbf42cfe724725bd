package s3

// A CRC is linear: appending len2 zero bytes to a message multiplies its CRC
// register by x^(8·len2) in GF(2)[x] modulo the polynomial, and the CRC of
// A‖B is that of A shifted by |B|, plus (xor) that of B. So the checksum of a
// whole object follows from those of its parts without reading it again, which
// is what the checksum type FULL_OBJECT asks for.
//
// Source: M. Adler, crc32_combine of zlib; here for any reflected polynomial of
// up to 64 bits, with the conditioning (initial and final complement) that all
// three CRCs of S3 share and that cancels out in the combination.

// reflectedCRC is a CRC whose bits are reflected, with its polynomial in
// reflected form (without the leading term).
type reflectedCRC struct {
	poly uint64
	bits int
}

var (
	crc32IEEE = reflectedCRC{0xEDB88320, 32}
	crc32C    = reflectedCRC{0x82F63B78, 32}         // Castagnoli
	crc64NVME = reflectedCRC{0x9A6C9329AC4BC9B5, 64} // NVM Express NVM Command Set 1.0d, 5.2.1.3.4
)

// combine returns the CRC of A‖B, given those of A and of B and the length of
// B in bytes.
func (c reflectedCRC) combine(crcA, crcB uint64, lenB int64) uint64 {
	return c.multiply(c.power(uint64(lenB)), crcA) ^ crcB
}

// multiply returns a·b modulo the polynomial. In reflected form the top bit of
// the register is the coefficient of x^0.
func (c reflectedCRC) multiply(a, b uint64) uint64 {
	var product uint64
	for top := uint64(1) << (c.bits - 1); a != 0; a = a << 1 & c.mask() {
		if a&top != 0 {
			product ^= b
		}
		// b times x
		if b&1 != 0 {
			b = b>>1 ^ c.poly
		} else {
			b >>= 1
		}
	}
	return product
}

// power returns x^(8n) modulo the polynomial, by squaring.
func (c reflectedCRC) power(n uint64) uint64 {
	result := uint64(1) << (c.bits - 1) // x^0
	square := result >> 8               // x^8
	for ; n != 0; n >>= 1 {
		if n&1 != 0 {
			result = c.multiply(square, result)
		}
		square = c.multiply(square, square)
	}
	return result
}

func (c reflectedCRC) mask() uint64 { return ^uint64(0) >> (64 - c.bits) }
