package kms

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

// ReplicateKey makes a replica of a multi-region primary key in another region:
// a key with the same id and material, and a description, policy and tags of its
// own. The caller needs kms:ReplicateKey on the primary key, and kms:CreateKey,
// with tags also kms:TagResource, in the replica's region. The call has two
// records, the second of the creation in that region. The answer says Creating,
// as AWS's does; the replica is there when it is given.
// (KMS API Reference, ReplicateKey)
func (s *Service) ReplicateKey(ctx context.Context, c identity.Caller, req *kmsapi.ReplicateKeyRequest) (*kmsapi.ReplicateKeyResponse, error) {
	return do(ctx, s, c, opReplicateKey, req, s.replicateKey)
}

func (s *Service) replicateKey(ctx context.Context, call *gate.Call, req *kmsapi.ReplicateKeyRequest) (*kmsapi.ReplicateKeyResponse, error) {
	call.RequestParameters = replicateKeyParameters(req)
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
	region := *req.ReplicaRegion
	k, err := s.resolve(ctx, call, *req.KeyId, idOrARN)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, call, k, conditions{replicaRegion: region}); err != nil {
		return nil, err
	}
	replica := k.key.Replica(region)
	replica.CreationDate = s.now()
	if err := s.authorizeNew(call, replica, req.Tags, isTrue(req.BypassPolicyLockoutSafetyCheck)); err != nil {
		return nil, err
	}
	if err := s.replicable(&k.key, region); err != nil {
		return nil, err
	}
	if doc, err = storedPolicy(doc, s.principals); err != nil {
		return nil, err
	}
	replica.Policy, replica.Tags = string(doc.Text()), tags
	if req.Description != nil {
		replica.Description = *req.Description
	}
	if !isTrue(req.BypassPolicyLockoutSafetyCheck) {
		if err := s.checkLockout(ctx, call, &snapshot{key: *replica, arn: replica.ARN(), policy: doc}); err != nil {
			return nil, err
		}
	}
	shown := layoutPolicy(doc.Shown(s.principals))
	if replica, err = s.commitReplica(ctx, call, req, replica, shown); err != nil {
		return nil, err
	}
	return &kmsapi.ReplicateKeyResponse{ReplicaKeyMetadata: metadata(replica), ReplicaPolicy: &shown, ReplicaTags: req.Tags}, nil
}

// replicable checks that k, as it is now, can be replicated to a region.
func (s *Service) replicable(k *kmsdb.Key, region string) error {
	if err := forReplication(k.ARN(), k.State); err != nil {
		return err
	}
	if err := primaryOnly(k); err != nil {
		return err
	}
	if err := s.regionAbsent(region); err != nil {
		return err
	}
	if region == k.Region || slices.Contains(k.ReplicaRegions, region) {
		return awserr.New(kmsapi.AlreadyExistsException, "Key '%s' already exists", k.Elsewhere(region).ARN())
	}
	return nil
}

// commitReplica stores the replica with its material, as the primary key has
// both now, and tells the related keys of it. It returns the replica as the
// answer shows it: AWS's is being made at that time, and has no material yet
// (recorded).
func (s *Service) commitReplica(ctx context.Context, call *gate.Call, req *kmsapi.ReplicateKeyRequest, made *kmsdb.Key, policy string) (*kmsdb.Key, error) {
	var answered kmsdb.Key
	err := s.commit(ctx, call, func(tx *kmsdb.Tx) (changed bool, err error) {
		primary, err := keyNow(tx, made.Elsewhere(call.Caller.Region))
		if err != nil {
			return false, err
		}
		if err := s.replicable(&primary, made.Region); err != nil {
			return false, err
		}
		if _, err := tx.Key(made.Ref()); !errors.Is(err, store.ErrNotFound) {
			if err == nil {
				err = errors.New("key " + made.Ref().String() + " is there, and its primary key does not know it")
			}
			return false, err
		}
		if err := s.keyQuota(tx, made.Account, made.Region); err != nil {
			return false, err
		}
		primary.ReplicaRegions = append(primary.ReplicaRegions, made.Region)
		slices.Sort(primary.ReplicaRegions)
		replica := primary.Replica(made.Region)
		replica.CreationDate, replica.Policy, replica.Tags, replica.Description = made.CreationDate, made.Policy, made.Tags, made.Description
		if err := tx.PutKey(&primary); err != nil {
			return false, err
		}
		if err := tx.CreateKey(replica, nil); err != nil {
			return false, err
		}
		if primary.Origin != kmsapi.OriginTypeExternal {
			if err := s.copyTokens(tx, &primary, replica, primary.Materials); err != nil {
				return false, err
			}
		}
		answered = *replica
		answered.State, answered.Current, answered.Materials = kmsapi.KeyStateCreating, "", nil
		call.ResponseElements = newObject().raw("replicaKeyMetadata", keyMetadataRecord("aWSAccountId", &answered)).
			str("replicaPolicy", policy).tagsAs("replicaTags", req.Tags).end()
		tx.AddRecord(call.RecordIn(replica.Region, *opCreateKey, createReplicaParameters(req, replica), metadataRecord(&answered), resource(replica)))
		return true, s.synchronize(tx, &primary)
	})
	return &answered, err
}

func replicateKeyParameters(req *kmsapi.ReplicateKeyRequest) json.RawMessage {
	o := newObject().str("keyId", *req.KeyId).str("replicaRegion", *req.ReplicaRegion)
	o = optional(o, "policy", req.Policy).boolean("bypassPolicyLockoutSafetyCheck", isTrue(req.BypassPolicyLockoutSafetyCheck))
	description := ""
	if req.Description != nil {
		description = *req.Description
	}
	return o.str("description", description).tags(req.Tags).end()
}

// createReplicaParameters is requestParameters of the creation in the replica's
// region, as those of CreateKey.
func createReplicaParameters(req *kmsapi.ReplicateKeyRequest, replica *kmsdb.Key) json.RawMessage {
	return createKeyParameters(&kmsapi.CreateKeyRequest{
		Policy: req.Policy, Description: req.Description, Origin: &replica.Origin, MultiRegion: new(true), Tags: req.Tags,
		BypassPolicyLockoutSafetyCheck: req.BypassPolicyLockoutSafetyCheck,
	}, replica.KeySpec, replica.KeyUsage)
}
