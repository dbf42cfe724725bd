package sse

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"io"
	"testing"
	"time"
)

const benchSize = 64 << 20

// compare runs raw and ours in turns and reports how fast ours is against raw,
// each by its best run: a busy machine slows both.
func compare(b *testing.B, raw, ours func()) {
	best := func(before time.Duration, f func()) time.Duration {
		start := time.Now()
		f()
		if d := time.Since(start); before == 0 || d < before {
			return d
		}
		return before
	}
	var r, o time.Duration
	for b.Loop() {
		r, o = best(r, raw), best(o, ours)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(r)/float64(o), "ours/raw")
	b.ReportMetric(benchSize/1e9/o.Seconds(), "GB/s")
}

// BenchmarkPart compares a part of 64 MiB with AES-256-GCM of the same chunks
// and nothing else.
func BenchmarkPart(b *testing.B) {
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		b.Fatal(err)
	}
	k := newObjectKey(b)
	plaintext := randomBytes(benchSize)
	b.Run("write", func(b *testing.B) {
		out := make([]byte, 0, sealedChunkSize)
		compare(b, func() {
			for off := 0; off < benchSize; off += ChunkSize {
				aead.Seal(out, nil, plaintext[off:off+ChunkSize], nil)
			}
		}, func() {
			w, err := NewPartWriter(io.Discard, k, 1)
			if err != nil {
				b.Fatal(err)
			}
			for off := 0; off < benchSize; off += 1 << 20 {
				if _, err := w.Write(plaintext[off : off+1<<20]); err != nil {
					b.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
		})
	})
	b.Run("read", func(b *testing.B) {
		stored := sealPart(b, k, 1, plaintext)
		r, err := OpenPart(bytes.NewReader(stored), int64(len(stored)), k, manifestPart(1, stored, benchSize))
		if err != nil {
			b.Fatal(err)
		}
		var sealed []byte
		for off := 0; off < benchSize; off += ChunkSize {
			sealed = aead.Seal(sealed, nil, plaintext[off:off+ChunkSize], nil)
		}
		out := make([]byte, 0, ChunkSize)
		compare(b, func() {
			for off := 0; off < len(sealed); off += sealedChunkSize {
				if _, err := aead.Open(out, nil, sealed[off:off+sealedChunkSize], nil); err != nil {
					b.Fatal(err)
				}
			}
		}, func() {
			if err := r.WriteRange(io.Discard, 0, benchSize); err != nil {
				b.Fatal(err)
			}
		})
	})
}
