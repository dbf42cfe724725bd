package kms

import (
	"context"
	"errors"
	"slices"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

// UpdatePrimaryRegion makes the replica in another region the primary key, and
// the primary key its replica. The caller needs kms:UpdatePrimaryRegion on both,
// and both must be enabled. The call has a record in each of the two regions.
// AWS's keys are Updating for some seconds afterwards; here all of it is done
// when the call is answered. (KMS API Reference, UpdatePrimaryRegion)
func (s *Service) UpdatePrimaryRegion(ctx context.Context, c identity.Caller, req *kmsapi.UpdatePrimaryRegionRequest) error {
	_, err := do(ctx, s, c, opUpdatePrimaryRegion, req, s.updatePrimaryRegion)
	return err
}

func (s *Service) updatePrimaryRegion(ctx context.Context, call *gate.Call, req *kmsapi.UpdatePrimaryRegionRequest) (*void, error) {
	region := *req.PrimaryRegion
	call.RequestParameters = newObject().str("keyId", *req.KeyId).str("primaryRegion", region).end()
	k, err := s.resolve(ctx, call, *req.KeyId, idOrARN)
	if err != nil {
		return nil, err
	}
	with := conditions{primaryRegion: region}
	if err := s.authorize(ctx, call, k, with); err != nil {
		return nil, err
	}
	asked := false // about the replica: one that is made after this is none yet
	if region != k.key.Region && slices.Contains(s.regions, region) {
		replica, err := s.key(ctx, k.key.Elsewhere(region))
		if err == nil {
			asked, err = true, s.decide(ctx, call, call.Op.Action, replica, with)
		}
		if err != nil && (asked || !errors.Is(err, store.ErrNotFound)) {
			return nil, err
		}
	}
	call.ResponseElements = keyRecord(k.arn)
	return nil, s.commit(ctx, call, func(tx *kmsdb.Tx) (changed bool, err error) {
		old, err := keyNow(tx, k.key.Ref())
		if err != nil {
			return false, err
		}
		primary, err := s.successor(tx, &old, region)
		if err == nil && !asked {
			err = noKey(primary.Ref())
		}
		if err != nil {
			return false, err
		}
		regions := slices.DeleteFunc(append(old.ReplicaRegions, old.Region), func(r string) bool { return r == region })
		slices.Sort(regions)
		old.PrimaryRegion, old.ReplicaRegions = region, regions
		primary.Share(&old)
		if err := tx.PutKey(&old); err != nil {
			return false, err
		}
		if err := tx.PutKey(primary); err != nil {
			return false, err
		}
		tx.AddRecord(call.RecordIn(region, call.Op,
			newObject().str("keyId", primary.ARN()).str("primaryRegion", region).end(), keyRecord(primary.ARN()), resource(primary)))
		return true, s.synchronize(tx, primary)
	})
}

// successor returns the replica of a primary key in a region, when the two can
// change their roles.
func (s *Service) successor(tx *kmsdb.Tx, old *kmsdb.Key, region string) (*kmsdb.Key, error) {
	if err := forCryptography(old.ARN(), old.State); err != nil {
		return nil, err
	}
	if err := primaryOnly(old); err != nil {
		return nil, err
	}
	if region == old.Region {
		return nil, awserr.New(kmsapi.UnsupportedOperationException, "%s is the multi-region primary key already.", old.ARN())
	}
	if err := s.regionAbsent(region); err != nil {
		return nil, err
	}
	if !slices.Contains(old.ReplicaRegions, region) {
		return nil, noKey(old.Elsewhere(region))
	}
	replica, err := tx.Key(old.Elsewhere(region))
	if errors.Is(err, store.ErrNotFound) {
		err = errors.New("key " + old.Elsewhere(region).String() + " is not there, and its primary key has it in its list")
	}
	if err != nil {
		return nil, err
	}
	return &replica, forCryptography(replica.ARN(), replica.State)
}
