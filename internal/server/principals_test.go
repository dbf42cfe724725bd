package server

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	aliceKey = "AKIAALICEEXAMPLE0001" // administrator of the first account
	bobKey   = "AKIABOBEXAMPLE000001" // user of the first account without a policy
	otherKey = "AKIAOTHERROOT0000001" // root of the second account
	carolKey = "AKIACAROLEXAMPLE0001" // administrator of the second account

	otherAccount = "111122223333"
	sharedSecret = "secret-of-all-users-in-this-test"
)

const principals = `accounts:
  - id: "000000000000"
    users:
      - name: alice
        policies: [AdministratorAccess]
        accessKeys: [{id: AKIAALICEEXAMPLE0001, secret: secret-of-all-users-in-this-test}]
      - name: bob
        accessKeys: [{id: AKIABOBEXAMPLE000001, secret: secret-of-all-users-in-this-test}]
  - id: "111122223333"
    accessKeys: [{id: AKIAOTHERROOT0000001, secret: secret-of-all-users-in-this-test}]
    users:
      - name: carol
        policies: ["arn:aws:iam::aws:policy/AdministratorAccess"]
        accessKeys: [{id: AKIACAROLEXAMPLE0001, secret: secret-of-all-users-in-this-test}]
`

// principalConfig is wireConfig with a bootstrap file.
func principalConfig(t testing.TB, dir, yaml string) Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bootstrap.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := wireConfig(dir)
	cfg.BootstrapFile = path
	return cfg
}

// askAs sends m with another access key.
func askAs(t testing.TB, endpoint, keyID, service string, m message) answer {
	t.Helper()
	s := wireSigner(service)
	s.id, s.secret = keyID, sharedSecret
	wire, _ := s.sign(m)
	return exchange(t, dial(t, endpoint), wire, m.method)
}

