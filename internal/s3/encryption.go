package s3

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/s3/s3api"
	"github.com/strongroom/strongroom/internal/s3/sse"
	"github.com/strongroom/strongroom/internal/secret"
)

const (
	headerSSE       = "x-amz-server-side-encryption"
	headerBucketKey = "x-amz-server-side-encryption-bucket-key-enabled"
	headerContext   = "x-amz-server-side-encryption-context"
	headerSSEC      = "x-amz-server-side-encryption-customer-algorithm"

	// appliedSSES3 is CloudTrail's word for SSE-S3 that the request asked for.
	appliedSSES3 = "SSE_S3"

	// contextARN is the pair that S3 adds to every encryption context.
	contextARN = "aws:s3:arn"
)

// sseRequest is the encryption part of PutObject and CreateMultipartUpload.
type sseRequest struct {
	mode      *s3api.ServerSideEncryption
	keyID     *string
	context   *string
	bucketKey *bool

	customerAlgorithm, customerKeyMD5 *string
	customerKey                       secret.Bytes
}

// encryption is what a write was asked to do.
type encryption struct {
	mode    sse.Mode
	keyID   string            // as given; "" means aws/s3
	context map[string]string // with aws:s3:arn; SSE-KMS only
	applied string            // CloudTrail's SSEApplied
}

// parse decides how the object is sealed. Errors and texts: as recorded from
// AWS where the contract says so.
func (r sseRequest) parse(bucket, key string) (encryption, error) {
	if r.customerAlgorithm != nil || r.customerKeyMD5 != nil || !r.customerKey.IsNil() {
		if r.mode != nil {
			return encryption{}, invalidArgument(headerSSE, string(*r.mode),
				"Server Side Encryption with Customer provided key is incompatible with the encryption method specified")
		}
		return encryption{}, notImplemented(headerSSEC)
	}
	if r.bucketKey != nil && *r.bucketKey {
		return encryption{}, notImplemented(headerBucketKey)
	}
	kms := r.mode != nil && *r.mode == s3api.ServerSideEncryptionAwsKms
	if (r.keyID != nil || r.context != nil) && !kms && (r.mode == nil || *r.mode == s3api.ServerSideEncryptionAes256) {
		return encryption{}, invalidArgument(headerSSE, string(deref(r.mode)),
			"Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms")
	}
	switch deref(r.mode) {
	case "":
		if r.mode == nil {
			return encryption{mode: sse.SSES3, applied: "Default_SSE_S3"}, nil
		}
	case s3api.ServerSideEncryptionAes256:
		return encryption{mode: sse.SSES3, applied: appliedSSES3}, nil
	case s3api.ServerSideEncryptionAwsKms:
		pairs, err := parseContext(r.context, objectARN(bucket, key))
		return encryption{mode: sse.SSEKMS, keyID: deref(r.keyID), context: pairs, applied: "SSE_KMS"}, err
	case s3api.ServerSideEncryptionAwsKmsDsse, s3api.ServerSideEncryptionAwsFsx:
		return encryption{}, notImplemented(headerSSE)
	}
	return encryption{}, invalidArgument(headerSSE, string(*r.mode), "The encryption method specified is not supported")
}

// parseContext reads the header: base64 of a JSON object of strings. S3 adds
// aws:s3:arn; a given one must be the same.
func parseContext(header *string, resource string) (map[string]string, error) {
	pairs := map[string]string{}
	if header != nil {
		raw, err := base64.StdEncoding.DecodeString(*header)
		ok := err == nil
		if ok {
			pairs, ok = stringMap(raw)
		}
		if !ok {
			return nil, invalidArgument(headerContext, *header,
				"The header '%s' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map", headerContext)
		}
	}
	if given, ok := pairs[contextARN]; ok && given != resource {
		return nil, invalidArgument(headerContext, deref(header), "The encryption context's %s must be %s", contextARN, resource)
	}
	pairs[contextARN] = resource
	return pairs, nil
}

