package s3http

import (
	"net/http"
	"strconv"

	"github.com/strongroom/strongroom/internal/s3/s3api"
)

// putBucketPolicy takes the payload as it is: it is JSON, and no XML as
// elsewhere.
func putBucketPolicy(x *exchange) error {
	text := string(x.payload)
	x.payload = nil
	in, err := input[s3api.PutBucketPolicyRequest](x)
	if err != nil {
		return err
	}
	in.Policy = &text
	out, err := x.h.service.PutBucketPolicy(x.r.Context(), x.caller, in)
	if err != nil {
		return err
	}
	x.answer(out, x.route.status)
	return nil
}

// getBucketPolicy answers the policy's JSON as it is.
func getBucketPolicy(x *exchange) error {
	in, err := input[s3api.GetBucketPolicyRequest](x)
	if err != nil {
		return err
	}
	out, err := x.h.service.GetBucketPolicy(x.r.Context(), x.caller, in)
	if err != nil {
		return err
	}
	header := x.w.Header()
	setIDs(header, x.caller.RequestID)
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(*out.Policy)))
	x.w.WriteHeader(http.StatusOK)
	// The operation is done and recorded; that the client left is nothing to
	// report to it.
	_, _ = x.w.Write([]byte(*out.Policy))
	return nil
}
