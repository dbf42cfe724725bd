package s3

import (
	"strconv"
	"strings"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/s3/s3api"
	"github.com/strongroom/strongroom/internal/s3/sse"
)

// What CompleteMultipartUpload is told of checksums: one of each part in its
// XML, and that of the object in a header.

// checkCompleteChecksum is what can be told of the header from the request alone.
func checkCompleteChecksum(req *s3api.CompleteMultipartUploadRequest) error {
	if req.ChecksumType != nil {
		if _, err := checksumType(*req.ChecksumType); err != nil {
			return err
		}
	}
	given := givenChecksums(req)
	if len(given) > 1 {
		return manyChecksums()
	}
	for _, g := range given { // one at most
		value, parts, composed := strings.Cut(g.value, "-")
		if composed {
			if _, err := strconv.ParseUint(parts, 10, 16); err != nil || !g.algorithm.composite {
				return g.algorithm.invalidHeader()
			}
		}
		if !g.algorithm.wellFormed(value) {
			return g.algorithm.invalidHeader()
		}
	}
	return nil
}

// checkPartChecksum compares the checksum of a part as listed with those of the
// part as uploaded.
func (u *upload) checkPartChecksum(p s3api.CompletedPart, part partRecord) error {
	given := givenChecksums(&p)
	if len(given) == 0 {
		if s3api.ChecksumType(u.attrs.ChecksumType) != composite {
			return nil
		}
		return invalidRequest("The upload was created using a %s checksum. The complete request must include the checksum for each part. It was missing for part %d in the request.",
			strings.ToLower(u.attrs.ChecksumAlgorithm), part.Number)
	}
	const unusable = "Invalid Base64 or multiple checksums present in request"
	if len(given) > 1 {
		var all strings.Builder
		for _, g := range given {
			all.WriteString(string(g.algorithm.name) + ":" + g.value + ";")
		}
		return invalidArgument("Checksum", all.String(), unusable)
	}
	g := given[0]
	ours := g.algorithm == u.algorithm()
	sent := string(g.algorithm.name) == part.GivenAlgorithm
	switch {
	case !g.algorithm.wellFormed(g.value):
		return invalidArgument("Checksum", g.value, unusable)
	case ours && g.value == part.Checksum, sent && g.value == part.Given:
		return nil
	case ours, sent:
		return invalidPart(u.id, p)
	}
	return awserr.New(s3api.BadDigest, "The %s you specified for part %d did not match what we received.",
		strings.ToLower(string(g.algorithm.name)), part.Number)
}

// checkWholeChecksum compares what the request says of the whole object.
func checkWholeChecksum(req *s3api.CompleteMultipartUploadRequest, m *sse.Manifest) error {
	if t := s3api.ChecksumType(strings.ToUpper(string(deref(req.ChecksumType)))); t != "" && string(t) != m.Checksum.Type {
		return invalidRequest("The upload was created using the %s checksum mode. The complete request must use the same checksum mode.", m.Checksum.Type)
	}
	for _, g := range givenChecksums(req) {
		if string(g.algorithm.name) != m.Checksum.Algorithm {
			return checksumMismatch(m.Checksum.Algorithm, string(g.algorithm.name))
		}
		// Some clients leave the "-N" of a composite checksum off.
		whole, _, _ := strings.Cut(m.Checksum.Value, "-")
		if g.value != m.Checksum.Value && g.value != whole {
			return g.algorithm.badDigest()
		}
	}
	return nil
}
