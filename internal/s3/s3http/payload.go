package s3http

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"io"
	"strconv"
	"strings"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/s3"
	"github.com/strongroom/strongroom/internal/s3/s3api"
)

// isChecksum reports whether a header, in lower case, is a checksum of some
// algorithm, be it one that there is or not.
func isChecksum(name string) bool {
	switch rest, ok := strings.CutPrefix(name, "x-amz-checksum-"); rest {
	case "algorithm", "mode", "type":
		return false
	default:
		return ok
	}
}

// readPayload reads all of a body that is no object data, so that its
// signature is verified, and keeps it where the operation has a payload.
func (x *exchange) readPayload() error {
	limit := max(x.route.bodyLimit, maxConfigBody)
	data, err := io.ReadAll(io.LimitReader(x.body, limit+1))
	if err != nil {
		if awserr.CodeOf(err) == "" {
			err = awserr.Wrap(err, s3api.IncompleteBody, "You did not provide the number of bytes specified by the Content-Length HTTP header")
		}
		return err
	}
	if int64(len(data)) > limit {
		return awserr.New(s3api.MaxMessageLengthExceeded, "Your request was too big.").With("MaxMessageLengthBytes", strconv.FormatInt(limit, 10))
	}
	if err := x.checkPayload(data); err != nil {
		return err
	}
	if x.route.bodyLimit > 0 {
		x.payload = data
	}
	return nil
}

// checkPayload compares a payload with the digests that the client sent of it.
// A checksum that the operation itself takes is not one of the payload: that of
// CompleteMultipartUpload is the object's.
func (x *exchange) checkPayload(data []byte) error {
	if want := x.r.Header.Get("Content-MD5"); want != "" {
		sum := md5.Sum(data)
		if given, err := base64.StdEncoding.DecodeString(want); err != nil || len(given) != md5.Size {
			return awserr.New(s3api.InvalidDigest, "The Content-MD5 you specified was invalid.").With("Content-MD5", want)
		} else if !bytes.Equal(given, sum[:]) {
			return awserr.New(s3api.BadDigest, "The Content-MD5 you specified did not match what we received.")
		}
	}
	seen := false
	for name, values := range x.r.Header {
		name = strings.ToLower(name)
		if !isChecksum(name) || x.route.bodyLimit == 0 || x.route.headers[name] {
			continue
		}
		if seen || len(values) > 1 {
			return awserr.New(s3api.InvalidRequest, "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		seen = true
		known, err := s3.CheckPayload(name, values[0], data)
		if err != nil {
			return err
		}
		if !known {
			return unknownChecksum()
		}
	}
	return nil
}

func unknownChecksum() error {
	return awserr.New(s3api.InvalidRequest, "The algorithm type you specified in x-amz-checksum- header is invalid.")
}
