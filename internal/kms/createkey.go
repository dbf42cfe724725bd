package kms

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/uuid"
)

// CreateKey makes a customer managed key of any spec and usage, with material of
// our own, or without any: its owner imports it; with MultiRegion a multi-region
// primary key. Everything else of the API is refused with
// UnsupportedOperationException until it is built, and nothing is dropped
// silently.
// (KMS API Reference, CreateKey)
func (s *Service) CreateKey(ctx context.Context, c identity.Caller, req *kmsapi.CreateKeyRequest) (*kmsapi.CreateKeyResponse, error) {
	return do(ctx, s, c, opCreateKey, req, s.createKey)
}

func (s *Service) createKey(ctx context.Context, call *gate.Call, req *kmsapi.CreateKeyRequest) (*kmsapi.CreateKeyResponse, error) {
	spec, usage, err := specAndUsage(req)
	if err != nil {
		return nil, err
	}
	call.RequestParameters = createKeyParameters(req, spec, usage)
	if err := checkInStore(req, spec); err != nil {
		return nil, err
	}
	text := defaultPolicy(call.Caller.AccountID)
	if req.Policy != nil {
		text = *req.Policy
	}
	doc, err := s.parsePolicy(text)
	if err != nil {
		return nil, err
	}
	tags, err := newTags(nil, req.Tags)
	if err != nil {
		return nil, err
	}
	key := s.emptyKey(kmsdb.Customer, call.Caller.AccountID, call.Caller.Region)
	if isTrue(req.MultiRegion) {
		key.ID, key.MultiRegion, key.PrimaryRegion = multiRegionID(), true, key.Region
	}
	if err := s.authorizeCreation(call, req, key, spec, usage); err != nil {
		return nil, err
	}
	if err := s.servesSpec(key.Region, string(spec)); err != nil {
		return nil, err
	}
	if err := s.checkStoreOf(ctx, call, req); err != nil {
		return nil, err
	}
	if err := checkSupported(req); err != nil {
		return nil, err
	}
	if doc, err = storedPolicy(doc, s.principals); err != nil {
		return nil, err
	}
	key.KeySpec, key.KeyUsage = spec, usage
	if req.Origin != nil && *req.Origin == kmsapi.OriginTypeExternal {
		if err := importable(spec); err != nil {
			return nil, err
		}
		key.Origin, key.State = *req.Origin, kmsapi.KeyStatePendingImport
	}
	key.Policy, key.Tags = string(doc.Text()), tags
	if req.Description != nil {
		key.Description = *req.Description
	}
	if !isTrue(req.BypassPolicyLockoutSafetyCheck) {
		if err := s.checkLockout(ctx, call, &snapshot{key: *key, arn: key.ARN(), policy: doc}); err != nil {
			return nil, err
		}
	}
	err = s.withMaterial(ctx, key, func(token []byte) error {
		call.ResponseElements = metadataRecord(key)
		return s.commit(ctx, call, func(tx *kmsdb.Tx) (changed bool, err error) {
			if err := s.keyQuota(tx, key.Account, key.Region); err != nil {
				return false, err
			}
			return true, tx.CreateKey(key, token)
		}, key.ARN())
	})
	if err != nil {
		return nil, err
	}
	return &kmsapi.CreateKeyResponse{KeyMetadata: metadata(key)}, nil
}

// authorizeCreation asks the gate whether the caller may make a key, and give
// it tags: "To use this parameter, you must have kms:TagResource permission in
// an IAM policy". Key is not as it is asked for yet; the second decision is about
// the ARN that it is to have, so that a policy must not be restricted to
// particular keys (KMS Developer Guide, "Controlling access to tags").
func (s *Service) authorizeCreation(call *gate.Call, req *kmsapi.CreateKeyRequest, key *kmsdb.Key, spec kmsapi.KeySpec, usage kmsapi.KeyUsageType) error {
	asked := *key
	asked.KeySpec, asked.KeyUsage = spec, usage
	if req.Origin != nil {
		asked.Origin = *req.Origin
	}
	return s.authorizeNew(call, &asked, req.Tags, isTrue(req.BypassPolicyLockoutSafetyCheck))
}

// authorizeNew is authorizeCreation for the key as it is to be, in its region.
func (s *Service) authorizeNew(call *gate.Call, asked *kmsdb.Key, tags []kmsapi.Tag, bypassLockout bool) error {
	with := conditions{call: call, create: asked, tags: tags, bypassLockout: &bypassLockout}
	r := gate.Request{Action: opCreateKey.Action, Resource: "*", ResourceAccount: asked.Account, Region: asked.Region, Context: &with}
	err := with.answer(call.Authorize(r))
	if err == nil && len(tags) > 0 {
		r.Action, r.Resource = opTagResource.Action, asked.ARN()
		err = with.answer(call.Authorize(r))
	}
	return err
}

