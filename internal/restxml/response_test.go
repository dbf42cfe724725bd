package restxml

import (
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/s3/s3api"
)

const declaration = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

func TestAppendBody(t *testing.T) {
	date := time.Date(2014, 4, 29, 18, 30, 38, 918e6, time.FixedZone("", 3600))
	for _, tt := range []struct {
		name string
		in   any
		want string
	}{
		{"no buckets", &s3api.ListBucketsOutput{}, `<ListAllMyBucketsResult` + xmlns + `><Buckets></Buckets></ListAllMyBucketsResult>`},
		{"buckets", &s3api.ListBucketsOutput{Buckets: []s3api.Bucket{{Name: new("b"), CreationDate: &date}}, Owner: &s3api.Owner{ID: new("o")}},
			`<ListAllMyBucketsResult` + xmlns + `><Buckets><Bucket><Name>b</Name><CreationDate>2014-04-29T17:30:38.918Z</CreationDate></Bucket></Buckets><Owner><ID>o</ID></Owner></ListAllMyBucketsResult>`},
		{"objects", &s3api.ListObjectsV2Output{
			Name: new("b"), Prefix: new(""), KeyCount: new(int32(2)), IsTruncated: new(false),
			Contents:       []s3api.Object{{Key: new("a&<\r\x01"), ETag: new(`"e"`), Size: new(int64(1 << 40))}, {Key: new("é")}},
			CommonPrefixes: []s3api.CommonPrefix{{Prefix: new("p/")}}, RequestCharged: new(s3api.RequestChargedRequester),
		}, `<ListBucketResult` + xmlns + `><IsTruncated>false</IsTruncated>` +
			`<Contents><Key>a&amp;&lt;&#13;&#1;</Key><ETag>&quot;e&quot;</ETag><Size>1099511627776</Size></Contents><Contents><Key>é</Key></Contents>` +
			`<Name>b</Name><Prefix></Prefix><CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes><KeyCount>2</KeyCount></ListBucketResult>`},
		{"location", &s3api.GetBucketLocationOutput{LocationConstraint: new(s3api.BucketLocationConstraintEuWest1)},
			`<LocationConstraint` + xmlns + `>eu-west-1</LocationConstraint>`},
		{"location of us-east-1", &s3api.GetBucketLocationOutput{}, `<LocationConstraint` + xmlns + `></LocationConstraint>`},
		{"upload", &s3api.CreateMultipartUploadOutput{Bucket: new("b"), Key: new("k"), UploadId: new("u")},
			`<InitiateMultipartUploadResult` + xmlns + `><Bucket>b</Bucket><Key>k</Key><UploadId>u</UploadId></InitiateMultipartUploadResult>`},
		{"parts", &s3api.ListPartsOutput{Parts: []s3api.Part{{PartNumber: new(int32(1))}}}, `<ListPartsResult` + xmlns + `><Part><PartNumber>1</PartNumber></Part></ListPartsResult>`},
		{"completed", &s3api.CompleteMultipartUploadOutput{Location: new("http://x")},
			`<CompleteMultipartUploadResult` + xmlns + `><Location>http://x</Location></CompleteMultipartUploadResult>`},
		{"copy", &s3api.CopyObjectOutput{CopyObjectResult: &s3api.CopyObjectResult{ETag: new("e"), LastModified: &date}, VersionId: new("v")},
			`<CopyObjectResult` + xmlns + `><ETag>e</ETag><LastModified>2014-04-29T17:30:38.918Z</LastModified></CopyObjectResult>`},
		{"copied part", &s3api.UploadPartCopyOutput{}, `<CopyPartResult` + xmlns + `></CopyPartResult>`},
		{"deleted", &s3api.DeleteObjectsOutput{Deleted: []s3api.DeletedObject{{Key: new("a")}}, Errors: []s3api.Error{{Key: new("b"), Code: new("c"), Message: new("m")}}},
			`<DeleteResult` + xmlns + `><Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>c</Code><Message>m</Message></Error></DeleteResult>`},
		{"uploads", &s3api.ListMultipartUploadsOutput{Uploads: []s3api.MultipartUpload{{Key: new("k")}}},
			`<ListMultipartUploadsResult` + xmlns + `><Upload><Key>k</Key></Upload></ListMultipartUploadsResult>`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, want := string(AppendBody(nil, tt.in)), declaration+tt.want; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// TestEveryOutput makes sure that each output of the API can be written: that
// its type compiles, and that a root element is known where there is a body.
func TestEveryOutput(t *testing.T) {
	for _, tt := range []struct {
		out  any
		body bool
	}{
		{&s3api.AbortMultipartUploadOutput{}, false}, {&s3api.CompleteMultipartUploadOutput{}, true},
		{&s3api.CopyObjectOutput{}, true}, {&s3api.UploadPartCopyOutput{}, true}, {&s3api.DeleteObjectsOutput{}, true},
		{&s3api.ListMultipartUploadsOutput{}, true},
		{&s3api.CreateBucketOutput{}, false}, {&s3api.CreateMultipartUploadOutput{}, true},
		{&s3api.DeleteObjectOutput{}, false}, {&s3api.GetBucketLocationOutput{}, true},
		{&s3api.GetObjectOutput{}, false}, {&s3api.HeadBucketOutput{}, false}, {&s3api.HeadObjectOutput{}, false},
		{&s3api.ListBucketsOutput{}, true}, {&s3api.ListObjectsOutput{}, true}, {&s3api.ListObjectsV2Output{}, true},
		{&s3api.ListPartsOutput{}, true}, {&s3api.PutObjectOutput{}, false}, {&s3api.UploadPartOutput{}, false},
	} {
		h := http.Header{}
		SetHeaders(h, tt.out)
		if len(h) != 0 {
			t.Errorf("%T: got headers %v from nothing", tt.out, h)
		}
		if got := HasBody(tt.out); got != tt.body {
			t.Errorf("%T: got body %v, want %v", tt.out, got, tt.body)
		} else if got {
			AppendBody(nil, tt.out)
		}
	}
}

func TestSetHeaders(t *testing.T) {
	date := time.Date(2014, 4, 29, 18, 30, 38, 918e6, time.UTC)
	got := http.Header{}
	SetHeaders(got, &s3api.GetObjectOutput{
		ETag: new(`"e"`), ContentLength: new(int64(5)), LastModified: &date, ObjectLockRetainUntilDate: &date,
		ServerSideEncryption: new(s3api.ServerSideEncryptionAwsKms), BucketKeyEnabled: new(true), DeleteMarker: new(false),
		Metadata: map[string]string{"colour": "red"},
	})
	want := http.Header{
		"Etag": {`"e"`}, "Content-Length": {"5"}, "Last-Modified": {"Tue, 29 Apr 2014 18:30:38 GMT"},
		"X-Amz-Object-Lock-Retain-Until-Date": {"2014-04-29T18:30:38.918Z"}, "X-Amz-Server-Side-Encryption": {"aws:kms"},
		"X-Amz-Server-Side-Encryption-Bucket-Key-Enabled": {"true"}, "X-Amz-Delete-Marker": {"false"}, "x-amz-meta-colour": {"red"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAppendError(t *testing.T) {
	e := awserr.New(s3api.InvalidArgument, "a < b").With("ArgumentName", "x")
	got := string(AppendError(nil, e, "/b/k", "r", "h"))
	want := declaration + `<Error><Code>InvalidArgument</Code><Message>a &lt; b</Message><ArgumentName>x</ArgumentName>` +
		`<Resource>/b/k</Resource><RequestId>r</RequestId><HostId>h</HostId></Error>`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func BenchmarkListBody(b *testing.B) {
	out := &s3api.ListObjectsV2Output{Contents: make([]s3api.Object, 1000)}
	date := time.Unix(0, 0)
	for i := range out.Contents {
		out.Contents[i] = s3api.Object{Key: new("some/prefix/and/a/key"), ETag: new(`"0123456789abcdef0123456789abcdef"`), Size: new(int64(i)), LastModified: &date}
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendBody(buf[:0], out)
	}
}
