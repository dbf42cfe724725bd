package server

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strongroom/strongroom/internal/hsm"
)

// disguises are the forms in which a secret could lie on a disk: raw, in hex,
// and in base64 at each of its three alignments.
func disguises(what string, secretBytes []byte) map[string][]byte {
	h := hex.EncodeToString(secretBytes)
	out := map[string][]byte{
		what + " raw":         secretBytes,
		what + " hex":         []byte(h),
		what + " capital hex": []byte(strings.ToUpper(h)),
	}
	for shift := range 3 {
		padded := append(make([]byte, shift), secretBytes...)
		enc := base64.RawStdEncoding.EncodeToString(padded)
		// Characters that neighbours of the secret take part in are cut off.
		enc = enc[(shift*8+5)/6 : len(enc)-1]
		out[what+" base64 "+string(rune('0'+shift))] = []byte(enc)
		out[what+" base64url "+string(rune('0'+shift))] = []byte(strings.NewReplacer("+", "-", "/", "_").Replace(enc))
	}
	return out
}

// TestBlindness: whoever has the disk, the database, the trail and the logs,
// and not the root key, has no key and no plaintext (DESIGN: custody).
func TestBlindness(t *testing.T) {
	dir := dataDirIn(t)
	var log safeBuffer
	s, stop := start(t, Config{DataDir: dir, Logger: log.logger(), TLS: TLSSelf})
	c := clientOver(t, s.Endpoint(), dir, trusting(t, CAFile(dir)))
	ctx := t.Context()

	secrets := map[string][]byte{}
	hide := func(what string, b []byte) {
		for name, d := range disguises(what, b) {
			secrets[name] = d
		}
	}
	plaintext := []byte("the plaintext of a KMS message")
	content := bytes.Repeat([]byte("what an object holds; "), 10_000)
	metadata := "what a user said about an object"
	hide("plaintext", plaintext)
	hide("content", content[:66])
	hide("metadata", []byte(metadata))

	key, err := c.kms.CreateKey(ctx, &awskms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.kms.Encrypt(ctx, &awskms.EncryptInput{KeyId: key.KeyMetadata.KeyId, Plaintext: plaintext}); err != nil {
		t.Fatal(err)
	}
	data, err := c.kms.GenerateDataKey(ctx, &awskms.GenerateDataKeyInput{KeyId: key.KeyMetadata.KeyId, KeySpec: kmstypes.DataKeySpecAes256})
	if err != nil {
		t.Fatal(err)
	}
	hide("data key", data.Plaintext)
	bucket := aws.String("blind")
	if _, err := c.s3.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]s3types.ServerSideEncryption{"default": "", "kms": s3types.ServerSideEncryptionAwsKms} {
		if _, err := c.s3.PutObject(ctx, &awss3.PutObjectInput{
			Bucket: bucket, Key: &name, Body: bytes.NewReader(content), ServerSideEncryption: mode,
			Metadata: map[string]string{"said": metadata},
		}); err != nil {
			t.Fatal(err)
		}
	}
	cred, err := readCredentials(CredentialsFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	hide("access key secret", cred.Secret.Expose())
	root, err := os.ReadFile(RootKeyFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	secrets["root key file"] = bytes.TrimSpace(root)[len("STRONGROOM-ROOT-KEY-"):]

	for _, b := range []hsm.Binding{caBinding, serverBinding} {
		hide("key "+b.KeyID, signingScalar(t, s, RootKeyFile(dir), b))
	}

	search := func(when string) {
		t.Helper()
		files := 0
		look := func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			files++
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for name, s := range secrets {
				if bytes.Contains(b, s) {
					t.Errorf("%s: %s holds the %s", when, path, name)
				}
			}
			return nil
		}
		if err := filepath.WalkDir(dir, look); err != nil {
			t.Fatal(err)
		}
		if err := filepath.WalkDir(CAFile(dir), look); err != nil { // public, beside the directory
			t.Fatal(err)
		}
		if files < 5 {
			t.Errorf("%s: found %d files, want a whole data directory", when, files)
		}
	}
	search("while serving")
	stop()
	search("after a stop")
	for name, s := range secrets {
		if bytes.Contains(log.Bytes(), s) {
			t.Errorf("the log holds the %s", name)
		}
	}
}

// TestCopyWithoutRootKey opens a copy of a data directory with no root key, and
// with another's.
func TestCopyWithoutRootKey(t *testing.T) {
	dir := dataDirIn(t)
	_, stop := start(t, Config{DataDir: dir, TLS: TLSSelf})
	stop()
	copied := dataDirIn(t)
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	_, err := New(t.Context(), Config{DataDir: copied, Listen: "127.0.0.1:0", TLS: TLSSelf})
	if err == nil || !strings.Contains(err.Error(), "is missing") || !strings.Contains(err.Error(), RootKeyFile(copied)) {
		t.Errorf("without a root key: got %v, want an error that names the missing file", err)
	}
	if _, err := os.Stat(RootKeyFile(copied)); err == nil {
		t.Error("a root key was made for a directory that has one elsewhere")
	}
	if err := hsm.CreateRootKeyFile(RootKeyFile(copied)); err != nil {
		t.Fatal(err)
	}
	_, err = New(t.Context(), Config{DataDir: copied, Listen: "127.0.0.1:0", TLS: TLSSelf})
	if err == nil || !strings.Contains(err.Error(), "was made with root key") {
		t.Errorf("with another root key: got %v, want an error that names both", err)
	}
}