func TestPrincipals(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	s, stop := start(t, principalConfig(t, dir, principals))
	key := createKey(t, s.Endpoint())
	keyARN := "arn:aws:kms:us-east-1:000000000000:key/" + key
	mustAsk(t, s.Endpoint(), "kms", kmsCall("CreateAlias", `{"AliasName":"alias/app","TargetKeyId":"`+key+`"}`))
	var sealed struct{ CiphertextBlob string }
	if err := json.Unmarshal([]byte(mustAsk(t, s.Endpoint(), "kms", kmsCall("Encrypt", `{"KeyId":"`+key+`","Plaintext":"aGVsbG8="}`)).body), &sealed); err != nil {
		t.Fatal(err)
	}
	putBucket(t, s.Endpoint(), "bucket")
	putKey(t, s.Endpoint(), "/bucket/key", "hello")
	upload := beginUpload(t, s.Endpoint(), "/bucket/parts")

	ids := map[string]string{}
	for id, want := range map[string]string{
		aliceKey: "arn:aws:iam::000000000000:user/alice", bobKey: "arn:aws:iam::000000000000:user/bob",
		otherKey: "arn:aws:iam::111122223333:root", carolKey: "arn:aws:iam::111122223333:user/carol",
	} {
		a := askAs(t, s.Endpoint(), id, "sts", stsCall("Action=GetCallerIdentity&Version=2011-06-15"))
		if a.status != 200 || !strings.Contains(a.body, "<Arn>"+want+"</Arn>") {
			t.Errorf("%s: got %d %s, want %s", id, a.status, a.body, want)
		}
		ids[id] = regexp.MustCompile(`<UserId>(.*)</UserId>`).FindStringSubmatch(a.body)[1]
	}
	if !strings.HasPrefix(ids[aliceKey], "AIDA") || ids[aliceKey] == ids[bobKey] || ids[otherKey] != otherAccount {
		t.Errorf("got principal ids %v", ids)
	}

	noResourcePolicy := func(arn, action, resource string) string {
		return fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s because no resource-based policy allows the %[2]s action", arn, action, resource)
	}
	undisclosed := func(arn, action string) string {
		return fmt.Sprintf("User: %s is not authorized to perform: %s on this resource because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access", arn, action)
	}
	noIdentityPolicy := func(arn, action, resource string) string {
		return fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s because no identity-based policy allows the %[2]s action", arn, action, resource)
	}
	const bob, other, carol = "arn:aws:iam::000000000000:user/bob",
		"arn:aws:iam::111122223333:root", "arn:aws:iam::111122223333:user/carol"
	const blobDenied = "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access."
	type want struct {
		status        int
		code, message string
	}
	ok := want{status: 200}
	kms := func(op, body string) message { return kmsCall(op, body) }
	s3 := func(method, path, query, body string) message {
		return message{method: method, path: path, query: query, body: body}
	}
	denied := "AccessDeniedException"
	for _, tt := range []struct {
		name, who, service string
		m                  message
		want               want
	}{
		{"administrator describes", aliceKey, "kms", kms("DescribeKey", `{"KeyId":"`+key+`"}`), ok},
		{"administrator decrypts", aliceKey, "kms", kms("Decrypt", `{"CiphertextBlob":"`+sealed.CiphertextBlob+`"}`), ok},
		{"administrator lists", aliceKey, "kms", kms("ListKeys", `{}`), ok},
		{"administrator gets", aliceKey, "s3", s3("GET", "/bucket/key", "", ""), ok},

		{"user without policy encrypts", bobKey, "kms", kms("Encrypt", `{"KeyId":"alias/app","Plaintext":"eA=="}`),
			want{400, denied, noIdentityPolicy(bob, "kms:Encrypt", keyARN)}},
		{"user without policy decrypts", bobKey, "kms", kms("Decrypt", `{"CiphertextBlob":"`+sealed.CiphertextBlob+`","KeyId":"`+key+`"}`),
			want{400, denied, noIdentityPolicy(bob, "kms:Decrypt", keyARN)}},
		{"user without policy lists keys", bobKey, "kms", kms("ListKeys", `{}`),
			want{400, denied, noIdentityPolicy(bob, "kms:ListKeys", "*")}},
		{"user without policy makes a key", bobKey, "kms", kms("CreateKey", `{}`),
			want{400, denied, noIdentityPolicy(bob, "kms:CreateKey", "*")}},
		{"user without policy disables", bobKey, "kms", kms("DisableKey", `{"KeyId":"`+key+`"}`),
			want{400, denied, noIdentityPolicy(bob, "kms:DisableKey", keyARN)}},
		{"user without policy gets", bobKey, "s3", s3("GET", "/bucket/key", "", ""),
			want{403, "AccessDenied", noIdentityPolicy(bob, "s3:GetObject", "arn:aws:s3:::bucket/key")}},
		{"user without policy gets what is not there", bobKey, "s3", s3("GET", "/bucket/none", "", ""),
			want{403, "AccessDenied", noIdentityPolicy(bob, "s3:GetObject", "arn:aws:s3:::bucket/none")}},
		{"user without policy lists buckets", bobKey, "s3", s3("GET", "/", "", ""),
			want{403, "AccessDenied", noIdentityPolicy(bob, "s3:ListAllMyBuckets", "*")}},

		{"another account's root describes", otherKey, "kms", kms("DescribeKey", `{"KeyId":"`+keyARN+`"}`),
			want{400, denied, undisclosed(other, "kms:DescribeKey")}},
		{"another account describes a key that does not exist", otherKey, "kms",
			kms("DescribeKey", `{"KeyId":"arn:aws:kms:us-east-1:000000000000:key/00000000-0000-4000-8000-000000000000"}`),
			want{400, denied, undisclosed(other, "kms:DescribeKey")}},
		{"another account by id", otherKey, "kms", kms("DescribeKey", `{"KeyId":"`+key+`"}`),
			want{400, "NotFoundException", "Key 'arn:aws:kms:us-east-1:111122223333:key/" + key + "' does not exist"}},
		{"another account by alias", carolKey, "kms", kms("Encrypt", `{"KeyId":"alias/app","Plaintext":"eA=="}`),
			want{400, "NotFoundException", "Alias arn:aws:kms:us-east-1:111122223333:alias/app is not found."}},
		{"another account by alias ARN", carolKey, "kms", kms("Encrypt", `{"KeyId":"arn:aws:kms:us-east-1:000000000000:alias/app","Plaintext":"eA=="}`),
			want{400, denied, undisclosed(carol, "kms:Encrypt")}},
		{"another account's administrator encrypts", carolKey, "kms", kms("Encrypt", `{"KeyId":"`+keyARN+`","Plaintext":"eA=="}`),
			want{400, denied, undisclosed(carol, "kms:Encrypt")}},
		{"another account decrypts", carolKey, "kms", kms("Decrypt", `{"CiphertextBlob":"`+sealed.CiphertextBlob+`"}`),
			want{400, denied, blobDenied}},
		{"another account points an alias", carolKey, "kms", kms("CreateAlias", `{"AliasName":"alias/mine","TargetKeyId":"`+keyARN+`"}`),
			want{400, denied, ""}},
		{"another account disables", otherKey, "kms", kms("DisableKey", `{"KeyId":"`+keyARN+`"}`),
			want{400, denied, noResourcePolicy(other, "kms:DisableKey", keyARN)}},
		{"another account gets", carolKey, "s3", s3("GET", "/bucket/key", "", ""),
			want{403, "AccessDenied", noResourcePolicy(carol, "s3:GetObject", "arn:aws:s3:::bucket/key")}},
		{"another account gets what is not there", carolKey, "s3", s3("GET", "/bucket/none", "", ""),
			want{403, "AccessDenied", noResourcePolicy(carol, "s3:GetObject", "arn:aws:s3:::bucket/none")}},
		{"another account puts", otherKey, "s3", s3("PUT", "/bucket/key", "", "theirs"),
			want{403, "AccessDenied", noResourcePolicy(other, "s3:PutObject", "arn:aws:s3:::bucket/key")}},
		{"another account deletes", otherKey, "s3", s3("DELETE", "/bucket/key", "", ""),
			want{403, "AccessDenied", noResourcePolicy(other, "s3:DeleteObject", "arn:aws:s3:::bucket/key")}},
		{"another account lists", otherKey, "s3", s3("GET", "/bucket", "list-type=2", ""),
			want{403, "AccessDenied", noResourcePolicy(other, "s3:ListBucket", "arn:aws:s3:::bucket")}},
		{"another account deletes the bucket", otherKey, "s3", s3("DELETE", "/bucket", "", ""),
			want{403, "AccessDenied", noResourcePolicy(other, "s3:DeleteBucket", "arn:aws:s3:::bucket")}},
		{"another account asks for the location", otherKey, "s3", s3("GET", "/bucket", "location=", ""),
			want{403, "AccessDenied", noResourcePolicy(other, "s3:GetBucketLocation", "arn:aws:s3:::bucket")}},
		{"another account adds a part", otherKey, "s3", s3("PUT", "/bucket/parts", "partNumber=1&uploadId="+upload, "theirs"),
			want{403, "AccessDenied", noResourcePolicy(other, "s3:PutObject", "arn:aws:s3:::bucket/parts")}},
		{"another account lists parts", otherKey, "s3", s3("GET", "/bucket/parts", "uploadId="+upload, ""),
			want{403, "AccessDenied", noResourcePolicy(other, "s3:ListMultipartUploadParts", "arn:aws:s3:::bucket/parts")}},
		{"another account aborts", otherKey, "s3", s3("DELETE", "/bucket/parts", "uploadId="+upload, ""),
			want{403, "AccessDenied", noResourcePolicy(other, "s3:AbortMultipartUpload", "arn:aws:s3:::bucket/parts")}},
		{"another account takes the bucket's name", otherKey, "s3", s3("PUT", "/bucket", "", ""),
			want{409, "BucketAlreadyExists", ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := askAs(t, s.Endpoint(), tt.who, tt.service, tt.m)
			code, message := a.problem()
			if a.status != tt.want.status || code != tt.want.code || tt.want.message != "" && message != tt.want.message {
				t.Errorf("got  %d %s %s\nwant %+v", a.status, code, message, tt.want)
			}
		})
	}

	// What the second account can see is its own.
	if a := askAs(t, s.Endpoint(), otherKey, "kms", kms("ListKeys", "{}")); !strings.Contains(a.body, `"Keys":[]`) {
		t.Errorf("got keys %s, want none", a.body)
	}
	if a := askAs(t, s.Endpoint(), otherKey, "kms", kms("ListAliases", "{}")); strings.Contains(a.body, "alias/app") {
		t.Errorf("got aliases %s, want none of the first account", a.body)
	}
	if a := askAs(t, s.Endpoint(), otherKey, "s3", s3("GET", "/", "", "")); strings.Contains(a.body, "<Name>") {
		t.Errorf("got buckets %s, want none", a.body)
	}
	if got := mustAsk(t, s.Endpoint(), "s3", s3("GET", "/bucket/key", "", "")).body; got != "hello" {
		t.Errorf("got %q, want the object as it was", got)
	}
	// Each account has S3 objects under a key of its own.
	if a := askAs(t, s.Endpoint(), carolKey, "s3", s3("PUT", "/carols-bucket", "", "")); a.status != 200 {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	if a := askAs(t, s.Endpoint(), carolKey, "s3", s3("PUT", "/carols-bucket/key", "", "hers")); a.status != 200 {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	a := ask(t, s.Endpoint(), "s3", s3("GET", "/carols-bucket/key", "", ""))
	if _, message := a.problem(); a.status != 403 || message != noResourcePolicy("arn:aws:iam::000000000000:root", "s3:GetObject", "arn:aws:s3:::carols-bucket/key") {
		t.Errorf("got %d %s for the first account's root, want AccessDenied", a.status, a.body)
	}
	stop()
	checkWho(t, records(t, dir), ids)
}

// checkWho: the record of every call says who made it, and a refused one says
// nothing of the other account's resource beyond its name.
func checkWho(t *testing.T, all []string, ids map[string]string) {
	t.Helper()
	users := map[string]string{aliceKey: "alice", bobKey: "bob", carolKey: "carol"}
	seen := map[string]int{}
	for _, raw := range all {
		var r struct {
			UserIdentity                             struct{ Type, PrincipalID, ARN, AccountID, AccessKeyID, UserName string }
			ErrorCode, EventName, RecipientAccountID string
			RequestParameters                        json.RawMessage
		}
		if err := json.Unmarshal([]byte(raw), &r); err != nil {
			t.Fatal(err)
		}
		u := r.UserIdentity
		id, ok := ids[u.AccessKeyID]
		if !ok {
			continue
		}
		seen[u.AccessKeyID]++
		account := DefaultAccount
		if u.AccessKeyID == otherKey || u.AccessKeyID == carolKey {
			account = otherAccount
		}
		if u.PrincipalID != id || u.UserName != users[u.AccessKeyID] || u.AccountID != account || r.RecipientAccountID != account || (u.Type == "Root") != (u.UserName == "") {
			t.Errorf("got %s, want it of %s, account %s", raw, id, account)
		}
		if r.ErrorCode == "AccessDenied" && string(r.RequestParameters) != "null" {
			t.Errorf("got parameters in the record of a refusal: %s", raw)
		}
	}
	for id := range ids {
		if seen[id] == 0 {
			t.Errorf("no record of %s", id)
		}
	}
}

// TestAccessKeyCannotMove: an id that is given to another principal stops the
// server, which then changes nothing.
func TestAccessKeyCannotMove(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	_, stop := start(t, principalConfig(t, dir, principals))
	stop()
	for _, tt := range []struct{ name, yaml string }{
		{"another account", "accounts:\n  - id: \"111122223333\"\n    users:\n      - name: carol\n        accessKeys: [{id: " + aliceKey + ", secret: " + sharedSecret + "}]\n"},
		{"another user", "accounts:\n  - id: \"000000000000\"\n    users:\n      - name: bob\n        accessKeys: [{id: " + aliceKey + ", secret: " + sharedSecret + "}]\n"},
		{"root of the account", "accounts:\n  - id: \"000000000000\"\n    accessKeys: [{id: " + aliceKey + ", secret: " + sharedSecret + "}]\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := principalConfig(t, dir, tt.yaml)
			cfg.Listen = "127.0.0.1:0"
			s, err := New(t.Context(), cfg)
			if err == nil {
				_ = s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), "access key "+aliceKey+" belongs to another principal already") || strings.Contains(err.Error(), sharedSecret) {
				t.Errorf("got %v, want an error that names the access key", err)
			}
		})
	}
	s, _ := start(t, wireConfig(dir))
	a := askAs(t, s.Endpoint(), aliceKey, "sts", stsCall("Action=GetCallerIdentity&Version=2011-06-15"))
	if !strings.Contains(a.body, "arn:aws:iam::000000000000:user/alice") {
		t.Errorf("got %s, want alice still", a.body)
	}
}

