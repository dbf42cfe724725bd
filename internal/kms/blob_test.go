package kms_test

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/ciphertext"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/secret"
)

// damages yields a blob cut at every byte, made longer, and with every bit
// flipped.
func damages(blob []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for n := 1; n < len(blob); n++ {
			if !yield(fmt.Sprintf("cut to %d bytes", n), blob[:n:n]) {
				return
			}
			if !yield(fmt.Sprintf("without its first %d bytes", n), blob[n:]) {
				return
			}
		}
		for _, more := range [][]byte{{0}, {1}, {0xff}, make([]byte, 16), blob[:16], blob} {
			if !yield(fmt.Sprintf("with %d bytes after it", len(more)), append(bytes.Clone(blob), more...)) {
				return
			}
			if !yield(fmt.Sprintf("with %d bytes before it", len(more)), append(bytes.Clone(more), blob...)) {
				return
			}
		}
		for i := range len(blob) * 8 {
			flipped := bytes.Clone(blob)
			flipped[i/8] ^= 1 << (i % 8)
			if !yield(fmt.Sprintf("with bit %d of byte %d flipped", i%8, i/8), flipped) {
				return
			}
		}
	}
}

// blobCase is a blob and how it is to be opened.
type blobCase struct {
	name      string
	blob      []byte
	key       *string
	algorithm *kmsapi.EncryptionAlgorithmSpec
	context   map[string]string
}

// opens does what opens blobs: Decrypt and ReEncrypt.
func (k *kit) opens(c identity.Caller, b blobCase, blob []byte, destination *string) map[string]error {
	_, decrypt := k.Decrypt(k.t.Context(), c, &kmsapi.DecryptRequest{
		CiphertextBlob: blob, KeyId: b.key, EncryptionAlgorithm: b.algorithm, EncryptionContext: b.context,
	})
	_, reEncrypt := k.ReEncrypt(k.t.Context(), c, &kmsapi.ReEncryptRequest{
		CiphertextBlob: blob, SourceKeyId: b.key, SourceEncryptionAlgorithm: b.algorithm, SourceEncryptionContext: b.context, DestinationKeyId: destination,
	})
	return map[string]error{"Decrypt": decrypt, "ReEncrypt": reEncrypt}
}

// A blob that is damaged in whatever way is InvalidCiphertextException, without a
// text, to everything that opens blobs.
func TestDamagedBlobs(t *testing.T) {
	k := newKit(t)
	symmetric, rsa, sm2 := k.createKey(), k.rsaKey(), k.createKeyOf(kmsapi.KeySpecSm2, kmsapi.KeyUsageTypeEncryptDecrypt)
	sealed := k.encrypt(*symmetric.KeyId, "p", tenant)
	for _, b := range []blobCase{
		{"symmetric", sealed, nil, nil, tenant},
		{"symmetric with its key", sealed, symmetric.KeyId, nil, tenant},
		{"RSA, SHA-1", k.encryptWith(*rsa.KeyId, oaepSHA1, "p"), rsa.KeyId, new(oaepSHA1), nil},
		{"RSA, SHA-256", k.encryptWith(*rsa.KeyId, oaepSHA256, "p"), rsa.KeyId, new(oaepSHA256), nil},
		{"SM2", k.encryptWith(*sm2.KeyId, sm2pke, "p"), sm2.KeyId, new(sm2pke), nil},
	} {
		t.Run(b.name, func(t *testing.T) {
			for op, err := range k.opens(root(), b, b.blob, symmetric.KeyId) {
				if err != nil {
					t.Fatalf("%s of the whole blob: %v", op, err)
				}
			}
			type damage struct {
				name string
				blob []byte
			}
			work := make(chan damage)
			var wg sync.WaitGroup
			for range 16 { // records are written together that come together
				wg.Go(func() {
					for d := range work {
						for op, err := range k.opens(root(), b, d.blob, symmetric.KeyId) {
							if e, ok := errors.AsType[*awserr.Error](err); !ok || e.Code != kmsapi.InvalidCiphertextException || e.Message != "" {
								t.Errorf("%s of the blob %s: error is %v, want InvalidCiphertextException without a text", op, d.name, err)
							}
						}
					}
				})
			}
			for name, blob := range damages(b.blob) {
				work <- damage{name, blob}
			}
			close(work)
			wg.Wait()
		})
	}
}

