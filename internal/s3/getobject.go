package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/s3/s3api"
	"github.com/strongroom/strongroom/internal/s3/sse"
	"github.com/strongroom/strongroom/internal/store"
)

var getObjectServed = names("Bucket", "Key", "IfMatch", "IfModifiedSince", "IfNoneMatch", "IfUnmodifiedSince", "Range",
	"ResponseCacheControl", "ResponseContentDisposition", "ResponseContentEncoding", "ResponseContentLanguage",
	"ResponseContentType", "ResponseExpires", "PartNumber", "ExpectedBucketOwner", "ChecksumMode")

// Object is the answer to a GetObject: headers, and a payload to stream. The
// caller calls Close in any case.
type Object struct {
	Output  *s3api.GetObjectOutput
	Partial bool  // a range or a part: status 206
	Length  int64 // bytes that WriteTo will write

	call     *call
	key      *hsm.ObjectKey
	what     string
	ranges   []partRange
	first    *openPart // of the first range; opened before anything is answered
	unpin    func()
	finished bool
}

// partRange is what is wanted of one part.
type partRange struct {
	part           sse.ManifestPart
	offset, length int64
}

// openPart is a part that is open for reading.
type openPart struct {
	blob   Blob
	reader *sse.PartReader
}

// errInterrupted is the outcome of a call that ended in the middle.
var errInterrupted = errors.New("s3: interrupted")

// GetObject finds, authorises and opens an object. The decision is in the trail
// when it returns; the outcome follows after the last byte.
func (s *Service) GetObject(ctx context.Context, c identity.Caller, req *s3api.GetObjectRequest) (o *Object, err error) {
	call, err := s.begin(c, "GetObject", req)
	if err != nil {
		return nil, err
	}
	defer call.endFailed(&err)
	o, err = call.getObject(ctx, req)
	if err = call.settle(err); err != nil {
		return nil, err
	}
	if err = call.Streaming(); err != nil {
		o.release()
		return nil, err
	}
	return o, nil
}

// endFailed is gate's End for a call that goes on when it has not failed. It
// must be deferred directly.
func (c *call) endFailed(err *error) {
	if p := recover(); p != nil {
		_ = c.Finish(errInterrupted) // the panic goes on in any case
		panic(p)
	}
	if *err != nil {
		*err = c.Finish(*err)
	}
}

