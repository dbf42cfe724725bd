package s3http

import (
	"net/http"
	"net/url"
	"reflect"
	"strings"

	"github.com/strongroom/strongroom/internal/s3"
	"github.com/strongroom/strongroom/internal/s3/s3api"
)

// level is what a path names.
type level uint8

const (
	serviceLevel level = iota + 1 // /
	bucketLevel                   // /bucket or /bucket/
	objectLevel                   // /bucket/key
)

// String is CloudTrail's and AWS's word, as in a MethodNotAllowed error.
func (l level) String() string { return [...]string{"", "SERVICE", "BUCKET", "OBJECT"}[l] }

// route is one operation. It is chosen by method, level and sub-resources: those
// in the query string must be all of selectors, and besides them only optional.
type route struct {
	name      string
	method    string
	level     level
	selectors []string
	optional  []string
	value     [2]string // a query parameter that must have this value; empty: none
	copies    bool      // only with x-amz-copy-source, which no other row takes

	bodyLimit int64 // of an XML payload, in bytes; 0: the operation has none
	streams   bool  // the payload is object data, which the operation reads
	digest    bool  // the payload must come with Content-MD5 or a checksum
	status    int   // of a success

	input any // a pointer to the input structure, for the headers it takes
	serve func(*exchange) error

	headers map[string]bool // lower case: those that input has
}

// The greatest XML payloads: 10,000 parts with a checksum of each are some 2 MiB,
// as are 1,000 keys of 1 KiB with some escapes.
const (
	maxConfigBody   = 64 << 10
	maxCompleteBody = 4 << 20
	maxDeleteBody   = 4 << 20
)

// routes is the operation table. The first row that fits is taken.
var routes = table([]route{
	{name: "ListBuckets", method: http.MethodGet, level: serviceLevel, status: 200,
		input: &s3api.ListBucketsRequest{}, serve: bind((*s3.Service).ListBuckets)},
	{name: "CreateBucket", method: http.MethodPut, level: bucketLevel, status: 200, bodyLimit: maxConfigBody,
		input: &s3api.CreateBucketRequest{}, serve: bind((*s3.Service).CreateBucket)},
	{name: "HeadBucket", method: http.MethodHead, level: bucketLevel, status: 200,
		input: &s3api.HeadBucketRequest{}, serve: bind((*s3.Service).HeadBucket)},
	{name: "DeleteBucket", method: http.MethodDelete, level: bucketLevel, status: 204,
		input: &s3api.DeleteBucketRequest{}, serve: bind((*s3.Service).DeleteBucket)},
	{name: "GetBucketLocation", method: http.MethodGet, level: bucketLevel, selectors: []string{"location"}, status: 200,
		input: &s3api.GetBucketLocationRequest{}, serve: bind((*s3.Service).GetBucketLocation)},
	{name: "PutBucketPolicy", method: http.MethodPut, level: bucketLevel, selectors: []string{"policy"}, status: 204, bodyLimit: maxConfigBody,
		input: &s3api.PutBucketPolicyRequest{}, serve: putBucketPolicy},
	{name: "GetBucketPolicy", method: http.MethodGet, level: bucketLevel, selectors: []string{"policy"}, status: 200,
		input: &s3api.GetBucketPolicyRequest{}, serve: getBucketPolicy},
	{name: "GetBucketPolicyStatus", method: http.MethodGet, level: bucketLevel, selectors: []string{"policyStatus"}, status: 200,
		input: &s3api.GetBucketPolicyStatusRequest{}, serve: bind((*s3.Service).GetBucketPolicyStatus)},
	{name: "DeleteBucketPolicy", method: http.MethodDelete, level: bucketLevel, selectors: []string{"policy"}, status: 204,
		input: &s3api.DeleteBucketPolicyRequest{}, serve: bind((*s3.Service).DeleteBucketPolicy)},
	{name: "ListMultipartUploads", method: http.MethodGet, level: bucketLevel, selectors: []string{"uploads"}, status: 200,
		input: &s3api.ListMultipartUploadsRequest{}, serve: bind((*s3.Service).ListMultipartUploads)},
	{name: "DeleteObjects", method: http.MethodPost, level: bucketLevel, selectors: []string{"delete"}, status: 200,
		bodyLimit: maxDeleteBody, digest: true,
		input: &s3api.DeleteObjectsRequest{}, serve: bind((*s3.Service).DeleteObjects)},
	{name: "ListObjectsV2", method: http.MethodGet, level: bucketLevel, value: [2]string{"list-type", "2"}, status: 200,
		input: &s3api.ListObjectsV2Request{}, serve: bind((*s3.Service).ListObjectsV2)},
	{name: "ListObjects", method: http.MethodGet, level: bucketLevel, status: 200,
		input: &s3api.ListObjectsRequest{}, serve: bind((*s3.Service).ListObjects)},

	{name: "UploadPartCopy", method: http.MethodPut, level: objectLevel, selectors: []string{"partNumber", "uploadId"}, copies: true, status: 200,
		input: &s3api.UploadPartCopyRequest{}, serve: bind((*s3.Service).UploadPartCopy)},
	{name: "CopyObject", method: http.MethodPut, level: objectLevel, copies: true, status: 200,
		input: &s3api.CopyObjectRequest{}, serve: bind((*s3.Service).CopyObject)},
	{name: "UploadPart", method: http.MethodPut, level: objectLevel, selectors: []string{"partNumber", "uploadId"}, streams: true, status: 200,
		input: &s3api.UploadPartRequest{}, serve: bindBody((*s3.Service).UploadPart)},
	{name: "PutObject", method: http.MethodPut, level: objectLevel, streams: true, status: 200,
		input: &s3api.PutObjectRequest{}, serve: bindBody((*s3.Service).PutObject)},
	{name: "ListParts", method: http.MethodGet, level: objectLevel, selectors: []string{"uploadId"}, status: 200,
		input: &s3api.ListPartsRequest{}, serve: bind((*s3.Service).ListParts)},
	{name: "GetObject", method: http.MethodGet, level: objectLevel, optional: []string{"partNumber"}, status: 200,
		input: &s3api.GetObjectRequest{}, serve: getObject},
	{name: "HeadObject", method: http.MethodHead, level: objectLevel, optional: []string{"partNumber"}, status: 200,
		input: &s3api.HeadObjectRequest{}, serve: headObject},
	{name: "AbortMultipartUpload", method: http.MethodDelete, level: objectLevel, selectors: []string{"uploadId"}, status: 204,
		input: &s3api.AbortMultipartUploadRequest{}, serve: bind((*s3.Service).AbortMultipartUpload)},
	{name: "DeleteObject", method: http.MethodDelete, level: objectLevel, status: 204,
		input: &s3api.DeleteObjectRequest{}, serve: bind((*s3.Service).DeleteObject)},
	{name: "CreateMultipartUpload", method: http.MethodPost, level: objectLevel, selectors: []string{"uploads"}, status: 200,
		input: &s3api.CreateMultipartUploadRequest{}, serve: bind((*s3.Service).CreateMultipartUpload)},
	{name: "CompleteMultipartUpload", method: http.MethodPost, level: objectLevel, selectors: []string{"uploadId"}, status: 200,
		bodyLimit: maxCompleteBody,
		input:     &s3api.CompleteMultipartUploadRequest{}, serve: completeMultipartUpload},
})

