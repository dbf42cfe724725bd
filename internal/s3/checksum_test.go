package s3

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/s3/s3api"
)

// TestXXHash compares the libraries with the reference implementation: these
// were printed by xxhsum 0.8.1 (-H1, -H3 and -H2), whose output is the canonical
// representation. The first row is published in the xxHash specification.
func TestXXHash(t *testing.T) {
	for _, tt := range []struct {
		size                int
		xxh64, xxh3, xxh128 string
	}{
		{0, "ef46db3751d8e999", "2d06800538d394c2", "99aa06d3014798d86001c324468d497f"},
		{1, "e934a84adb052768", "c44bdff4074eecdb", "a6cd5e9392000f6ac44bdff4074eecdb"},
		{3, "9ff70a635a6209ab", "c3489259e968ad9e", "656e81c56e41fe02c3489259e968ad9e"},
		{4, "ae5acdc00a55ac41", "d3d60c1519014e89", "ab5c3e7474d809db81a65295de8e7dde"},
		{8, "87116b3365b924eb", "b88dee77f6bf6980", "e4b9dd0b66ff3c50ebabbd0695002ff6"},
		{9, "340667a92c4324ff", "03688dcad730d826", "82ddc95bc76007671c69c3f04aaed08c"},
		{16, "ed1dd2fac0a31fbc", "9da23836adf2be1e", "ddf6c1254d70f76794eaa17b20756f46"},
		{17, "758409c57cd5d0a2", "f34c3c9cf5a112d1", "263f67af63088041735fe434ded90c3c"},
		{128, "6bd66a757cf20d64", "65f3c2c00fa93185", "dd9e5aa9bd51cc9cc6bd21ecc865f29f"},
		{129, "3fbc5a0162d80206", "28065c6ec25f5b25", "00433635cf8d872e7f4accb76587485b"},
		{240, "9f17f1fcbcbfb88e", "4917a75c0ef8eed7", "89e3a0a2ee355d25d10beb4e0599e4b3"},
		{241, "06f9e01b26bb1786", "541b19226f0052e8", "75f4da43f23cce5a541b19226f0052e8"},
		{1024, "deeebe7dec99e6a5", "ba464919c6bb3ccd", "03de0c29e9f0bc7fba464919c6bb3ccd"},
		{1025, "9912c944c9289457", "2aa0034e7827ee42", "7584e04fe3414e5a2aa0034e7827ee42"},
		{65536, "dd16e5b8424c329f", "0d88401380df353c", "27e28f0ad0e10e530d88401380df353c"},
		{200001, "c9e713bdd41e1acf", "7d3596930ca1fa78", "5c76a7e441be18d37d3596930ca1fa78"},
	} {
		data := make([]byte, tt.size)
		for i := range data {
			data[i] = byte(i*7 + i/251)
		}
		for name, want := range map[s3api.ChecksumAlgorithm]string{"XXHASH64": tt.xxh64, "XXHASH3": tt.xxh3, "XXHASH128": tt.xxh128} {
			a := algorithm(name)
			for _, step := range []int{1 << 20, 1, 1000, 64 << 10} {
				if step == 1 && tt.size > 2000 {
					continue
				}
				h := a.new()
				for piece := range slices.Chunk(data, step) {
					_, _ = h.Write(piece)
				}
				if got := hex.EncodeToString(h.Sum(nil)); got != want {
					t.Errorf("%s of %d bytes in pieces of %d: got %s, want %s", name, tt.size, step, got, want)
				}
				if h.Size() != a.size {
					t.Errorf("%s: got size %d, want %d", name, h.Size(), a.size)
				}
			}
		}
	}
}

