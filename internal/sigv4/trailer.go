package sigv4

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
)

const (
	trailerAlgorithm = "AWS4-HMAC-SHA256-TRAILER"
	trailerSignature = "x-amz-trailer-signature"
	checksumPrefix   = "x-amz-checksum-"
	maxTrailers      = 8
	maxTrailerLine   = 512 // bytes; the longest checksum, SHA-512, needs 115
)

// announcedTrailers reads the names in x-amz-trailer. Only checksums can come in
// a trailer, and only in the modes that have one.
func announcedTrailers(values []string, trailed bool) ([]string, error) {
	var names []string
	for _, value := range values {
		for name := range strings.SplitSeq(value, ",") {
			name = strings.ToLower(strings.Trim(name, " \t"))
			if !trailed || len(names) == maxTrailers || !headerName(name) || len(name) == len(checksumPrefix) ||
				!strings.HasPrefix(name, checksumPrefix) || slices.Contains(names, name) {
				const text = "The value specified in the x-amz-trailer header is not supported"
				return nil, &Error{Kind: BadTrailerNames, Message: text, S3Message: text}
			}
			names = append(names, name)
		}
	}
	return names, nil
}

// readTrailer reads the trailers up to and with the empty line. Each that was
// announced must come, once; then, in the signed mode, their signature.
func (c *chunked) readTrailer() error {
	var lines []byte // canonical: name:value LF, in the order sent
	trailer := http.Header{}
	for {
		line, err := c.trailerLine()
		if err != nil {
			return err
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		key := strings.ToLower(string(name))
		value = bytes.Trim(value, " \t")
		if c.signed && key == trailerSignature {
			if err := c.verifyTrailer(lines, value); err != nil {
				return err
			}
			if line, err = c.trailerLine(); err != nil {
				return err
			}
			if len(line) > 0 {
				return trailerMalformed()
			}
			break
		}
		if len(line) == 0 && !c.signed {
			break
		}
		if !ok || !slices.Contains(c.announced, key) || len(trailer.Values(key)) > 0 ||
			len(value) == 0 || !visible(string(value)) {
			return trailerMalformed()
		}
		trailer.Set(key, string(value))
		lines = append(append(append(append(lines, key...), ':'), value...), '\n')
	}
	if len(trailer) != len(c.announced) {
		return trailerMalformed()
	}
	if len(trailer) > 0 {
		c.trailer = trailer
	}
	return nil
}

// verifyTrailer checks the signature over the trailers, which is chained to the
// last chunk's.
func (c *chunked) verifyTrailer(lines, signature []byte) error {
	var provided [64]byte
	var value [32]byte
	if !decodeHex(&value, string(signature)) {
		return trailerMalformed()
	}
	copy(provided[:], signature)
	sum := sha256.Sum256(lines)
	c.sts = c.s.appendStringToSign(c.sts[:0], trailerAlgorithm)
	c.sts = append(append(c.sts, c.previous[:]...), '\n')
	c.sts = hex.AppendEncode(c.sts, sum[:])
	return c.verify(&provided)
}

// trailerLine reads a line and leaves its CRLF out. One LF before the CRLF is
// allowed: minio-go ends a trailer so, and S3 takes it.
func (c *chunked) trailerLine() ([]byte, error) {
	line, err := c.r.ReadSlice('\n')
	switch {
	case len(line) > maxTrailerLine:
		return nil, trailerMalformed()
	case err != nil:
		return nil, truncated(err)
	}
	if rest, ok := bytes.CutSuffix(line, []byte("\r\n")); ok {
		return rest, nil
	}
	line = slices.Clone(bytes.TrimSuffix(line, []byte("\n"))) // the next read takes its memory
	if len(line) == 0 {
		return nil, trailerMalformed()
	}
	for _, want := range [...]byte{'\r', '\n'} {
		got, err := c.r.ReadByte()
		if err != nil {
			return nil, truncated(err)
		}
		if got != want {
			return nil, trailerMalformed()
		}
	}
	return line, nil
}

func trailerMalformed() *Error {
	const text = "The request contained trailing data that was not well-formed or did not conform to our published schema."
	return &Error{Kind: TrailerMalformed, Message: text, S3Message: text}
}
