package s3

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/s3/s3api"
	"github.com/strongroom/strongroom/internal/s3/sse"
	"github.com/strongroom/strongroom/internal/secret"
)

const (
	headerCopySource = "x-amz-copy-source"
	headerCopyRange  = "x-amz-copy-source-range"
)

// nullVersion is the version id of every object of a bucket without versions.
const nullVersion = "null"

// copySource is what x-amz-copy-source names.
type copySource struct {
	bucket, key string
	version     *string // of versionId; nil when there is none
}

// parseCopySource reads BUCKET/KEY or /BUCKET/KEY, escaped as in a URL, with
// "?versionId=" behind. As AWS does, it takes a plus sign for a space (observed:
// some clients escape by the rules of forms), and an escaped slash for a slash. A
// question mark that is part of the key must be escaped.
func parseCopySource(header string) (copySource, error) {
	path, query, hasQuery := strings.Cut(header, "?")
	path, err := url.QueryUnescape(path) // the plus sign with it
	if err != nil {
		return copySource{}, invalidArgument(headerCopySource, headerCopySource, "Invalid copy source encoding")
	}
	var src copySource
	var found bool
	src.bucket, src.key, found = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !found || src.key == "" || checkObjectKey(src.key) != nil {
		return copySource{}, invalidArgument(headerCopySource, headerCopySource, "Invalid copy source object key")
	}
	if !validBucketName(src.bucket) {
		return copySource{}, invalidArgument(headerCopySource, headerCopySource, "Invalid copy source bucket name")
	}
	if !hasQuery {
		return src, nil
	}
	values, err := url.ParseQuery(query)
	version, ok := values["versionId"]
	if err != nil || !ok || len(version) != 1 || len(values) != 1 {
		return copySource{}, invalidArgument(headerCopySource, headerCopySource, "Invalid copy source encoding")
	}
	src.version = &version[0]
	return src, nil
}

// action is what the requester must be allowed on the source.
func (src copySource) action() string {
	if src.version != nil {
		return "s3:GetObjectVersion"
	}
	return operations["GetObject"].Action
}

// checkVersion refuses every version but "null": no bucket has versions yet. What
// could be a version id of AWS's names one that is not there.
func (src copySource) checkVersion() error {
	if src.version == nil || *src.version == nullVersion {
		return nil
	}
	return noSuchVersion(src.key, *src.version)
}

func noSuchVersion(key, version string) error {
	odd := func(c rune) bool {
		return c != '.' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
	}
	if len(version) != 32 || strings.ContainsFunc(version, odd) {
		return invalidArgument("versionId", showable(version), "Invalid version id specified")
	}
	return awserr.New(s3api.NoSuchVersion, "The specified version does not exist.").With("Key", key).With("VersionId", version)
}

// sourceRequest is the part of CopyObject and UploadPartCopy that is about the
// source.
type sourceRequest struct {
	source     *string
	conditions readConditions
	owner      *string

	customerAlgorithm, customerKeyMD5 *string
	customerKey                       secret.Bytes
}

// parse is what can be told from the request alone.
func (r sourceRequest) parse() (copySource, error) {
	if r.customerAlgorithm != nil || r.customerKeyMD5 != nil || !r.customerKey.IsNil() {
		// Every object is sealed in another mode: SSE-C is not served.
		return copySource{}, invalidRequest("The encryption parameters are not applicable to this object.")
	}
	return parseCopySource(deref(r.source))
}

// source is the object that is copied, found and authorised, its blobs pinned.
type source struct {
	*object
	bucket   *bucketRecord
	key      string
	manifest *sse.Manifest
	payload  *Object // what is to be copied of it
}

// openSource resolves the source and asks the gate for the right to read it. It
// checks the conditions, opens the object's key with the requester's rights, and
// pins what choose says to copy. The caller calls release.
func (c *call) openSource(ctx context.Context, src copySource, r sourceRequest, choose func(size int64) (span, error)) (_ *source, err error) {
	b, err := c.s.bucket(ctx, src.bucket)
	if err != nil {
		return nil, err
	}
	c.AddResource(objectARN(b.Name, src.key), "", "AWS::S3::Object")
	c.addBucket(b)
	if err := c.ask(ctx, question{action: src.action(), bucket: b, key: &src.key, version: src.version}); err != nil {
		return nil, err
	}
	if err := checkOwner(b, r.owner); err != nil {
		return nil, err
	}
	if err := src.checkVersion(); err != nil {
		return nil, err
	}
	// Between the look-up and the pin the collector keeps its hands off.
	c.s.readers.enter()
	defer c.s.readers.leave()
	o, err := c.s.findObject(ctx, b, src.key)
	if err != nil {
		return nil, err
	}
	if o == nil {
		return nil, c.noSuchKey(ctx, b, src.key)
	}
	if err := r.conditions.checkCopy(o.attrs.ETag, o.attrs.Modified, c.s.clock()); err != nil {
		return nil, err
	}
	wanted, err := choose(o.attrs.Size)
	if err != nil {
		return nil, err
	}
	if wanted.length > maxPartSize {
		return nil, invalidRequest("The specified copy source is larger than the maximum allowable size for a copy source: %d", int64(maxPartSize))
	}
	key, m, err := c.openManifest(ctx, b, src.key, o)
	if err != nil {
		return nil, err
	}
	payload := &Object{call: c, key: key, what: describe(b.Name, src.key), Length: wanted.length, ranges: partRanges(m.Parts, wanted)}
	var ids []string
	for _, p := range payload.ranges {
		ids = append(ids, p.part.Blob)
	}
	payload.unpin = c.s.readers.pin(ids)
	if payload.first, err = payload.open(ctx, payload.ranges[0]); err != nil {
		payload.unpin()
		return nil, err
	}
	return &source{object: o, bucket: b, key: src.key, manifest: m, payload: payload}, nil
}

// release lets go of the source's blobs.
func (src *source) release() { src.payload.release() }

// wholeSource chooses all of an object.
func wholeSource(size int64) (span, error) { return span{length: size}, nil }

// checkCopy is check for the source of a copy, to which every condition that
// fails is a precondition that failed (API Reference, CopyObject).
func (r readConditions) checkCopy(etag string, modified, now time.Time) error {
	name := r.failed(etag, modified, now)
	if name == "" {
		return nil
	}
	return preconditionFailed(headerCopySource + "-" + name)
}
