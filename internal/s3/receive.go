package s3

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"io"
	"strconv"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/s3/s3api"
	"github.com/strongroom/strongroom/internal/s3/sse"
)

// Body is the payload of a PutObject or UploadPart, after transfer decoding.
type Body struct {
	// Reader yields the payload; io.EOF only when all that the client signed
	// was verified.
	Reader io.Reader
	// Length is the announced number of bytes, -1 when there is none.
	Length int64
	// Announced are the names in x-amz-trailer, lower case.
	Announced []string
	// Trailer returns a trailing header, "" when it was not sent. It is valid
	// after Reader returned io.EOF. It may be nil when nothing is announced.
	Trailer func(name string) string
}

// maxPartSize is the longest payload of one PUT: 5 GiB.
const maxPartSize = 5 << 30

// maxQuick is the size in bytes of the longest checksum that costs next to
// nothing: a CRC or a short XXHash. Most of the longer ones are cryptographic
// hashes, which are slower than AES-GCM.
const maxQuick = 8

// expectation is what the client said about its payload.
type expectation struct {
	algorithm *checksumAlgorithm
	value     string // in a header; "" when it comes in the trailer, or not at all
	trailer   bool
	given     bool // by the client at all; else the default is computed

	// stored is the algorithm whose checksum is kept, when it is not the one
	// that the client sent.
	stored *checksumAlgorithm
	md5    []byte // of Content-MD5; nil when not given
}

// expect reads the checksum headers of a PutObject or UploadPart request.
func expect(in any, named *s3api.ChecksumAlgorithm, contentMD5 *string, body Body) (expectation, error) {
	var e expectation
	if contentMD5 != nil {
		raw, err := base64.StdEncoding.DecodeString(*contentMD5)
		if err != nil || len(raw) != md5.Size {
			return e, awserr.New(s3api.InvalidDigest, "The Content-MD5 you specified was invalid.").With("Content-MD5", *contentMD5)
		}
		e.md5 = raw
	}
	given := givenChecksums(in)
	for _, announced := range body.Announced {
		if announced == "" {
			continue
		}
		a := algorithmOf(announced)
		if a == nil {
			return e, invalidRequest("The value specified in the x-amz-trailer header is not supported")
		}
		if e.given || len(given) > 0 {
			return e, manyChecksums()
		}
		e.algorithm, e.trailer, e.given = a, true, true
	}
	if len(given) > 1 {
		return e, manyChecksums()
	}
	for _, g := range given { // one at most
		if !g.algorithm.wellFormed(g.value) {
			return e, g.algorithm.invalidHeader()
		}
		e.algorithm, e.value, e.given = g.algorithm, g.value, true
	}
	if named != nil {
		switch a, err := namedAlgorithm(*named); {
		case err != nil:
			return e, err
		case !e.given:
			return e, invalidRequest("x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
		case a != e.algorithm:
			return e, invalidRequest("Value for x-amz-sdk-checksum-algorithm header is invalid.")
		}
	}
	if e.algorithm == nil {
		e.algorithm = algorithm(defaultChecksum)
	}
	return e, nil
}

// received is a payload that was sealed and verified, and is durable under
// blob. Nothing refers to it yet.
type received struct {
	blob     string
	salt     hsm.PartSalt // of the stored part: no other attempt passes for it
	size     int64
	md5      []byte // nil unless it was asked for
	checksum string // base64, by the algorithm that is kept
	given    string // base64, by the algorithm that the client sent
}

// receive reads the payload to its end, seals it as part number under k, and
// verifies all that the client said. On an error nothing is left of it. With
// wantMD5 the MD5 is computed although the client gave none.
func (c *call) receive(ctx context.Context, body Body, k *hsm.ObjectKey, number uint32, want expectation, wantMD5 bool) (*received, error) {
	w, err := c.s.objects.Create(ctx)
	if err != nil {
		return nil, err
	}
	defer w.Abort() // does nothing after Commit
	part, err := sse.NewPartWriter(w, k, number)
	if err != nil {
		return nil, err
	}
	given := want.algorithm.new()
	kept, sealer := given, []io.Writer{part}
	hashes := []hash.Hash{given}
	if want.stored != nil {
		kept = want.stored.new()
		hashes = append(hashes, kept)
	}
	var sinks []io.Writer
	for _, h := range hashes {
		if h.Size() > maxQuick {
			sinks = append(sinks, h)
		} else { // it costs less than to hand it the bytes
			sealer = append(sealer, h)
		}
	}
	sinks = append(sinks, io.MultiWriter(sealer...))
	var digest hash.Hash
	if wantMD5 || want.md5 != nil {
		digest = md5.New()
		sinks = append(sinks, digest)
	}
	size, err := pump(body.Reader, body.Length, maxPartSize, sinks...)
	c.in += size
	closeErr := part.Close() // gives its buffers back in any case
	if err != nil {
		return nil, err
	}
	if closeErr != nil {
		return nil, closeErr
	}
	r := &received{
		salt:     part.Salt(),
		size:     size,
		checksum: base64.StdEncoding.EncodeToString(kept.Sum(nil)),
		given:    base64.StdEncoding.EncodeToString(given.Sum(nil)),
	}
	if digest != nil {
		r.md5 = digest.Sum(nil)
	}
	if err := want.verify(r, body); err != nil {
		return nil, err
	}
	r.blob, err = w.Commit()
	return r, err
}

// verify compares what was read with what was announced.
func (e expectation) verify(r *received, body Body) error {
	if body.Length >= 0 && r.size != body.Length {
		return incompleteBody(nil)
	}
	if e.md5 != nil && string(e.md5) != string(r.md5) {
		return awserr.New(s3api.BadDigest, "The Content-MD5 you specified did not match what we received.").
			With("ExpectedDigest", hex.EncodeToString(e.md5)).With("CalculatedDigest", base64.StdEncoding.EncodeToString(r.md5))
	}
	value := e.value
	if e.trailer {
		value = body.Trailer(e.algorithm.header)
		if !e.algorithm.wellFormed(value) {
			return invalidRequest("Value for %s trailing header is invalid.", e.algorithm.header)
		}
	}
	if value != "" && value != r.given {
		return e.algorithm.badDigest()
	}
	return nil
}

func incompleteBody(cause error) error {
	return awserr.Wrap(cause, s3api.IncompleteBody, "You did not provide the number of bytes specified by the Content-Length HTTP header")
}

func entityTooLarge() error {
	return awserr.New(s3api.EntityTooLarge, "Your proposed upload exceeds the maximum allowed size").
		With("MaxSizeAllowed", strconv.FormatInt(maxPartSize, 10))
}
