package server

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// writeBootstrap writes a bootstrap file and returns its path.
func writeBootstrap(t testing.TB, yaml string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "b.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const bootstrapFixture = `accounts:
  - id: 012345678901
    accessKeys: [{id: AKIABOOTSTRAP0000001, secret: a-secret-of-the-fixture}]
    keys:
      - id: 00000000-0000-4000-8000-000000000001
        description: for fixtures
        aliases: [alias/fixture, alias/second]
        tags: {team: "007", a: b}
        material: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=
      - id: 00000000-0000-4000-8000-000000000002
        enabled: false
    buckets:
      - name: declared
`

// bootstrapError starts a server and returns why it did not.
func bootstrapError(t testing.TB, dir, yaml string) string {
	t.Helper()
	s, err := New(t.Context(), principalConfig(t, dir, yaml))
	if err == nil {
		t.Error("the server started")
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		return ""
	}
	return err.Error()
}

func TestBootstrapFileIsStrict(t *testing.T) {
	account := func(rest string) string { return "accounts:\n  - id: \"111122223333\"\n" + rest }
	key := func(rest string) string {
		return account("    keys:\n      - id: 00000000-0000-4000-8000-000000000001\n" + rest)
	}
	for _, tt := range []struct{ name, yaml, where, want string }{
		{"unknown key", account("    user: []\n"), "[3:", "user"},
		{"repeated key", "accounts: []\naccounts: []\n", "[2:", ""},
		{"list for a value", "accounts:\n  - id: [1]\n", "[2:", "a single value"},
		{"no yaml", "accounts: [\n", "[", ""},
		{"account id", "accounts:\n  - id: 12\n", "[2:9]", "12 digits"},
		{"account twice", "accounts:\n  - id: 111122223333\n  - id: \"111122223333\"\n", "[3:9]", "declared twice, in line 2"},
		{"user name", account("    users:\n      - name: a b\n"), "[4:15]", "user name"},
		{"user twice", account("    users:\n      - name: a\n      - name: a\n"), "[5:15]", "declared twice"},
		{"policy", account("    users:\n      - name: a\n        policies: [PowerUser]\n"), "[4:15]", "PowerUser"},
		{"access key id", account("    accessKeys:\n      - id: AKIA\n        secret: 0123456789\n"), "[4:13]", "16 to 128"},
		{"short secret", account("    accessKeys:\n      - id: AKIABOOTSTRAP0000001\n        secret: hush\n"), "[4:13]", "8 to 128"},
		{"no secret", account("    accessKeys:\n      - id: AKIABOOTSTRAP0000001\n"), "[4:13]", "8 to 128"},
		{"two secrets", account("    accessKeys:\n      - id: AKIABOOTSTRAP0000001\n        secret: 0123456789\n        secretFile: x\n"), "[4:13]", "not both"},
		{"secret file", account("    accessKeys:\n      - id: AKIABOOTSTRAP0000001\n        secretFile: /nonexistent\n"), "[5:21]", "no such file"},
		{"key without id", account("    keys:\n      - region: us-east-1\n"), "[4:17]", "needs its id"},
		{"key id", account("    keys:\n      - id: my-key\n"), "[4:13]", "a UUID"},
		{"capital key id", account("    keys:\n      - id: 0000000A-0000-4000-8000-000000000001\n"), "[4:13]", "small letters"},
		{"key twice", key("      - id: 00000000-0000-4000-8000-000000000001\n"), "[5:13]", "declared twice"},
		{"region of a key", key("        region: eu-north-7\n"), "[4:13]", "not enabled"},
		{"enabled", key("        enabled: maybe\n"), "[5:18]", ""},
		{"material in hex", key("        material: 000102030405060708090a0b0c0d0e0f\n"), "[5:19]", "32 bytes in base64"},
		{"long material", key("        material: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gAAAA\n"), "[5:19]", "32 bytes in base64"},
		{"alias", key("        aliases: [app]\n"), "[4:13]", "alias/"},
		{"alias of AWS", key("        aliases: [alias/aws/s3]\n"), "[4:13]", "alias/aws/"},
		{"long alias", key("        aliases: [alias/" + strings.Repeat("a", 251) + "]\n"), "[4:13]", "256 characters"},
		{"alias twice", key("        aliases: [alias/a, alias/a]\n"), "[5:28]", "declared twice"},
		{"tag of AWS", key("        tags: {\"aws:x\": y}\n"), "[4:13]", "aws:"},
		{"empty tag", key("        tags: {\"\": y}\n"), "[4:13]", "a tag has a key"},
		{"bucket name", account("    buckets:\n      - name: Vault\n"), "[4:15]", "naming rules"},
		{"bucket without name", account("    buckets:\n      - region: us-east-1\n"), "[2:9]", "bucket"},
		{"bucket twice", account("    buckets:\n      - name: vault\n      - name: vault\n"), "[5:15]", "declared twice"},
		{"region of a bucket", account("    buckets:\n      - name: vault\n        region: mars\n"), "[4:15]", "not enabled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := dataDirIn(t)
			got := bootstrapError(t, dir, tt.yaml)
			if !strings.Contains(got, tt.where) || !strings.Contains(got, tt.want) || !strings.Contains(got, "bootstrap.yaml: [") {
				t.Errorf("got %q, want an error with the path, %q and %q", got, tt.where, tt.want)
			}
			if strings.Contains(got, "\n") {
				t.Errorf("got %q, want one line", got)
			}
		})
	}
}

// TestBootstrapErrorShowsNoSecret: a YAML library likes to print the lines
// around a mistake.
func TestBootstrapErrorShowsNoSecret(t *testing.T) {
	for name, yaml := range map[string]string{
		"secret":   "accounts:\n  - id: \"111122223333\"\n    accessKeys:\n      - id: AKIAEXAMPLE000000001\n        secret: hush-hush-hush\n        sekret: also-hush-hush\n",
		"material": "accounts:\n  - id: \"111122223333\"\n    keys:\n      - id: 00000000-0000-4000-8000-000000000001\n        material: hush-hush-hush-hush-hush-hush-hush-hush-hush\n",
	} {
		if got := bootstrapError(t, dataDirIn(t), yaml); got == "" || strings.Contains(got, "hush") {
			t.Errorf("%s: got %q, want an error without the secrets", name, got)
		}
	}
}

func TestEmptyBootstrapFile(t *testing.T) {
	b, err := readBootstrap(writeBootstrap(t, ""))
	if err != nil || len(b.Accounts) != 0 {
		t.Errorf("got %v, %v, want an empty one", b, err)
	}
}

// Nothing in the file is passed over, not even what comes after its end.
func TestBootstrapFileIsOneDocument(t *testing.T) {
	const one = "accounts:\n  - id: 111122223333\n"
	for _, tt := range []struct {
		name, yaml string
		ok         bool
	}{
		{"one", one, true},
		{"a mark before it", "---\n" + one, true},
		{"a mark after it", one + "...\n", true},
		{"a comment before it", "# accounts\n---\n" + one, true},
		{"two", one + "---\n" + one, false},
		{"a second of another form", one + "---\n- 1\n", false},
		{"the second of two", "---\naccounts: []\n---\n" + one, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, err := readBootstrap(writeBootstrap(t, tt.yaml))
			switch {
			case tt.ok && (err != nil || len(b.Accounts) != 1):
				t.Errorf("got %v, %v, want one account", b, err)
			case !tt.ok && (err == nil || !strings.Contains(err.Error(), "document")):
				t.Errorf("got %v, want an error about the second document", err)
			}
		})
	}
}

// asFixture sends a KMS request with the fixture's credential.
func asFixture(t testing.TB, endpoint, operation, body string) answer {
	t.Helper()
	s := wireSigner("kms")
	s.id, s.secret = "AKIABOOTSTRAP0000001", "a-secret-of-the-fixture"
	wire, _ := s.sign(kmsCall(operation, body))
	return send(t, endpoint, wire)
}

func TestBootstrapKeysAndBuckets(t *testing.T) {
	dir := dataDirIn(t)
	s, stop := start(t, principalConfig(t, dir, bootstrapFixture))
	for _, tt := range []struct{ operation, body, want string }{
		{"DescribeKey", `{"KeyId":"alias/fixture"}`, `"Description":"for fixtures"`},
		{"DescribeKey", `{"KeyId":"alias/second"}`, `"KeyId":"00000000-0000-4000-8000-000000000001"`},
		{"DescribeKey", `{"KeyId":"00000000-0000-4000-8000-000000000001"}`, `"AWSAccountId":"012345678901"`},
		{"DescribeKey", `{"KeyId":"00000000-0000-4000-8000-000000000002"}`, `"KeyState":"Disabled"`},
		{"ListResourceTags", `{"KeyId":"00000000-0000-4000-8000-000000000001"}`, `{"TagKey":"a","TagValue":"b"},{"TagKey":"team","TagValue":"007"}`},
	} {
		if a := asFixture(t, s.Endpoint(), tt.operation, tt.body); !strings.Contains(a.body, tt.want) {
			t.Errorf("%s %s: got %s, want %s", tt.operation, tt.body, a.body, tt.want)
		}
	}
	stop()

	// Again: nothing changes, so nothing is recorded.
	before := len(records(t, dir))
	_, stop = start(t, principalConfig(t, dir, bootstrapFixture))
	stop()
	if got := len(records(t, dir)); got != before {
		t.Errorf("got %d records after the same file, want still %d", got, before)
	}

	// What the file says wins, what it no longer names stays.
	changed := strings.NewReplacer("for fixtures", "for others", "enabled: false", "enabled: true", "alias/second", "alias/third").Replace(bootstrapFixture)
	s, stop = start(t, principalConfig(t, dir, changed))
	for _, tt := range []struct{ id, want string }{
		{"alias/fixture", "for others"}, {"alias/second", "for others"}, {"alias/third", "for others"},
		{"00000000-0000-4000-8000-000000000002", `"KeyState":"Enabled"`},
	} {
		if a := asFixture(t, s.Endpoint(), "DescribeKey", `{"KeyId":"`+tt.id+`"}`); !strings.Contains(a.body, tt.want) {
			t.Errorf("%s: got %s, want %s", tt.id, a.body, tt.want)
		}
	}
	// A key that waits for its deletion is left alone.
	if a := asFixture(t, s.Endpoint(), "ScheduleKeyDeletion", `{"KeyId":"00000000-0000-4000-8000-000000000002"}`); a.status != 200 {
		t.Fatal(a.body)
	}
	stop()
	s, stop = start(t, principalConfig(t, dir, changed))
	if a := asFixture(t, s.Endpoint(), "DescribeKey", `{"KeyId":"00000000-0000-4000-8000-000000000002"}`); !strings.Contains(a.body, "PendingDeletion") {
		t.Errorf("got %s, want the key pending deletion still", a.body)
	}
	stop()
}

// TestBootstrapContradicts: a file that contradicts what is there changes
// nothing, not even what stands before the contradiction.
func TestBootstrapContradicts(t *testing.T) {
	dir := dataDirIn(t)
	_, stop := start(t, principalConfig(t, dir, bootstrapFixture))
	stop()
	before := len(records(t, dir))
	news := "accounts:\n  - id: 111122223333\n    users: [{name: new}]\n"
	for _, tt := range []struct{ name, yaml, want string }{
		{"other material", news + "  - id: 012345678901\n    keys:\n      - id: 00000000-0000-4000-8000-000000000001\n        material: //////////////////////////////////////////8=\n", "[6:13] key 00000000-0000-4000-8000-000000000001 is there with other key material"},
		{"bucket of another", news + "    buckets: [{name: declared}]\n", "[4:22] bucket declared belongs to account 012345678901"},
		{"access key of another", news + "    accessKeys: [{id: AKIABOOTSTRAP0000001, secret: another-secret}]\n", "[4:23] access key AKIABOOTSTRAP0000001 belongs to another principal"},
	} {
		if got := bootstrapError(t, dir, tt.yaml); !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	if got := len(records(t, dir)); got != before {
		t.Errorf("got %d records after the refused files, want still %d", got, before)
	}
}

// TestPortableMaterial: two servers with the same fixed material open each
// other's ciphertexts; damage to any byte is found; another id, context or
// material does not open; and keys of random material stay where they are.
func TestPortableMaterial(t *testing.T) {
	s1, _ := start(t, principalConfig(t, dataDirIn(t), bootstrapFixture))
	s2, _ := start(t, principalConfig(t, dataDirIn(t), bootstrapFixture))
	var out struct{ CiphertextBlob []byte }
	a := asFixture(t, s1.Endpoint(), "Encrypt", `{"KeyId":"alias/fixture","Plaintext":"aGVsbG8=","EncryptionContext":{"a":"b"}}`)
	if err := json.Unmarshal([]byte(a.body), &out); err != nil || a.status != 200 {
		t.Fatalf("%s %v", a.body, err)
	}
	decrypt := func(endpoint string, blob []byte, rest string) answer {
		b, err := json.Marshal(blob)
		if err != nil {
			t.Fatal(err)
		}
		return asFixture(t, endpoint, "Decrypt", `{"CiphertextBlob":`+string(b)+rest+`}`)
	}
	const context = `,"EncryptionContext":{"a":"b"}`
	for name, endpoint := range map[string]string{"its own": s1.Endpoint(), "the other": s2.Endpoint()} {
		for _, rest := range []string{context, context + `,"KeyId":"alias/fixture"`} {
			if a := decrypt(endpoint, out.CiphertextBlob, rest); !strings.Contains(a.body, `"Plaintext":"aGVsbG8="`) {
				t.Errorf("%s server: got %s, want the plaintext", name, a.body)
			}
		}
		if a := decrypt(endpoint, out.CiphertextBlob, ""); !strings.Contains(a.body, "InvalidCiphertextException") {
			t.Errorf("%s server, without the context: got %s", name, a.body)
		}
		for i := range out.CiphertextBlob {
			bad := append([]byte(nil), out.CiphertextBlob...)
			bad[i] ^= 1
			if a := decrypt(endpoint, bad, context); !strings.Contains(a.body, "InvalidCiphertextException") {
				t.Errorf("%s server, byte %d flipped: got %s, want InvalidCiphertextException", name, i, a.body)
			}
		}
	}
	if a := asFixture(t, s2.Endpoint(), "ReEncrypt", `{"CiphertextBlob":`+mustJSON(t, out.CiphertextBlob)+`,"SourceEncryptionContext":{"a":"b"},"DestinationKeyId":"alias/second"}`); a.status != 200 {
		t.Errorf("ReEncrypt: got %s", a.body)
	}
	// Not the owner of the key: no word of whether the blob is good.
	if a := ask(t, s2.Endpoint(), "kms", kmsCall("Decrypt", `{"CiphertextBlob":`+mustJSON(t, out.CiphertextBlob)+context+`}`)); !strings.Contains(a.body, "AccessDenied") {
		t.Errorf("another account: got %s, want AccessDeniedException", a.body)
	}
	// Nor of whether there is a key that a made-up header names.
	forged := slices.Clone(out.CiphertextBlob)
	forged[len(forged)-len("hello")-44-1] ^= 1 // the last byte of the header's MAC
	for name, id := range map[string]string{"is": "00000000-0000-4000-8000-000000000001", "is not": "00000000-0000-4000-8000-00000000000f"} {
		blob := bytes.Replace(forged, []byte("00000000-0000-4000-8000-000000000001"), []byte(id), 1)
		if a := ask(t, s2.Endpoint(), "kms", kmsCall("Decrypt", `{"CiphertextBlob":`+mustJSON(t, blob)+context+`}`)); !strings.Contains(a.body, "InvalidCiphertext") {
			t.Errorf("another account, a forged header of a key that %s there: got %s, want InvalidCiphertextException", name, a.body)
		}
	}

	random := strings.ReplaceAll(bootstrapFixture, "        material: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", "")
	s3, _ := start(t, principalConfig(t, dataDirIn(t), random))
	if a := decrypt(s3.Endpoint(), out.CiphertextBlob, context); !strings.Contains(a.body, "InvalidCiphertextException") {
		t.Errorf("a server with other material: got %s, want InvalidCiphertextException", a.body)
	}
}

func mustJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