// Each row of the table agrees with itself and with the API's names.
func TestChecksumTable(t *testing.T) {
	if !slices.IsSortedFunc(checksumAlgorithms, func(a, b checksumAlgorithm) int { return strings.Compare(string(a.name), string(b.name)) }) {
		t.Error("the algorithms are not in the order of their names")
	}
	for _, a := range checksumAlgorithms {
		if got := len(a.new().Sum([]byte("before"))) - len("before"); got != a.size {
			t.Errorf("%s: got %d bytes, want %d", a.name, got, a.size)
		}
		if want := "x-amz-checksum-" + strings.ToLower(string(a.name)); a.header != want {
			t.Errorf("%s: got header %s, want %s", a.name, a.header, want)
		}
		if !a.composite && a.crc == nil {
			t.Errorf("%s has no type", a.name)
		}
		in := &s3api.PutObjectRequest{}
		setChecksum(in, a.name, "value")
		if got := givenChecksums(in); len(got) != 1 || got[0].algorithm.name != a.name || got[0].value != "value" {
			t.Errorf("%s: got %v from the request it was put into", a.name, got)
		}
	}
	if got := algorithm("Type"); got != nil {
		t.Errorf("got %v, want no algorithm of the name Type", got)
	}
}

func TestUploadChecksum(t *testing.T) {
	const both, whole, parts, none = "both", "FULL_OBJECT", "COMPOSITE", ""
	for _, tt := range []struct {
		name     s3api.ChecksumAlgorithm
		types    string
		standard s3api.ChecksumType
	}{
		{"CRC32", both, composite}, {"CRC32C", both, composite}, {"crc32", both, composite}, {"CRC64NVME", whole, fullObject},
		{"MD5", parts, composite}, {"SHA1", parts, composite}, {"SHA256", parts, composite}, {"SHA512", parts, composite},
		{"XXHASH128", parts, composite}, {"XXHASH3", parts, composite}, {"XXHASH64", parts, composite}, {"CRC64", none, ""},
	} {
		for _, kind := range []s3api.ChecksumType{composite, fullObject, "composite", "WHOLE"} {
			want := ""
			switch {
			case tt.types == none:
				want = "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, MD5, SHA1, SHA256, SHA512, XXHASH128, XXHASH3, XXHASH64]"
			case kind == "WHOLE":
				want = "Value for x-amz-checksum-type header is invalid."
			case tt.types != both && !strings.EqualFold(tt.types, string(kind)):
				want = "The " + strings.ToUpper(string(kind)) + " checksum type cannot be used with the " + strings.ToLower(string(tt.name)) + " checksum algorithm."
			}
			_, got, err := uploadChecksum(&tt.name, &kind)
			if message(err) != want || err == nil && !strings.EqualFold(string(got), string(kind)) {
				t.Errorf("%s of type %s: got type %q, %q, want %q", tt.name, kind, got, message(err), want)
			}
		}
		if _, got, _ := uploadChecksum(&tt.name, nil); got != tt.standard {
			t.Errorf("%s: got type %q when none is named, want %q", tt.name, got, tt.standard)
		}
	}
	kind := composite
	if _, _, err := uploadChecksum(nil, &kind); message(err) != "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header." {
		t.Errorf("got %v for a type without an algorithm", err)
	}
}

// message is S3's text of an InvalidRequest, "" when there is no error.
func message(err error) string {
	if err == nil {
		return ""
	}
	if awserr.CodeOf(err) != s3api.InvalidRequest {
		return "of another code: " + err.Error()
	}
	_, text, _ := strings.Cut(err.Error(), ": ")
	return text
}

func TestCheckPayload(t *testing.T) {
	for _, a := range checksumAlgorithms {
		h := a.new()
		_, _ = h.Write([]byte("payload"))
		right := base64.StdEncoding.EncodeToString(h.Sum(nil))
		for value, want := range map[string]awserr.Code{
			right: "", base64.StdEncoding.EncodeToString(make([]byte, a.size)): s3api.BadDigest,
			"": s3api.InvalidRequest, right[:len(right)-1]: s3api.InvalidRequest, right + "-1": s3api.InvalidRequest,
		} {
			known, err := CheckPayload(a.header, value, []byte("payload"))
			if !known || awserr.CodeOf(err) != want {
				t.Errorf("%s: %q: got %v, %v, want %q", a.header, value, known, err, want)
			}
		}
	}
	if known, err := CheckPayload("x-amz-checksum-later", "AAAA", nil); known || err != nil {
		t.Errorf("got %v, %v for an algorithm that is not there", known, err)
	}
}