// giveMaterial generates the first material of a key, but of one that waits for
// its owner's. It stores nothing; the token is what is to be stored with the key.
func (s *Service) giveMaterial(ctx context.Context, k *kmsdb.Key) (token []byte, err error) {
	if k.Origin == kmsapi.OriginTypeExternal {
		return nil, nil
	}
	t := k.Type()
	err = s.inTurn(ctx, k.Account, t, func() (err error) {
		switch t.Purpose() {
		case hsm.PurposeKeyPair:
			token, err = s.module.GenerateKeyPair(t, k.Binding())
		case hsm.PurposeHMACKey:
			token, err = s.module.GenerateHMACKey(t, k.Binding())
		default:
			token, err = s.module.GenerateKey(k.Binding())
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return token, s.addMaterial(k, token)
}

// materialTries is how often the first material of a key is made: the version of
// the domain key that wraps it may be destroyed before its token is stored, which
// takes a whole rotation every time.
const materialTries = 3

// withMaterial generates the first material of a key and calls put, which is to
// store the key with the token of that material. When the domain key was rotated
// in between, and the token opens no more, it does both again with other
// material.
func (s *Service) withMaterial(ctx context.Context, k *kmsdb.Key, put func(token []byte) error) (err error) {
	for range materialTries {
		k.Current, k.Materials = "", nil
		var token []byte
		if token, err = s.giveMaterial(ctx, k); err == nil {
			err = put(token)
		}
		if !errors.Is(err, hsm.ErrUnknownDomainKey) {
			return err
		}
	}
	return err
}

// emptyKey makes the record of an enabled symmetric encryption key that has no
// material yet.
func (s *Service) emptyKey(manager kmsdb.Manager, account, region string) *kmsdb.Key {
	return &kmsdb.Key{
		Account: account, Region: region, ID: uuid.New(),
		KeyUsage: kmsapi.KeyUsageTypeEncryptDecrypt, KeySpec: kmsapi.KeySpecSymmetricDefault,
		Origin: kmsapi.OriginTypeAwsKms, Manager: manager, State: kmsapi.KeyStateEnabled, CreationDate: s.now(),
	}
}

// addMaterial makes the material of token the one that encrypts.
func (s *Service) addMaterial(k *kmsdb.Key, token []byte) error {
	id, err := s.module.MaterialID(token, k.Binding())
	if err != nil {
		return err
	}
	k.Current = hex.EncodeToString(id[:])
	k.Materials = append(k.Materials, kmsdb.Material{ID: k.Current, Created: k.CreationDate})
	return nil
}

// specAndUsage returns what is asked for, defaults filled in.
// CustomerMasterKeySpec is the old name of KeySpec.
func specAndUsage(req *kmsapi.CreateKeyRequest) (kmsapi.KeySpec, kmsapi.KeyUsageType, error) {
	spec, usage := kmsapi.KeySpecSymmetricDefault, kmsapi.KeyUsageTypeEncryptDecrypt
	switch {
	case req.KeySpec != nil && req.CustomerMasterKeySpec != nil:
		return "", "", awserr.New(kmsapi.ValidationException, "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.")
	case req.KeySpec != nil:
		spec = *req.KeySpec
	case req.CustomerMasterKeySpec != nil:
		spec = kmsapi.KeySpec(*req.CustomerMasterKeySpec)
	}
	if req.KeyUsage != nil {
		usage = *req.KeyUsage
	} else if spec != kmsapi.KeySpecSymmetricDefault {
		return "", "", awserr.New(kmsapi.ValidationException, "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.")
	}
	if !slices.Contains(usages[spec], usage) {
		return "", "", awserr.New(kmsapi.ValidationException, "KeyUsage %s is not compatible with KeySpec %s", usage, spec)
	}
	return spec, usage, nil
}

// checkSupported refuses what the server cannot do yet.
func checkSupported(req *kmsapi.CreateKeyRequest) error {
	var what []string
	if req.Origin != nil && *req.Origin != kmsapi.OriginTypeAwsKms && *req.Origin != kmsapi.OriginTypeExternal {
		what = append(what, "Origin "+string(*req.Origin))
	}
	if what == nil {
		return nil
	}
	return awserr.New(kmsapi.UnsupportedOperationException, "Not supported yet: %s.", strings.Join(what, ", "))
}

// createKeyParameters shows the defaults too, as AWS's records do.
func createKeyParameters(req *kmsapi.CreateKeyRequest, spec kmsapi.KeySpec, usage kmsapi.KeyUsageType) json.RawMessage {
	description, origin := "", kmsapi.OriginTypeAwsKms
	if req.Description != nil {
		description = *req.Description
	}
	if req.Origin != nil {
		origin = *req.Origin
	}
	o := optional(newObject(), "policy", req.Policy).
		str("description", description).
		str("origin", string(origin)).
		boolean("bypassPolicyLockoutSafetyCheck", isTrue(req.BypassPolicyLockoutSafetyCheck)).
		str("customerMasterKeySpec", string(spec)).
		str("keySpec", string(spec)).
		str("keyUsage", string(usage))
	o = optional(o, "customKeyStoreId", req.CustomKeyStoreId)
	o = optional(o, "xksKeyId", req.XksKeyId)
	if req.MultiRegion != nil {
		o = o.boolean("multiRegion", *req.MultiRegion)
	}
	return o.tags(req.Tags).end()
}
