package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/ciphertext"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/secret"
)

// GenerateDataKey makes a data key of 1 to 1024 random bytes and answers it
// both in clear and encrypted under the KMS key. It is kept nowhere.
// (KMS API Reference, GenerateDataKey)
func (s *Service) GenerateDataKey(ctx context.Context, c identity.Caller, req *kmsapi.GenerateDataKeyRequest) (*kmsapi.GenerateDataKeyResponse, error) {
	return do(ctx, s, c, opGenerateDataKey, req, s.generateDataKey)
}

// GenerateDataKeyWithoutPlaintext is GenerateDataKey for who needs the data
// key later: the plaintext is in no answer.
// (KMS API Reference, GenerateDataKeyWithoutPlaintext)
func (s *Service) GenerateDataKeyWithoutPlaintext(ctx context.Context, c identity.Caller, req *kmsapi.GenerateDataKeyWithoutPlaintextRequest) (*kmsapi.GenerateDataKeyWithoutPlaintextResponse, error) {
	return do(ctx, s, c, opGenerateDataKeyWithoutPlaintext, req, s.generateDataKeyWithoutPlaintext)
}

func (s *Service) generateDataKey(ctx context.Context, call *gate.Call, req *kmsapi.GenerateDataKeyRequest) (*kmsapi.GenerateDataKeyResponse, error) {
	o, err := s.prepareDataKey(ctx, call, dataKeyRequest{
		*req.KeyId, req.KeySpec, req.NumberOfBytes, req.EncryptionContext, req.GrantTokens, req.DryRun, req.Recipient,
	})
	if err != nil {
		return nil, err
	}
	plaintext, blob, err := s.newDataKey(o, req.EncryptionContext)
	if err != nil {
		return nil, err
	}
	k := o.key
	call.AdditionalEventData = k.current.event
	return &kmsapi.GenerateDataKeyResponse{
		CiphertextBlob: blob, Plaintext: plaintext,
		KeyId: new(k.arn), KeyMaterialId: new(k.current.id),
	}, nil
}

func (s *Service) generateDataKeyWithoutPlaintext(ctx context.Context, call *gate.Call, req *kmsapi.GenerateDataKeyWithoutPlaintextRequest) (*kmsapi.GenerateDataKeyWithoutPlaintextResponse, error) {
	o, err := s.prepareDataKey(ctx, call, dataKeyRequest{
		*req.KeyId, req.KeySpec, req.NumberOfBytes, req.EncryptionContext, req.GrantTokens, req.DryRun, nil,
	})
	if err != nil {
		return nil, err
	}
	plaintext, blob, err := s.newDataKey(o, req.EncryptionContext)
	if err != nil {
		return nil, err
	}
	plaintext.Wipe()
	k := o.key
	call.AdditionalEventData = k.current.event
	return &kmsapi.GenerateDataKeyWithoutPlaintextResponse{
		CiphertextBlob: blob, KeyId: new(k.arn), KeyMaterialId: new(k.current.id),
	}, nil
}

// dataKeyRequest is what the operations that make data keys have in common.
type dataKeyRequest struct {
	keyID       string
	spec        *kmsapi.DataKeySpec
	bytes       *int32
	context     map[string]string
	grantTokens []string
	dryRun      *bool
	recipient   *kmsapi.RecipientInfo
}

// dataKeyOrder is a data key that may be made.
type dataKeyOrder struct {
	key    *snapshot
	handle *hsm.BackingKey // of key's current material
	size   int             // of the data key in bytes
}

// prepareDataKey does everything that comes before the cryptography.
func (s *Service) prepareDataKey(ctx context.Context, call *gate.Call, r dataKeyRequest) (dataKeyOrder, error) {
	call.RequestParameters = dataKeyParameters(r)
	if r.recipient != nil {
		return dataKeyOrder{}, recipientUnsupported()
	}
	size, err := r.length()
	if err != nil {
		return dataKeyOrder{}, err
	}
	if err := checkContext(r.context); err != nil {
		return dataKeyOrder{}, err
	}
	k, err := s.resolve(ctx, call, r.keyID, anyForm)
	if err != nil {
		return dataKeyOrder{}, err
	}
	err = s.authorize(ctx, call, k, conditions{
		keyID: r.keyID, encryptionContext: r.context, algorithm: algorithm(nil), grantTokens: r.grantTokens,
	})
	if err != nil {
		return dataKeyOrder{}, err
	}
	if err := k.forDataKeys(call.Op.Name); err != nil {
		return dataKeyOrder{}, err
	}
	handle, err := s.open(ctx, k, k.current)
	if err != nil {
		return dataKeyOrder{}, err
	}
	if isTrue(r.dryRun) {
		return dataKeyOrder{}, dryRun()
	}
	return dataKeyOrder{k, handle, size}, nil
}

// length returns the length of the data key: exactly one of KeySpec and
// NumberOfBytes says it.
func (r *dataKeyRequest) length() (int, error) {
	switch {
	case (r.spec == nil) == (r.bytes == nil):
		return 0, awserr.New(kmsapi.ValidationException, "Please specify either number of bytes or key spec.")
	case r.bytes != nil:
		return int(*r.bytes), nil
	case *r.spec == kmsapi.DataKeySpecAes128:
		return 16, nil
	default:
		return 32, nil
	}
}

func (s *Service) newDataKey(o dataKeyOrder, pairs map[string]string) (secret.Bytes, []byte, error) {
	plaintext, err := s.module.Random(o.size)
	if err != nil {
		return secret.Bytes{}, nil, err
	}
	blob, err := ciphertext.Seal(s.headerKey(o.key, o.handle), o.handle, o.key.current.header, pairs, plaintext)
	return plaintext, blob, err
}
