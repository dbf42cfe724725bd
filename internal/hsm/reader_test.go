package hsm_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloudflare/circl/sign/mldsa/mldsa65"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/kms/ciphertext"
	"github.com/strongroom/strongroom/internal/s3/sse"
	"github.com/strongroom/strongroom/internal/secret"
)

var update = flag.Bool("update", false, "write testdata/v1 anew")

// keyDoc and document are the reader's input: docs/formats/reader.md.
type keyDoc struct {
	Token   []byte `json:"token"`
	Domain  string `json:"domain"`
	Account string `json:"account,omitempty"`
	Region  string `json:"region,omitempty"`
	KeyID   string `json:"key_id,omitempty"`
}

func (k keyDoc) binding(p hsm.Purpose) hsm.Binding {
	return hsm.Binding{Purpose: p, Domain: k.Domain, Account: k.Account, Region: k.Region, KeyID: k.KeyID}
}

type domainKeyDoc struct {
	Domain    string `json:"domain"`
	Version   uint32 `json:"version"`
	Token     []byte `json:"token"`
	RootKeyID string `json:"root_key_id"`
}

type document struct {
	RootKeyFile   string            `json:"root_key_file,omitempty"`
	DomainKeys    []domainKeyDoc    `json:"domain_keys"`
	BlobHeaderKey keyDoc            `json:"blob_header_key"`
	BackingKeys   []keyDoc          `json:"backing_keys"`
	Blob          []byte            `json:"blob"`
	Context       map[string]string `json:"context"`
	Mode          string            `json:"mode,omitempty"`
	Bucket        string            `json:"bucket,omitempty"`
	Key           string            `json:"key,omitempty"`
	Instance      []byte            `json:"instance,omitempty"`
	ObjectKey     []byte            `json:"object_key,omitempty"`
	Manifest      []byte            `json:"manifest,omitempty"`
	Parts         any               `json:"parts,omitempty"`
	RecordKey     keyDoc            `json:"record_key"`
	Sealed        []byte            `json:"sealed,omitempty"`
	AAD           []byte            `json:"aad,omitempty"`
	TypedKey      *keyDoc           `json:"typed_key,omitempty"`
	KeySpec       string            `json:"key_spec,omitempty"`
	MaterialID    []byte            `json:"key_material_id,omitempty"`
}