// stringMap reads a JSON object of strings and nothing else. It takes only what
// has one meaning: a null, a name given twice, or text that is not UTF-8 would
// be bound to the object as something other than was sent.
func stringMap(raw []byte) (map[string]string, bool) {
	pairs := map[string]string{}
	if !utf8.Valid(raw) {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, false
		}
		token, err := d.Token()
		value, ok := token.(string)
		if _, twice := pairs[name.(string)]; err != nil || !ok || twice {
			return nil, false
		}
		pairs[name.(string)] = value
	}
	if t, err := d.Token(); err != nil || t != json.Delim('}') {
		return nil, false
	}
	_, err := d.Token()
	return pairs, err == io.EOF
}

// newKey makes the key of an object that is about to be written, for instance
// a fresh one, and its envelope. SSE-KMS asks KMS with the caller's rights.
func (c *call) newKey(ctx context.Context, b *bucketRecord, key string, e encryption) (envelope, *hsm.ObjectKey, error) {
	instance, err := sse.NewInstance()
	if err != nil {
		return envelope{}, nil, err
	}
	var dk DataKey
	if e.mode == sse.SSEKMS {
		dk, err = c.s.keys.NewDataKey(ctx, c.caller.Via("s3"), e.keyID, e.context)
	} else {
		dk, err = c.s.keys.NewServiceDataKey(ctx, b.Account, b.Region)
	}
	if err != nil {
		return envelope{}, nil, kmsError(err)
	}
	if c.keyNamed != "" && dk.KeyARN != c.keyNamed {
		// The alias names another key than the one that a policy was asked about.
		return envelope{}, nil, awserr.New(s3api.OperationAborted, "A conflicting conditional operation is currently in progress against this resource. Please try again.")
	}
	env := envelope{Instance: instance[:], Mode: e.mode.String(), DataKey: dk.Blob}
	if e.mode == sse.SSEKMS {
		env.KeyARN = dk.KeyARN
	}
	binding := sse.Binding{Mode: e.mode, Bucket: b.Name, Key: key, Instance: instance}
	k, wrapped, err := dk.Handle.NewObjectKey(binding.AAD())
	if err != nil {
		return envelope{}, nil, fmt.Errorf("making object key: %w", err)
	}
	env.ObjectKey = wrapped
	return env, k, nil
}

// openKey opens the key of a stored object or an upload in progress. SSE-KMS
// asks KMS with the caller's rights, every time.
func (c *call) openKey(ctx context.Context, b *bucketRecord, key string, env envelope, context map[string]string) (*hsm.ObjectKey, sse.Binding, error) {
	binding, err := env.binding(b.Name, key)
	if err != nil {
		return nil, binding, err
	}
	var dk *hsm.DataKey
	if binding.Mode == sse.SSEKMS {
		requester := c.caller
		requester.Region = b.Region // of the source of a copy it may be another
		dk, err = c.s.keys.OpenDataKey(ctx, requester.Via("s3"), env.KeyARN, env.DataKey, context)
	} else {
		dk, err = c.s.keys.OpenServiceDataKey(ctx, b.Account, b.Region, env.DataKey)
	}
	if err != nil {
		return nil, binding, fmt.Errorf("data key of object %s/%s: %w", b.Name, key, kmsError(err))
	}
	k, err := dk.OpenObjectKey(env.ObjectKey, binding.AAD())
	if err != nil {
		return nil, binding, tampered("key of object "+b.Name+"/"+key, err)
	}
	return k, binding, nil
}

// wireMode and wireKey are the answer's encryption headers.
func (e envelope) wireMode() *s3api.ServerSideEncryption {
	mode := s3api.ServerSideEncryption(e.Mode)
	return &mode
}

func (e envelope) wireKey() *string {
	if e.KeyARN == "" {
		return nil
	}
	return &e.KeyARN
}

// elements is what CloudTrail shows of a write's answer.
func (e envelope) elements() map[string]string {
	m := map[string]string{headerSSE: e.Mode}
	if e.KeyARN != "" {
		m[headerSSE+"-aws-kms-key-id"] = e.KeyARN
	}
	return m
}

// trimETag takes the quotes off an ETag as clients send it.
func trimETag(s string) string {
	s = strings.TrimPrefix(strings.TrimSpace(s), "W/")
	return strings.TrimSuffix(strings.TrimPrefix(s, `"`), `"`)
}

func quote(etag string) *string {
	q := `"` + etag + `"`
	return &q
}
