package sse

import (
	"math"

	"github.com/strongroom/strongroom/internal/hsm"
)

// A stored part is its part record, then its plaintext in chunks of ChunkSize
// bytes, each sealed. The last chunk is shorter, or as long; it is empty only
// when the part is, so that every part has a last chunk.
//
//	offset                    size             content
//	0                         52               part record
//	52 + i·(ChunkSize+28)     28 + chunk size  chunk i
//
// Sizes and ranges are therefore arithmetic.

// ChunkSize is the size in bytes of a chunk's plaintext.
const ChunkSize = 65536

const sealedChunkSize = ChunkSize + hsm.ChunkOverhead

// MaxPlainSize is the longest plaintext of one part, in bytes, whose stored
// size is a number: far above what S3 allows.
const MaxPlainSize = math.MaxInt64 / 2

// chunks returns how many chunks hold plain bytes; 0 ≤ plain ≤ MaxPlainSize.
func chunks(plain int64) int64 { return max(1, (plain+ChunkSize-1)/ChunkSize) }

// StoredSize returns the stored size in bytes of a part with plain bytes of
// plaintext. It panics unless 0 ≤ plain ≤ MaxPlainSize.
func StoredSize(plain int64) int64 {
	if plain < 0 || plain > MaxPlainSize {
		panic("sse: plaintext size out of range")
	}
	return hsm.PartRecordSize + plain + hsm.ChunkOverhead*chunks(plain)
}

// PlainSize is the inverse of StoredSize: it reports false for a number that
// is no part's stored size.
func PlainSize(stored int64) (plain int64, ok bool) {
	sealed := stored - hsm.PartRecordSize
	if sealed < hsm.ChunkOverhead || stored > StoredSize(MaxPlainSize) {
		return 0, false
	}
	n := (sealed + sealedChunkSize - 1) / sealedChunkSize
	plain = sealed - n*hsm.ChunkOverhead
	if plain < 0 || StoredSize(plain) != stored {
		return 0, false
	}
	return plain, true
}
