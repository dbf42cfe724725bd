package kms

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// maxExpiry is how far ahead imported material may expire.
const maxExpiry = 365 * day

// ImportKeyMaterial imports key material into a key of origin EXTERNAL, or
// imports it again when it was deleted, has expired, or is to expire another day.
// The material is unwrapped inside internal/hsm and does not leave it; its id is a
// function of the key's id and the material. A symmetric encryption key that has
// material takes other material too, which RotateKeyOnDemand makes current.
// (KMS API Reference, ImportKeyMaterial)
func (s *Service) ImportKeyMaterial(ctx context.Context, c identity.Caller, req *kmsapi.ImportKeyMaterialRequest) (*kmsapi.ImportKeyMaterialResponse, error) {
	return do(ctx, s, c, opImportKeyMaterial, req, s.importKeyMaterial)
}

func (s *Service) importKeyMaterial(ctx context.Context, call *gate.Call, req *kmsapi.ImportKeyMaterialRequest) (*kmsapi.ImportKeyMaterialResponse, error) {
	call.RequestParameters = importParameters(req)
	model, validTo, err := s.checkExpiration(req)
	if err != nil {
		return nil, err
	}
	k, err := s.resolve(ctx, call, *req.KeyId, idOrARN)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, call, k, conditions{expirationModel: string(model), validTo: validTo}); err != nil {
		return nil, err
	}
	if err := forImport(&k.key); err != nil {
		return nil, err
	}
	if err := forSeveral(&k.key, req); err != nil {
		return nil, err
	}
	w, err := s.openImportToken(&k.key, req.ImportToken)
	if err != nil {
		return nil, err
	}
	if !w.Fits(len(req.EncryptedKeyMaterial)) {
		return nil, awserr.New(kmsapi.ValidationException, "Invalid encrypted key size.")
	}
	in := imported{importType: req.ImportType, wantID: req.KeyMaterialId, description: req.KeyMaterialDescription, validTo: validTo}
	for range materialTries { // as withMaterial
		if err = s.importOnce(ctx, call, k, w, req.EncryptedKeyMaterial, &in); !errors.Is(err, hsm.ErrUnknownDomainKey) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	return &kmsapi.ImportKeyMaterialResponse{KeyId: new(k.arn), KeyMaterialId: shownMaterial(&k.key, in.id)}, nil
}

// importOnce unwraps the material and stores it; it completes in.
func (s *Service) importOnce(ctx context.Context, call *gate.Call, k *snapshot, w *hsm.WrappingKey, wrapped []byte, in *imported) error {
	b := k.key.Binding()
	token, err := s.module.ImportWrapped(k.key.Type(), b, w, wrapped)
	switch {
	case errors.Is(err, hsm.ErrAuth):
		return awserr.Wrap(err, kmsapi.InvalidCiphertextException, "")
	case errors.Is(err, hsm.ErrMaterial):
		return awserr.Wrap(err, kmsapi.IncorrectKeyMaterialException, "")
	case err != nil:
		return err
	}
	id, err := s.module.MaterialID(token, b)
	if err != nil {
		return err
	}
	in.id = hex.EncodeToString(id[:])
	call.ResponseElements = materialRecord(&k.key, in.id)
	return s.commit(ctx, call, func(tx *kmsdb.Tx) (changed bool, err error) {
		key, err := keyNow(tx, k.key.Ref())
		if err != nil {
			return false, err
		}
		if err := forImport(&key); err != nil {
			return false, err
		}
		missing, err := importMaterial(&key, *in, s.now())
		if err != nil {
			return false, err
		}
		if missing {
			if err := tx.PutToken(key.Ref(), in.id, token); err != nil {
				return false, err
			}
		}
		if err := tx.PutKey(&key); err != nil {
			return false, err
		}
		return true, s.synchronize(tx, &key)
	})
}

// checkExpiration returns how the material is to expire, zero for never.
func (s *Service) checkExpiration(req *kmsapi.ImportKeyMaterialRequest) (model kmsapi.ExpirationModelType, validTo time.Time, err error) {
	model = kmsapi.ExpirationModelTypeKeyMaterialExpires
	if req.ExpirationModel != nil {
		model = *req.ExpirationModel
	}
	invalid := func(text string) (kmsapi.ExpirationModelType, time.Time, error) {
		return "", time.Time{}, awserr.New(kmsapi.ValidationException, "%s", text)
	}
	if model == kmsapi.ExpirationModelTypeKeyMaterialDoesNotExpire {
		if req.ValidTo != nil {
			return invalid("A validTo date cannot be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE")
		}
		return model, time.Time{}, nil
	}
	if req.ValidTo == nil {
		return invalid("A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES")
	}
	validTo = req.ValidTo.UTC().Truncate(time.Millisecond)
	switch now := s.now(); {
	case !validTo.After(now):
		return invalid("The validTo date must be in the future")
	case validTo.After(now.Add(maxExpiry)):
		return invalid("The validTo date must be within 365 days")
	}
	return model, validTo, nil
}

// forSeveral refuses members that only symmetric encryption keys have, and an id
// of material that is said to be new.
func forSeveral(k *kmsdb.Key, req *kmsapi.ImportKeyMaterialRequest) error {
	for _, m := range []struct {
		name  string
		given bool
	}{
		{"ImportType", req.ImportType != nil},
		{"KeyMaterialDescription", req.KeyMaterialDescription != nil},
		{"KeyMaterialId", req.KeyMaterialId != nil},
	} {
		if m.given && !symmetric(k) {
			return awserr.New(kmsapi.UnsupportedOperationException, "%s is supported for symmetric encryption KMS keys only.", m.name)
		}
	}
	if req.KeyMaterialId != nil && req.ImportType != nil && *req.ImportType == kmsapi.ImportTypeNewKeyMaterial {
		return awserr.New(kmsapi.ValidationException, "KeyMaterialId cannot be specified with ImportType %s.", *req.ImportType)
	}
	return nil
}

// openImportToken returns the wrapping key of a token that was issued for k.
func (s *Service) openImportToken(k *kmsdb.Key, token []byte) (*hsm.WrappingKey, error) {
	if s.imports == nil {
		return nil, errNoImports
	}
	w, err := s.imports.Open(k.Binding(), token)
	if errors.Is(err, hsm.ErrAuth) {
		return nil, awserr.Wrap(err, kmsapi.InvalidImportTokenException, "")
	}
	if err != nil {
		return nil, err
	}
	if !s.now().Before(w.ValidTo()) {
		return nil, awserr.New(kmsapi.ExpiredImportTokenException, "")
	}
	return w, nil
}

// shownMaterial is KeyMaterialId of an answer: the ids of asymmetric and HMAC
// keys' material are not shown (recorded from AWS).
func shownMaterial(k *kmsdb.Key, id string) *string {
	if !symmetric(k) || id == "" {
		return nil
	}
	return &id
}

// materialRecord is responseElements of what has been done to material.
func materialRecord(k *kmsdb.Key, id string) json.RawMessage {
	return optional(newObject().str("keyId", k.ARN()), "keyMaterialId", shownMaterial(k, id)).end()
}

func importParameters(req *kmsapi.ImportKeyMaterialRequest) json.RawMessage {
	o := newObject().str("keyId", *req.KeyId)
	if req.ValidTo != nil {
		o = o.str("validTo", req.ValidTo.UTC().Format(recordTime))
	}
	o = optional(o, "expirationModel", req.ExpirationModel)
	o = optional(o, "importType", req.ImportType)
	o = optional(o, "keyMaterialDescription", req.KeyMaterialDescription)
	return optional(o, "keyMaterialId", req.KeyMaterialId).end()
}
