package s3

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"reflect"

	"github.com/minio/crc64nvme"

	"github.com/strongroom/strongroom/internal/s3/s3api"
)

// checksumAlgorithm is one row of the table of algorithms that are served.
type checksumAlgorithm struct {
	name      s3api.ChecksumAlgorithm
	header    string // lower case, as in x-amz-trailer
	size      int    // bytes of a digest
	new       func() hash.Hash
	crc       *reflectedCRC // nil for a hash
	composite bool          // whether COMPOSITE is allowed
}

var castagnoliTable = crc32.MakeTable(crc32.Castagnoli)

// Source: Amazon S3 User Guide, "Checking object integrity for data uploads".
var checksumAlgorithms = []checksumAlgorithm{
	{"CRC32", "x-amz-checksum-crc32", 4, func() hash.Hash { return crc32.NewIEEE() }, &crc32IEEE, true},
	{"CRC32C", "x-amz-checksum-crc32c", 4, func() hash.Hash { return crc32.New(castagnoliTable) }, &crc32C, true},
	{"CRC64NVME", "x-amz-checksum-crc64nvme", 8, func() hash.Hash { return crc64nvme.New() }, &crc64NVME, false},
	{"SHA1", "x-amz-checksum-sha1", sha1.Size, sha1.New, nil, true},
	{"SHA256", "x-amz-checksum-sha256", sha256.Size, sha256.New, nil, true},
}

// defaultChecksum is what S3 computes when the client names no algorithm.
const defaultChecksum s3api.ChecksumAlgorithm = "CRC64NVME"

const (
	composite  s3api.ChecksumType = "COMPOSITE"
	fullObject s3api.ChecksumType = "FULL_OBJECT"
)

// algorithm finds a row by name; nil when it is not served.
func algorithm(name s3api.ChecksumAlgorithm) *checksumAlgorithm {
	for i := range checksumAlgorithms {
		if checksumAlgorithms[i].name == name {
			return &checksumAlgorithms[i]
		}
	}
	return nil
}

// defaultType is the type that an upload gets when it names only the algorithm.
func (a *checksumAlgorithm) defaultType() s3api.ChecksumType {
	if a.composite {
		return composite
	}
	return fullObject
}

// wellFormed reports whether value is a digest of this algorithm in base64.
func (a *checksumAlgorithm) wellFormed(value string) bool {
	raw, err := base64.StdEncoding.Strict().DecodeString(value)
	return err == nil && len(raw) == a.size
}

// combineParts returns the full-object checksum of consecutive parts.
func (a *checksumAlgorithm) combineParts(parts []partRecord) string {
	var sum uint64
	for i, p := range parts {
		v := crcValue(p.Checksum)
		if i == 0 {
			sum = v
			continue
		}
		sum = a.crc.combine(sum, v, p.Size)
	}
	b := binary.BigEndian.AppendUint64(nil, sum)
	return base64.StdEncoding.EncodeToString(b[8-a.size:])
}

// compositeOf returns the checksum of the parts' checksums; the "-N" that the
// API appends is the caller's to add.
func (a *checksumAlgorithm) compositeOf(parts []partRecord) string {
	h := a.new()
	for _, p := range parts {
		raw, _ := base64.StdEncoding.DecodeString(p.Checksum) // our own record
		_, _ = h.Write(raw)
	}
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// crcValue reads a stored CRC of four or eight bytes.
func crcValue(value string) uint64 {
	raw, _ := base64.StdEncoding.DecodeString(value) // our own record
	var v uint64
	for _, b := range raw {
		v = v<<8 | uint64(b)
	}
	return v
}

// setChecksum fills the member Checksum<name> of a wire shape.
func setChecksum(out any, name s3api.ChecksumAlgorithm, value string) {
	reflect.ValueOf(out).Elem().FieldByName("Checksum" + string(name)).Set(reflect.ValueOf(&value))
}

// givenChecksum reads the member Checksum<name> of a wire shape; nil when absent.
func givenChecksum(in any, name s3api.ChecksumAlgorithm) *string {
	value, _ := reflect.ValueOf(in).Elem().FieldByName("Checksum" + string(name)).Interface().(*string)
	return value
}
