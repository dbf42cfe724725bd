package kms_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

func (k *kit) updatePrimary(c identity.Caller, keyID, to string) error {
	return k.UpdatePrimaryRegion(k.t.Context(), c, &kmsapi.UpdatePrimaryRegionRequest{KeyId: &keyID, PrimaryRegion: &to})
}

// The two change their roles, and the third is told. What only a primary key can
// do the new one can.
func TestUpdatePrimaryRegion(t *testing.T) {
	k := newKit(t)
	id := *k.createPrimary().KeyId
	k.replicate(id, region2, region3)
	k.check(k.updatePrimary(alice(), id, region2))
	for range 2 { // the second time after a restart
		k.wantRelated(id, region2, region, region3)
		for _, r := range []string{region, region2, region3} {
			if m := k.describeIn(r, id); *m.KeyState != "Enabled" {
				t.Errorf("the key is %s in %s", *m.KeyState, r)
			}
		}
		k.reopen()
	}
	k.scheduleIn(region3, id, 7)
	k.later(7 * day)
	k.destroyDue(1)
	_, err := k.ReplicateKey(t.Context(), root(), &kmsapi.ReplicateKeyRequest{KeyId: &id, ReplicaRegion: new(region3)})
	wantError(t, err, kmsapi.UnsupportedOperationException, arnIn(region, id)+" is not a multi-region primary key.")
	_, err = k.ReplicateKey(t.Context(), rootIn(region2), &kmsapi.ReplicateKeyRequest{KeyId: &id, ReplicaRegion: new(region3)})
	k.check(err)
	k.wantRelated(id, region2, region, region3)
	// The key that was the primary one can be destroyed now, alone.
	if a := k.schedule(id, 7); *a.KeyState != "PendingDeletion" {
		t.Errorf("the old primary key is %s", *a.KeyState)
	}
	k.later(7 * day)
	k.destroyDue(1)
	k.wantRelated(id, region2, region3)
	k.check(k.updatePrimary(rootIn(region2), arnIn(region2, id), region3))
	k.wantRelated(id, region3, region2)
}

func TestUpdatePrimaryRegionRefusals(t *testing.T) {
	k := newKit(t)
	id, single, alone := *k.createPrimary().KeyId, *k.createKey().KeyId, *k.createPrimary().KeyId
	k.replicate(id, region2)
	for _, c := range []struct {
		name     string
		in       string
		key, to  string
		code     awserr.Code
		text     string
		resource int // in the record
	}{
		{"no region's name", region, id, "Europe", kmsapi.ValidationException, `1 validation error detected: Value 'Europe' at 'primaryRegion' failed to satisfy constraint: Member must satisfy regular expression pattern: ^([a-z]+-){2,3}\d+$`, 0},
		{"an alias", region, "alias/app", region2, kmsapi.NotFoundException, "Invalid keyId 'alias/app'", 0},
		{"absent", region, absentID, region2, kmsapi.NotFoundException, "Key '" + arnIn(region, absentID) + "' does not exist", 0},
		{"single-region key", region, single, region2, kmsapi.UnsupportedOperationException, arnIn(region, single) + " is not a multi-region primary key.", 1},
		{"of a replica", region2, id, region, kmsapi.UnsupportedOperationException, arnIn(region2, id) + " is not a multi-region primary key.", 1},
		{"without a replica", region, alone, region2, kmsapi.NotFoundException, "Key '" + arnIn(region2, alone) + "' does not exist", 1},
		{"without a replica there", region, id, region3, kmsapi.NotFoundException, "Key '" + arnIn(region3, id) + "' does not exist", 1},
		{"its own region", region, id, region, kmsapi.UnsupportedOperationException, arnIn(region, id) + " is the multi-region primary key already.", 1},
		{"a region that is not enabled", region, id, "eu-north-1", kmsapi.UnsupportedOperationException, "The region eu-north-1 is not enabled.", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantError(t, k.updatePrimary(rootIn(c.in), c.key, c.to), c.code, c.text)
			if r := k.last("UpdatePrimaryRegion"); r.ErrorCode != string(c.code) || len(r.Resources) != c.resource || r.AWSRegion != c.in {
				t.Errorf("record is %s", r.raw)
			}
		})
	}
	k.wantRelated(id, region, region2)
}

// Both keys must be enabled (KMS Developer Guide, "Change the primary key in a
// set of multi-Region keys").
func TestUpdatePrimaryRegionStates(t *testing.T) {
	for state, text := range map[kmsapi.KeyState]string{
		kmsapi.KeyStatePendingImport: " is pending import.", kmsapi.KeyStateDisabled: " is disabled.", kmsapi.KeyStatePendingDeletion: " is pending deletion.",
		kmsapi.KeyStatePendingReplicaDeletion: " is pending deletion.", kmsapi.KeyStateCreating: " is creating.", kmsapi.KeyStateUpdating: " is updating.",
	} {
		for _, where := range []string{region, region2} {
			t.Run(string(state)+" in "+where, func(t *testing.T) {
				k := newKit(t)
				id := *k.createPrimary().KeyId
				k.replicate(id, region2)
				k.check(k.db().Update(t.Context(), func(tx *kmsdb.Tx) error {
					key, err := tx.Key(kmsdb.KeyRef{Account: account, Region: where, ID: id})
					if err != nil {
						return err
					}
					key.State = state
					return tx.PutKey(&key)
				}))
				err := k.updatePrimary(root(), id, region2)
				if state == kmsapi.KeyStateDisabled {
					wantError(t, err, kmsapi.DisabledException, arnIn(where, id)+text)
				} else {
					wantError(t, err, kmsapi.KMSInvalidStateException, arnIn(where, id)+text)
				}
				k.wantRelated(id, region, region2)
			})
		}
	}
}

