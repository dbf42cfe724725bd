package kms

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/kms/ciphertext"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

// This file is what Decrypt and ReEncrypt have in common: from a blob to the
// key and the material that open it.

// openRequest is the part of a request that says what is to be opened.
type openRequest struct {
	action      string  // that the caller needs on the key
	keyName     string  // what the request calls keyID
	keyID       *string // nil: the key that the blob names
	blob        []byte
	context     map[string]string
	algorithm   *kmsapi.EncryptionAlgorithmSpec
	grantTokens []string

	ignoreBlob bool // set by check: the modifier of DryRun that looks at no blob
}

// check holds the rules among members that the model does not state.
func (r *openRequest) check(dry *bool, modifiers []kmsapi.DryRunModifierType) error {
	r.ignoreBlob = slices.Contains(modifiers, kmsapi.DryRunModifierTypeIgnoreCiphertext)
	switch {
	case r.ignoreBlob && !isTrue(dry):
		return awserr.New(kmsapi.ValidationException, "DryRunModifiers can only be specified when DryRun is true.")
	case r.ignoreBlob && r.keyID == nil:
		return awserr.New(kmsapi.ValidationException, "%s is required when DryRunModifiers contains IGNORE_CIPHERTEXT.", r.keyName)
	case !r.ignoreBlob && r.blob == nil:
		return awserr.New(kmsapi.ValidationException,
			"1 validation error detected: Value null at 'ciphertextBlob' failed to satisfy constraint: Member must not be null")
	}
	return checkContext(r.context)
}

// source is a blob with the key that it is to be opened with.
type source struct {
	openRequest
	key      *snapshot
	parsed   *ciphertext.Blob // nil when damaged or not looked at
	damaged  error            // the blob is none of ours
	unproved bool             // parsed was not authenticated: openSource does that
	material *material        // set by usable, of parsed
}

// findSource finds the key: the one that is named, else the one that the blob
// names.
//
// A blob that is not ours is told apart from one whose key the caller cannot
// have by its header, which carries a MAC of its own. Without a key id, a key
// that is not there and one that the caller may not use give the same answer.
func (s *Service) findSource(ctx context.Context, call *gate.Call, r openRequest) (*source, error) {
	src := &source{openRequest: r}
	var err error
	if r.keyID != nil {
		if src.key, err = s.resolveFor(ctx, call, r.action, *r.keyID, anyForm); err != nil {
			return nil, err
		}
	}
	if r.ignoreBlob {
		return src, nil
	}
	src.parsed, src.damaged = ciphertext.Parse(s.headerMAC, r.blob)
	if src.damaged != nil {
		if err := s.findPortable(ctx, call, src); err != nil {
			return nil, err
		}
	}
	if src.key != nil {
		return src, nil
	}
	if src.damaged != nil {
		return nil, invalidCiphertext(src.damaged)
	}
	src.key, err = s.keyOf(ctx, call, src.parsed)
	return src, err
}

// authorizeSource asks the gate whether the caller may open what src's key has
// sealed. ReEncrypt says whether it is done to the same key.
func (s *Service) authorizeSource(ctx context.Context, call *gate.Call, src *source, sameKey *bool) error {
	with := conditions{
		encryptionContext: src.context, algorithm: algorithm(src.algorithm), sameKey: sameKey, grantTokens: src.grantTokens,
	}
	if src.keyID != nil {
		with.keyID = *src.keyID
	}
	err := s.authorizeAs(ctx, call, src.action, src.key, with)
	if src.keyID == nil && errors.Is(err, gate.AccessDenied) {
		return cannotDecrypt(err)
	}
	return err
}

// usable checks, in AWS's order, the key's state, that it is the blob's key,
// its usage, and last the blob.
func (src *source) usable(operation string) error {
	k := src.key
	if err := forCryptography(k.arn, k.key.State); err != nil {
		return err
	}
	if src.parsed != nil && !k.sealed(src.parsed) {
		return awserr.New(kmsapi.IncorrectKeyException, "The key ID in the request does not identify a CMK that can perform this operation.")
	}
	if err := k.fits(operation, src.algorithm); err != nil {
		return err
	}
	if src.ignoreBlob {
		return nil
	}
	if src.damaged != nil {
		return invalidCiphertext(src.damaged)
	}
	if src.material = k.materials[src.parsed.MaterialID]; src.material == nil {
		return invalidCiphertext(fmt.Errorf("%w: %s has no such key material", ciphertext.ErrInvalid, k.arn))
	}
	return nil
}

// opening is a blob with the key and the material that open it.
type opening struct {
	blob     *ciphertext.Blob
	key      *snapshot
	material *material
	handle   *hsm.BackingKey // of material
}

// openSource opens the key material of a usable source.
func (s *Service) openSource(ctx context.Context, src *source) (*opening, error) {
	handle, err := s.open(ctx, src.key, src.material)
	if err != nil {
		return nil, err
	}
	if src.unproved {
		if src.parsed, err = ciphertext.Parse(handle.HeaderMAC(), src.blob); err != nil {
			return nil, invalidCiphertext(err)
		}
	}
	return &opening{src.parsed, src.key, src.material, handle}, nil
}

// keyOf returns the key that a blob names, in the caller's region.
func (s *Service) keyOf(ctx context.Context, call *gate.Call, blob *ciphertext.Blob) (*snapshot, error) {
	region := call.Caller.Region
	if blob.Region != "" && blob.Region != region { // empty: a multi-region key, the same in every region
		return nil, cannotDecrypt(errors.New("the blob is of region " + blob.Region))
	}
	k, err := s.key(ctx, kmsdb.KeyRef{Account: blob.Account, Region: region, ID: blob.KeyID})
	switch {
	case errors.Is(err, store.ErrNotFound) && blob.Account != call.Caller.AccountID:
		return phantom(blob.Account, region, "*"), nil
	case errors.Is(err, store.ErrNotFound):
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
