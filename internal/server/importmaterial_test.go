package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/strongroom/strongroom/internal/store"
)

func parametersOf(key string) *awskms.GetParametersForImportInput {
	return &awskms.GetParametersForImportInput{
		KeyId: &key, WrappingAlgorithm: kmstypes.AlgorithmSpecRsaesOaepSha256, WrappingKeySpec: kmstypes.WrappingKeySpecRsa2048,
	}
}

// importOf prepares an import that does not expire, as a client does.
func importOf(ctx context.Context, c *awskms.Client, key string, material []byte) (*awskms.ImportKeyMaterialInput, error) {
	p, err := c.GetParametersForImport(ctx, parametersOf(key))
	if err != nil {
		return nil, err
	}
	public, err := x509.ParsePKIXPublicKey(p.PublicKey)
	if err != nil {
		return nil, err
	}
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public.(*rsa.PublicKey), material, nil)
	if err != nil {
		return nil, err
	}
	return &awskms.ImportKeyMaterialInput{
		KeyId: &key, ImportToken: p.ImportToken, EncryptedKeyMaterial: wrapped, ExpirationModel: kmstypes.ExpirationModelTypeKeyMaterialDoesNotExpire,
	}, nil
}

// The life of imported material through the AWS SDK: it comes, rotates, goes and
// comes back, and what was sealed opens again. A restart in between changes
// nothing, not even of a token that was given out before.
func TestImportedMaterialBySDK(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dir := dataDirIn(t)
	s, stop := start(t, Config{DataDir: dir})
	c := client(t, s.Endpoint(), dir, 1).kms
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	key, err := c.CreateKey(ctx, &awskms.CreateKeyInput{Origin: kmstypes.OriginTypeExternal})
	must(err)
	id := key.KeyMetadata.KeyId
	if m := key.KeyMetadata; m.KeyState != kmstypes.KeyStatePendingImport || m.Origin != kmstypes.OriginTypeExternal || m.Enabled {
		t.Errorf("got %+v, want a key that waits for its material", m)
	}
	a, b := bytes.Repeat([]byte{0xa}, 32), bytes.Repeat([]byte{0xb}, 32)
	first, err := importOf(ctx, c, *id, a)
	must(err)
	stop()
	s, stop = start(t, Config{DataDir: dir})
	defer stop()
	c = client(t, s.Endpoint(), dir, 1).kms
	imported, err := c.ImportKeyMaterial(ctx, first)
	must(err)
	sealed, err := c.Encrypt(ctx, &awskms.EncryptInput{KeyId: id, Plaintext: []byte("p")})
	must(err)

	second, err := importOf(ctx, c, *id, b)
	must(err)
	second.ImportType, second.KeyMaterialDescription = kmstypes.ImportTypeNewKeyMaterial, aws.String("second")
	_, err = c.ImportKeyMaterial(ctx, second)
	must(err)
	_, err = c.RotateKeyOnDemand(ctx, &awskms.RotateKeyOnDemandInput{KeyId: id})
	must(err)
	list, err := c.ListKeyRotations(ctx, &awskms.ListKeyRotationsInput{KeyId: id, IncludeKeyMaterial: kmstypes.IncludeKeyMaterialAllKeyMaterial})
	must(err)
	if len(list.Rotations) != 2 || *list.Rotations[0].KeyMaterialId != *imported.KeyMaterialId || list.Rotations[1].RotationType != kmstypes.RotationTypeOnDemand ||
		*list.Rotations[1].KeyMaterialDescription != "second" {
		t.Errorf("got %+v, want both materials", list.Rotations)
	}

	gone, err := c.DeleteImportedKeyMaterial(ctx, &awskms.DeleteImportedKeyMaterialInput{KeyId: id, KeyMaterialId: imported.KeyMaterialId})
	must(err)
	if *gone.KeyMaterialId != *imported.KeyMaterialId {
		t.Errorf("got material %s, want %s", *gone.KeyMaterialId, *imported.KeyMaterialId)
	}
	_, err = c.Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	if _, ok := errors.AsType[*kmstypes.KMSInvalidStateException](err); !ok {
		t.Errorf("got %v, want KMSInvalidStateException", err)
	}
	third, err := importOf(ctx, c, *id, b)
	must(err)
	third.KeyMaterialId = imported.KeyMaterialId
	_, err = c.ImportKeyMaterial(ctx, third)
	if _, ok := errors.AsType[*kmstypes.IncorrectKeyMaterialException](err); !ok {
		t.Errorf("got %v, want IncorrectKeyMaterialException", err)
	}
	first.ImportToken[50] ^= 1
	_, err = c.ImportKeyMaterial(ctx, first)
	if _, ok := errors.AsType[*kmstypes.InvalidImportTokenException](err); !ok {
		t.Errorf("got %v, want InvalidImportTokenException", err)
	}
	first.ImportToken[50] ^= 1
	first.ExpirationModel, first.ValidTo = kmstypes.ExpirationModelTypeKeyMaterialExpires, aws.Time(time.Now().UTC().Truncate(time.Second).Add(48*time.Hour))
	_, err = c.ImportKeyMaterial(ctx, first)
	must(err)
	opened, err := c.Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	must(err)
	if string(opened.Plaintext) != "p" || *opened.KeyMaterialId != *imported.KeyMaterialId {
		t.Errorf("got %q under %s, want p under %s", opened.Plaintext, *opened.KeyMaterialId, *imported.KeyMaterialId)
	}
	d, err := c.DescribeKey(ctx, &awskms.DescribeKeyInput{KeyId: id})
	must(err)
	if m := d.KeyMetadata; m.ExpirationModel != kmstypes.ExpirationModelTypeKeyMaterialExpires || !m.ValidTo.Equal(*first.ValidTo) || m.KeyState != kmstypes.KeyStateEnabled {
		t.Errorf("got %+v, want it to expire at %v", m, first.ValidTo)
	}
}

