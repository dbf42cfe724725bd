package kms

import (
	"context"
	"errors"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/ciphertext"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

// This file is what S3 uses, in process: data keys that stay in custody.

// DataKey is a data key in custody together with what opens it again.
type DataKey struct {
	Handle *hsm.DataKey
	Blob   []byte // CiphertextBlob
	KeyARN string // of the KMS key; empty for S3's own key
}

// NewDataKey makes a data key with the identity of c, as S3 does for a request
// of c: it is authorized, subject to the key's state, and recorded as a
// GenerateDataKey through S3. KeyID is a key id, key ARN, alias name or alias
// ARN; empty means the AWS managed key alias/aws/s3, which is made on first
// use. Errors are those of GenerateDataKey.
func (s *Service) NewDataKey(ctx context.Context, c identity.Caller, keyID string, encryptionContext map[string]string) (DataKey, error) {
	if keyID == "" {
		keyID = s3Alias(c).ARN() // as S3 sends it
	}
	req := &kmsapi.GenerateDataKeyRequest{
		KeyId: &keyID, KeySpec: new(kmsapi.DataKeySpecAes256), EncryptionContext: encryptionContext,
	}
	d, err := do(ctx, s, c.Via("s3"), opGenerateDataKey, req, s.newCustodyKey)
	if err != nil {
		return DataKey{}, err
	}
	return *d, nil
}

func (s *Service) newCustodyKey(ctx context.Context, call *gate.Call, req *kmsapi.GenerateDataKeyRequest) (*DataKey, error) {
	if isS3Alias(call.Caller, *req.KeyId) {
		if err := s.ensureManagedKey(ctx, call, req.EncryptionContext); err != nil {
			return nil, err
		}
	}
	o, err := s.prepareDataKey(ctx, call, dataKeyRequest{keyID: *req.KeyId, spec: req.KeySpec, context: req.EncryptionContext})
	if err != nil {
		return nil, err
	}
	k := o.key
	handle, blob, err := ciphertext.SealDataKey(s.headerKey(k, o.handle), o.handle, k.current.header, req.EncryptionContext)
	if err != nil {
		return nil, err
	}
	call.AdditionalEventData = k.current.event
	return &DataKey{handle, blob, k.arn}, nil
}

// OpenDataKey opens a data key of NewDataKey with the identity of c. It is
// recorded as a Decrypt through S3. The blob must be of the key keyARN. Errors
// are those of Decrypt.
func (s *Service) OpenDataKey(ctx context.Context, c identity.Caller, keyARN string, blob []byte, encryptionContext map[string]string) (*hsm.DataKey, error) {
	req := &kmsapi.DecryptRequest{KeyId: &keyARN, CiphertextBlob: blob, EncryptionContext: encryptionContext}
	return do(ctx, s, c.Via("s3"), opDecrypt, req, s.openCustodyKey)
}

func (s *Service) openCustodyKey(ctx context.Context, call *gate.Call, req *kmsapi.DecryptRequest) (*hsm.DataKey, error) {
	call.RequestParameters = decryptParameters(req, false)
	o, err := s.prepareDecrypt(ctx, call, req)
	if err != nil {
		return nil, err
	}
	handle, err := o.blob.OpenDataKey(o.handle, req.EncryptionContext)
	if err != nil {
		return nil, invalidCiphertext(err)
	}
	call.AdditionalEventData = o.material.event
	return handle, nil
}

// serviceContext is the encryption context of S3's own data keys.
var serviceContext = map[string]string{"aws:s3:service": "SSE-S3"}

// NewServiceDataKey makes a data key under S3's own key of an account and
// region. Like AWS, it leaves no record, for nobody's key is used; S3's record
// of its own call is there. KeyARN is empty.
func (s *Service) NewServiceDataKey(ctx context.Context, account, region string) (DataKey, error) {
	k, err := s.serviceKey(ctx, account, region)
	if err != nil {
		return DataKey{}, err
	}
	backing, err := s.open(ctx, k, k.current)
	if err != nil {
		return DataKey{}, err
	}
	handle, blob, err := ciphertext.SealDataKey(s.headerMAC, backing, k.current.header, serviceContext)
	return DataKey{Handle: handle, Blob: blob}, err
}

// OpenServiceDataKey opens a data key of NewServiceDataKey. The error is
// InvalidCiphertextException for a blob of anything else, a KMS key included.
func (s *Service) OpenServiceDataKey(ctx context.Context, account, region string, blob []byte) (*hsm.DataKey, error) {
	b, err := ciphertext.Parse(s.headerMAC, blob)
	if err != nil {
		return nil, invalidCiphertext(err)
	}
	k, err := s.key(ctx, kmsdb.KeyRef{Service: "s3", Account: account, Region: region})
	if errors.Is(err, store.ErrNotFound) {
		return nil, awserr.Bare(kmsapi.InvalidCiphertextException)
	}
	if err != nil {
		return nil, err
	}
	m := k.materials[b.MaterialID]
	if m == nil || !k.sealed(b) {
		return nil, awserr.Bare(kmsapi.InvalidCiphertextException)
	}
	backing, err := s.open(ctx, k, m)
	if err != nil {
		return nil, err
	}
	handle, err := b.OpenDataKey(backing, serviceContext)
	if err != nil {
		return nil, invalidCiphertext(err)
	}
	return handle, nil
}