func (d *document) write(t testing.TB, path string) string {
	t.Helper()
	b, err := json.MarshalIndent(d, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// handles are the opened keys of a document.
type handles struct {
	mac     *hsm.MACKey
	backing *hsm.BackingKey
	record  *hsm.RecordKey
}

func (d *document) open(t testing.TB, m *hsm.Module) (h handles) {
	t.Helper()
	var errs [3]error
	h.mac, errs[0] = m.LoadMACKey(d.BlobHeaderKey.Token, d.BlobHeaderKey.binding(hsm.PurposeBlobHeader))
	h.backing, errs[1] = m.LoadBackingKey(d.BackingKeys[0].Token, d.BackingKeys[0].binding(hsm.PurposeBackingKey))
	h.record, errs[2] = m.LoadRecordKey(d.RecordKey.Token, d.RecordKey.binding(hsm.PurposeRecord))
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	return h
}

// newDocument makes a root key file in dir, two versions of a domain key, one
// key of each purpose the reader needs, and a backing key it must not pick.
func newDocument(t testing.TB, dir string) (*document, handles) {
	t.Helper()
	d, m := newDocumentOn(t, dir)
	return d, d.open(t, m)
}

func newDocumentOn(t testing.TB, dir string) (*document, *hsm.Module) {
	t.Helper()
	d := &document{RootKeyFile: filepath.Join(dir, "root-key")}
	if err := hsm.CreateRootKeyFile(d.RootKeyFile); err != nil {
		t.Fatal(err)
	}
	m, err := hsm.Open(hsm.Config{RootKeyFile: d.RootKeyFile})
	if err != nil {
		t.Fatal(err)
	}
	newKey := func(p hsm.Purpose, k keyDoc) keyDoc {
		if k.Token, err = m.GenerateKey(k.binding(p)); err != nil {
			t.Fatal(err)
		}
		return k
	}
	kmsKey := keyDoc{Domain: "global", Account: "111122223333", Region: "eu-central-1", KeyID: "1234abcd-12ab-34cd-56ef-1234567890ab"}
	for version := uint32(1); version <= 2; version++ {
		k, err := m.NewDomainKey("global", version)
		if err != nil {
			t.Fatal(err)
		}
		d.DomainKeys = append(d.DomainKeys, domainKeyDoc(k))
		if version == 1 {
			d.BackingKeys = []keyDoc{newKey(hsm.PurposeBackingKey, kmsKey)}
		}
	}
	d.BackingKeys = append(d.BackingKeys, newKey(hsm.PurposeBackingKey, kmsKey))
	d.BlobHeaderKey = newKey(hsm.PurposeBlobHeader, keyDoc{Domain: "global", KeyID: "blob-header"})
	d.RecordKey = newKey(hsm.PurposeRecord, keyDoc{Domain: "global", KeyID: "records"})
	return d, m
}

// makeTypedKey puts a new key pair or HMAC key into the document.
func (d *document) makeTypedKey(t testing.TB, m *hsm.Module, keyType hsm.KeyType) {
	t.Helper()
	k := d.BackingKeys[0]
	b := k.binding(keyType.Purpose())
	var err error
	if keyType.Purpose() == hsm.PurposeHMACKey {
		k.Token, err = m.GenerateHMACKey(keyType, b)
	} else {
		k.Token, err = m.GenerateKeyPair(keyType, b)
	}
	if err != nil {
		t.Fatal(err)
	}
	id, err := m.MaterialID(k.Token, b)
	if err != nil {
		t.Fatal(err)
	}
	d.TypedKey, d.KeySpec, d.MaterialID = &k, keyType.String(), id[:]
}

// checkMaterial tests that material is what the document's typed key computes
// with, by another way to its public key or MAC.
func (d *document) checkMaterial(t testing.TB, m *hsm.Module, material []byte) {
	t.Helper()
	keyType, _ := hsm.ParseKeyType(d.KeySpec)
	b := d.TypedKey.binding(keyType.Purpose())
	if keyType == hsm.HMAC384 {
		k, err := m.LoadHMACKey(d.TypedKey.Token, keyType, b)
		if err != nil {
			t.Fatal(err)
		}
		h := hmac.New(sha512.New384, material)
		h.Write([]byte("message"))
		if err := k.Verify("HMAC_SHA_384", []byte("message"), h.Sum(nil)); err != nil {
			t.Errorf("%s: %v", d.KeySpec, err)
		}
		return
	}
	k, err := m.LoadKeyPair(d.TypedKey.Token, keyType, b)
	if err != nil {
		t.Fatal(err)
	}
	var public any
	switch keyType {
	case hsm.RSA2048:
		key, err := x509.ParsePKCS8PrivateKey(material)
		if err != nil {
			t.Fatal(err)
		}
		public = key.(crypto.Signer).Public()
	case hsm.P521:
		key, err := ecdsa.ParseRawPrivateKey(elliptic.P521(), material)
		if err != nil {
			t.Fatal(err)
		}
		public = key.Public()
	case hsm.Ed25519:
		public = ed25519.NewKeyFromSeed(material).Public()
	case hsm.MLDSA65:
		seed := [mldsa65.SeedSize]byte(material)
		key, _ := mldsa65.NewKeyFromSeed(&seed)
		if !bytes.HasSuffix(k.PublicKey(), key.Bytes()) {
			t.Errorf("%s: got another public key", d.KeySpec)
		}
		return
	default:
		t.Fatalf("no other way for %s", d.KeySpec)
	}
	if want, err := x509.MarshalPKIXPublicKey(public); err != nil || !bytes.Equal(k.PublicKey(), want) {
		t.Errorf("%s: got public key %x, %v, want %x", d.KeySpec, k.PublicKey(), err, want)
	}
}

func (d *document) header(h handles) ciphertext.Header {
	k := d.BackingKeys[0]
	return ciphertext.Header{Account: k.Account, Region: k.Region, KeyID: k.KeyID, MaterialID: h.backing.ID()}
}

// sealBlob puts a blob of plaintext into the document.
func (d *document) sealBlob(t testing.TB, h handles, plaintext []byte) {
	t.Helper()
	d.Context = map[string]string{"b": "2", "a": "1", "ä": ""}
	var err error
	if d.Blob, err = ciphertext.Seal(h.mac, h.backing, d.header(h), d.Context, secret.New(plaintext)); err != nil {
		t.Fatal(err)
	}
}

// sealPart makes an attempt to upload a part.
func sealPart(t testing.TB, k *hsm.ObjectKey, number uint32, plaintext []byte) (stored []byte, p sse.ManifestPart) {
	t.Helper()
	var out bytes.Buffer
	w, err := sse.NewPartWriter(&out, k, number)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plaintext); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	sum := md5.Sum(plaintext)
	return out.Bytes(), sse.ManifestPart{Number: number, PlainSize: w.PlainSize(), Salt: w.Salt(), Blob: "part-" + string(rune('a'+number)), ETagMD5: sum[:]}
}

// sealObject puts an object into the document, its parts as files into dir.
func (d *document) sealObject(t testing.TB, h handles, dir string, parts map[uint32][]byte, numbers ...uint32) *hsm.ObjectKey {
	t.Helper()
	d.Context = map[string]string{"aws:s3:arn": "arn:aws:s3:::bucket/some/key"}
	dataKey, blob, err := ciphertext.SealDataKey(h.mac, h.backing, d.header(h), d.Context)
	if err != nil {
		t.Fatal(err)
	}
	b := sse.Binding{Mode: sse.SSEKMS, Bucket: "bucket", Key: "some/key ä"}
	if b.Instance, err = sse.NewInstance(); err != nil {
		t.Fatal(err)
	}
	objectKey, wrapped, err := dataKey.NewObjectKey(b.AAD())
	if err != nil {
		t.Fatal(err)
	}
	manifest := sse.Manifest{ETag: "an-etag", Checksum: sse.Checksum{Algorithm: "CRC32", Value: "AAAAAA==", Type: "FULL_OBJECT"}}
	for _, number := range numbers {
		stored, p := sealPart(t, objectKey, number, parts[number])
		if err := os.WriteFile(filepath.Join(dir, p.Blob), stored, 0o644); err != nil {
			t.Fatal(err)
		}
		manifest.Parts = append(manifest.Parts, p)
		manifest.Size += p.PlainSize
	}
	sealed, err := manifest.Seal(objectKey, b)
	if err != nil {
		t.Fatal(err)
	}
	d.Blob, d.Mode, d.Bucket, d.Key, d.Instance = blob, b.Mode.String(), b.Bucket, b.Key, b.Instance[:]
	d.ObjectKey, d.Manifest, d.Parts = wrapped, sealed, dir
	return objectKey
}

// runReader runs reader.py and returns what it prints.
func runReader(t testing.TB, args ...string) (stdout []byte, stderr string, err error) {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed: the independent reader does not run")
	}
	cmd := exec.Command(python, append([]string{"testdata/reader.py"}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.Bytes(), errs.String(), err
}

// mustRead checks that the reader prints want, with each of its two AES-GCMs:
// its own, when that does not take long, and the package cryptography's when
// that is installed.
func mustRead(t *testing.T, want []byte, args ...string) {
	t.Helper()
	modes := [][]string{nil, {"--pure"}}
	if len(want) > 4096 {
		modes = modes[:1]
	}
	for _, more := range modes {
		got, stderr, err := runReader(t, append(more, args...)...)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("reader %v: got %d bytes, %v, want %d\n%s", append(more, args...), len(got), err, len(want), stderr)
		}
	}
}

// mustRefuse checks that the reader prints nothing and says why.
func mustRefuse(t *testing.T, name string, args ...string) {
	t.Helper()
	got, stderr, err := runReader(t, args...)
	if _, ok := errors.AsType[*exec.ExitError](err); !ok || len(got) > 0 || !strings.HasPrefix(stderr, "reader: ") {
		t.Errorf("%s: got %d bytes, %v, want a refusal\n%s", name, len(got), err, stderr)
	}
}

func TestReaderOpensBlob(t *testing.T) {
	dir := t.TempDir()
	d, h := newDocument(t, dir)
	d.sealBlob(t, h, []byte("attack at dawn"))
	path := filepath.Join(dir, "blob.json")
	mustRead(t, []byte("attack at dawn"), "blob", d.write(t, path))

	other, _ := newDocument(t, t.TempDir())
	mustRefuse(t, "wrong root key", "--root-key", other.RootKeyFile, "blob", path)
	good := bytes.Clone(d.Blob)
	for name, i := range map[string]int{"header": 20, "header MAC": len(good) - 60, "body": len(good) - 1} {
		d.Blob = bytes.Clone(good)
		d.Blob[i] ^= 1
		mustRefuse(t, "damaged "+name, "blob", d.write(t, path))
	}
	d.Blob, d.Context = good, nil
	mustRefuse(t, "no context", "blob", d.write(t, path))
}

func TestReaderOpensObject(t *testing.T) {
	dir := t.TempDir()
	d, h := newDocument(t, dir)
	long := make([]byte, 2*sse.ChunkSize+100)
	_, _ = rand.Read(long)
	parts := map[uint32][]byte{1: long, 2: long[:sse.ChunkSize], 5: {}, 9: []byte("the end")}
	objectKey := d.sealObject(t, h, dir, parts, 1, 2, 5, 9)
	path := filepath.Join(dir, "object.json")
	want := bytes.Join([][]byte{parts[1], parts[2], parts[9]}, nil)
	mustRead(t, want, "object", d.write(t, path))

	// Another attempt at part 1, of the same object key: even of the same content.
	name := filepath.Join(dir, "part-b")
	taken, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	again, p := sealPart(t, objectKey, 1, long)
	renamed := append(append(bytes.Clone(taken[:8]), p.Salt[:]...), taken[24:]...)
	resalted := append(append(bytes.Clone(again[:8]), taken[8:24]...), again[24:]...)
	for what, stored := range map[string][]byte{"another attempt": again, "salt of another attempt": renamed, "another attempt with the salt": resalted} {
		if err := os.WriteFile(name, stored, 0o644); err != nil {
			t.Fatal(err)
		}
		mustRefuse(t, what, "object", path)
		if _, err := readObject(d, h); !errors.Is(err, sse.ErrTampered) {
			t.Errorf("%s: got %v, want %v", what, err, sse.ErrTampered)
		}
	}
	if err := os.WriteFile(name, taken, 0o644); err != nil {
		t.Fatal(err)
	}

	d.Bucket = "elsewhere"
	mustRefuse(t, "moved to another bucket", "object", d.write(t, path))
}

func TestReaderOpensRecord(t *testing.T) {
	dir := t.TempDir()
	d, h := newDocument(t, dir)
	d.AAD = []byte("row")
	d.Sealed = h.record.Seal(nil, []byte("record"), d.AAD)
	path := filepath.Join(dir, "record.json")
	mustRead(t, []byte("record"), "record", d.write(t, path))
	d.AAD = []byte("another row")
	mustRefuse(t, "moved to another row", "record", d.write(t, path))
}

func TestReaderOpensTypedKeys(t *testing.T) {
	dir := t.TempDir()
	d, m := newDocumentOn(t, dir)
	path := filepath.Join(dir, "key.json")
	for _, keyType := range []hsm.KeyType{hsm.RSA2048, hsm.P521, hsm.Ed25519, hsm.MLDSA65, hsm.HMAC384} {
		d.makeTypedKey(t, m, keyType)
		material, stderr, err := runReader(t, "key", d.write(t, path))
		if err != nil {
			t.Fatal(err, stderr)
		}
		d.checkMaterial(t, m, material)
	}
	d.makeTypedKey(t, m, hsm.P256)
	d.KeySpec = hsm.Secp256k1.String()
	mustRefuse(t, "another type", "key", d.write(t, path))
	d.makeTypedKey(t, m, hsm.P256)
	d.MaterialID[0] ^= 1
	mustRefuse(t, "another id", "key", d.write(t, path))
}

// The files of testdata/v1 were written once, by -update. Version 1 of every
// format opens for ever: this fails on the first change of a label, a layout or
// additional data. Its root key is public and protects nothing.
func TestVersion1StillOpens(t *testing.T) {
	const dir = "testdata/v1"
	want := []byte("sealed once, to be opened for ever")
	if *update {
		writeVersion1(t, dir, want)
	}
	text, err := os.ReadFile(filepath.Join(dir, "root-key"))
	if err != nil {
		t.Fatal(err)
	}
	rootKey := filepath.Join(t.TempDir(), "root-key") // git does not keep mode 0600
	if err := os.WriteFile(rootKey, text, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := hsm.Open(hsm.Config{RootKeyFile: rootKey})
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) *document {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		d := new(document)
		if err := json.Unmarshal(b, d); err != nil {
			t.Fatal(err)
		}
		for _, k := range d.DomainKeys {
			if err := m.InstallDomainKey(hsm.DomainKeyToken(k)); err != nil {
				t.Fatal(err)
			}
		}
		return d
	}

	d := read("blob.json")
	h := d.open(t, m)
	blob, err := ciphertext.Parse(h.mac, d.Blob)
	if err != nil {
		t.Fatal(err)
	}
	if blob.Header != d.header(h) {
		t.Errorf("got header %+v, want %+v", blob.Header, d.header(h))
	}
	if got, err := blob.Open(h.backing, d.Context); err != nil || !bytes.Equal(got.Expose(), want) {
		t.Errorf("blob: got %d bytes, %v", got.Len(), err)
	}
	if got, err := h.record.Open(d.Sealed, d.AAD); err != nil || !bytes.Equal(got, want) {
		t.Errorf("record: got %q, %v, want %q", got, err, want)
	}
	mustRead(t, want, "--root-key", rootKey, "blob", filepath.Join(dir, "blob.json"))

	d = read("key.json")
	d.checkMaterial(t, m, want[:32])
	mustRead(t, want[:32], "--root-key", rootKey, "key", filepath.Join(dir, "key.json"))

	d = read("object.json")
	if got, err := readObject(d, d.open(t, m)); err != nil || !bytes.Equal(got, want) {
		t.Errorf("object: got %q, %v, want %q", got, err, want)
	}
	mustRead(t, want, "--root-key", rootKey, "object", filepath.Join(dir, "object.json"))
}

// readObject opens a document's object whose parts are in one directory.
func readObject(d *document, h handles) ([]byte, error) {
	blob, err := ciphertext.Parse(h.mac, d.Blob)
	if err != nil {
		return nil, err
	}
	dataKey, err := blob.OpenDataKey(h.backing, d.Context)
	if err != nil {
		return nil, err
	}
	mode, _ := sse.ParseMode(d.Mode)
	b := sse.Binding{Mode: mode, Bucket: d.Bucket, Key: d.Key, Instance: [16]byte(d.Instance)}
	objectKey, err := dataKey.OpenObjectKey(d.ObjectKey, b.AAD())
	if err != nil {
		return nil, err
	}
	manifest, err := sse.OpenManifest(objectKey, b, d.Manifest)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, p := range manifest.Parts {
		stored, err := os.ReadFile(filepath.Join(d.Parts.(string), p.Blob))
		if err != nil {
			return nil, err
		}
		r, err := sse.OpenPart(bytes.NewReader(stored), int64(len(stored)), objectKey, p)
		if err != nil {
			return nil, err
		}
		if err := r.WriteRange(&out, 0, p.PlainSize); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

func writeVersion1(t *testing.T, dir string, plaintext []byte) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	d, m := newDocumentOn(t, dir)
	h := d.open(t, m)
	rootKey, err := os.ReadFile(d.RootKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	rootKey = append([]byte("# A public key of the tests: it protects nothing.\n"), rootKey...)
	if err := os.WriteFile(d.RootKeyFile, rootKey, 0o644); err != nil {
		t.Fatal(err)
	}
	d.RootKeyFile = ""
	d.sealBlob(t, h, plaintext)
	d.AAD = []byte("row")
	d.Sealed = h.record.Seal(nil, plaintext, d.AAD)
	d.write(t, filepath.Join(dir, "blob.json"))
	d.Blob, d.Context, d.Sealed, d.AAD = nil, nil, nil, nil
	d.writeKey(t, m, dir, plaintext[:32])
	d.sealObject(t, h, dir, map[uint32][]byte{1: plaintext[:20], 2: plaintext[20:]}, 1, 2)
	d.write(t, filepath.Join(dir, "object.json"))
}

// writeKey writes key.json: an Ed25519 key whose seed is given.
func (d *document) writeKey(t testing.TB, m *hsm.Module, dir string, seed []byte) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(seed))
	if err != nil {
		t.Fatal(err)
	}
	k := d.BackingKeys[0]
	b := k.binding(hsm.PurposeKeyPair)
	if k.Token, err = m.ImportKeyPair(hsm.Ed25519, b, secret.New(der)); err != nil {
		t.Fatal(err)
	}
	id, err := m.MaterialID(k.Token, b)
	if err != nil {
		t.Fatal(err)
	}
	d.TypedKey, d.KeySpec, d.MaterialID = &k, hsm.Ed25519.String(), id[:]
	d.write(t, filepath.Join(dir, "key.json"))
	d.TypedKey, d.KeySpec, d.MaterialID = nil, "", nil
}
