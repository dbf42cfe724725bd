package kms

import (
	"context"
	"encoding/json"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/ciphertext"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// ReEncrypt opens a CiphertextBlob and seals its plaintext anew, under another
// key, the newest material of the same key, or another encryption context. The
// plaintext does not leave. The caller needs kms:ReEncryptFrom on the key that
// the blob names and kms:ReEncryptTo on the destination; the call has one record.
// (KMS API Reference, ReEncrypt)
func (s *Service) ReEncrypt(ctx context.Context, c identity.Caller, req *kmsapi.ReEncryptRequest) (*kmsapi.ReEncryptResponse, error) {
	return do(ctx, s, c, opReEncrypt, req, s.reEncrypt)
}

func (s *Service) reEncrypt(ctx context.Context, call *gate.Call, req *kmsapi.ReEncryptRequest) (*kmsapi.ReEncryptResponse, error) {
	call.RequestParameters = reEncryptParameters(req)
	from := openRequest{
		action: reEncryptFrom, keyName: "SourceKeyId", keyID: req.SourceKeyId, blob: req.CiphertextBlob,
		context: req.SourceEncryptionContext, algorithm: req.SourceEncryptionAlgorithm, grantTokens: req.GrantTokens,
	}
	if err := from.check(req.DryRun, req.DryRunModifiers); err != nil {
		return nil, err
	}
	if err := checkContext(req.DestinationEncryptionContext); err != nil {
		return nil, err
	}
	src, err := s.findSource(ctx, call, from)
	if err != nil {
		return nil, err
	}
	to, err := s.resolveFor(ctx, call, reEncryptTo, *req.DestinationKeyId, anyForm)
	if err != nil {
		return nil, err
	}
	same := new(src.key.key.Ref() == to.key.Ref())
	if err := s.authorizeSource(ctx, call, src, same); err != nil {
		return nil, err
	}
	err = s.authorizeAs(ctx, call, reEncryptTo, to, conditions{
		keyID: *req.DestinationKeyId, encryptionContext: req.DestinationEncryptionContext,
		algorithm: algorithm(req.DestinationEncryptionAlgorithm), sameKey: same, grantTokens: req.GrantTokens,
	})
	if err != nil {
		return nil, err
	}
	if err := src.usable(call.Op.Name); err != nil {
		return nil, err
	}
	if err := to.forEncryption(call.Op.Name, req.DestinationEncryptionAlgorithm); err != nil {
		return nil, err
	}
	if src.ignoreBlob {
		return nil, dryRun()
	}
	return s.seal(ctx, call, src, to, req)
}

// seal is the cryptography of ReEncrypt.
func (s *Service) seal(ctx context.Context, call *gate.Call, src *source, to *snapshot, req *kmsapi.ReEncryptRequest) (*kmsapi.ReEncryptResponse, error) {
	o, err := s.openSource(ctx, src)
	if err != nil {
		return nil, err
	}
	handle, err := s.open(ctx, to, to.current)
	if err != nil {
		return nil, err
	}
	plaintext, err := o.blob.Open(o.handle, req.SourceEncryptionContext)
	if err != nil {
		return nil, invalidCiphertext(err)
	}
	defer plaintext.Wipe()
	if isTrue(req.DryRun) {
		return nil, dryRun()
	}
	blob, err := ciphertext.Seal(s.headerKey(to, handle), handle, to.current.header, req.DestinationEncryptionContext, plaintext)
	if err != nil {
		return nil, err
	}
	call.AdditionalEventData = newObject().
		str("destinationKeyMaterialId", to.current.id).
		str("sourceKeyMaterialId", o.material.id).end()
	return &kmsapi.ReEncryptResponse{
		CiphertextBlob: blob, SourceKeyId: new(o.key.arn), KeyId: new(to.arn),
		SourceEncryptionAlgorithm:      new(kmsapi.EncryptionAlgorithmSpecSymmetricDefault),
		DestinationEncryptionAlgorithm: new(kmsapi.EncryptionAlgorithmSpecSymmetricDefault),
		SourceKeyMaterialId:            new(o.material.id),
		DestinationKeyMaterialId:       new(to.current.id),
	}, nil
}

// reEncryptParameters has the source key only if the caller sent it.
func reEncryptParameters(req *kmsapi.ReEncryptRequest) json.RawMessage {
	o := newObject().algorithmAs("sourceEncryptionAlgorithm", req.SourceEncryptionAlgorithm).
		pairs("sourceEncryptionContext", req.SourceEncryptionContext)
	return optional(o, "sourceKeyId", req.SourceKeyId).
		str("destinationKeyId", *req.DestinationKeyId).
		algorithmAs("destinationEncryptionAlgorithm", req.DestinationEncryptionAlgorithm).
		pairs("destinationEncryptionContext", req.DestinationEncryptionContext).end()
}
