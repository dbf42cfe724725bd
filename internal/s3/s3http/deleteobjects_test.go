package s3http_test

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strongroom/strongroom/internal/store"
)

func (k *kit) deleteMany(as *client.Client, quiet bool, objects ...types.ObjectIdentifier) *client.DeleteObjectsOutput {
	k.t.Helper()
	out, err := as.DeleteObjects(k.t.Context(), &client.DeleteObjectsInput{Bucket: aws.String(bucket), Delete: &types.Delete{Objects: objects, Quiet: &quiet}})
	k.check(err)
	return out
}

func identifiers(keys ...string) (ids []types.ObjectIdentifier) {
	for i := range keys {
		ids = append(ids, types.ObjectIdentifier{Key: &keys[i]})
	}
	return ids
}

// A thousand keys go in a few commits, with one record, and their blobs with them.
func TestDeleteObjects(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	const there, all = 60, 1000
	keys := make([]string, all)
	for i := range keys {
		keys[i] = fmt.Sprintf("dir/%04d", i)
		if i%2 == 0 && i < 2*there {
			k.put(keys[i], []byte("x"))
		}
	}
	k.put("kept", []byte("x"))
	before := k.commits.Load()
	out := k.deleteMany(k.Client, false, identifiers(keys...)...)
	if len(out.Deleted) != all || len(out.Errors) != 0 || *out.Deleted[999].Key != keys[999] {
		t.Errorf("got %d deleted and %d errors, want %d and none", len(out.Deleted), len(out.Errors), all)
	}
	if got := k.commits.Load() - before; got < 1 || got > 10 {
		t.Errorf("got %d commits for %d objects, want a few", got, there)
	}
	if got := k.keysOf(1000, ""); len(got) != 1 {
		t.Errorf("got %q left, want one", got)
	}
	k.waitBlobs(1)
	records := k.records("DeleteObjects")
	if len(records) != 1 {
		t.Fatalf("got %d records, want 1", len(records))
	}
	params := records[0]["requestParameters"].(map[string]any)
	named := params["delete"].(map[string]any)
	if str(params["bucketName"]) != bucket || len(named["keys"].([]any)) != all || str(named["count"]) != "1000" {
		t.Errorf("got %v, want the bucket and the keys", params)
	}
	if len(k.records("DeleteObject")) != 0 {
		t.Error("a key has a record of its own")
	}
	// Again, when nothing is there: no change, and yet a record.
	if out := k.deleteMany(k.Client, true, identifiers(keys...)...); len(out.Deleted) != 0 || len(out.Errors) != 0 {
		t.Errorf("got %d deleted and %d errors, want silence", len(out.Deleted), len(out.Errors))
	}
	if got := len(k.records("DeleteObjects")); got != 2 {
		t.Errorf("got %d records, want 2", got)
	}
}

