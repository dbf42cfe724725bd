package server

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

// golden compares got with a file of testdata, or writes the file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		g, w := "(nothing)", "(nothing)"
		if i < len(gotLines) {
			g = gotLines[i]
		}
		if i < len(wantLines) {
			w = wantLines[i]
		}
		if g != w {
			t.Errorf("%s:%d:\ngot  %s\nwant %s", path, i+1, g, w)
			return
		}
	}
}

// masks take out of a transcript what no two runs share.
var masks = []struct {
	form *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`(?m)^Date: .*$`), "Date: DATE"},
	{regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\b`), "UUID"},
	{regexp.MustCompile(`((?m)^X-Amz-Request-Id: |<RequestId>)[0-9A-F]{16}\b`), "${1}REQUESTID"},
	{regexp.MustCompile(`((?m)^X-Amz-Id-2: |<HostId>)[A-Za-z0-9+/]{64}`), "${1}HOSTID"},
	{regexp.MustCompile(`("CiphertextBlob":)"[^"]*"`), `${1}"BLOB"`},
	{regexp.MustCompile(`("Plaintext":)"[^"]{40,}"`), `${1}"DATAKEY"`},
	{regexp.MustCompile(`("(?:CurrentKeyMaterialId|KeyMaterialId)":)"[0-9a-f]{64}"`), `${1}"MATERIAL"`},
	{regexp.MustCompile(`(<(?:UploadId|UploadIdMarker|NextUploadIdMarker)>)[^<]+`), `${1}UPLOADID`},
}

