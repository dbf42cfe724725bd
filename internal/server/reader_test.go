package server

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// readerKey is a key as docs/formats/reader.md has it.
type readerKey struct {
	Token   []byte `json:"token"`
	Domain  string `json:"domain"`
	Account string `json:"account,omitempty"`
	Region  string `json:"region,omitempty"`
	KeyID   string `json:"key_id,omitempty"`
}

// readerDocument takes from a stopped data directory what the reader needs of
// the key hierarchy.
func readerDocument(t *testing.T, dir string) map[string]any {
	t.Helper()
	db := openRaw(t, dir)
	rows := func(table string, fn func(key string, doc []byte)) {
		r, err := db.Query("SELECT key, doc FROM " + table + " ORDER BY key")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		for r.Next() {
			var key string
			var doc []byte
			if err := r.Scan(&key, &doc); err != nil {
				t.Fatal(err)
			}
			fn(key, doc)
		}
	}
	d := map[string]any{"root_key_file": RootKeyFile(dir)}
	var domains []map[string]any
	rows("domain_keys", func(_ string, doc []byte) {
		var k struct {
			Domain    string
			Version   uint32
			Token     []byte
			RootKeyID string
		}
		if err := json.Unmarshal(doc, &k); err != nil {
			t.Fatal(err)
		}
		domains = append(domains, map[string]any{"domain": k.Domain, "version": k.Version, "token": k.Token, "root_key_id": k.RootKeyID})
	})
	d["domain_keys"] = domains
	rows("internal_keys", func(key string, doc []byte) {
		domain, id, _ := strings.Cut(key, "/")
		switch id {
		case "blob-headers":
			d["blob_header_key"] = readerKey{Token: doc, Domain: domain, KeyID: id}
		case "s3-records":
			d["record_key"] = readerKey{Token: doc, Domain: domain, Region: domain, KeyID: id}
		}
	})
	keys := map[string]readerKey{}
	rows("kms_keys", func(key string, doc []byte) {
		var k struct{ Account, Region, ID string }
		if err := json.Unmarshal(doc, &k); err != nil {
			t.Fatal(err)
		}
		keys[key] = readerKey{Domain: k.Region, Account: k.Account, Region: k.Region, KeyID: k.ID}
	})
	var backing []readerKey
	rows("kms_key_tokens", func(key string, doc []byte) {
		k := keys[key[:strings.LastIndex(key, "/")]]
		k.Token = doc
		backing = append(backing, k)
	})
	d["backing_keys"] = backing
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return d
}

// runReader runs the independent reader and returns what it prints.
func runReader(t *testing.T, kind string, document map[string]any) []byte {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed: the independent reader does not run")
	}
	in, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, filepath.Join("..", "hsm", "testdata", "reader.py"), kind, "-")
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &errs
	if err := cmd.Run(); err != nil {
		t.Errorf("the reader: %v\n%s", err, errs.String())
	}
	return out.Bytes()
}