// TestPrincipalsReplaced starts with changed files: a new secret counts at once
// and the old one no more; a policy that is taken away is gone.
func TestPrincipalsReplaced(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	_, stop := start(t, principalConfig(t, dir, principals))
	stop()
	changed := strings.Replace(principals, "accessKeys: [{id: AKIAALICEEXAMPLE0001, secret: secret-of-all-users-in-this-test}]",
		"accessKeys: [{id: AKIAALICEEXAMPLE0001, secret: a-new-secret-of-alice}]", 1)
	changed = strings.Replace(changed, `policies: ["arn:aws:iam::aws:policy/AdministratorAccess"]`, "policies: []", 1)
	s, stop := start(t, principalConfig(t, dir, changed))
	a := askAs(t, s.Endpoint(), aliceKey, "kms", kmsCall("ListKeys", "{}"))
	if code, _ := a.problem(); code != "InvalidSignatureException" {
		t.Errorf("old secret: got %d %s, want InvalidSignatureException", a.status, code)
	}
	sig := wireSigner("kms")
	sig.id, sig.secret = aliceKey, "a-new-secret-of-alice"
	wire, _ := sig.sign(kmsCall("ListKeys", "{}"))
	if a := send(t, s.Endpoint(), wire); a.status != 200 {
		t.Errorf("new secret: got %d %s", a.status, a.body)
	}
	if a := askAs(t, s.Endpoint(), carolKey, "kms", kmsCall("ListKeys", "{}")); a.status != 400 || !strings.Contains(a.body, "AccessDenied") {
		t.Errorf("without the policy: got %d %s, want AccessDenied", a.status, a.body)
	}
	stop()
	n := len(records(t, dir))
	_, stop = start(t, principalConfig(t, dir, changed))
	stop()
	if got := len(records(t, dir)); got != n {
		t.Errorf("the same file again made %d records, want none", got-n)
	}
	for _, r := range records(t, dir) {
		if strings.Contains(r, sharedSecret) || strings.Contains(r, "a-new-secret-of-alice") {
			t.Errorf("a secret is in the trail: %s", r)
		}
	}
}