// Deleted material is not even in what a backup of before opens, once the region's
// domain key has been exchanged.
func TestDeletedMaterialExchangesTheDomainKey(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dir := dataDirIn(t)
	s, stop := start(t, Config{DataDir: dir})
	defer stop()
	c := client(t, s.Endpoint(), dir, 1).kms
	key, err := c.CreateKey(ctx, &awskms.CreateKeyInput{Origin: kmstypes.OriginTypeExternal})
	if err != nil {
		t.Fatal(err)
	}
	in, err := importOf(ctx, c, *key.KeyMetadata.KeyId, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.ImportKeyMaterial(ctx, in); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteImportedKeyMaterial(ctx, &awskms.DeleteImportedKeyMaterialInput{KeyId: key.KeyMetadata.KeyId}); err != nil {
		t.Fatal(err)
	}
	if err := s.custody.Work(ctx); err != nil {
		t.Fatal(err)
	}
	if got := s.custody.Module.DomainKeyVersions(DefaultRegion); len(got) != 1 || got[0] != 2 {
		t.Errorf("got versions %v of the region's domain key, want 2 alone", got)
	}
	rows, err := s.store.List(ctx, store.KMSKeyTokens, store.Query{Limit: 10})
	if err != nil || len(rows) != 0 {
		t.Errorf("got %d tokens, %v, want none", len(rows), err)
	}
}

// externalKey makes a key that waits for its material, over the wire, and the
// request that imports some.
func externalKey(t testing.TB, endpoint string) (id, request string) {
	t.Helper()
	var made struct{ KeyMetadata struct{ KeyId string } }
	var p struct{ ImportToken, PublicKey []byte }
	ask := func(op, body string, out any) {
		t.Helper()
		if err := json.Unmarshal([]byte(mustAsk(t, endpoint, "kms", kmsCall(op, body)).body), out); err != nil {
			t.Fatal(err)
		}
	}
	ask("CreateKey", `{"Origin":"EXTERNAL"}`, &made)
	id = made.KeyMetadata.KeyId
	ask("GetParametersForImport", `{"KeyId":"`+id+`","WrappingAlgorithm":"RSAES_OAEP_SHA_256","WrappingKeySpec":"RSA_2048"}`, &p)
	public, err := x509.ParsePKIXPublicKey(p.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public.(*rsa.PublicKey), bytes.Repeat([]byte{7}, 32), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{
		"KeyId": id, "ImportToken": p.ImportToken, "EncryptedKeyMaterial": wrapped,
		"ExpirationModel": "KEY_MATERIAL_EXPIRES", "ValidTo": 1798000000, "ImportType": "NEW_KEY_MATERIAL", "KeyMaterialDescription": "of the vault",
	})
	if err != nil {
		t.Fatal(err)
	}
	return id, string(body)
}