// The call is recorded in both regions, and where there are other replicas the
// copying of what is shared (KMS Developer Guide, "UpdatePrimaryRegion").
func TestUpdatePrimaryRegionRecords(t *testing.T) {
	k := newKit(t)
	id := *k.createPrimary().KeyId
	k.replicate(id, region2)
	before := len(k.records())
	k.check(k.updatePrimary(alice(), id, region2))
	rs := k.records()[before:]
	if len(rs) != 2 || rs[0].EventName != "UpdatePrimaryRegion" || rs[1].EventName != "UpdatePrimaryRegion" {
		t.Fatalf("records are %+v", rs)
	}
	wantParameters(t, rs[0].RequestParameters, `{"keyId":"`+id+`","primaryRegion":"eu-west-1"}`)
	wantParameters(t, rs[0].ResponseElements, `{"keyId":"`+arnIn(region, id)+`"}`)
	wantParameters(t, rs[1].RequestParameters, `{"keyId":"`+arnIn(region2, id)+`","primaryRegion":"eu-west-1"}`)
	wantParameters(t, rs[1].ResponseElements, `{"keyId":"`+arnIn(region2, id)+`"}`)
	for i, r := range []string{region, region2} {
		if rs[i].AWSRegion != r || len(rs[i].Resources) != 1 || rs[i].Resources[0].ARN != arnIn(r, id) || rs[i].RequestID != rs[0].RequestID || rs[i].UserIdentity["userName"] != "alice" {
			t.Errorf("record is %s", rs[i].raw)
		}
	}
	if rs[0].UserIdentity["invokedBy"] != nil || rs[1].UserIdentity["invokedBy"] != "kms.amazonaws.com" || rs[0].EventID == rs[1].EventID {
		t.Errorf("records are %s, %s", rs[0].raw, rs[1].raw)
	}
	_, err := k.ReplicateKey(t.Context(), rootIn(region2), &kmsapi.ReplicateKeyRequest{KeyId: &id, ReplicaRegion: new(region3)})
	k.check(err)
	k.check(k.updatePrimary(rootIn(region2), id, region))
	if r := k.last("SynchronizeMultiRegionKey"); r.AWSRegion != region || r.Resources[0].ARN != arnIn(region, id) {
		t.Errorf("record is %s", r.raw)
	}
}

// The caller needs the permission on both keys, each by its own policy.
func TestUpdatePrimaryRegionPermissions(t *testing.T) {
	k := newKit(t)
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"kms:*","Resource":"*"},{"Effect":"Allow","Principal":{"AWS":"` + bobARN + `"},"Action":"kms:UpdatePrimaryRegion","Resource":"*"}]}`
	for _, c := range []struct {
		name    string
		allowed []string // regions whose key's policy allows it
		refused string
	}{
		{"neither", nil, region},
		{"the replica alone", []string{region2}, region},
		{"the primary key alone", []string{region}, region2},
		{"both", []string{region, region2}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := *k.createPrimary().KeyId
			k.replicate(id, region2)
			for _, r := range c.allowed {
				k.check(k.PutKeyPolicy(t.Context(), rootIn(r), &kmsapi.PutKeyPolicyRequest{KeyId: &id, Policy: &policy}))
			}
			err := k.updatePrimary(bob(), id, region2)
			if c.refused == "" {
				k.check(err)
				return
			}
			wantError(t, err, gate.AccessDenied, "User: "+bobARN+" is not authorized to perform: kms:UpdatePrimaryRegion on resource: "+arnIn(c.refused, id)+
				" because no identity-based policy allows the kms:UpdatePrimaryRegion action")
			if r := k.last("UpdatePrimaryRegion"); r.ErrorCode != "AccessDenied" || r.AWSRegion != region || !strings.Contains(r.raw, `"resource":"`+arnIn(c.refused, id)+`"`) {
				t.Errorf("record is %s", r.raw)
			}
			k.wantRelated(id, region, region2)
		})
	}
}

// Whatever runs at once, there is one primary key, and all agree on it.
func TestConcurrentUpdatePrimaryRegion(t *testing.T) {
	k := newKit(t)
	id := *k.createPrimary().KeyId
	k.replicate(id, region2)
	var wg sync.WaitGroup
	for _, from := range []string{region, region2, region3} {
		for _, to := range []string{region, region2, region3} {
			wg.Go(func() {
				for range 5 {
					err := k.updatePrimary(rootIn(from), id, to)
					if err != nil && !errors.Is(err, kmsapi.UnsupportedOperationException) && !errors.Is(err, kmsapi.NotFoundException) {
						t.Error(err)
					}
				}
			})
		}
		wg.Go(func() {
			_, err := k.ReplicateKey(t.Context(), rootIn(from), &kmsapi.ReplicateKeyRequest{KeyId: &id, ReplicaRegion: new(region3)})
			if err != nil && !errors.Is(err, kmsapi.UnsupportedOperationException) && !errors.Is(err, kmsapi.AlreadyExistsException) && !errors.Is(err, kmsapi.NotFoundException) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	primaries := 0
	for _, r := range []string{region, region2, region3} {
		key, err := k.db().Key(t.Context(), kmsdb.KeyRef{Account: account, Region: r, ID: id})
		if err == nil && key.Primary() {
			primaries++
		}
	}
	if primaries != 1 {
		t.Errorf("%d keys are primary", primaries)
	}
	if _, err := k.db().ExamineRelated(t.Context()); err != nil {
		t.Error(err)
	}
}
