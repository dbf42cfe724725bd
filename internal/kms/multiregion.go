package kms

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/uuid"
)

// This file is what multi-region keys have in common: a primary key and its
// replicas, one in each region, with the same id and the same material, whose
// token each region wraps under a domain key of its own. What they share changes
// in all of them in one transaction (KMS Developer Guide, "Multi-Region keys").

// multiRegionID makes the id of a multi-region key.
func multiRegionID() string { return "mrk-" + strings.ReplaceAll(uuid.New(), "-", "") }

func multiRegionKeyType(k *kmsdb.Key) kmsapi.MultiRegionKeyType {
	if k.Primary() {
		return kmsapi.MultiRegionKeyTypePrimary
	}
	return kmsapi.MultiRegionKeyTypeReplica
}

// multiRegionConfiguration is a member of KeyMetadata; nil for a single-region
// key. All related keys have the same, but for what they are themselves.
func multiRegionConfiguration(k *kmsdb.Key) *kmsapi.MultiRegionConfiguration {
	if !k.MultiRegion {
		return nil
	}
	named := func(region string) kmsapi.MultiRegionKey {
		return kmsapi.MultiRegionKey{Arn: new(k.Elsewhere(region).ARN()), Region: new(region)}
	}
	c := &kmsapi.MultiRegionConfiguration{
		MultiRegionKeyType: new(multiRegionKeyType(k)), PrimaryKey: new(named(k.PrimaryRegion)), ReplicaKeys: []kmsapi.MultiRegionKey{},
	}
	for _, region := range k.ReplicaRegions {
		c.ReplicaKeys = append(c.ReplicaKeys, named(region))
	}
	return c
}

// multiRegion appends whether k is a multi-region key, and if so, the related
// ones.
func (o object) multiRegion(k *kmsdb.Key) object {
	o = o.boolean("multiRegion", k.MultiRegion)
	if !k.MultiRegion {
		return o
	}
	named := func(region string) json.RawMessage {
		return newObject().str("arn", k.Elsewhere(region).ARN()).str("region", region).end()
	}
	c := newObject().str("multiRegionKeyType", string(multiRegionKeyType(k))).raw("primaryKey", named(k.PrimaryRegion)).name("replicaKeys")
	c = append(c, '[')
	for i, region := range k.ReplicaRegions {
		if i > 0 {
			c = append(c, ',')
		}
		c = append(c, named(region)...)
	}
	return o.raw("multiRegionConfiguration", append(c, ']').end())
}

// primaryOnly refuses what is done on primary keys alone. Text: recorded from
// AWS.
func primaryOnly(k *kmsdb.Key) error {
	if k.Primary() {
		return nil
	}
	return awserr.New(kmsapi.UnsupportedOperationException, "%s is not a multi-region primary key.", k.ARN())
}

// regionAbsent refuses a region in which there can be no keys. What AWS answers
// is not known.
func (s *Service) regionAbsent(region string) error {
	if slices.Contains(s.regions, region) {
		return nil
	}
	return awserr.New(kmsapi.UnsupportedOperationException, "The region %s is not enabled.", region)
}

// resource is k in the record of a call.
func resource(k *kmsdb.Key) audit.Resource {
	return audit.Resource{AccountID: k.Account, Type: resourceType, ARN: k.ARN()}
}

// copyTokens wraps the tokens of one key's material for a related key, which
// has none of them yet, under the newest domain key of its region. It stores
// them with the key that the material is of.
func (s *Service) copyTokens(tx *kmsdb.Tx, from, to *kmsdb.Key, materials []kmsdb.Material) error {
	for _, m := range materials {
		token, err := tx.Token(from.Ref(), m.ID)
		if err != nil {
			return err
		}
		if token, err = s.module.Rebind(token, from.Binding(), to.Binding()); err != nil {
			return fmt.Errorf("copying key material %s of key %s to %s: %w", m.ID, from.Ref(), to.Region, err)
		}
		if err := tx.PutToken(to.Ref(), m.ID, token); err != nil {
			return err
		}
	}
	return nil
}