func (c *call) getObject(ctx context.Context, req *s3api.GetObjectRequest) (*Object, error) {
	if err := checkRead(req, getObjectServed, req.SSECustomerAlgorithm, req.Range, req.PartNumber); err != nil {
		return nil, err
	}
	if err := checkMode(req.ChecksumMode); err != nil {
		return nil, err
	}
	b, err := c.objectBucket(ctx, req.Bucket, req.Key, req.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	// Between the look-up and the pin the collector keeps its hands off.
	c.s.readers.enter()
	defer c.s.readers.leave()
	o, err := c.s.findObject(ctx, b, *req.Key)
	if err != nil {
		return nil, err
	}
	if o == nil {
		return nil, c.noSuchKey(ctx, b, *req.Key)
	}
	conditions := readConditions{req.IfMatch, req.IfNoneMatch, req.IfModifiedSince, req.IfUnmodifiedSince}
	if err := conditions.check(o.attrs.ETag, o.attrs.Modified, c.s.clock()); err != nil {
		return nil, err
	}
	c.sseApplied = o.attrs.SSEApplied
	key, manifest, err := c.openManifest(ctx, b, *req.Key, o)
	if err != nil {
		return nil, err
	}
	r, err := wantedRange(req.Range, req.PartNumber, manifest)
	if err != nil {
		return nil, err
	}
	out := &Object{
		Output: getOutput(o, manifest, r, req), Partial: r.partial, Length: r.length,
		call: c, key: key, what: describe(b.Name, *req.Key), ranges: partRanges(manifest.Parts, r),
	}
	var ids []string
	for _, p := range out.ranges {
		ids = append(ids, p.part.Blob)
	}
	out.unpin = c.s.readers.pin(ids)
	if out.first, err = out.open(ctx, out.ranges[0]); err != nil {
		out.unpin()
		return nil, err
	}
	return out, nil
}

// WriteTo streams the payload. Nothing of a chunk is written before the chunk
// is verified. When it fails before its first byte the caller can still answer
// an error; after that it must break the connection.
func (o *Object) WriteTo(w io.Writer) (n int64, err error) {
	cw := &countingWriter{w: w}
	err = errInterrupted // what a panic of w leaves
	defer func() {
		n, o.call.out = cw.n, cw.n
		err = o.finish(err)
	}()
	err = o.stream(cw)
	if cw.err != nil {
		err = awserr.Wrap(cw.err, s3api.RequestTimeout, "Your socket connection to the server was not read from or written to within the timeout period.")
	}
	return cw.n, err
}

func (o *Object) stream(w io.Writer) (err error) {
	for i, r := range o.ranges {
		p := o.first
		if i > 0 {
			if p, err = o.open(context.Background(), r); err != nil {
				return err
			}
		}
		o.first = nil
		err = p.reader.WriteRange(w, r.offset, r.length)
		if err = errors.Join(err, p.blob.Close()); err != nil {
			return fmt.Errorf("%s: blob %s: %w", o.what, r.part.Blob, err)
		}
	}
	return nil
}

// Close releases what is held. A payload that was not written by then counts
// as interrupted.
func (o *Object) Close() error { return o.finish(errInterrupted) }

func (o *Object) finish(err error) error {
	if o.finished {
		return nil
	}
	o.finished = true
	o.release()
	return o.call.Finish(o.call.settle(err))
}

func (o *Object) release() {
	if o.first != nil {
		_ = o.first.blob.Close()
		o.first = nil
	}
	o.unpin()
}

func (o *Object) open(ctx context.Context, r partRange) (*openPart, error) {
	blob, err := o.call.s.objects.Open(ctx, r.part.Blob)
	if errors.Is(err, ErrNoBlob) {
		return nil, tampered(o.what, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.what, err)
	}
	reader, err := sse.OpenPart(blob, blob.Size(), o.key, r.part)
	if err != nil {
		_ = blob.Close()
		return nil, fmt.Errorf("%s: blob %s: %w", o.what, r.part.Blob, err)
	}
	return &openPart{blob, reader}, nil
}

// partRanges maps a range of the object to ranges of its parts. An empty
// object has one empty range, so that its one chunk is verified too.
func partRanges(parts []sse.ManifestPart, r span) []partRange {
	var out []partRange
	start := int64(0)
	for _, p := range parts {
		from, to := max(r.offset, start), min(r.offset+r.length, start+p.PlainSize)
		if from < to {
			out = append(out, partRange{p, from - start, to - from})
		}
		start += p.PlainSize
	}
	if out == nil {
		out = []partRange{{part: parts[0]}}
	}
	return out
}

// wantedRange is the Range header, or one part.
func wantedRange(header *string, number *int32, m *sse.Manifest) (span, error) {
	if number == nil {
		return parseRange(header, m.Size)
	}
	start := int64(0)
	for i, p := range m.Parts {
		// Parts are counted by their place, as AWS does, not by the number
		// they were uploaded under.
		if int32(i)+1 == *number {
			return span{start, p.PlainSize, p.PlainSize > 0}, nil
		}
		start += p.PlainSize
	}
	return span{}, awserr.New(InvalidPartNumber, "The requested partnumber is not satisfiable").
		With("ActualPartCount", strconv.Itoa(len(m.Parts))).With("PartNumberRequested", strconv.Itoa(int(*number)))
}

// checkRead is what GetObject and HeadObject can tell from the request alone.
func checkRead(in any, served memberSet, customerAlgorithm, header *string, number *int32) error {
	switch {
	case customerAlgorithm != nil:
		// Every object is sealed in another mode: SSE-C is not served.
		return invalidRequest("The encryption parameters are not applicable to this object.")
	case header != nil && number != nil:
		return invalidRequest("Cannot specify both Range header and partNumber query parameter.")
	case number != nil && (*number < 1 || *number > sse.MaxParts):
		return invalidArgument("partNumber", strconv.Itoa(int(*number)), "Part number must be an integer between 1 and 10000, inclusive")
	}
	return refuseOthers(in, served)
}

// checkMode refuses an x-amz-checksum-mode other than the one there is.
func checkMode(mode *s3api.ChecksumMode) error {
	if mode != nil && !strings.EqualFold(string(*mode), string(s3api.ChecksumModeEnabled)) {
		return invalidRequest("Value for x-amz-checksum-mode header is invalid.")
	}
	return nil
}

// findObject loads an object's record; nil when there is none.
func (s *Service) findObject(ctx context.Context, b *bucketRecord, key string) (*object, error) {
	row, err := s.store.Get(ctx, store.Objects, objectRowKey(b.Name, key))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	o, err := s.decodeObject(b, key, row)
	if errors.Is(err, ErrTampered) {
		// An object of a later bucket of the same name does not open.
		now, gone := s.bucket(ctx, b.Name)
		if errors.Is(gone, s3api.NoSuchBucket) || gone == nil && now.ID != b.ID {
			return nil, noSuchBucket(b.Name)
		}
	}
	return o, err
}

// openManifest opens the object's key and manifest, and compares the manifest
// with the attributes that HEAD and listings show: neither can be exchanged
// for that of another write.
func (c *call) openManifest(ctx context.Context, b *bucketRecord, name string, o *object) (*hsm.ObjectKey, *sse.Manifest, error) {
	key, binding, err := c.openKey(ctx, b, name, o.doc.envelope, o.attrs.Context)
	if err != nil {
		return nil, nil, err
	}
	sealed := o.doc.Manifest
	if o.doc.ManifestBlob != "" {
		if sealed, err = c.s.readBlob(ctx, o.doc.ManifestBlob); err != nil {
			return nil, nil, fmt.Errorf("manifest of %s: %w", describe(b.Name, name), err)
		}
	}
	m, err := sse.OpenManifest(key, binding, sealed)
	if err != nil {
		return nil, nil, tampered("manifest of "+describe(b.Name, name), err)
	}
	if m.Size != o.attrs.Size || m.ETag != o.attrs.ETag {
		return nil, nil, tampered(describe(b.Name, name), errors.New("manifest and attributes disagree"))
	}
	return key, m, nil
}

// readBlob reads a sealed manifest that is a blob of its own.
func (s *Service) readBlob(ctx context.Context, id string) ([]byte, error) {
	blob, err := s.objects.Open(ctx, id)
	if errors.Is(err, ErrNoBlob) {
		return nil, tampered("blob "+id, err)
	}
	if err != nil {
		return nil, err
	}
	sealed, err := io.ReadAll(io.NewSectionReader(blob, 0, blob.Size()))
	return sealed, errors.Join(err, blob.Close())
}

func getOutput(o *object, m *sse.Manifest, r span, req *s3api.GetObjectRequest) *s3api.GetObjectOutput {
	h := o.attrs.headers
	out := &s3api.GetObjectOutput{
		AcceptRanges: ptr("bytes"), LastModified: &o.attrs.Modified, ContentLength: &r.length, ETag: quote(o.attrs.ETag),
		ContentRange:       r.contentRange(m.Size),
		CacheControl:       override(h.CacheControl, req.ResponseCacheControl),
		ContentDisposition: override(h.ContentDisposition, req.ResponseContentDisposition),
		ContentEncoding:    override(h.ContentEncoding, req.ResponseContentEncoding),
		ContentLanguage:    override(h.ContentLanguage, req.ResponseContentLanguage),
		ContentType:        override(h.ContentType, req.ResponseContentType),
		Expires:            overrideTime(h.Expires, req.ResponseExpires),
		Metadata:           o.attrs.Metadata, ServerSideEncryption: o.doc.wireMode(), SSEKMSKeyId: o.doc.wireKey(),
	}
	if req.PartNumber != nil && o.attrs.Parts > 0 {
		out.PartsCount = ptr(int32(o.attrs.Parts))
	}
	if value := checksumOf(m, r, o.attrs.Parts > 0, req.PartNumber); value != "" && req.ChecksumMode != nil {
		checksumType := s3api.ChecksumType(m.Checksum.Type)
		out.ChecksumType = &checksumType
		setChecksum(out, s3api.ChecksumAlgorithm(m.Checksum.Algorithm), value)
	}
	return out
}

// checksumOf is the checksum that fits what is read, "" when there is none: that
// of the object beside all of it, and beside a part that of the part, where the
// object's is made of its parts' (COMPOSITE). Beside a range it would be no use.
// (As seen of AWS: localstack pull request 12842.)
func checksumOf(m *sse.Manifest, r span, multipart bool, number *int32) string {
	switch {
	case multipart && number != nil && m.Checksum.Type == string(composite):
		return m.Parts[*number-1].Checksum // wantedRange has found it
	case r.length == m.Size:
		return m.Checksum.Value
	}
	return ""
}

// override is a stored header, or what the response-… parameter says instead.
func override(stored string, asked *string) *string {
	if asked != nil {
		return asked
	}
	return nonEmpty(stored)
}

func overrideTime(stored string, asked *time.Time) *string {
	if asked != nil {
		return ptr(asked.UTC().Format(httpTime))
	}
	return nonEmpty(stored)
}

func nonEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func ptr[T any](v T) *T { return &v }

type countingWriter struct {
	w   io.Writer
	n   int64
	err error // of w
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	c.err = err
	return n, err
}
