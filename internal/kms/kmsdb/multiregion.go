package kmsdb

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/store"
)

// Related multi-region keys are a primary key and its replicas: records of the
// same account and id in different regions, which name each other. The shared
// properties (KMS Developer Guide, "Shared properties of multi-Region keys") are
// in every one of them; whoever changes one changes all, in one transaction.

// Primary reports whether k is a multi-region key that can be replicated: the
// one from which its replicas have what they share.
func (k *Key) Primary() bool { return k.MultiRegion && k.PrimaryRegion == k.Region }

// Elsewhere names the related key of k in a region.
func (k *Key) Elsewhere(region string) KeyRef {
	return KeyRef{Account: k.Account, Region: region, ID: k.ID}
}

// RelatedRegions returns the regions of the keys that are related to k, its own
// left out: that of the primary key first. It is empty for a single-region key.
func (k *Key) RelatedRegions() []string {
	if !k.MultiRegion {
		return nil
	}
	all := append([]string{k.PrimaryRegion}, k.ReplicaRegions...)
	return slices.DeleteFunc(all, func(r string) bool { return r == k.Region })
}

// Replica returns the record of a new replica of k in a region, as it is shared:
// without description, policy, tags, and times of its own. Of imported material
// it knows which there is and has none.
func (k *Key) Replica(region string) *Key {
	r := &Key{Account: k.Account, Region: region, ID: k.ID, Manager: k.Manager, State: kmsapi.KeyStateEnabled}
	r.Share(k)
	if k.Origin == kmsapi.OriginTypeExternal {
		r.State = kmsapi.KeyStatePendingImport
	}
	return r
}

// Share gives k the shared properties of a related key. Which of its imported
// material is there, until when, and what it is called, each key knows for
// itself: material that is new to k is absent.
func (k *Key) Share(from *Key) {
	k.KeyUsage, k.KeySpec, k.Origin = from.KeyUsage, from.KeySpec, from.Origin
	k.MultiRegion, k.PrimaryRegion, k.ReplicaRegions = from.MultiRegion, from.PrimaryRegion, slices.Clone(from.ReplicaRegions)
	k.Rotation, k.OnDemandRotations = from.Rotation, from.OnDemandRotations
	own := k.Materials
	k.Materials, k.Current = slices.Clone(from.Materials), from.Current
	if from.Origin != kmsapi.OriginTypeExternal {
		return
	}
	for i := range k.Materials {
		m := &k.Materials[i]
		m.Imported, m.Absent, m.Description, m.ValidTo = false, true, "", time.Time{}
		if j := slices.IndexFunc(own, func(o Material) bool { return o.ID == m.ID }); j >= 0 {
			o := &own[j]
			m.Imported, m.Absent, m.Description, m.ValidTo = o.Imported, o.Absent, o.Description, o.ValidTo
		}
	}
}

// Related loads the keys that are related to k, in the order of
// [Key.RelatedRegions]. One that is not there is damage: the error does not wrap
// [store.ErrNotFound].
func (t *Tx) Related(k *Key) ([]Key, error) {
	regions := k.RelatedRegions()
	related := make([]Key, len(regions))
	for i, region := range regions {
		var err error
		if related[i], err = t.Key(k.Elsewhere(region)); errors.Is(err, store.ErrNotFound) {
			return nil, fmt.Errorf("key %s is related to key %s, which is not there", k.Ref(), k.Elsewhere(region))
		}
		if err != nil {
			return nil, err
		}
	}
	return related, nil
}

// Token loads a token as [DB.Token] does.
func (t *Tx) Token(ref KeyRef, materialID string) ([]byte, error) {
	r, err := t.tx.Get(store.KMSKeyTokens, tokenRow(ref, materialID))
	return token(ref, materialID, r, err)
}
