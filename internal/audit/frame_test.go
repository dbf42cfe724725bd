package audit

import (
	"bytes"
	"crypto/sha256"
	"testing"
)

// sealed returns one frame as it is in a file.
func sealed(change int64, record string, prev head) []byte {
	b := reserveFrame(nil, change, sha256.Sum256([]byte(record)), []byte(record))
	seal(b, prev)
	return b
}

// FuzzFrame: what parses is printed again as the same bytes, and nothing else
// parses after the same head.
func FuzzFrame(f *testing.F) {
	var prev head
	f.Add(sealed(0, `{}`, prev))
	f.Add(sealed(7, `{"eventName":"Decrypt"}`, prev))
	f.Add(append(sealed(1, `{}`, prev), sealed(2, `{}`, prev)...))
	f.Add(sealed(1, `{"a":1}`, prev)[:50])
	f.Add(make([]byte, 100))
	f.Add(sealed(64, ``, prev)) // a mark
	f.Fuzz(func(t *testing.T, b []byte) {
		fr, err := parseFrame(b, prev)
		if err != nil {
			torn(b, headerSize, err) // must take anything
			wasOnDisk(b, headerSize)
			return
		}
		if got := sealed(fr.change, string(fr.record), prev); !bytes.Equal(got, b[:fr.size()]) {
			t.Errorf("got %x back, want %x", got, b[:fr.size()])
		}
	})
}

func FuzzHeader(f *testing.F) {
	f.Add(header{number: 1}.append(nil))
	f.Add(header{number: 1, plain: true}.append(nil))
	f.Add(header{number: 9, lastChange: 1 << 40, previous: head{1, 2, 3}}.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, damage := parseHeader(b)
		if damage == nil && !bytes.Equal(h.append(nil), b[:headerSize]) {
			t.Errorf("got %x back, want %x", h.append(nil), b[:headerSize])
		}
	})
}

// TestFormat holds the layout of docs/formats/audit-segment.md to the byte.
func TestFormat(t *testing.T) {
	h := header{number: 2, lastChange: 3, previous: head{0: 0xaa, 31: 0xbb}}.append(nil)
	wantHeader := append([]byte("SRAUDIT2\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x03\xaa"), make([]byte, 30)...)
	wantHeader = append(wantHeader, 0xbb, 0, 0, 0, 0)
	if !bytes.Equal(h[:60], wantHeader) || len(h) != headerSize {
		t.Errorf("got header  %x\nwant header %x and 4 more", h, wantHeader)
	}
	if got := (header{number: 2, plain: true}).append(nil); string(got[:8]) != "SRAUDIT1" {
		t.Errorf("got magic %q in the first format", got[:8])
	}
	prev := head(sha256.Sum256(h))
	record := []byte(`{"a":1}`)
	digest := sha256.Sum256(record)
	want := sha256.Sum256(append(append(append([]byte{}, prev[:]...), 0, 0, 0, 0, 0, 0, 0, 5), digest[:]...))
	got := sealed(5, string(record), prev)
	if !bytes.Equal(got[4:16], []byte{0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 5}) || !bytes.Equal(got[16:48], want[:]) || !bytes.Equal(got[48:], record) {
		t.Errorf("got frame %x, want head %x", got, want)
	}
}

func TestTorn(t *testing.T) {
	var prev head
	whole := sealed(0, `{"a":"`+string(bytes.Repeat([]byte("x"), 1500))+`"}`, prev)
	zeroFrom := func(n int) []byte { return append(bytes.Clone(whole[:n]), make([]byte, len(whole)-n)...) }
	flip := func(n int) []byte { b := bytes.Clone(whole); b[n] ^= 0x80; return b }
	for _, tt := range []struct {
		name string
		rest []byte
		want bool
	}{
		{"one byte", whole[:1], true},
		{"half the prefix", whole[:24], true},
		{"prefix alone", whole[:48], true},
		{"all but the last byte", whole[:len(whole)-1], true},
		{"only zeros", make([]byte, 4096), true},
		{"zeros less than a prefix", make([]byte, 10), true},
		{"zeros from the second sector", zeroFrom(512 - headerSize), true},
		{"zeros from the second sector, and after the frame", append(zeroFrom(512-headerSize), make([]byte, 4096)...), true},
		{"zeros within the last sector", zeroFrom(len(whole) - 1), false},
		{"zeros from the second sector, then data", append(zeroFrom(512-headerSize), 1), false},
		{"length changed", flip(5), false},
		{"head changed", flip(20), false},
		{"checksum changed", flip(0), false},
		{"record changed", flip(100), false},
		{"record changed, zeros after the frame", append(flip(100), make([]byte, 4096)...), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseFrame(tt.rest, prev)
			if err == nil {
				t.Fatal("the frame is whole")
			}
			if got := torn(tt.rest, headerSize, err); got != tt.want {
				t.Errorf("got %v after %v, want %v", got, err, tt.want)
			}
		})
	}
}