// What is wrong with one key is told of that key, and the others go.
func TestDeleteObjectsOneByOne(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	for _, key := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		k.put(key, []byte(key))
	}
	k.rot(store.Objects, "bucket/f")
	k.rot(store.Objects, "bucket/g")
	long, etag := strings.Repeat("x", 1025), etagOf([]byte("b"))
	out := k.deleteMany(k.Client, false,
		types.ObjectIdentifier{Key: aws.String("a")},
		types.ObjectIdentifier{Key: &long},
		types.ObjectIdentifier{Key: aws.String("../x")},
		types.ObjectIdentifier{Key: aws.String("b"), ETag: &etag},
		types.ObjectIdentifier{Key: aws.String("c"), ETag: &etag},
		types.ObjectIdentifier{Key: aws.String("c"), VersionId: aws.String("HPniJFCxqTsMuIH9KX8K8wEjNUgmABCD")},
		types.ObjectIdentifier{Key: aws.String("d"), VersionId: aws.String("null")},
		types.ObjectIdentifier{Key: aws.String("e"), Size: aws.Int64(1)},
		types.ObjectIdentifier{Key: aws.String("e"), LastModifiedTime: aws.Time(time.Unix(1e9, 0))},
		types.ObjectIdentifier{Key: aws.String("f")},
		types.ObjectIdentifier{Key: aws.String("g"), ETag: &etag},
		types.ObjectIdentifier{Key: aws.String("none")},
		types.ObjectIdentifier{Key: aws.String("none"), ETag: &etag},
	)
	var deleted, failed []string
	for _, d := range out.Deleted {
		deleted = append(deleted, *d.Key)
	}
	for _, e := range out.Errors {
		failed = append(failed, (*e.Key)[:min(4, len(*e.Key))]+" "+*e.Code+" "+aws.ToString(e.VersionId))
	}
	if got, want := strings.Join(deleted, ","), "a,b,d,f,none"; got != want {
		t.Errorf("got %s deleted, want %s", got, want)
	}
	want := "xxxx KeyTooLongError ,../x InvalidURI ,c PreconditionFailed ,c NoSuchVersion HPniJFCxqTsMuIH9KX8K8wEjNUgmABCD,e NotImplemented ,e NotImplemented ,g InternalError ,none NoSuchKey "
	if got := strings.Join(failed, ","); got != want {
		t.Errorf("got errors\n%s, want\n%s", got, want)
	}
	if got := strings.Join(k.keysOf(1000, ""), ","); got != "c,e" { // g has rotted
		t.Errorf("got %s left, want c,e", got)
	}
	k.deleteMany(k.Client, false, identifiers("g")...)
	k.check(k.store.Check(t.Context()))
}

// Each key is authorised; a denial is in the record, which is no denied call's.
func TestDeleteObjectsAuthorisation(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	k.put("k", []byte("x"))
	for _, who := range []string{"AKIANOONE", "AKIAOTHER"} {
		out := k.deleteMany(k.client(who, region), true, identifiers("k", "none")...)
		if len(out.Errors) != 2 || *out.Errors[0].Code != "AccessDenied" || !strings.Contains(*out.Errors[0].Message, "s3:DeleteObject on resource: arn:aws:s3:::bucket/k") {
			t.Errorf("got %+v for %s, want two denials", out.Errors, who)
		}
	}
	k.wantGet("k", []byte("x"))
	r := k.records("DeleteObjects")[0]
	if r["errorCode"] != nil || r["requestParameters"] == nil || !strings.Contains(str(r["responseElements"]), "AccessDenied") {
		t.Errorf("got %v, want parameters and the denials", r)
	}
}

// However long the keys are that were refused, the record says how many, and names
// as many of them as it can hold.
func TestDeleteObjectsRecordsRefusals(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	const all = 300
	keys := make([]string, all)
	for i := range keys {
		keys[i] = fmt.Sprintf("%04d", i) + strings.Repeat("x", 1000)
	}
	if out := k.deleteMany(k.client("AKIANOONE", region), true, identifiers(keys...)...); len(out.Errors) != all {
		t.Fatalf("got %d errors, want %d", len(out.Errors), all)
	}
	answer := k.records("DeleteObjects")[0]["responseElements"].(map[string]any)
	named, _ := answer["errors"].([]any)
	if str(answer["errorCount"]) != "300" || len(named) < 50 || len(named) >= all {
		t.Errorf("got %v refusals and %d of them named, want 300 and some", answer["errorCount"], len(named))
	}
}

// Who may delete nothing is told neither whose the bucket is, nor where.
func TestDeleteObjectsTellsStrangersNothing(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	for _, tt := range []struct{ name, region, owner string }{
		{"the owner", region, account}, {"not the owner", region, other}, {"another region", region2, account},
	} {
		out, err := k.client("AKIAOTHER", tt.region).DeleteObjects(t.Context(), &client.DeleteObjectsInput{
			Bucket: aws.String(bucket), ExpectedBucketOwner: &tt.owner, Delete: &types.Delete{Objects: identifiers("k")},
		})
		if err != nil || len(out.Errors) != 1 || *out.Errors[0].Code != "AccessDenied" {
			t.Errorf("%s: got %+v and %v, want a denial of the key", tt.name, out, err)
		}
	}
	_, err := k.client("AKIAROOT", region2).DeleteObjects(t.Context(), &client.DeleteObjectsInput{
		Bucket: aws.String(bucket), Delete: &types.Delete{Objects: identifiers("k")},
	})
	wantCode(t, err, "AuthorizationHeaderMalformed", 400)
}

