package kms

import (
	"context"
	"fmt"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/secret"
)

// GenerateDataKeyPair makes a key pair for the caller to use outside of KMS. It
// answers the public key (SubjectPublicKeyInfo, RFC 5280, in DER), and the
// private key (PKCS #8, RFC 5208, in DER) both in clear and encrypted under the
// symmetric KMS key. It is kept nowhere.
// (KMS API Reference, GenerateDataKeyPair)
func (s *Service) GenerateDataKeyPair(ctx context.Context, c identity.Caller, req *kmsapi.GenerateDataKeyPairRequest) (*kmsapi.GenerateDataKeyPairResponse, error) {
	return do(ctx, s, c, opGenerateDataKeyPair, req, s.generateDataKeyPair)
}

// GenerateDataKeyPairWithoutPlaintext is GenerateDataKeyPair for who needs the
// private key later: it is in the answer encrypted only.
// (KMS API Reference, GenerateDataKeyPairWithoutPlaintext)
func (s *Service) GenerateDataKeyPairWithoutPlaintext(ctx context.Context, c identity.Caller, req *kmsapi.GenerateDataKeyPairWithoutPlaintextRequest) (*kmsapi.GenerateDataKeyPairWithoutPlaintextResponse, error) {
	return do(ctx, s, c, opGenerateDataKeyPairWithoutPlaintext, req, s.generateDataKeyPairWithoutPlaintext)
}

func (s *Service) generateDataKeyPair(ctx context.Context, call *gate.Call, req *kmsapi.GenerateDataKeyPairRequest) (*kmsapi.GenerateDataKeyPairResponse, error) {
	p, err := s.newDataKeyPair(ctx, call, dataKeyPairRequest{
		*req.KeyId, *req.KeyPairSpec, req.EncryptionContext, req.GrantTokens, req.DryRun, req.Recipient,
	})
	if err != nil {
		return nil, err
	}
	return &kmsapi.GenerateDataKeyPairResponse{
		PrivateKeyCiphertextBlob: p.blob, PrivateKeyPlaintext: p.private, PublicKey: p.public,
		KeyId: new(p.key.arn), KeyPairSpec: req.KeyPairSpec, KeyMaterialId: new(p.key.current.id),
	}, nil
}

func (s *Service) generateDataKeyPairWithoutPlaintext(ctx context.Context, call *gate.Call, req *kmsapi.GenerateDataKeyPairWithoutPlaintextRequest) (*kmsapi.GenerateDataKeyPairWithoutPlaintextResponse, error) {
	p, err := s.newDataKeyPair(ctx, call, dataKeyPairRequest{
		*req.KeyId, *req.KeyPairSpec, req.EncryptionContext, req.GrantTokens, req.DryRun, nil,
	})
	if err != nil {
		return nil, err
	}
	p.private.Wipe()
	return &kmsapi.GenerateDataKeyPairWithoutPlaintextResponse{
		PrivateKeyCiphertextBlob: p.blob, PublicKey: p.public,
		KeyId: new(p.key.arn), KeyPairSpec: req.KeyPairSpec, KeyMaterialId: new(p.key.current.id),
	}, nil
}

// dataKeyPairRequest is what the operations that make data key pairs have in
// common.
type dataKeyPairRequest struct {
	keyID       string
	spec        kmsapi.DataKeyPairSpec
	context     map[string]string
	grantTokens []string
	dryRun      *bool
	recipient   *kmsapi.RecipientInfo
}

// dataKeyPair is a data key pair with the key that encrypts the private one.
type dataKeyPair struct {
	key     *snapshot
	private secret.Bytes // PKCS #8
	public  []byte       // SubjectPublicKeyInfo
	blob    []byte       // of private
}

func (s *Service) newDataKeyPair(ctx context.Context, call *gate.Call, r dataKeyPairRequest) (*dataKeyPair, error) {
	e, err := s.prepareDataKeyPair(ctx, call, r)
	if err != nil {
		return nil, err
	}
	t, ok := hsm.ParseKeyType(string(r.spec))
	if !ok {
		return nil, fmt.Errorf("kms: the model has a key pair spec that custody has not: %s", r.spec)
	}
	p := &dataKeyPair{key: e.key}
	err = s.inTurn(ctx, call.Caller.AccountID, t, func() (err error) {
		p.private, p.public, err = s.module.NewDataKeyPair(t)
		return err
	})
	if err != nil {
		return nil, err
	}
	if p.blob, err = e.seal(r.context, p.private); err != nil {
		p.private.Wipe()
		return nil, err
	}
	call.AdditionalEventData = e.key.event(e.key.current)
	return p, nil
}

// prepareDataKeyPair does everything that comes before the cryptography.
func (s *Service) prepareDataKeyPair(ctx context.Context, call *gate.Call, r dataKeyPairRequest) (*sealer, error) {
	call.RequestParameters = newObject().str("keyPairSpec", string(r.spec)).context(r.context).str("keyId", r.keyID).end()
	if r.recipient != nil {
		return nil, recipientUnsupported()
	}
	if err := checkContext(r.context); err != nil {
		return nil, err
	}
	k, err := s.resolve(ctx, call, r.keyID, anyForm)
	if err != nil {
		return nil, err
	}
	a := algorithm(nil)
	err = s.authorize(ctx, call, k, conditions{
		keyID: r.keyID, encryptionContext: r.context, algorithm: a, dataKeyPairSpec: r.spec, grantTokens: r.grantTokens,
	})
	if err != nil {
		return nil, err
	}
	if err := s.servesSpec(call.Caller.Region, string(r.spec)); err != nil {
		return nil, err
	}
	if err := k.forDataKeys(call.Op.Name); err != nil {
		return nil, err
	}
	if k.key.CustomKeyStore != "" {
		return nil, awserr.New(kmsapi.UnsupportedOperationException, "%s origin is %s which is not valid for this operation.", k.arn, k.key.Origin)
	}
	e, err := s.newSealer(ctx, k, a)
	if err != nil {
		return nil, err
	}
	if isTrue(r.dryRun) {
		return nil, dryRun()
	}
	return e, nil
}
