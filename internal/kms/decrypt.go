package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// Decrypt opens a CiphertextBlob of Encrypt or GenerateDataKey. The key is the
// one that the blob names; the caller is authorized for that one. KeyId, when
// given, must name the same. What was encrypted to the public key of an
// asymmetric key, here or elsewhere, names no key: KeyId and EncryptionAlgorithm
// must say how it is to be opened. (KMS API Reference, Decrypt)
func (s *Service) Decrypt(ctx context.Context, c identity.Caller, req *kmsapi.DecryptRequest) (*kmsapi.DecryptResponse, error) {
	return do(ctx, s, c, opDecrypt, req, s.decrypt)
}

func (s *Service) decrypt(ctx context.Context, call *gate.Call, req *kmsapi.DecryptRequest) (*kmsapi.DecryptResponse, error) {
	call.RequestParameters = decryptParameters(req, true)
	o, err := s.prepareDecrypt(ctx, call, req)
	if err != nil {
		return nil, err
	}
	plaintext, err := o.open(req.EncryptionContext)
	if err != nil {
		return nil, err
	}
	if isTrue(req.DryRun) {
		plaintext.Wipe()
		return nil, dryRun()
	}
	call.AdditionalEventData = o.key.event(o.material)
	return &kmsapi.DecryptResponse{
		KeyId: new(o.key.arn), Plaintext: plaintext, EncryptionAlgorithm: &o.algorithm,
		KeyMaterialId: o.key.shown(o.material),
	}, nil
}

// prepareDecrypt does everything that comes before the cryptography.
func (s *Service) prepareDecrypt(ctx context.Context, call *gate.Call, req *kmsapi.DecryptRequest) (*opening, error) {
	r := openRequest{
		action: call.Op.Action, keyName: "KeyId", keyID: req.KeyId, blob: req.CiphertextBlob,
		context: req.EncryptionContext, algorithm: algorithm(req.EncryptionAlgorithm), grantTokens: req.GrantTokens,
	}
	if req.Recipient != nil {
		return nil, recipientUnsupported()
	}
	if err := r.check(req.DryRun, req.DryRunModifiers); err != nil {
		return nil, err
	}
	src, err := s.findSource(ctx, call, r)
	if err != nil {
		return nil, err
	}
	if err := s.authorizeSource(ctx, call, src, nil); err != nil {
		return nil, err
	}
	if err := src.usable(call.Op.Name); err != nil {
		return nil, err
	}
	if r.ignoreBlob {
		return nil, dryRun()
	}
	return s.openSource(ctx, src)
}

// recipientUnsupported answers a request for an enclave. Without the
// attestation document being verified no plaintext may leave in its place.
func recipientUnsupported() error {
	return awserr.New(kmsapi.UnsupportedOperationException, "The Recipient parameter is not supported yet.")
}
