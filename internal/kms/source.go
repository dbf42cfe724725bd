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
	"github.com/strongroom/strongroom/internal/secret"
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
	algorithm   kmsapi.EncryptionAlgorithmSpec
	grantTokens []string

	ignoreBlob bool // set by check: the modifier of DryRun that looks at no blob
}

// bare reports whether the ciphertexts of the request's algorithm are its output
// and nothing else. One names no key, and nothing can be said of it before it is
// opened.
func (r *openRequest) bare() bool {
	return r.algorithm != kmsapi.EncryptionAlgorithmSpecSymmetricDefault
}

// check holds the rules among members that the model does not state. The text
// about the key id was observed on AWS, for Decrypt.
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
	case r.bare() && r.keyID == nil:
		return awserr.New(kmsapi.ValidationException, "%s must not be null", r.keyName)
	}
	return checkContext(r.context)
}

// source is a blob with the key that it is to be opened with.
type source struct {
	openRequest
	key      *snapshot
	parsed   *ciphertext.Blob // nil when damaged, bare, or not looked at
	damaged  error            // the blob is none of ours
	unproved bool             // parsed was not authenticated: openSource does that
	material *material        // set by usable: of parsed, or of key when bare
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
	if r.ignoreBlob || r.bare() { // both come with a key id
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
		encryptionContext: src.context, algorithm: src.algorithm, sameKey: sameKey, grantTokens: src.grantTokens,
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

// usable checks, in AWS's order, the key's state, that the blob is one of ours
// and the key's, the key's usage and algorithm, and last its material. Of a bare
// blob nothing can be checked. (That AWS looks at a blob before it compares the
// algorithm with the key was observed: what was encrypted to an RSA key is no
// ciphertext to a Decrypt that does not say how.)
func (src *source) usable(operation string) error {
	k := src.key
	if err := forCryptography(k.arn, k.key.State); err != nil {
		return err
	}
	if src.damaged != nil {
		return invalidCiphertext(src.damaged)
	}
	if src.parsed != nil && !k.sealed(src.parsed) {
		return awserr.New(kmsapi.IncorrectKeyException, "The key ID in the request does not identify a CMK that can perform this operation.")
	}
	if err := k.forEncryption(operation, src.algorithm); err != nil {
		return err
	}
	if err := k.checkBareContext(src.context); err != nil {
		return err
	}
	switch {
	case src.ignoreBlob:
	case src.bare():
		src.material = k.current
	default:
		if src.material = k.materials[src.parsed.MaterialID]; src.material == nil {
			return invalidCiphertext(fmt.Errorf("%w: %s has no such key material", ciphertext.ErrInvalid, k.arn))
		}
	}
	return nil
}

// opening is a blob with the key and the material that open it.
type opening struct {
	key       *snapshot
	algorithm kmsapi.EncryptionAlgorithmSpec
	material  *material

	// Under a symmetric key:
	blob   *ciphertext.Blob
	handle *hsm.BackingKey // of material

	// Under an asymmetric key:
	bare []byte
	pair *hsm.KeyPair
}

// openSource opens the key material of a usable source.
func (s *Service) openSource(ctx context.Context, src *source) (*opening, error) {
	o := &opening{key: src.key, algorithm: src.algorithm, material: src.material, blob: src.parsed}
	var err error
	if src.bare() {
		o.bare = src.blob
		o.pair, err = s.openPair(ctx, src.key)
		return o, err
	}
	if o.handle, err = s.open(ctx, src.key, src.material); err != nil {
		return nil, err
	}
	if src.unproved {
		if o.blob, err = ciphertext.Parse(o.handle.HeaderMAC(), src.blob); err != nil {
			return nil, invalidCiphertext(err)
		}
	}
	return o, nil
}

// open decrypts the blob; the caller owns the plaintext. What does not open is
// InvalidCiphertextException, whatever the reason: of a bare blob even that it has
// another size says nothing more than that.
func (o *opening) open(pairs map[string]string) (secret.Bytes, error) {
	if o.pair == nil {
		plaintext, err := o.blob.Open(o.handle, pairs)
		if err != nil {
			return secret.Bytes{}, invalidCiphertext(err)
		}
		return plaintext, nil
	}
	plaintext, err := o.pair.Decrypt(hsm.Mechanism(o.algorithm), o.bare)
	if errors.Is(err, hsm.ErrAuth) {
		err = &awserr.Error{Code: kmsapi.InvalidCiphertextException, Err: err}
	}
	return plaintext, err
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