// TestIndependentReader opens what a server made with a program that was
// written from docs/formats alone: a ciphertext of Encrypt, and objects under
// SSE-S3 and SSE-KMS, put whole and in parts.
func TestIndependentReader(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	s, stop := start(t, wireConfig(dir))
	key := createKey(t, s.Endpoint())
	plain := "attack at dawn"
	var sealed struct{ CiphertextBlob []byte }
	body := fmt.Sprintf(`{"KeyId":%q,"Plaintext":"YXR0YWNrIGF0IGRhd24=","EncryptionContext":{"b":"2","a":"1"}}`, key)
	if err := json.Unmarshal([]byte(mustAsk(t, s.Endpoint(), "kms", kmsCall("Encrypt", body)).body), &sealed); err != nil {
		t.Fatal(err)
	}
	putBucket(t, s.Endpoint(), "bucket")
	kms := []field{{"X-Amz-Server-Side-Encryption", "aws:kms"}, {"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", key}}
	managed := kms[:1]
	// A whole chunk and a piece; the reader's own AES is slow without a package.
	content := strings.Repeat("0123456789", 7_000)
	long := strings.Repeat("part one. ", 5<<20/10+1)
	objects := map[string]string{}
	put := func(name, content string, headers []field) {
		mustAsk(t, s.Endpoint(), "s3", message{method: "PUT", path: "/bucket/" + escapeKey(name), body: content, signed: headers})
		objects[name] = content
	}
	put("s3", content, nil)
	put("s3 empty", "", nil)
	put("kms/ä key", content, kms)
	put("managed", content, managed)
	putParts := func(name string, headers []field, parts ...string) {
		path := "/bucket/" + escapeKey(name)
		_, rest, _ := strings.Cut(mustAsk(t, s.Endpoint(), "s3", message{method: "POST", path: path, query: "uploads=", signed: headers}).body, "<UploadId>")
		id, _, _ := strings.Cut(rest, "</UploadId>")
		var list strings.Builder
		for i, p := range parts {
			a := mustAsk(t, s.Endpoint(), "s3", message{method: "PUT", path: path, query: fmt.Sprintf("partNumber=%d&uploadId=%s", 2*i+1, id), body: p})
			fmt.Fprintf(&list, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", 2*i+1, a.header.Get("Etag"))
		}
		mustAsk(t, s.Endpoint(), "s3", message{method: "POST", path: path, query: "uploadId=" + id, body: "<CompleteMultipartUpload>" + list.String() + "</CompleteMultipartUpload>"})
		objects[name] = strings.Join(parts, "")
	}
	putParts("s3 parts", nil, content)
	if _, err := exec.Command("python3", "-c", "import cryptography").Output(); err == nil {
		putParts("kms parts", kms, long, content)
		putParts("s3 two parts", nil, long, content)
	}
	stop()

	doc := readerDocument(t, dir)
	doc["blob"], doc["context"] = sealed.CiphertextBlob, map[string]string{"a": "1", "b": "2"}
	if got := runReader(t, "blob", doc); string(got) != plain {
		t.Errorf("got %q of the ciphertext, want %q", got, plain)
	}

	parts := map[string]string{}
	err := filepath.WalkDir(objectsDir(dir), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			parts[d.Name()] = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	db := openRaw(t, dir)
	var bucket struct{ ID string }
	if err := json.Unmarshal(readRaw(t, db, "buckets", "bucket").doc, &bucket); err != nil {
		t.Fatal(err)
	}
	for name, want := range objects {
		t.Run(name, func(t *testing.T) {
			var row struct {
				Instance, DataKey, ObjectKey, Attributes, Manifest []byte
				Mode, KeyArn, ManifestBlob                         string
			}
			if err := json.Unmarshal(readRaw(t, db, "objects", "bucket/"+name).doc, &row); err != nil {
				t.Fatal(err)
			}
			context := map[string]string{"aws:s3:service": "SSE-S3"}
			if row.Mode == "aws:kms" {
				context = map[string]string{"aws:s3:arn": "arn:aws:s3:::bucket/" + name}
			}
			doc := readerDocument(t, dir)
			doc["blob"], doc["context"], doc["mode"], doc["bucket"], doc["key"] = row.DataKey, context, row.Mode, "bucket", name
			doc["instance"], doc["object_key"], doc["manifest"], doc["parts"] = row.Instance, row.ObjectKey, row.Manifest, parts
			if got := runReader(t, "object", doc); string(got) != want {
				t.Errorf("got %d bytes, want %d", len(got), len(want))
			}

			// The record beside it, too.
			aad := []byte("strongroom s3 record 1")
			for _, f := range [][]byte{[]byte("object"), []byte("bucket"), []byte(bucket.ID), []byte(name), nil, row.Instance, []byte(row.Mode), []byte(row.KeyArn), row.DataKey, row.ObjectKey, []byte(row.ManifestBlob)} {
				aad = append(binary.BigEndian.AppendUint32(aad, uint32(len(f))), f...)
			}
			doc["sealed"], doc["aad"] = row.Attributes, aad
			var attributes struct {
				Size int
				ETag string
			}
			if err := json.Unmarshal(runReader(t, "record", doc), &attributes); err != nil || attributes.Size != len(want) {
				t.Errorf("got attributes %+v, %v, want size %d", attributes, err, len(want))
			}
		})
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	// With another root key nothing opens.
	other := dataDirIn(t)
	_, stop = start(t, wireConfig(other))
	stop()
	doc["root_key_file"] = RootKeyFile(other)
	in, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("python3", filepath.Join("..", "hsm", "testdata", "reader.py"), "blob", "-")
	cmd.Stdin = bytes.NewReader(in)
	if out, err := cmd.Output(); err == nil || len(out) > 0 {
		t.Errorf("got %s with another root key, want nothing", hex.EncodeToString(out))
	}
}
