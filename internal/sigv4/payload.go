package sigv4

import (
	"net/http"
	"strings"
)

// The values of x-amz-content-sha256 besides the hex SHA-256 of the body.
// "Signature Calculations for the Authorization Header", Amazon S3 API Reference.
const (
	UnsignedPayload          = "UNSIGNED-PAYLOAD"
	StreamingSigned          = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	StreamingSignedTrailer   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	StreamingUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

	streamingV4a        = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"
	streamingV4aTrailer = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER"
)

// checkPayloadHash says whether hash is a value that S3 allows and we serve.
func (s *Signature) checkPayloadHash(hash string) error {
	kind, text := BadPayloadHash, textBadHash
	switch hash {
	case UnsignedPayload, StreamingSigned, StreamingSignedTrailer, StreamingUnsignedTrailer:
		return nil
	case "":
		kind, text = MissingPayloadHash, "Missing required header for this request: x-amz-content-sha256"
	case streamingV4a, streamingV4aTrailer:
		kind, text = SigV4a, textUseV4
	default:
		var sum [32]byte
		if decodeHex(&sum, hash) {
			return nil
		}
	}
	return &Error{Kind: kind, Presigned: s.Presigned, KeyID: s.KeyID, Message: text, S3Message: text}
}

// StripAWSChunked removes aws-chunked from a Content-Encoding: what is left is
// the encoding of the object, and "" means it has none. A value without
// aws-chunked comes back as it is.
func StripAWSChunked(contentEncoding string) string {
	var kept []string
	found := false
	for part := range strings.SplitSeq(contentEncoding, ",") {
		part = strings.TrimSpace(part)
		if strings.EqualFold(part, "aws-chunked") {
			found = true
		} else if part != "" {
			kept = append(kept, part)
		}
	}
	if !found {
		return contentEncoding
	}
	return strings.Join(kept, ",")
}

// StripTransferCoding takes aws-chunked out of h's Content-Encoding, and the
// header with it when nothing is left: the coding is the transfer's and none of
// the object's. To be called when the signature, which covers the header as it
// was sent, has been verified.
func StripTransferCoding(h http.Header) {
	const name = "Content-Encoding"
	sent := strings.Join(h[name], ",")
	switch kept := StripAWSChunked(sent); kept {
	case sent:
	case "":
		delete(h, name)
	default:
		h[name] = []string{kept}
	}
}