// synchronize brings the keys that are related to k to what they share with it,
// new key material included, in the transaction that has changed k, a primary
// key. Of any other key it does nothing. Where something changes it has a record
// of its own, beside those of the call.
func (s *Service) synchronize(tx *kmsdb.Tx, k *kmsdb.Key) error {
	if !k.Primary() {
		return nil
	}
	related, err := tx.Related(k)
	if err != nil {
		return err
	}
	changed := false
	for i := range related {
		r := &related[i]
		if k.Disagrees(r) == "" {
			continue
		}
		changed = true
		lacks := func(in *kmsdb.Key) func(m kmsdb.Material) bool {
			return func(m kmsdb.Material) bool { return in.Material(m.ID) == nil }
		}
		fresh, gone := slices.Clone(k.Materials), slices.Clone(r.Materials)
		fresh = slices.DeleteFunc(fresh, func(m kmsdb.Material) bool { return !lacks(r)(m) })
		gone = slices.DeleteFunc(gone, func(m kmsdb.Material) bool { return !lacks(k)(m) || m.Absent })
		r.Share(k)
		if k.Origin == kmsapi.OriginTypeExternal { // its material is imported into each
			settle(r)
			fresh = nil
		}
		if err := tx.PutKey(r); err != nil {
			return err
		}
		if err := s.copyTokens(tx, k, r, fresh); err != nil {
			return err
		}
		if err := s.dropTokens(tx, r, gone); err != nil {
			return err
		}
	}
	if changed {
		tx.AddRecord(s.synchronizationRecord(k))
	}
	return nil
}

// dropTokens deletes the tokens of imported material that k does not have any
// more.
func (s *Service) dropTokens(tx *kmsdb.Tx, k *kmsdb.Key, materials []kmsdb.Material) error {
	for _, m := range materials {
		if err := tx.DeleteToken(k.Ref(), m.ID); err != nil {
			return err
		}
	}
	if len(materials) == 0 || s.destroyed == nil {
		return nil
	}
	return s.destroyed(tx.Store(), k.Region)
}

// importedEverywhere reports whether imported material that waits for a rotation
// is there in every region that has the key (KMS API Reference, ListKeyRotations,
// PENDING_MULTI_REGION_IMPORT_AND_ROTATION). Without such material it is true.
func importedEverywhere(k *kmsdb.Key, related []kmsdb.Key) bool {
	id := pendingMaterial(k)
	if id == "" {
		return true
	}
	there := func(k *kmsdb.Key) bool { m := k.Material(id); return m != nil && !m.Absent }
	for i := range related {
		if !there(&related[i]) {
			return false
		}
	}
	return there(k)
}

// sharedOnly refuses what concerns all related keys on any but the primary one.
func sharedOnly(k *kmsdb.Key) error {
	if !k.MultiRegion {
		return nil
	}
	return primaryOnly(k)
}

// synchronizationRecord is the record of shared properties being copied: one in
// the region of the primary key, which alone it names (KMS Developer Guide,
// "SynchronizeMultiRegionKey").
func (s *Service) synchronizationRecord(k *kmsdb.Key) []byte {
	primary := k.Elsewhere(k.PrimaryRegion)
	r := audit.Own{
		Source: EventSource, Name: "SynchronizeMultiRegionKey", Account: primary.Account, Region: primary.Region, Time: s.clock(), EventID: uuid.New(),
	}.Bare()
	r.EventType, r.RequestID = audit.APICall, uuid.New() // as in the guide's example
	r.ResponseElements = keyRecord(primary.ARN())
	r.Resources = []audit.Resource{{AccountID: primary.Account, Type: resourceType, ARN: primary.ARN()}}
	return r.AppendJSON(nil)
}

// release takes a key that is being destroyed out of the lists of those that are
// related to it, and begins the waiting period of a primary key that has waited
// for the last of its replicas. A related record that is damaged keeps no key
// material alive: it stays as it is, and the log and the doctor tell of it.
func (s *Service) release(tx *kmsdb.Tx, k *kmsdb.Key) error {
	for _, region := range k.RelatedRegions() {
		r, err := tx.Key(k.Elsewhere(region))
		if _, tampered := errors.AsType[*store.TamperedError](err); tampered || errors.Is(err, store.ErrDamaged) || errors.Is(err, store.ErrNotFound) {
			s.log.Error("kms: a related key cannot be told that a replica is destroyed", "key", k.Ref().String(), "related", k.Elsewhere(region).String(), "error", err)
			continue
		}
		if err != nil {
			return err
		}
		r.ReplicaRegions = slices.DeleteFunc(r.ReplicaRegions, func(other string) bool { return other == k.Region })
		if r.State == kmsapi.KeyStatePendingReplicaDeletion && len(r.ReplicaRegions) == 0 {
			r.State, r.DeletionDate, r.PendingWindow = kmsapi.KeyStatePendingDeletion, s.due(r.PendingWindow), 0
		}
		if err := tx.PutKey(&r); err != nil {
			return err
		}
	}
	return nil
}
