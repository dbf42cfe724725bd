package kms

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/ciphertext"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

// Decrypt opens a CiphertextBlob of Encrypt or GenerateDataKey. The key is the
// one that the blob names; the caller is authorized for that one. KeyId, when
// given, must name the same. (KMS API Reference, Decrypt)
func (s *Service) Decrypt(ctx context.Context, c identity.Caller, req *kmsapi.DecryptRequest) (*kmsapi.DecryptResponse, error) {
	return do(ctx, s, c, opDecrypt, req, s.decrypt)
}

func (s *Service) decrypt(ctx context.Context, call *gate.Call, req *kmsapi.DecryptRequest) (*kmsapi.DecryptResponse, error) {
	call.RequestParameters = decryptParameters(req, true)
	o, err := s.prepareDecrypt(ctx, call, req)
	if err != nil {
		return nil, err
	}
	plaintext, err := o.blob.Open(o.handle, req.EncryptionContext)
	if err != nil {
		return nil, invalidCiphertext(err)
	}
	if isTrue(req.DryRun) {
		plaintext.Wipe()
		return nil, dryRun()
	}
	call.AdditionalEventData = o.material.event
	return &kmsapi.DecryptResponse{
		KeyId:               new(o.key.arn),
		Plaintext:           plaintext,
		EncryptionAlgorithm: new(kmsapi.EncryptionAlgorithmSpecSymmetricDefault),
		KeyMaterialId:       new(o.material.id),
	}, nil
}

// opening is a blob with the key and the material that open it.
type opening struct {
	blob     *ciphertext.Blob
	key      *snapshot
	material *material
	handle   *hsm.BackingKey // of material
}

// prepareDecrypt does everything that comes before the cryptography.
//
// A blob that is not ours is told apart from one whose key the caller cannot
// have by its header, which carries a MAC of its own. Without KeyId, a key that
// is not there and one that the caller may not use give the same answer.
func (s *Service) prepareDecrypt(ctx context.Context, call *gate.Call, req *kmsapi.DecryptRequest) (*opening, error) {
	if err := checkDecrypt(req); err != nil {
		return nil, err
	}
	var named *snapshot
	var err error
	if req.KeyId != nil {
		if named, err = s.resolve(ctx, call, *req.KeyId, anyForm); err != nil {
			return nil, err
		}
	}
	if len(req.DryRunModifiers) > 0 {
		if err := s.authorize(call, named, req.GrantTokens); err != nil {
			return nil, err
		}
		if err := named.forEncryption(call.Op.Name, req.EncryptionAlgorithm); err != nil {
			return nil, err
		}
		return nil, dryRun()
	}
	blob, damaged := ciphertext.Parse(s.headerMAC, req.CiphertextBlob)
	k := named
	if k == nil {
		if damaged != nil {
			return nil, invalidCiphertext(damaged)
		}
		if k, err = s.keyOf(ctx, call, blob); err != nil {
			return nil, err
		}
	}
	if err := s.authorize(call, k, req.GrantTokens); err != nil {
		if named == nil && errors.Is(err, gate.AccessDenied) {
			return nil, cannotDecrypt(err)
		}
		return nil, err
	}
	if err := forCryptography(k.arn, k.key.State); err != nil {
		return nil, err
	}
	if damaged == nil && !k.sealed(blob) {
		return nil, awserr.New(kmsapi.IncorrectKeyException, "The key ID in the request does not identify a CMK that can perform this operation.")
	}
	if err := k.fits(call.Op.Name, req.EncryptionAlgorithm); err != nil {
		return nil, err
	}
	if damaged != nil {
		return nil, invalidCiphertext(damaged)
	}
	m := k.materials[blob.MaterialID]
	if m == nil {
		return nil, invalidCiphertext(fmt.Errorf("%w: %s has no such key material", ciphertext.ErrInvalid, k.arn))
	}
	handle, err := s.open(ctx, k, m)
	if err != nil {
		return nil, err
	}
	return &opening{blob, k, m, handle}, nil
}

// checkDecrypt holds the rules among members that the model does not state.
func checkDecrypt(req *kmsapi.DecryptRequest) error {
	ignore := slices.Contains(req.DryRunModifiers, kmsapi.DryRunModifierTypeIgnoreCiphertext)
	switch {
	case req.Recipient != nil:
		return recipientUnsupported()
	case ignore && !isTrue(req.DryRun):
		return awserr.New(kmsapi.ValidationException, "DryRunModifiers can only be specified when DryRun is true.")
	case ignore && req.KeyId == nil:
		return awserr.New(kmsapi.ValidationException, "KeyId is required when DryRunModifiers contains IGNORE_CIPHERTEXT.")
	case !ignore && req.CiphertextBlob == nil:
		return awserr.New(kmsapi.ValidationException,
			"1 validation error detected: Value null at 'ciphertextBlob' failed to satisfy constraint: Member must not be null")
	}
	return checkContext(req.EncryptionContext)
}

// recipientUnsupported answers a request for an enclave. Without the
// attestation document being verified no plaintext may leave in its place.
func recipientUnsupported() error {
	return awserr.New(kmsapi.UnsupportedOperationException, "The Recipient parameter is not supported yet.")
}

// keyOf returns the key that a blob names, in the caller's region.
func (s *Service) keyOf(ctx context.Context, call *gate.Call, blob *ciphertext.Blob) (*snapshot, error) {
	region := call.Caller.Region
	if blob.Region != "" && blob.Region != region { // empty: a multi-region key, the same in every region
		return nil, cannotDecrypt(errors.New("the blob is of region " + blob.Region))
	}
	k, err := s.key(ctx, kmsdb.KeyRef{Account: blob.Account, Region: region, ID: blob.KeyID})
	if errors.Is(err, store.ErrNotFound) {
		return nil, cannotDecrypt(err)
	}
	return k, err
}

// sealed reports whether the blob was made under k, by what its header says.
func (k *snapshot) sealed(b *ciphertext.Blob) bool {
	return b.Account == k.key.Account && b.KeyID == k.key.ID && (b.Region == "" || b.Region == k.key.Region)
}

// invalidCiphertext is the one answer to a blob that does not parse, does not
// authenticate, or has another encryption context. It has no text.
func invalidCiphertext(cause error) error {
	if !errors.Is(cause, ciphertext.ErrInvalid) {
		return cause
	}
	return &awserr.Error{Code: kmsapi.InvalidCiphertextException, Err: cause}
}

// cannotDecrypt is the one answer to a blob whose key the caller cannot use,
// whether there is such a key or not.
func cannotDecrypt(cause error) error {
	return awserr.Wrap(cause, gate.AccessDenied, "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.")
}