// The code of an MFA device opens more doors than this one, for some seconds.
func TestMFACodeIsNotRecorded(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	mfa := map[string]string{"X-Amz-Mfa": "arn:aws:iam::111122223333:mfa/root 493817"}
	k.wantError(k.raw("DELETE", "/bucket/k", map[string]string{"X-Amz-Mfa": mfa["X-Amz-Mfa"]}, ""), 501, "NotImplemented", "")
	const body = `<Delete><Object><Key>k</Key></Object></Delete>`
	sum := md5.Sum([]byte(body))
	mfa["Content-Md5"] = base64.StdEncoding.EncodeToString(sum[:])
	k.wantError(k.raw("POST", "/bucket?delete", mfa, body), 501, "NotImplemented", "")
	for _, name := range []string{"DeleteObject", "DeleteObjects"} {
		r := k.records(name)
		if len(r) != 1 || strings.Contains(fmt.Sprint(r), "493817") {
			t.Errorf("%s: got %v, want one record without the code", name, r)
		}
	}
}

func TestDeleteObjectsRefusals(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	k.put("k", []byte("x"))
	const body = `<Delete><Object><Key>k</Key></Object></Delete>`
	sum := md5.Sum([]byte(body))
	content := base64.StdEncoding.EncodeToString(sum[:])
	crc := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(body))))
	many := "<Delete>" + strings.Repeat("<Object><Key>k</Key></Object>", 1001) + "</Delete>"
	digest := func(s string) map[string]string {
		sum := md5.Sum([]byte(s))
		return map[string]string{"Content-Md5": base64.StdEncoding.EncodeToString(sum[:])}
	}
	for _, tt := range []struct {
		name, body string
		headers    map[string]string
		status     int
		code, text string
	}{
		{"no digest", body, nil, 400, "InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*"},
		{"malformed MD5", body, map[string]string{"Content-Md5": "x"}, 400, "InvalidDigest", ""},
		{"empty MD5", body, map[string]string{"Content-Md5": ""}, 400, "InvalidDigest", ""},
		{"empty MD5 beside a checksum", body, map[string]string{"Content-Md5": "", "X-Amz-Checksum-Crc32": crc}, 400, "InvalidDigest", ""},
		{"wrong MD5", body + " ", map[string]string{"Content-Md5": content}, 400, "BadDigest", ""},
		{"wrong checksum", body, map[string]string{"X-Amz-Checksum-Crc32": "AAAAAA=="}, 400, "BadDigest", "CRC32"},
		{"malformed checksum", body, map[string]string{"X-Amz-Checksum-Crc32": "AAAA"}, 400, "InvalidRequest", "x-amz-checksum-crc32"},
		{"many checksums, most of them malformed", body, map[string]string{"X-Amz-Checksum-Crc32": crc, "X-Amz-Checksum-Sha1": "AAAA", "X-Amz-Checksum-Sha256": "AAAA", "X-Amz-Checksum-None": "AAAA"}, 400, "InvalidRequest", "Expecting a single x-amz-checksum- header."},
		{"unknown checksum", body, map[string]string{"X-Amz-Checksum-Rot13": "AAAA"}, 400, "InvalidRequest", "The algorithm type you specified in x-amz-checksum- header is invalid."},
		{"other algorithm", body, map[string]string{"X-Amz-Checksum-Crc32": crc, "X-Amz-Sdk-Checksum-Algorithm": "SHA1"}, 400, "InvalidRequest", "x-amz-sdk-checksum-algorithm"},
		{"algorithm without checksum", body, map[string]string{"Content-Md5": content, "X-Amz-Sdk-Checksum-Algorithm": "SHA1"}, 400, "InvalidRequest", ""},
		{"nothing", "", digest(""), 400, "MalformedXML", ""},
		{"no keys", "<Delete/>", digest("<Delete/>"), 400, "MalformedXML", ""},
		{"empty key", "<Delete><Object><Key/></Object></Delete>", digest("<Delete><Object><Key/></Object></Delete>"), 400, "MalformedXML", ""},
		{"too many", many, digest(many), 400, "MalformedXML", ""},
		{"unknown element", "<Delete><Force/></Delete>", digest("<Delete><Force/></Delete>"), 400, "MalformedXML", ""},
		{"trailer", body, map[string]string{"Content-Md5": content, "X-Amz-Trailer": "x-amz-checksum-crc32"}, 501, "NotImplemented", ""},
		{"bypass", body, map[string]string{"Content-Md5": content, "X-Amz-Bypass-Governance-Retention": "true"}, 501, "NotImplemented", ""},
		{"owner", body, map[string]string{"Content-Md5": content, "X-Amz-Expected-Bucket-Owner": other}, 403, "AccessDenied", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp := k.raw("POST", "/bucket?delete", tt.headers, tt.body)
			b, err := io.ReadAll(resp.Body)
			k.check(err)
			if resp.StatusCode != tt.status || !strings.Contains(string(b), tt.code) || !strings.Contains(string(b), tt.text) {
				t.Errorf("got %d and %s, want %d, %s and %q", resp.StatusCode, b, tt.status, tt.code, tt.text)
			}
		})
	}
	for name, second := range map[string]string{"another": "1B2M2Y8AsgTpgAmY7PhCfg==", "the same": content} {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/bucket?delete", strings.NewReader(body))
		r.Header = http.Header{
			"X-Amz-Date": {"20261123T110203Z"}, "X-Amz-Content-Sha256": {"UNSIGNED-PAYLOAD"}, "Content-Md5": {content, second},
			"Authorization": {"AWS4-HMAC-SHA256 Credential=AKIAROOT/20261123/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + strings.Repeat("0", 64)},
		}
		w := httptest.NewRecorder()
		k.serve(w, r)
		if w.Code != 400 || !strings.Contains(w.Body.String(), "InvalidDigest") {
			t.Errorf("Content-MD5 and %s: got %d and %s, want 400 and InvalidDigest", name, w.Code, w.Body)
		}
	}
	resp := k.raw("POST", "/nowhere?delete", map[string]string{"Content-Md5": content}, body)
	k.wantError(resp, 404, "NoSuchBucket", "<BucketName>nowhere</BucketName>")
	k.wantGet("k", []byte("x"))
	resp = k.raw("POST", "/bucket?delete", map[string]string{"Content-Md5": content}, body)
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || !strings.Contains(string(b), "<Deleted><Key>k</Key></Deleted>") {
		t.Errorf("got %d and %s, want the key deleted", resp.StatusCode, b)
	}
}

// Keys that hold what XML escapes are those that are deleted, and no others.
func TestDeleteObjectsOddKeys(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	keys := []string{"a%2Fb", "a/b", "a&amp;b", "<k>", " space ", "tab\tnl\ncr\r", "é/😀", "\"'"}
	for _, key := range keys {
		k.put(key, nil)
		k.put(key+"x", nil)
	}
	out := k.deleteMany(k.Client, false, identifiers(keys...)...)
	if len(out.Errors) != 0 || len(out.Deleted) != len(keys) {
		t.Fatalf("got %+v", out.Errors)
	}
	for i, d := range out.Deleted {
		if *d.Key != keys[i] {
			t.Errorf("got %q, want %q", *d.Key, keys[i])
		}
	}
	if got := k.keysOf(1000, ""); len(got) != len(keys) {
		t.Errorf("got %q left, want %d", got, len(keys))
	}
}