// What blobs get that are whole, and not what the request says: of another
// account, region, server, key, material or context.
func TestBlobsOfSomethingElse(t *testing.T) {
	k := newKit(t)
	key, second, symmetric := k.rsaKey(), k.rsaKey(), k.createKey()
	third := k.createKey()
	k.rights.give(carolARN, anything)
	sealed, bare := k.encrypt(*symmetric.KeyId, "p", tenant), k.encryptWith(*key.KeyId, oaepSHA256, "p")
	elsewhere := newKit(t)
	foreign := elsewhere.encrypt(*elsewhere.createKey().KeyId, "p", tenant)

	// Blobs that only somebody with the server's keys can make: a header that is
	// good and names a material that the key does not have, and bodies of other
	// material under the header of the key.
	handle := k.backing(*third.KeyId)
	header := ciphertext.Header{Account: account, Region: region, KeyID: *symmetric.KeyId, MaterialID: handle.ID()}
	material, err := ciphertext.Seal(k.headerMAC, handle, header, tenant, secret.New([]byte("p")))
	k.check(err)
	body := k.encrypt(*third.KeyId, "p", tenant)
	spliced := append(bytes.Clone(sealed[:len(sealed)-45]), body[len(body)-45:]...)

	for _, c := range []struct {
		blobCase
		caller identity.Caller
		code   awserr.Code
		text   string // "KEY…": a refusal of the action on that key
	}{
		{blobCase{"another account", sealed, nil, nil, tenant}, carol(), gate.AccessDenied, cannotDecrypt},
		{blobCase{"another account, with its key", sealed, symmetric.Arn, nil, tenant}, carol(), gate.AccessDenied, "UNDISCLOSED"},
		{blobCase{"another account, with a key of the caller's", sealed, new(k.keyFor(carol())), nil, tenant}, carol(), kmsapi.IncorrectKeyException, incorrectKey},
		{blobCase{"another region", sealed, nil, nil, tenant}, caller(account, region2), gate.AccessDenied, cannotDecrypt},
		{blobCase{"another region, with its key", sealed, symmetric.Arn, nil, tenant}, caller(account, region2), kmsapi.NotFoundException, "Invalid arn us-east-1"},
		{blobCase{"another region, with a key there", sealed, new(k.keyFor(caller(account, region2))), nil, tenant}, caller(account, region2), kmsapi.IncorrectKeyException, incorrectKey},
		{blobCase{"another server", foreign, nil, nil, tenant}, root(), kmsapi.InvalidCiphertextException, ""},
		{blobCase{"another server, with a key", foreign, symmetric.KeyId, nil, tenant}, root(), kmsapi.InvalidCiphertextException, ""},
		{blobCase{"another key", sealed, third.KeyId, nil, tenant}, root(), kmsapi.IncorrectKeyException, incorrectKey},
		{blobCase{"another key, asymmetric", sealed, key.KeyId, nil, tenant}, root(), kmsapi.IncorrectKeyException, incorrectKey},
		{blobCase{"another material", material, nil, nil, tenant}, root(), kmsapi.InvalidCiphertextException, ""},
		{blobCase{"another material, with the key", material, symmetric.KeyId, nil, tenant}, root(), kmsapi.InvalidCiphertextException, ""},
		{blobCase{"body of another material", spliced, nil, nil, tenant}, root(), kmsapi.InvalidCiphertextException, ""},
		{blobCase{"no context", sealed, nil, nil, nil}, root(), kmsapi.InvalidCiphertextException, ""},
		{blobCase{"another context", sealed, nil, nil, map[string]string{"tenant": "t2"}}, root(), kmsapi.InvalidCiphertextException, ""},
		{blobCase{"another case in the context", sealed, nil, nil, map[string]string{"Tenant": "t1"}}, root(), kmsapi.InvalidCiphertextException, ""},
		{blobCase{"more context", sealed, nil, nil, map[string]string{"tenant": "t1", "": ""}}, root(), kmsapi.InvalidCiphertextException, ""},

		{blobCase{"RSA: another account, with its key", bare, key.Arn, new(oaepSHA256), nil}, carol(), gate.AccessDenied, "UNDISCLOSED"},
		{blobCase{"RSA: another region, with its key", bare, key.Arn, new(oaepSHA256), nil}, caller(account, region2), kmsapi.NotFoundException, "Invalid arn us-east-1"},
		{blobCase{"RSA: another key", bare, second.KeyId, new(oaepSHA256), nil}, root(), kmsapi.InvalidCiphertextException, ""},
		{blobCase{"RSA: another digest", bare, key.KeyId, new(oaepSHA1), nil}, root(), kmsapi.InvalidCiphertextException, ""},
		{blobCase{"RSA: as symmetric", bare, nil, nil, nil}, root(), kmsapi.InvalidCiphertextException, ""},
		{blobCase{"RSA: as symmetric, with a key", bare, symmetric.KeyId, nil, nil}, root(), kmsapi.InvalidCiphertextException, ""},
		{blobCase{"RSA: a context", bare, key.KeyId, new(oaepSHA256), tenant}, root(), kmsapi.ValidationException, noContext},
	} {
		t.Run(c.name, func(t *testing.T) {
			destination := k.keyFor(c.caller)
			for op, err := range k.opens(c.caller, c.blobCase, c.blob, &destination) {
				text := c.text
				if text == "UNDISCLOSED" {
					action := strings.TrimSuffix("kms:"+op+"From", map[string]string{"Decrypt": "From"}[op])
					text = "User: " + c.caller.ARN + " is not authorized to perform: " + action + undisclosed
				}
				t.Run(op, func(t *testing.T) { wantError(t, err, c.code, text) })
			}
		})
	}

	// And of material that is gone.
	k.change(*symmetric.KeyId, func(key *kmsdb.Key) { key.Current, key.Materials = "", nil })
	for op, err := range k.opens(root(), blobCase{context: tenant}, sealed, third.KeyId) {
		t.Run("material that is gone/"+op, func(t *testing.T) { wantError(t, err, kmsapi.InvalidCiphertextException, "") })
	}
}

// keyFor makes a key of the caller's and returns its id.
func (k *kit) keyFor(c identity.Caller) string {
	k.t.Helper()
	r, err := k.CreateKey(k.t.Context(), c, &kmsapi.CreateKeyRequest{})
	k.check(err)
	return *r.KeyMetadata.KeyId
}

// backing opens the material of a symmetric key as the service does.
func (k *kit) backing(id string) *hsm.BackingKey {
	k.t.Helper()
	key, err := k.db().Key(k.t.Context(), kmsdb.KeyRef{Account: account, Region: region, ID: id})
	k.check(err)
	token, err := k.db().Token(k.t.Context(), key.Ref(), key.Current)
	k.check(err)
	handle, err := k.module.LoadBackingKey(token, key.Binding())
	k.check(err)
	return handle
}
