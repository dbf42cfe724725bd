package restxml

import (
	"errors"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/s3/s3api"
)

func bind(t *testing.T, target string, header map[string]string, body string, v any) error {
	t.Helper()
	r := httptest.NewRequest("PUT", target, strings.NewReader(body))
	for name, value := range header {
		r.Header.Add(name, value)
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		t.Fatal(err)
	}
	return BindRequest(r, "b", "k", query, []byte(body), v)
}

func TestBindPutObject(t *testing.T) {
	var got s3api.PutObjectRequest
	err := bind(t, "/b/k", map[string]string{
		"x-amz-acl": "private", "Content-MD5": "abc==", "Expires": "Tue, 29 Apr 2014 18:30:38 GMT",
		"x-amz-meta-Colour": "Red", "X-Amz-Meta-": "empty name", "x-amz-server-side-encryption": "aws:kms",
		"x-amz-server-side-encryption-bucket-key-enabled":  "True",
		"x-amz-object-lock-retain-until-date":              "2014-04-29T18:30:38Z",
		"x-amz-server-side-encryption-customer-key":        "a2V5",
		"X-Amz-Server-Side-Encryption-Customer-Algorithm":  "",
		"x-amz-write-offset-bytes":                         "12",
		"x-amz-server-side-encryption-aws-kms-key-id-more": "unknown",
	}, "hello", &got)
	if err != nil {
		t.Fatal(err)
	}
	if string(got.SSECustomerKey.Expose()) != "a2V5" {
		t.Error("the customer key is not the header's text")
	}
	got.SSECustomerKey.Wipe()
	want := s3api.PutObjectRequest{
		Bucket: new("b"), Key: new("k"), ACL: new(s3api.ObjectCannedACLPrivate), ContentMD5: new("abc=="), ContentLength: new(int64(5)),
		Expires: new("Tue, 29 Apr 2014 18:30:38 GMT"), Metadata: map[string]string{"colour": "Red", "": "empty name"},
		ServerSideEncryption: new(s3api.ServerSideEncryptionAwsKms), BucketKeyEnabled: new(true),
		ObjectLockRetainUntilDate: new(time.Date(2014, 4, 29, 18, 30, 38, 0, time.UTC)),
		SSECustomerKey:            got.SSECustomerKey, SSECustomerAlgorithm: new(""), WriteOffsetBytes: new(int64(12)),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestBindQuery(t *testing.T) {
	var got s3api.ListObjectsV2Request
	err := bind(t, "/b?list-type=2&prefix=&delimiter=%2F&max-keys=7&max-keys=8&fetch-owner=true&start-after=a%20b&x=y",
		map[string]string{"x-amz-optional-object-attributes": "RestoreStatus, Other"}, "", &got)
	if err != nil {
		t.Fatal(err)
	}
	want := s3api.ListObjectsV2Request{
		Bucket: new("b"), Prefix: new(""), Delimiter: new("/"), MaxKeys: new(int32(7)), FetchOwner: new(true), StartAfter: new("a b"),
		OptionalObjectAttributes: []s3api.OptionalObjectAttributes{"RestoreStatus", "Other"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestBindDates(t *testing.T) {
	var got s3api.GetObjectRequest
	err := bind(t, "/b/k?response-expires=Tue%2C%2029%20Apr%202014%2018%3A30%3A38%20GMT&versionId=", map[string]string{
		"If-Modified-Since": "Tuesday, 29-Apr-14 18:30:38 GMT", "If-Unmodified-Since": "no date",
	}, "", &got)
	if err != nil {
		t.Fatal(err)
	}
	date := time.Date(2014, 4, 29, 18, 30, 38, 0, time.UTC)
	want := s3api.GetObjectRequest{Bucket: new("b"), Key: new("k"), IfModifiedSince: &date, ResponseExpires: &date, VersionId: new("")}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestBindRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, target string
		header       map[string]string
		in           any
		message      string
		argument     string
	}{
		{"text for a number", "/b?max-keys=x", nil, &s3api.ListObjectsV2Request{}, "Provided max-keys not an integer or within integer range", "max-keys"},
		{"number out of range", "/b?max-keys=2147483648", nil, &s3api.ListObjectsRequest{}, "Provided max-keys not an integer or within integer range", "max-keys"},
		{"part number", "/b/k?partNumber=1.5&uploadId=x", nil, &s3api.UploadPartRequest{}, "Part number must be an integer between 1 and 10000, inclusive", "partNumber"},
		{"flag", "/b?fetch-owner=yes", nil, &s3api.ListObjectsV2Request{}, "The value of fetch-owner is not valid", "fetch-owner"},
		{"date", "/b/k", map[string]string{"x-amz-object-lock-retain-until-date": "x"}, &s3api.PutObjectRequest{},
			"The value of X-Amz-Object-Lock-Retain-Until-Date is not valid", "X-Amz-Object-Lock-Retain-Until-Date"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := bind(t, tt.target, tt.header, "", tt.in)
			e, ok := errors.AsType[*awserr.Error](err)
			if !ok || e.Code != s3api.InvalidArgument || e.Message != tt.message {
				t.Fatalf("got %v, want InvalidArgument: %s", err, tt.message)
			}
			if len(e.Fields) != 2 || e.Fields[0] != (awserr.Field{Name: "ArgumentName", Value: tt.argument}) {
				t.Errorf("got fields %v, want ArgumentName %s", e.Fields, tt.argument)
			}
		})
	}
	if err := bind(t, "/b?max-keys=", nil, "", new(s3api.ListObjectsRequest)); err != nil {
		t.Errorf("got %v for an empty number, want it absent", err)
	}
}

const xmlns = ` xmlns="` + Namespace + `"`

func TestBindPayload(t *testing.T) {
	var got s3api.CompleteMultipartUploadRequest
	body := `<?xml version="1.0" encoding="UTF-8"?>
<!-- parts -->
<CompleteMultipartUpload` + xmlns + `>
  <Part><PartNumber> 1 </PartNumber><ETag>&quot;a&#x26;b&quot;</ETag><ChecksumCRC32>AAAA</ChecksumCRC32></Part>
  <Part><ETag><![CDATA["<c>"]]></ETag><PartNumber>2</PartNumber></Part>
</CompleteMultipartUpload>
`
	if err := bind(t, "/b/k?uploadId=u", nil, body, &got); err != nil {
		t.Fatal(err)
	}
	want := []s3api.CompletedPart{
		{PartNumber: new(int32(1)), ETag: new(`"a&b"`), ChecksumCRC32: new("AAAA")},
		{PartNumber: new(int32(2)), ETag: new(`"<c>"`)},
	}
	if !reflect.DeepEqual(got.MultipartUpload.Parts, want) || *got.UploadId != "u" {
		t.Errorf("got %+v, want %+v", got.MultipartUpload.Parts, want)
	}

	var bucket s3api.CreateBucketRequest
	body = `<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint><Tags><Tag><Key>k</Key><Value/></Tag></Tags></CreateBucketConfiguration>`
	if err := bind(t, "/b", nil, body, &bucket); err != nil {
		t.Fatal(err)
	}
	c := bucket.CreateBucketConfiguration
	if *c.LocationConstraint != s3api.BucketLocationConstraintEuWest1 || len(c.Tags) != 1 || *c.Tags[0].Key != "k" || *c.Tags[0].Value != "" {
		t.Errorf("got %+v", c)
	}

	var without s3api.CreateBucketRequest
	if err := bind(t, "/b", nil, "", &without); err != nil || without.CreateBucketConfiguration != nil {
		t.Errorf("got %v, %v for no body, want no configuration", without.CreateBucketConfiguration, err)
	}
}

func TestBindPayloadRefuses(t *testing.T) {
	part := `<Part><PartNumber>1</PartNumber><ETag>x</ETag></Part>`
	for name, body := range map[string]string{
		"no XML":                  `{}`,
		"white space":             ` `,
		"cut off":                 `<CompleteMultipartUpload><Part>`,
		"two roots":               `<CompleteMultipartUpload/><CompleteMultipartUpload/>`,
		"text after the root":     `<CompleteMultipartUpload/>x`,
		"text in a structure":     `<CompleteMultipartUpload>x` + part + `</CompleteMultipartUpload>`,
		"another root":            `<CompleteMultipartUploadResult/>`,
		"another namespace":       `<CompleteMultipartUpload xmlns="urn:x"/>`,
		"undeclared prefix":       `<x:CompleteMultipartUpload/>`,
		"foreign child":           `<CompleteMultipartUpload><Part xmlns="urn:x"/></CompleteMultipartUpload>`,
		"unknown element":         `<CompleteMultipartUpload><Parts/></CompleteMultipartUpload>`,
		"attribute":               `<CompleteMultipartUpload x="y"/>`,
		"repeated element":        `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><PartNumber>2</PartNumber></Part></CompleteMultipartUpload>`,
		"child of a scalar":       `<CompleteMultipartUpload><Part><ETag><x/></ETag></Part></CompleteMultipartUpload>`,
		"no number":               `<CompleteMultipartUpload><Part><PartNumber>one</PartNumber></Part></CompleteMultipartUpload>`,
		"empty number":            `<CompleteMultipartUpload><Part><PartNumber/></Part></CompleteMultipartUpload>`,
		"number out of range":     `<CompleteMultipartUpload><Part><PartNumber>2147483648</PartNumber></Part></CompleteMultipartUpload>`,
		"document type":           `<!DOCTYPE x><CompleteMultipartUpload/>`,
		"entity declaration":      `<!DOCTYPE x [<!ENTITY e "v">]><CompleteMultipartUpload><Part><ETag>&e;</ETag></Part></CompleteMultipartUpload>`,
		"entity":                  `<CompleteMultipartUpload><Part><ETag>&e;</ETag></Part></CompleteMultipartUpload>`,
		"directive inside":        `<CompleteMultipartUpload><!ELEMENT x></CompleteMultipartUpload>`,
		"processing instruction":  `<?xml version="1.0"?><?php x?><CompleteMultipartUpload/>`,
		"instruction inside":      `<CompleteMultipartUpload><?x y?></CompleteMultipartUpload>`,
		"late declaration":        ` <?xml version="1.0"?><CompleteMultipartUpload/>`,
		"other encoding":          `<?xml version="1.0" encoding="ISO-8859-1"?><CompleteMultipartUpload/>`,
		"invalid UTF-8":           "<CompleteMultipartUpload><Part><ETag>\xff</ETag></Part></CompleteMultipartUpload>",
		"control character":       "<CompleteMultipartUpload><Part><ETag>\x01</ETag></Part></CompleteMultipartUpload>",
		"wrong element of a list": `<CompleteMultipartUpload><member/></CompleteMultipartUpload>`,
	} {
		t.Run(name, func(t *testing.T) {
			err := bind(t, "/b/k?uploadId=u", nil, body, new(s3api.CompleteMultipartUploadRequest))
			if !errors.Is(err, s3api.MalformedXML) {
				t.Errorf("got %v, want MalformedXML", err)
			}
		})
	}
	for name, body := range map[string]string{
		"wrong element of a wrapped list": `<CreateBucketConfiguration><Tags><x/></Tags></CreateBucketConfiguration>`,
		"repeated wrapped list":           `<CreateBucketConfiguration><Tags/><Tags/></CreateBucketConfiguration>`,
		"text in a wrapped list":          `<CreateBucketConfiguration><Tags>x</Tags></CreateBucketConfiguration>`,
	} {
		t.Run(name, func(t *testing.T) {
			if err := bind(t, "/b", nil, body, new(s3api.CreateBucketRequest)); !errors.Is(err, s3api.MalformedXML) {
				t.Errorf("got %v, want MalformedXML", err)
			}
		})
	}
}

// FuzzPayload makes sure that no XML makes the parser fail otherwise than by
// MalformedXML, and that what it takes survives printing and parsing.
func FuzzPayload(f *testing.F) {
	f.Add(`<CompleteMultipartUpload` + xmlns + `><Part><PartNumber>1</PartNumber><ETag>&quot;x&quot;</ETag></Part></CompleteMultipartUpload>`)
	f.Add(`<?xml version="1.0"?><!-- x --><CompleteMultipartUpload xmlns:a="urn:a"><Part/></CompleteMultipartUpload>`)
	f.Add(`<!DOCTYPE x [<!ENTITY e "v">]><CompleteMultipartUpload/>`)
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest("POST", "/b/k?uploadId=u", nil)
		var got s3api.CompleteMultipartUploadRequest
		if err := BindRequest(r, "b", "k", nil, []byte(body), &got); err != nil {
			if !errors.Is(err, s3api.MalformedXML) {
				t.Fatalf("got %v, want MalformedXML", err)
			}
			return
		}
		if got.MultipartUpload == nil {
			return // an empty body
		}
		printed := closeTag(AppendMembers(openTag(nil, "CompleteMultipartUpload"), got.MultipartUpload), "CompleteMultipartUpload")
		var again s3api.CompleteMultipartUploadRequest
		if err := BindRequest(r, "b", "k", nil, printed, &again); err != nil {
			t.Fatalf("got %v for our own %s", err, printed)
		}
		if !reflect.DeepEqual(again.MultipartUpload, got.MultipartUpload) {
			t.Fatalf("got %+v from our own %s, want %+v", again.MultipartUpload, printed, got.MultipartUpload)
		}
	})
}

// FuzzQuery makes sure that no query makes the binder fail otherwise than by
// InvalidArgument.
func FuzzQuery(f *testing.F) {
	f.Add("max-keys=1&prefix=a&fetch-owner=true", "Tue, 29 Apr 2014 18:30:38 GMT")
	f.Add("max-keys=-&partNumber=%00", "2014-04-29T18:30:38Z")
	f.Fuzz(func(t *testing.T, raw, header string) {
		query, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		r := httptest.NewRequest("GET", "/b", nil)
		for _, name := range []string{"If-Modified-Since", "X-Amz-Object-Lock-Retain-Until-Date", "X-Amz-Optional-Object-Attributes", "Range", "X-Amz-Meta-A"} {
			r.Header[name] = []string{header}
		}
		for _, v := range []any{new(s3api.ListObjectsV2Request), new(s3api.GetObjectRequest), new(s3api.PutObjectRequest), new(s3api.ListPartsRequest), new(s3api.UploadPartRequest)} {
			if err := BindRequest(r, "b", "k", query, nil, v); err != nil && !errors.Is(err, s3api.InvalidArgument) {
				t.Fatalf("got %v, want InvalidArgument", err)
			}
		}
	})
}
