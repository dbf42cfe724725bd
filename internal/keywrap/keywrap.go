// Package keywrap wraps keys with AES: the key wrap of RFC 3394 (KW of NIST SP
// 800-38F) and the one with padding of RFC 5649 (KWP).
//
// Both are deterministic, and both authenticate: what was changed, or was wrapped
// under another key, does not unwrap.
package keywrap

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"math"
)

// ErrUnwrap says that bytes were not wrapped under the key, were changed, or
// have a length that nothing wrapped has. Which, nobody can tell.
var ErrUnwrap = errors.New("keywrap: wrapped key does not authenticate")

// errSize says that a key cannot be wrapped.
var errSize = errors.New("keywrap: size of the key to be wrapped is out of range")

// semiblock is the unit of the algorithm, half a block of AES, in bytes.
const semiblock = 8

// iv is the initial value of RFC 3394, section 2.2.3.1.
const iv = 0xA6A6A6A6A6A6A6A6

// padIV is the constant half of the alternative initial value of RFC 5649,
// section 3; the other half is the length of the key in bytes.
const padIV = 0xA65959A6

// Wrap wraps a key of 16 bytes or more, a multiple of 8, under kek, an AES key of
// 16, 24 or 32 bytes (RFC 3394, section 2.2.1). The result is 8 bytes longer.
func Wrap(kek, key []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	if len(key) < 2*semiblock || len(key)%semiblock != 0 {
		return nil, errSize
	}
	return wrap(block, iv, key), nil
}

// Unwrap is the inverse of [Wrap] (RFC 3394, section 2.2.2). The caller clears
// the result. The error is ErrUnwrap, or that of a kek of a wrong size.
func Unwrap(kek, wrapped []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	if len(wrapped) < 3*semiblock || len(wrapped)%semiblock != 0 {
		return nil, ErrUnwrap
	}
	a, key := unwrap(block, wrapped)
	var got, want [semiblock]byte
	binary.BigEndian.PutUint64(got[:], a)
	binary.BigEndian.PutUint64(want[:], iv)
	if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		clear(key)
		return nil, ErrUnwrap
	}
	return key, nil
}

// WrapPad wraps a key of any length from 1 byte under kek, an AES key of 16, 24 or
// 32 bytes (RFC 5649, section 4.1). The result is the next multiple of 8, and 8
// bytes.
func WrapPad(kek, key []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	if len(key) == 0 || len(key) > math.MaxInt32 {
		return nil, errSize
	}
	a := uint64(padIV)<<32 | uint64(len(key))
	padded := make([]byte, (len(key)+semiblock-1)/semiblock*semiblock)
	defer clear(padded)
	copy(padded, key)
	if len(padded) == semiblock {
		var b [aes.BlockSize]byte
		binary.BigEndian.PutUint64(b[:], a)
		copy(b[semiblock:], padded)
		block.Encrypt(b[:], b[:])
		return b[:], nil
	}
	return wrap(block, a, padded), nil
}

// UnwrapPad is the inverse of [WrapPad] (RFC 5649, section 4.2). The caller
// clears the result. The error is ErrUnwrap, or that of a kek of a wrong size.
func UnwrapPad(kek, wrapped []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	if len(wrapped) < 2*semiblock || len(wrapped)%semiblock != 0 || len(wrapped) > math.MaxInt32 {
		return nil, ErrUnwrap
	}
	var a uint64
	var padded []byte
	if len(wrapped) == aes.BlockSize {
		var b [aes.BlockSize]byte
		block.Decrypt(b[:], wrapped)
		a, padded = binary.BigEndian.Uint64(b[:]), append([]byte(nil), b[semiblock:]...)
		clear(b[:])
	} else {
		a, padded = unwrap(block, wrapped)
	}
	// All three of section 3: the constant, a length that fits, zeros behind it.
	n := int(uint32(a))
	good := subtle.ConstantTimeEq(int32(a>>32), padIVSigned)
	good &= 1 ^ int(a>>31&1) // crypto/subtle compares what is below 2^31
	good &= subtle.ConstantTimeLessOrEq(n, len(padded)) & subtle.ConstantTimeLessOrEq(len(padded)-semiblock+1, n)
	var rest byte
	for i := len(padded) - semiblock; i < len(padded); i++ {
		behind := subtle.ConstantTimeLessOrEq(n, i)
		rest |= byte(subtle.ConstantTimeSelect(behind, int(padded[i]), 0))
	}
	good &= subtle.ConstantTimeByteEq(rest, 0)
	if good != 1 {
		clear(padded)
		return nil, ErrUnwrap
	}
	return padded[:n], nil
}

// padIVSigned is padIV for crypto/subtle, which compares signed numbers.
const padIVSigned = padIV - 1<<32

// wrap is the process W of RFC 3394, section 2.2.1, by shifts, in place.
func wrap(block cipher.Block, a uint64, key []byte) []byte {
	out := make([]byte, semiblock+len(key))
	r := out[semiblock:]
	copy(r, key)
	n := len(key) / semiblock
	var b [aes.BlockSize]byte
	defer clear(b[:])
	for j := range 6 {
		for i := range n {
			ri := r[i*semiblock : (i+1)*semiblock]
			binary.BigEndian.PutUint64(b[:], a)
			copy(b[semiblock:], ri)
			block.Encrypt(b[:], b[:])
			a = binary.BigEndian.Uint64(b[:]) ^ uint64(n*j+i+1)
			copy(ri, b[semiblock:])
		}
	}
	binary.BigEndian.PutUint64(out, a)
	return out
}

// unwrap is the inverse of wrap. It returns the initial value too, which the
// caller compares.
func unwrap(block cipher.Block, wrapped []byte) (a uint64, key []byte) {
	a = binary.BigEndian.Uint64(wrapped)
	key = append([]byte(nil), wrapped[semiblock:]...)
	n := len(key) / semiblock
	var b [aes.BlockSize]byte
	defer clear(b[:])
	for j := 5; j >= 0; j-- {
		for i := n - 1; i >= 0; i-- {
			ri := key[i*semiblock : (i+1)*semiblock]
			binary.BigEndian.PutUint64(b[:], a^uint64(n*j+i+1))
			copy(b[semiblock:], ri)
			block.Decrypt(b[:], b[:])
			a = binary.BigEndian.Uint64(b[:])
			copy(ri, b[semiblock:])
		}
	}
	return a, key
}