func base64MD5(s string) string {
	sum := md5.Sum([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func mask(s string) string {
	for _, m := range masks {
		s = m.form.ReplaceAllString(s, m.name)
	}
	return s
}

// TestTranscripts compares whole answers, header by header, with
// testdata/wire. The server's clock, its credential and the client's signatures
// are fixed, so the requests are exact to the byte and what remains is masked:
// request ids, Date, key ids, ciphertexts. The files were captured from this
// server; each was compared with contracts and public transcripts of AWS when
// it was written.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	s, _ := start(t, wireConfig(dataDirIn(t)))
	key := createKey(t, s.Endpoint())
	disabled := createKey(t, s.Endpoint())
	mustAsk(t, s.Endpoint(), "kms", kmsCall("DisableKey", `{"KeyId":"`+disabled+`"}`))
	mustAsk(t, s.Endpoint(), "kms", kmsCall("CreateAlias", `{"AliasName":"alias/app","TargetKeyId":"`+key+`"}`))
	mustAsk(t, s.Endpoint(), "kms", kmsCall("CreateAlias", `{"AliasName":"alias/moves","TargetKeyId":"`+key+`"}`))
	mustAsk(t, s.Endpoint(), "kms", kmsCall("TagResource", `{"KeyId":"`+key+`","Tags":[{"TagKey":"team","TagValue":"blue"},{"TagKey":"cost","TagValue":""}]}`))
	pending := createKey(t, s.Endpoint())
	putBucket(t, s.Endpoint(), "bucket")
	putKey(t, s.Endpoint(), "/bucket/key", "hello")
	upload := regexp.MustCompile(`<UploadId>([^<]+)`).FindStringSubmatch(
		mustAsk(t, s.Endpoint(), "s3", message{method: "POST", path: "/bucket/copied-parts", query: "uploads="}).body)[1]
	source := func(more ...field) []field { return append([]field{{"X-Amz-Copy-Source", "/bucket/key"}}, more...) }
	const deletion = `<Delete><Object><Key>copy</Key></Object><Object><Key>none</Key></Object><Object><Key>key</Key><VersionId>HPniJFCxqTsMuIH9KX8K8wEjNUgmABCD</VersionId></Object></Delete>`

	other := func(change func(*signer, *message)) func(signer, message) []byte { return changed(change) }
	for _, tt := range []struct {
		file    string
		service string
		m       message
		wire    func(signer, message) []byte // nil: signed
	}{
		// KMS, AWS JSON 1.1.
		{"kms-encrypt", "kms", kmsCall("Encrypt", `{"KeyId":"alias/app","Plaintext":"aGVsbG8="}`), nil},
		{"kms-describe-key", "kms", kmsCall("DescribeKey", `{"KeyId":"alias/app"}`), nil},
		{"kms-disable-key-void", "kms", kmsCall("DisableKey", `{"KeyId":"`+disabled+`"}`), nil},
		{"kms-generate-data-key", "kms", kmsCall("GenerateDataKey", `{"KeyId":"alias/app","KeySpec":"AES_256"}`), nil},
		{"kms-not-found", "kms", kmsCall("Encrypt", `{"KeyId":"alias/none","Plaintext":"aGVsbG8="}`), nil},
		{"kms-disabled", "kms", kmsCall("Encrypt", `{"KeyId":"`+disabled+`","Plaintext":"aGVsbG8="}`), nil},
		{"kms-validation", "kms", kmsCall("GenerateDataKey", `{"KeyId":"alias/app","NumberOfBytes":1025}`), nil},
		{"kms-invalid-ciphertext-no-message", "kms", kmsCall("Decrypt", `{"CiphertextBlob":"aGVsbG8="}`), nil},
		{"kms-access-denied", "kms", kmsCall("Encrypt", `{"KeyId":"arn:aws:kms:us-east-1:999999999999:key/00000000-0000-4000-8000-000000000000","Plaintext":"aGVsbG8="}`), nil},
		{"kms-serialization", "kms", kmsCall("Encrypt", `{"KeyId":7}`), nil},
		{"kms-unknown-operation", "kms", kmsCall("EncryptEverything", `{}`), nil},
		{"kms-no-credentials", "kms", kmsCall("ListKeys", `{}`), authorized()},
		{"kms-incomplete-signature", "kms", kmsCall("ListKeys", `{}`), authorized(field{"Authorization", "AWS4-HMAC-SHA256 Credential=x"})},
		{"kms-unknown-access-key", "kms", kmsCall("ListKeys", `{}`), other(func(s *signer, _ *message) { s.id = "AKIANOBODYEXAMPLE001" })},
		{"kms-wrong-secret", "kms", kmsCall("ListKeys", `{}`), other(func(s *signer, _ *message) { s.secret = "not-the-secret" })},

		{"kms-re-encrypt-no-message", "kms", kmsCall("ReEncrypt", `{"CiphertextBlob":"aGVsbG8=","DestinationKeyId":"alias/app"}`), nil},
		{"kms-re-encrypt-dry-run", "kms", kmsCall("ReEncrypt", `{"SourceKeyId":"alias/app","DestinationKeyId":"alias/app","DryRun":true,"DryRunModifiers":["IGNORE_CIPHERTEXT"]}`), nil},
		{"kms-generate-random", "kms", kmsCall("GenerateRandom", `{"NumberOfBytes":32}`), nil},
		{"kms-generate-random-without-length", "kms", kmsCall("GenerateRandom", `{}`), nil},
		{"kms-schedule-key-deletion", "kms", kmsCall("ScheduleKeyDeletion", `{"KeyId":"`+pending+`","PendingWindowInDays":7}`), nil},
		{"kms-pending-deletion", "kms", kmsCall("Encrypt", `{"KeyId":"`+pending+`","Plaintext":"aGVsbG8="}`), nil},
		{"kms-describe-key-pending-deletion", "kms", kmsCall("DescribeKey", `{"KeyId":"`+pending+`"}`), nil},
		{"kms-cancel-key-deletion", "kms", kmsCall("CancelKeyDeletion", `{"KeyId":"`+pending+`"}`), nil},
		{"kms-not-pending-deletion", "kms", kmsCall("CancelKeyDeletion", `{"KeyId":"`+pending+`"}`), nil},
		{"kms-window-too-short", "kms", kmsCall("ScheduleKeyDeletion", `{"KeyId":"`+pending+`","PendingWindowInDays":6}`), nil},
		{"kms-update-alias-void", "kms", kmsCall("UpdateAlias", `{"AliasName":"alias/moves","TargetKeyId":"`+disabled+`"}`), nil},
		{"kms-list-aliases", "kms", kmsCall("ListAliases", `{"Limit":10}`), nil},
		{"kms-delete-alias-void", "kms", kmsCall("DeleteAlias", `{"AliasName":"alias/moves"}`), nil},
		{"kms-reserved-alias-no-message", "kms", kmsCall("DeleteAlias", `{"AliasName":"alias/aws/s3"}`), nil},
		{"kms-list-resource-tags", "kms", kmsCall("ListResourceTags", `{"KeyId":"`+key+`"}`), nil},
		{"kms-tag-exception", "kms", kmsCall("TagResource", `{"KeyId":"`+key+`","Tags":[{"TagKey":"aws:team","TagValue":"blue"}]}`), nil},
		{"kms-untag-resource-void", "kms", kmsCall("UntagResource", `{"KeyId":"`+key+`","TagKeys":["team"]}`), nil},
		{"kms-update-key-description-void", "kms", kmsCall("UpdateKeyDescription", `{"KeyId":"`+key+`","Description":"another"}`), nil},
		{"kms-get-key-policy", "kms", kmsCall("GetKeyPolicy", `{"KeyId":"`+key+`"}`), nil},
		{"kms-no-such-policy", "kms", kmsCall("GetKeyPolicy", `{"KeyId":"`+key+`","PolicyName":"other"}`), nil},
		{"kms-list-key-policies", "kms", kmsCall("ListKeyPolicies", `{"KeyId":"`+key+`"}`), nil},
		{"kms-put-key-policy-malformed", "kms", kmsCall("PutKeyPolicy", `{"KeyId":"`+key+`","Policy":"{}"}`), nil},

		// STS, AWS Query.
		{"sts-get-caller-identity", "sts", stsCall("Action=GetCallerIdentity&Version=2011-06-15"), nil},
		{"sts-get-caller-identity-by-get", "sts", message{method: "GET", path: "/", query: "Action=GetCallerIdentity&Version=2011-06-15"}, nil},
		{"sts-invalid-action", "sts", stsCall("Action=AssumeRoot&Version=2011-06-15"), nil},
		{"sts-missing-action", "sts", stsCall("Version=2011-06-15"), nil},
		{"sts-wrong-version", "sts", stsCall("Action=GetCallerIdentity&Version=2006-03-01"), nil},
		{"sts-malformed-form", "sts", stsCall("Action=%zz"), nil},
		{"sts-no-credentials", "sts", stsCall("Action=GetCallerIdentity&Version=2011-06-15"), authorized()},
		{"sts-unknown-access-key", "sts", stsCall("Action=GetCallerIdentity&Version=2011-06-15"), other(func(s *signer, _ *message) { s.id = "AKIANOBODYEXAMPLE001" })},
		{"sts-wrong-secret", "sts", stsCall("Action=GetCallerIdentity&Version=2011-06-15"), other(func(s *signer, _ *message) { s.secret = "not-the-secret" })},

		// S3, REST XML.
		{"s3-put-object", "s3", message{method: "PUT", path: "/bucket/other", body: "hello", signed: []field{{"Content-Type", "text/plain"}}}, nil},
		{"s3-get-object", "s3", message{method: "GET", path: "/bucket/key"}, nil},
		{"s3-get-object-range", "s3", message{method: "GET", path: "/bucket/key", signed: []field{{"Range", "bytes=1-3"}}}, nil},
		{"s3-head-object", "s3", message{method: "HEAD", path: "/bucket/key"}, nil},
		{"s3-list-buckets", "s3", message{method: "GET", path: "/"}, nil},
		{"s3-list-objects-v2", "s3", message{method: "GET", path: "/bucket", query: "list-type=2&prefix=k"}, nil},
		{"s3-get-bucket-location", "s3", message{method: "GET", path: "/bucket", query: "location="}, nil},
		{"s3-create-multipart-upload", "s3", message{method: "POST", path: "/bucket/parts", query: "uploads="}, nil},
		{"s3-delete-object", "s3", message{method: "DELETE", path: "/bucket/other"}, nil},
		{"s3-list-objects", "s3", message{method: "GET", path: "/bucket", query: "delimiter=%2F&encoding-type=url&max-keys=1"}, nil},
		{"s3-list-buckets-page", "s3", message{method: "GET", path: "/", query: "max-buckets=10&prefix=b"}, nil},
		{"s3-head-bucket", "s3", message{method: "HEAD", path: "/bucket"}, nil},
		{"s3-copy-object", "s3", message{method: "PUT", path: "/bucket/copy", signed: source()}, nil},
		{"s3-copy-object-replace", "s3", message{method: "PUT", path: "/bucket/key", signed: source(field{"X-Amz-Metadata-Directive", "REPLACE"})}, nil},
		{"s3-copy-object-to-itself", "s3", message{method: "PUT", path: "/bucket/key", signed: source()}, nil},
		{"s3-copy-object-precondition", "s3", message{method: "PUT", path: "/bucket/no", signed: source(field{"X-Amz-Copy-Source-If-None-Match", `"5d41402abc4b2a76b9719d911017c592"`})}, nil},
		{"s3-copy-object-no-key", "s3", message{method: "PUT", path: "/bucket/no", signed: []field{{"X-Amz-Copy-Source", "bucket"}}}, nil},
		{"s3-upload-part-copy", "s3", message{method: "PUT", path: "/bucket/copied-parts", query: "partNumber=1&uploadId=" + upload, signed: source(field{"X-Amz-Copy-Source-Range", "bytes=1-3"})}, nil},
		{"s3-upload-part-copy-range", "s3", message{method: "PUT", path: "/bucket/copied-parts", query: "partNumber=1&uploadId=" + upload, signed: source(field{"X-Amz-Copy-Source-Range", "bytes=1-5"})}, nil},
		{"s3-list-parts", "s3", message{method: "GET", path: "/bucket/copied-parts", query: "uploadId=" + upload}, nil},
		{"s3-list-multipart-uploads", "s3", message{method: "GET", path: "/bucket", query: "max-uploads=1&prefix=cop&uploads="}, nil},
		{"s3-delete-objects", "s3", message{method: "POST", path: "/bucket", query: "delete=", body: deletion, signed: []field{{"Content-Md5", base64MD5(deletion)}}}, nil},
		{"s3-delete-objects-no-digest", "s3", message{method: "POST", path: "/bucket", query: "delete=", body: deletion}, nil},
		{"s3-no-such-key", "s3", message{method: "GET", path: "/bucket/none"}, nil},
		{"s3-no-such-key-head", "s3", message{method: "HEAD", path: "/bucket/none"}, nil},
		{"s3-no-such-bucket", "s3", message{method: "GET", path: "/no-such-bucket/key"}, nil},
		{"s3-invalid-range", "s3", message{method: "GET", path: "/bucket/key", signed: []field{{"Range", "bytes=100-"}}}, nil},
		{"s3-not-modified", "s3", message{method: "GET", path: "/bucket/key", signed: []field{{"If-None-Match", `"5d41402abc4b2a76b9719d911017c592"`}}}, nil},
		{"s3-precondition-failed", "s3", message{method: "PUT", path: "/bucket/key", body: "x", signed: []field{{"If-None-Match", "*"}}}, nil},
		{"s3-malformed-xml", "s3", message{method: "POST", path: "/bucket/parts", query: "uploadId=x", body: "<a"}, nil},
		{"s3-bad-digest", "s3", message{method: "PUT", path: "/bucket/bad", body: "x", signed: []field{{"Content-Md5", "XUFAKrxLKna5cZ2REBfFkg=="}}}, nil},
		{"s3-payload-mismatch", "s3", message{method: "PUT", path: "/bucket/bad", body: "x", hash: hexSum("y")}, nil},
		{"s3-not-implemented", "s3", message{method: "GET", path: "/bucket", query: "acl="}, nil},
		{"s3-method-not-allowed", "s3", message{method: "POST", path: "/bucket/key"}, nil},
		{"s3-bucket-not-empty", "s3", message{method: "DELETE", path: "/bucket"}, nil},
		{"s3-invalid-bucket-name", "s3", message{method: "PUT", path: "/Bucket"}, nil},
		{"s3-kms-not-found", "s3", message{method: "PUT", path: "/bucket/bad", body: "x",
			signed: []field{{"X-Amz-Server-Side-Encryption", "aws:kms"}, {"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", "alias/none"}}}, nil},
		{"s3-virtual-get-object", "s3", message{method: "GET", host: "bucket.s3.localhost:8650", path: "/key"}, nil},
		{"s3-virtual-list-objects", "s3", message{method: "GET", host: "bucket.localhost", path: "/", query: "prefix=k"}, nil},
		{"s3-virtual-no-such-key", "s3", message{method: "GET", host: "bucket.s3.us-east-1.amazonaws.com", path: "/deep/none"}, nil},
		{"s3-virtual-no-such-bucket", "s3", message{method: "GET", host: "no-such.bucket.localhost:8650", path: "/key"}, nil},
		{"s3-no-credentials", "s3", message{method: "GET", path: "/bucket/key"}, authorized()},
		{"s3-unknown-access-key", "s3", message{method: "GET", path: "/bucket/key"}, other(func(s *signer, _ *message) { s.id = "AKIANOBODYEXAMPLE001" })},
		{"s3-wrong-secret", "s3", message{method: "GET", path: "/bucket/key"}, other(func(s *signer, _ *message) { s.secret = "not-the-secret" })},
		{"s3-wrong-region", "s3", message{method: "GET", path: "/bucket/key"}, other(func(s *signer, _ *message) { s.region = "eu-west-1" })},
		{"s3-skewed", "s3", message{method: "GET", path: "/bucket/key"}, other(func(s *signer, _ *message) { s.at = s.at.AddDate(0, 0, -1) })},
	} {
		t.Run(tt.file, func(t *testing.T) {
			if tt.wire == nil {
				tt.wire = other(func(*signer, *message) {})
			}
			wire := tt.wire(wireSigner(tt.service), tt.m)
			a := exchange(t, dial(t, s.Endpoint()), wire, tt.m.method)
			var b bytes.Buffer
			b.Write(wire)
			b.WriteString("\n\n=== answer ===\n")
			b.WriteString(a.raw + a.body + "\n")
			got := mask(strings.ReplaceAll(b.String(), "\r\n", "\n"))
			// The signature is over an id where the request has one.
			if slices.ContainsFunc([]string{key, disabled, pending, upload}, func(id string) bool { return strings.Contains(string(wire), id) }) {
				got = strings.ReplaceAll(got, upload, "UPLOADID")
				got = regexp.MustCompile(`Signature=[0-9a-f]{64}`).ReplaceAllString(got, "Signature=SIGNATURE")
			}
			golden(t, filepath.Join("wire", tt.file+".txt"), []byte(got))
		})
	}
}
