package sse

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/strongroom/strongroom/internal/hsm"
)

// MaxParts is how many parts an object has at most: S3's limit.
const MaxParts = 10000

// ErrManifest says that a manifest's fields contradict each other, or its bytes
// do not parse.
var ErrManifest = errors.New("sse: manifest is malformed")

// Manifest is what the store must not be able to change about an object: which
// parts it has, in which order, and what their plaintext is like. It is sealed
// under the object key when the upload completes.
type Manifest struct {
	Size     int64  // bytes of plaintext: the sum of the parts'
	ETag     string // as clients see it, without quotes
	Checksum Checksum
	Parts    []ManifestPart // by ascending Number; 1 to MaxParts of them
}

// Checksum is an object's additional checksum; all fields are empty when it has none.
type Checksum struct {
	Algorithm string // such as "CRC64NVME"
	Value     string // base64, with "-N" after it for a composite one
	Type      string // "FULL_OBJECT" or "COMPOSITE"
}

// ManifestPart is one part of an object.
type ManifestPart struct {
	Number    uint32       // from 1
	PlainSize int64        // bytes of plaintext
	Salt      hsm.PartSalt // of the attempt to upload the part: PartWriter.Salt
	Blob      string       // name of the stored part in the object store
	ETagMD5   []byte       // MD5 of the plaintext, 16 bytes, or none
	Checksum  string       // of the part, base64, in the object's algorithm, or none
}

// A manifest's bytes, with lp(x) as in [Binding.AAD] and big-endian numbers:
//
//	size  content
//	4     "SRM1"
//	8     size
//	      lp(etag) ‖ lp(checksum algorithm) ‖ lp(checksum value) ‖ lp(checksum type)
//	4     number of parts
//	then for each part
//	4     number
//	8     plaintext size
//	16    salt, not all zero
//	      lp(blob) ‖ lp(etag md5) ‖ lp(checksum)
const manifestMagic = "SRM1"

// check reports what Marshal and Unmarshal require of the fields.
func (m *Manifest) check() error {
	if len(m.Parts) < 1 || len(m.Parts) > MaxParts {
		return fmt.Errorf("%w: %d parts", ErrManifest, len(m.Parts))
	}
	var sum int64
	var before uint32
	for _, p := range m.Parts {
		if p.Number <= before {
			return fmt.Errorf("%w: part %d after part %d", ErrManifest, p.Number, before)
		}
		if p.PlainSize < 0 || p.PlainSize > math.MaxInt64/MaxParts {
			return fmt.Errorf("%w: part %d has %d bytes", ErrManifest, p.Number, p.PlainSize)
		}
		if p.Salt == (hsm.PartSalt{}) { // it was forgotten: no attempt has this one
			return fmt.Errorf("%w: part %d has no salt", ErrManifest, p.Number)
		}
		before, sum = p.Number, sum+p.PlainSize
	}
	if sum != m.Size {
		return fmt.Errorf("%w: size is %d, its parts have %d", ErrManifest, m.Size, sum)
	}
	return nil
}

// Marshal returns the manifest's bytes. The error is ErrManifest.
func (m *Manifest) Marshal() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	b := append(make([]byte, 0, 128+112*len(m.Parts)), manifestMagic...)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Size))
	for _, s := range [...]string{m.ETag, m.Checksum.Algorithm, m.Checksum.Value, m.Checksum.Type} {
		b = appendString(b, s)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.Parts)))
	for _, p := range m.Parts {
		b = binary.BigEndian.AppendUint32(b, p.Number)
		b = binary.BigEndian.AppendUint64(b, uint64(p.PlainSize))
		b = append(b, p.Salt[:]...)
		for _, s := range [...]string{p.Blob, string(p.ETagMD5), p.Checksum} {
			b = appendString(b, s)
		}
	}
	return b, nil
}

// Unmarshal is the inverse of Marshal: every other byte string is ErrManifest.
func (m *Manifest) Unmarshal(b []byte) error {
	r := manifestReader{rest: b}
	if string(r.bytes(len(manifestMagic))) != manifestMagic {
		return fmt.Errorf("%w: unknown format", ErrManifest)
	}
	*m = Manifest{
		Size:     r.size(),
		ETag:     r.string(),
		Checksum: Checksum{r.string(), r.string(), r.string()},
	}
	count := r.uint32()
	if count > MaxParts {
		return fmt.Errorf("%w: %d parts", ErrManifest, count)
	}
	for range count {
		p := ManifestPart{Number: r.uint32(), PlainSize: r.size(), Salt: r.salt(), Blob: r.string()}
		if md5 := r.string(); md5 != "" {
			p.ETagMD5 = []byte(md5)
		}
		p.Checksum = r.string()
		if r.failed {
			break
		}
		m.Parts = append(m.Parts, p)
	}
	if r.failed || len(r.rest) > 0 {
		return fmt.Errorf("%w: wrong length", ErrManifest)
	}
	return m.check()
}

// manifestReader takes fields off the front; failed stays true once bytes lack.
type manifestReader struct {
	rest   []byte
	failed bool
}

func (r *manifestReader) bytes(n int) []byte {
	if r.failed || n < 0 || n > len(r.rest) {
		r.failed = true
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *manifestReader) uint32() uint32 {
	if b := r.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// size is negative for a number above the range of int64, which check refuses.
func (r *manifestReader) size() int64 {
	if b := r.bytes(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (r *manifestReader) salt() (s hsm.PartSalt) {
	copy(s[:], r.bytes(len(s)))
	return s
}

func (r *manifestReader) string() string { return string(r.bytes(int(r.uint32()))) }

// Seal returns the manifest sealed under the object's key and bound to b.
func (m *Manifest) Seal(k *hsm.ObjectKey, b Binding) ([]byte, error) {
	plain, err := m.Marshal()
	if err != nil {
		return nil, err
	}
	return k.SealManifest(plain, b.AAD()), nil
}

// OpenManifest opens what Seal returned. The error is ErrTampered, or
// ErrManifest for a manifest that was sealed malformed.
func OpenManifest(k *hsm.ObjectKey, b Binding, sealed []byte) (*Manifest, error) {
	plain, err := k.OpenManifest(sealed, b.AAD())
	if err != nil {
		return nil, fmt.Errorf("manifest of %s/%s: %w", b.Bucket, b.Key, ErrTampered)
	}
	m := new(Manifest)
	if err := m.Unmarshal(plain); err != nil {
		return nil, err
	}
	return m, nil
}
