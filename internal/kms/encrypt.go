package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// Encrypt encrypts 1 to 4096 bytes under a symmetric key. The answer's
// CiphertextBlob names its key, so Decrypt needs nothing else but the same
// encryption context. Under an asymmetric key it encrypts to the public key, as
// anybody can who has that: how much depends on the key, and the blob names
// nothing. (KMS API Reference, Encrypt)
func (s *Service) Encrypt(ctx context.Context, c identity.Caller, req *kmsapi.EncryptRequest) (*kmsapi.EncryptResponse, error) {
	return do(ctx, s, c, opEncrypt, req, s.encrypt)
}

func (s *Service) encrypt(ctx context.Context, call *gate.Call, req *kmsapi.EncryptRequest) (*kmsapi.EncryptResponse, error) {
	call.RequestParameters = encryptParameters(req)
	if err := checkContext(req.EncryptionContext); err != nil {
		return nil, err
	}
	k, err := s.resolve(ctx, call, *req.KeyId, anyForm)
	if err != nil {
		return nil, err
	}
	a := algorithm(req.EncryptionAlgorithm)
	err = s.authorize(ctx, call, k, conditions{
		keyID: *req.KeyId, encryptionContext: req.EncryptionContext, algorithm: a, grantTokens: req.GrantTokens,
	})
	if err != nil {
		return nil, err
	}
	if err := k.forEncryption(call.Op.Name, a); err != nil {
		return nil, err
	}
	if err := k.checkBareContext(req.EncryptionContext); err != nil {
		return nil, err
	}
	if err := k.checkPlaintext(a, req.Plaintext.Len()); err != nil {
		return nil, err
	}
	e, err := s.newSealer(ctx, k, a)
	if err != nil {
		return nil, err
	}
	if isTrue(req.DryRun) {
		return nil, dryRun()
	}
	blob, err := e.seal(req.EncryptionContext, req.Plaintext)
	if err != nil {
		return nil, err
	}
	call.AdditionalEventData = k.event(k.current)
	return &kmsapi.EncryptResponse{CiphertextBlob: blob, KeyId: new(k.arn), EncryptionAlgorithm: &a}, nil
}

// maxContext is the greatest size of an encryption context, the bytes of its
// names and values. AWS documents no figure; this one is ours.
const maxContext = 8 << 10

// checkContext bounds what goes into the additional data and the record.
func checkContext(pairs map[string]string) error {
	size := 0
	for name, value := range pairs {
		size += len(name) + len(value)
	}
	if size > maxContext {
		return awserr.New(kmsapi.ValidationException, "The encryption context exceeds the maximum of %d bytes.", maxContext)
	}
	return nil
}

// dryRun is the answer of a call that would have succeeded.
func dryRun() error {
	return awserr.New(kmsapi.DryRunOperationException, "The request would have succeeded, but the DryRun option is set.")
}

func isTrue(b *bool) bool { return b != nil && *b }
