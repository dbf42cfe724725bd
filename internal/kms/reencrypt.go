package kms

import (
	"context"
	"encoding/json"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// ReEncrypt opens a CiphertextBlob and seals its plaintext anew, under another
// key, symmetric or not, the newest material of the same key, or another
// encryption context. The plaintext does not leave. The caller needs
// kms:ReEncryptFrom on the key that the blob names, or SourceKeyId when it names
// none, and kms:ReEncryptTo on the destination; the call has one record.
// (KMS API Reference, ReEncrypt)
func (s *Service) ReEncrypt(ctx context.Context, c identity.Caller, req *kmsapi.ReEncryptRequest) (*kmsapi.ReEncryptResponse, error) {
	return do(ctx, s, c, opReEncrypt, req, s.reEncrypt)
}

func (s *Service) reEncrypt(ctx context.Context, call *gate.Call, req *kmsapi.ReEncryptRequest) (*kmsapi.ReEncryptResponse, error) {
	call.RequestParameters = reEncryptParameters(req)
	from := openRequest{
		action: reEncryptFrom, keyName: "SourceKeyId", keyID: req.SourceKeyId, blob: req.CiphertextBlob,
		context: req.SourceEncryptionContext, algorithm: algorithm(req.SourceEncryptionAlgorithm), grantTokens: req.GrantTokens,
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
	same, a := new(src.key.key.Ref() == to.key.Ref()), algorithm(req.DestinationEncryptionAlgorithm)
	if err := s.authorizeSource(ctx, call, src, same); err != nil {
		return nil, err
	}
	err = s.authorizeAs(ctx, call, reEncryptTo, to, conditions{
		keyID: *req.DestinationKeyId, encryptionContext: req.DestinationEncryptionContext,
		algorithm: a, sameKey: same, grantTokens: req.GrantTokens,
	})
	if err != nil {
		return nil, err
	}
	if err := src.usable(call.Op.Name); err != nil {
		return nil, err
	}
	if err := to.forEncryption(call.Op.Name, a); err != nil {
		return nil, err
	}
	if err := to.checkBareContext(req.DestinationEncryptionContext); err != nil {
		return nil, err
	}
	if src.ignoreBlob {
		return nil, dryRun()
	}
	o, err := s.openSource(ctx, src)
	if err != nil {
		return nil, err
	}
	e, err := s.newSealer(ctx, to, a)
	if err != nil {
		return nil, err
	}
	return sealAnew(call, o, e, req)
}

// sealAnew is the cryptography of ReEncrypt.
func sealAnew(call *gate.Call, o *opening, e *sealer, req *kmsapi.ReEncryptRequest) (*kmsapi.ReEncryptResponse, error) {
	plaintext, err := o.open(req.SourceEncryptionContext)
	if err != nil {
		return nil, err
	}
	defer plaintext.Wipe()
	if err := e.key.checkPlaintext(e.algorithm, plaintext.Len()); err != nil {
		return nil, err
	}
	if isTrue(req.DryRun) {
		return nil, dryRun()
	}
	blob, err := e.seal(req.DestinationEncryptionContext, plaintext)
	if err != nil {
		return nil, err
	}
	r := &kmsapi.ReEncryptResponse{
		CiphertextBlob: blob, SourceKeyId: new(o.key.arn), KeyId: new(e.key.arn),
		SourceEncryptionAlgorithm: &o.algorithm, DestinationEncryptionAlgorithm: &e.algorithm,
		SourceKeyMaterialId: o.key.shown(o.material), DestinationKeyMaterialId: e.key.shown(e.key.current),
	}
	if r.SourceKeyMaterialId != nil || r.DestinationKeyMaterialId != nil {
		data := optional(newObject(), "destinationKeyMaterialId", r.DestinationKeyMaterialId)
		call.AdditionalEventData = optional(data, "sourceKeyMaterialId", r.SourceKeyMaterialId).end()
	}
	return r, nil
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
