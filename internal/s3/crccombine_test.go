package s3

import (
	"hash/crc32"
	"testing"

	"github.com/minio/crc64nvme"
	"pgregory.net/rapid"
)

func TestCombineIsDirectComputation(t *testing.T) {
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	for _, tt := range []struct {
		name string
		crc  reflectedCRC
		sum  func([]byte) uint64
	}{
		{"CRC32", crc32IEEE, func(b []byte) uint64 { return uint64(crc32.ChecksumIEEE(b)) }},
		{"CRC32C", crc32C, func(b []byte) uint64 { return uint64(crc32.Checksum(b, castagnoli)) }},
		{"CRC64NVME", crc64NVME, crc64nvme.Checksum},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				parts := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 300), 1, 6).Draw(t, "parts")
				var whole []byte
				var got uint64
				for i, p := range parts {
					whole = append(whole, p...)
					if i == 0 {
						got = tt.sum(p)
						continue
					}
					got = tt.crc.combine(got, tt.sum(p), int64(len(p)))
				}
				if want := tt.sum(whole); got != want {
					t.Fatalf("got %x, want %x", got, want)
				}
			})
		})
	}
}

func TestCombineLongZeros(t *testing.T) {
	const n = 3 << 20
	zeros := make([]byte, n)
	head := []byte("head")
	got := crc64NVME.combine(crc64nvme.Checksum(head), crc64nvme.Checksum(zeros), n)
	if want := crc64nvme.Checksum(append(head, zeros...)); got != want {
		t.Errorf("got %x, want %x", got, want)
	}
}