// table fills in which headers each operation takes.
func table(rows []route) []route {
	for i := range rows {
		rows[i].headers = map[string]bool{}
		t := reflect.TypeOf(rows[i].input).Elem()
		for j := range t.NumField() {
			name, rest, _ := strings.Cut(t.Field(j).Tag.Get("aws"), ",")
			if location, _, _ := strings.Cut(rest, ","); location == "header" {
				rows[i].headers[strings.ToLower(name)] = true
			}
		}
	}
	return rows
}

// subresources are the query parameters that name something other than the
// bucket or object itself, or an old version of it. One that no route takes is
// NotImplemented: to ignore it would be to do something else than was asked.
var subresources = set("abac", "accelerate", "acl", "analytics", "attributes", "cors", "delete", "encryption",
	"intelligent-tiering", "inventory", "legal-hold", "lifecycle", "location", "logging", "metadataConfiguration",
	"metadataInventoryTable", "metadataJournalTable", "metadataTable", "metrics", "notification", "object-lock",
	"ownershipControls", "partNumber", "policy", "policyStatus", "publicAccessBlock", "renameObject", "replication",
	"requestPayment", "restore", "retention", "select", "session", "tagging", "torrent", "uploadId", "uploads",
	"versionId", "versioning", "versions", "website")

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

// find returns the route of a request, or nil and the sub-resource that no
// route takes, "" when there is none and the method is what does not fit.
// Copies says that the request has x-amz-copy-source: a row that does not copy
// is taken all the same when there is none that does, and refuses the header.
func find(method string, l level, query url.Values, copies bool) (*route, string) {
	var present []string
	for name := range query {
		if subresources[name] {
			present = append(present, name)
		}
	}
	for i := range routes {
		if r := &routes[i]; r.method == method && r.level == l && (copies || !r.copies) && r.takes(present, query) {
			return r, ""
		}
	}
	if len(present) > 0 {
		return nil, present[0]
	}
	return nil, ""
}

func (r *route) takes(present []string, query url.Values) bool {
	for _, name := range r.selectors {
		if !query.Has(name) {
			return false
		}
	}
	for _, name := range present {
		if !contains(r.selectors, name) && !contains(r.optional, name) {
			return false
		}
	}
	return r.value[0] == "" || query.Get(r.value[0]) == r.value[1]
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// splitPath takes the bucket and the key from an escaped path. It is false for
// a path that is no valid escape, or does not begin with a slash.
func splitPath(escaped string) (bucket, key string, l level, ok bool) {
	rest, ok := strings.CutPrefix(escaped, "/")
	if !ok {
		return "", "", 0, false
	}
	if rest == "" {
		return "", "", serviceLevel, true
	}
	bucket, key, _ = strings.Cut(rest, "/")
	bucket, err1 := url.PathUnescape(bucket)
	key, err2 := url.PathUnescape(key)
	l = objectLevel
	if key == "" {
		l = bucketLevel
	}
	return bucket, key, l, err1 == nil && err2 == nil
}
