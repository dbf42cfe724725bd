package s3

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"reflect"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/minio/crc64nvme"
	"github.com/zeebo/xxh3"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/s3/s3api"
)

// checksumAlgorithm is one row of the table of algorithms. A CRC can be that of
// a whole object, put together from those of its parts (FULL_OBJECT); a hash
// cannot, so of a multipart upload there is only the hash of the parts' hashes
// (COMPOSITE).
type checksumAlgorithm struct {
	name      s3api.ChecksumAlgorithm
	header    string // lower case, as in x-amz-trailer
	size      int    // bytes of a digest
	new       func() hash.Hash
	crc       *reflectedCRC // nil for a hash
	composite bool          // whether COMPOSITE is allowed

	// mustBeNamed says that an upload takes parts with such a checksum only
	// when it was begun with the algorithm.
	mustBeNamed bool
}

var castagnoliTable = crc32.MakeTable(crc32.Castagnoli)

// Source: Amazon S3 User Guide, "Checking object integrity for data uploads".
// The order is that of the names, as in S3's error about another one.
var checksumAlgorithms = []checksumAlgorithm{
	{"CRC32", "x-amz-checksum-crc32", 4, func() hash.Hash { return crc32.NewIEEE() }, &crc32IEEE, true, false},
	{"CRC32C", "x-amz-checksum-crc32c", 4, func() hash.Hash { return crc32.New(castagnoliTable) }, &crc32C, true, false},
	{"CRC64NVME", "x-amz-checksum-crc64nvme", 8, func() hash.Hash { return crc64nvme.New() }, &crc64NVME, false, false},
	{"MD5", "x-amz-checksum-md5", md5.Size, md5.New, nil, true, true},
	{"SHA1", "x-amz-checksum-sha1", sha1.Size, sha1.New, nil, true, false},
	{"SHA256", "x-amz-checksum-sha256", sha256.Size, sha256.New, nil, true, false},
	{"SHA512", "x-amz-checksum-sha512", sha512.Size, sha512.New, nil, true, true},
	{"XXHASH128", "x-amz-checksum-xxhash128", 16, func() hash.Hash { return xxhash128{xxh3.New()} }, nil, true, true},
	{"XXHASH3", "x-amz-checksum-xxhash3", 8, func() hash.Hash { return xxh3.New() }, nil, true, true},
	{"XXHASH64", "x-amz-checksum-xxhash64", 8, func() hash.Hash { return xxhash.New() }, nil, true, true},
}

// xxhash128 is XXH3 with its 128-bit result, in the canonical representation of
// the xxHash specification, which is big-endian; so are the 64-bit results of
// the two libraries.
type xxhash128 struct{ *xxh3.Hasher }

func (x xxhash128) Size() int { return 16 }

func (x xxhash128) Sum(b []byte) []byte {
	sum := x.Sum128().Bytes()
	return append(b, sum[:]...)
}

// defaultChecksum is what S3 computes when the client names no algorithm.
const defaultChecksum s3api.ChecksumAlgorithm = "CRC64NVME"

const (
	composite  s3api.ChecksumType = "COMPOSITE"
	fullObject s3api.ChecksumType = "FULL_OBJECT"
)

// algorithm finds a row by name; nil when there is none.
func algorithm(name s3api.ChecksumAlgorithm) *checksumAlgorithm {
	for i := range checksumAlgorithms {
		if checksumAlgorithms[i].name == name {
			return &checksumAlgorithms[i]
		}
	}
	return nil
}

// algorithmOf finds a row by its header, in lower case; nil when there is none.
func algorithmOf(header string) *checksumAlgorithm {
	for i := range checksumAlgorithms {
		if checksumAlgorithms[i].header == header {
			return &checksumAlgorithms[i]
		}
	}
	return nil
}

// namedAlgorithm is the algorithm that a header of a request names.
func namedAlgorithm(name s3api.ChecksumAlgorithm) (*checksumAlgorithm, error) {
	if a := algorithm(s3api.ChecksumAlgorithm(strings.ToUpper(string(name)))); a != nil {
		return a, nil
	}
	var valid []string
	for _, a := range checksumAlgorithms {
		valid = append(valid, string(a.name))
	}
	return nil, invalidRequest("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [%s]", strings.Join(valid, ", "))
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

// badDigest says that a checksum is not that of what came.
func (a *checksumAlgorithm) badDigest() error {
	return awserr.New(s3api.BadDigest, "The %s you specified did not match the calculated checksum.", a.name)
}

// invalidHeader says that a value is no digest of this algorithm.
func (a *checksumAlgorithm) invalidHeader() error {
	return invalidRequest("Value for %s header is invalid.", a.header)
}

func manyChecksums() error {
	return invalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
}

// CheckPayload verifies a payload that is no object data, such as XML, by a
// header x-amz-checksum-… of its request; the name is in lower case. Known is
// false when there is no algorithm of that name.
func CheckPayload(header, value string, payload []byte) (known bool, err error) {
	a := algorithmOf(header)
	switch {
	case a == nil:
		return false, nil
	case !a.wellFormed(value):
		return true, a.invalidHeader()
	}
	h := a.new()
	_, _ = h.Write(payload) // never fails: see hash.Hash
	if base64.StdEncoding.EncodeToString(h.Sum(nil)) != value {
		return true, a.badDigest()
	}
	return true, nil
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

// givenChecksum is a checksum that the client sent.
type givenChecksum struct {
	algorithm *checksumAlgorithm
	value     string
}

// givenChecksums reads the members Checksum<name> of a wire shape that are set.
func givenChecksums(in any) []givenChecksum {
	var given []givenChecksum
	v := reflect.ValueOf(in).Elem()
	for _, m := range membersOf(v.Type()) {
		name, ok := strings.CutPrefix(m.field, "Checksum")
		if !ok {
			continue
		}
		value, _ := v.Field(m.index).Interface().(*string)
		if a := algorithm(s3api.ChecksumAlgorithm(name)); a != nil && value != nil {
			given = append(given, givenChecksum{a, *value})
		}
	}
	return given
}

// checksumMembers are the Go names of those members.
func checksumMembers() []string {
	var list []string
	for _, a := range checksumAlgorithms {
		list = append(list, "Checksum"+string(a.name))
	}
	return list
}
