package sse

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/strongroom/strongroom/internal/hsm"
)

func testManifest() *Manifest {
	return &Manifest{
		Size:     5<<20 + 7,
		ETag:     "d41d8cd98f00b204e9800998ecf8427e-2",
		Checksum: Checksum{Algorithm: "CRC64NVME", Value: "AAAAAAAAAAA=", Type: "FULL_OBJECT"},
		Parts: []ManifestPart{
			{Number: 1, PlainSize: 5 << 20, Salt: hsm.PartSalt{1: 2}, Blob: "0011", ETagMD5: bytes.Repeat([]byte{1}, 16), Checksum: "AAAA"},
			{Number: 10000, PlainSize: 7, Salt: hsm.PartSalt{15: 3}, Blob: "2233"},
		},
	}
}

func TestManifestRoundTrip(t *testing.T) {
	want := testManifest()
	b, err := want.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got := &Manifest{ETag: "what was there before"}
	if err := got.Unmarshal(b); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for i := range b {
		if err := new(Manifest).Unmarshal(b[:i]); !errors.Is(err, ErrManifest) {
			t.Errorf("cut to %d: got %v, want %v", i, err, ErrManifest)
		}
	}
	if err := new(Manifest).Unmarshal(append(slices.Clone(b), 0)); !errors.Is(err, ErrManifest) {
		t.Errorf("extended: got %v, want %v", err, ErrManifest)
	}
}

func TestManifestRefused(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*Manifest)
	}{
		{"no parts", func(m *Manifest) { m.Parts, m.Size = nil, 0 }},
		{"too many parts", func(m *Manifest) {
			m.Parts, m.Size = nil, 0
			for i := range uint32(MaxParts + 1) {
				m.Parts = append(m.Parts, ManifestPart{Number: i + 1, Salt: hsm.PartSalt{1}})
			}
		}},
		{"part 0", func(m *Manifest) { m.Parts[0].Number = 0 }},
		{"no salt", func(m *Manifest) { m.Parts[1].Salt = hsm.PartSalt{} }},
		{"descending", func(m *Manifest) { slices.Reverse(m.Parts) }},
		{"number twice", func(m *Manifest) { m.Parts[1].Number = 1 }},
		{"sum", func(m *Manifest) { m.Size++ }},
		{"negative size", func(m *Manifest) { m.Parts[1].PlainSize, m.Size = -1, 5<<20-1 }},
		{"sum overflows", func(m *Manifest) {
			m.Parts[0].PlainSize, m.Parts[1].PlainSize, m.Size = math.MaxInt64, 2, math.MinInt64+1
		}},
	} {
		m := testManifest()
		row.change(m)
		if _, err := m.Marshal(); !errors.Is(err, ErrManifest) {
			t.Errorf("%s: got %v, want %v", row.name, err, ErrManifest)
		}
		if _, err := m.Seal(newObjectKey(t), Binding{}); !errors.Is(err, ErrManifest) {
			t.Errorf("%s: sealing: got %v, want %v", row.name, err, ErrManifest)
		}
	}
}

func TestSealedManifestDamage(t *testing.T) {
	k := newObjectKey(t)
	b := Binding{Mode: SSES3, Bucket: "bucket", Key: "key"}
	sealed, err := testManifest().Seal(k, b)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := OpenManifest(k, b, sealed); err != nil || !reflect.DeepEqual(got, testManifest()) {
		t.Errorf("got %+v, %v, want the manifest", got, err)
	}
	for i := range sealed {
		damaged := bytes.Clone(sealed)
		damaged[i] ^= 1 << (i % 8)
		for _, s := range [][]byte{damaged, sealed[:i]} {
			if _, err := OpenManifest(k, b, s); !errors.Is(err, ErrTampered) {
				t.Errorf("byte %d: got %v, want %v", i, err, ErrTampered)
			}
		}
	}
	if _, err := OpenManifest(newObjectKey(t), b, sealed); !errors.Is(err, ErrTampered) {
		t.Errorf("another object: got %v, want %v", err, ErrTampered)
	}
	if _, err := OpenManifest(k, b, k.SealManifest([]byte("SRM1"), b.AAD())); !errors.Is(err, ErrManifest) {
		t.Errorf("sealed malformed: got %v, want %v", err, ErrManifest)
	}
}

func FuzzManifest(f *testing.F) {
	b, err := testManifest().Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(manifestMagic))
	f.Add(bytes.Repeat([]byte{0xff}, 64))
	f.Fuzz(func(t *testing.T, in []byte) {
		m := new(Manifest)
		if err := m.Unmarshal(in); err != nil {
			if !errors.Is(err, ErrManifest) {
				t.Errorf("got %v, want %v", err, ErrManifest)
			}
			return
		}
		if got, err := m.Marshal(); err != nil || !bytes.Equal(got, in) {
			t.Errorf("got %x, %v, want %x", got, err, in)
		}
	})
}
