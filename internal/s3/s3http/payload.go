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
	if values := x.r.Header.Values("Content-MD5"); len(values) > 0 {
		want := strings.Join(values, ",") // of several, or an empty one, no digest
		sum := md5.Sum(data)
		if given, err := base64.StdEncoding.DecodeString(want); err != nil || len(given) != md5.Size {
			return awserr.New(s3api.InvalidDigest, "The Content-MD5 you specified was invalid.").With("Content-MD5", want)
		} else if !bytes.Equal(given, sum[:]) {
			return awserr.New(s3api.BadDigest, "The Content-MD5 you specified did not match what we received.")
		}
	}
	var checksums []string
	for name, values := range x.r.Header {
		name = strings.ToLower(name)
		if !isChecksum(name) || x.route.bodyLimit == 0 || x.route.headers[name] {
			continue
		}
		for range values {
			checksums = append(checksums, name)
		}
	}
	// Before any is looked at: headers come in no order, and the answer must not depend on it.
	if len(checksums) > 1 {
		return awserr.New(s3api.InvalidRequest, "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
	}
	checksum := ""
	for _, checksum = range checksums {
		known, err := s3.CheckPayload(checksum, x.r.Header.Get(checksum), data)
		if err != nil {
			return err
		}
		if !known {
			return unknownChecksum()
		}
	}
	return x.checkDigested(checksum)
}

// checkDigested makes sure that a payload came with a digest where the operation
// asks for one: Content-MD5, or the checksum of the header given, "" for none,
// which is that of x-amz-sdk-checksum-algorithm if it names one.
func (x *exchange) checkDigested(given string) error {
	if !x.route.digest {
		return nil
	}
	named := strings.ToLower(x.r.Header.Get("X-Amz-Sdk-Checksum-Algorithm"))
	switch {
	case given == "" && named != "":
		return awserr.New(s3api.InvalidRequest, "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
	case given == "" && x.r.Header.Get("Content-MD5") == "":
		return awserr.New(s3api.InvalidRequest, "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
	case named != "" && given != "x-amz-checksum-"+named:
		return awserr.New(s3api.InvalidRequest, "Value for x-amz-sdk-checksum-algorithm header is invalid.")
	}
	return nil
}

func unknownChecksum() error {
	return awserr.New(s3api.InvalidRequest, "The algorithm type you specified in x-amz-checksum- header is invalid.")
}
