package kms

import (
	"encoding/hex"
	"time"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/uuid"
)

// Rules of rotation (KMS Developer Guide, "Rotate AWS KMS keys").
const (
	// yearly is the period of AWS managed keys, and of customer managed ones
	// that are given none, in days.
	yearly = 365
	// nearRotation is how close an automatic rotation must not be to one that is
	// asked for (KMS API Reference, RotateKeyOnDemand, ConflictException).
	nearRotation = 20 * time.Minute
)

const day = 24 * time.Hour

// schedule turns the automatic rotation of k on, from now on every so many
// days, or changes its period. It reports false when there is nothing to change.
func schedule(k *kmsdb.Key, days int32, now time.Time) (changed bool) {
	if k.Rotation.PeriodDays == days {
		return false
	}
	k.Rotation = kmsdb.Rotation{PeriodDays: days, Next: now.Add(time.Duration(days) * day)}
	return true
}

// rotate makes the material with an id the one of k that encrypts: one that
// waits for it, or else a new one. What was encrypted before opens for ever with
// the material that it names.
//
// An automatic rotation that comes late, because the key was disabled or no
// server ran, counts its next period from now.
func rotate(k *kmsdb.Key, id string, why kmsdb.RotationType, now time.Time) {
	m := k.Material(id)
	if m == nil {
		k.Materials = append(k.Materials, kmsdb.Material{ID: id, Created: now})
		m = &k.Materials[len(k.Materials)-1]
	}
	m.Rotated, m.Type, m.Pending = now, why, false
	k.Current = id
	switch why {
	case kmsdb.OnDemand: // leaves the schedule alone
		k.OnDemandRotations++
	case kmsdb.Automatic:
		period := time.Duration(k.Rotation.PeriodDays) * day
		if k.Rotation.Next = k.Rotation.Next.Add(period); !k.Rotation.Next.After(now) {
			k.Rotation.Next = now.Add(period)
		}
	}
}

// rotateNow rotates k, in a transaction that stores it: to the imported material
// that waits, or to new material, of which the token is stored with it. It
// returns the record of that.
func (s *Service) rotateNow(tx *kmsdb.Tx, k *kmsdb.Key, why kmsdb.RotationType, now time.Time) (record []byte, err error) {
	before := k.Current
	id := pendingMaterial(k)
	if id == "" {
		token, err := s.module.GenerateKey(k.Binding())
		if err != nil {
			return nil, err
		}
		mid, err := s.module.MaterialID(token, k.Binding())
		if err != nil {
			return nil, err
		}
		id = hex.EncodeToString(mid[:])
		if err := tx.PutToken(k.Ref(), id, token); err != nil {
			return nil, err
		}
	}
	rotate(k, id, why, now)
	if err := tx.PutKey(k); err != nil {
		return nil, err
	}
	return s.rotationRecord(k, before, why), s.synchronize(tx, k)
}

// pendingMaterial returns the id of the imported material that waits for a
// rotation, "" when there is none.
func pendingMaterial(k *kmsdb.Key) string {
	for i := range k.Materials {
		if k.Materials[i].Pending {
			return k.Materials[i].ID
		}
	}
	return ""
}

// rotationRecord is the record of material having become current. It is an
// event of the service, also when somebody has asked for it: that call has its
// own (KMS Developer Guide, "RotateKey").
func (s *Service) rotationRecord(k *kmsdb.Key, before string, why kmsdb.RotationType) []byte {
	return s.ownRecord(k, "RotateKey", newObject().
		str("rotationType", string(why)).
		str("keyOrigin", string(k.Origin)).
		str("previousKeyMaterialId", before).
		str("currentKeyMaterialId", k.Current).
		str("keyId", k.ID).end())
}

// ownRecord is the record of what the service did with a key by itself.
func (s *Service) ownRecord(k *kmsdb.Key, event string, details []byte) []byte {
	r := audit.Own{Source: EventSource, Name: event, Account: k.Account, Region: k.Region, Time: s.clock(), EventID: uuid.New()}.Bare()
	r.ServiceEventDetails = details
	r.Resources = []audit.Resource{{AccountID: k.Account, Type: resourceType, ARN: k.ARN()}}
	return r.AppendJSON(nil)
}

// forSchedule refuses keys that do not rotate by themselves, for
// EnableKeyRotation and DisableKeyRotation. The state comes before the type: a
// disabled RSA key is disabled (recorded from AWS).
func forSchedule(k *kmsdb.Key) error {
	switch k.State {
	case kmsapi.KeyStatePendingImport, kmsapi.KeyStateUnavailable: // of keys whose origin says no
		return invalidOrigin(k)
	}
	if err := forCryptography(k.ARN(), k.State); err != nil {
		return err
	}
	if k.Origin != kmsapi.OriginTypeAwsKms {
		return invalidOrigin(k)
	}
	if err := forMaterials(k); err != nil {
		return err
	}
	return sharedOnly(k)
}

// forRotation refuses keys that cannot be rotated on demand now. Related are those
// of a multi-region key.
func (s *Service) forRotation(k *kmsdb.Key, related []kmsdb.Key, now time.Time) error {
	if k.State == kmsapi.KeyStateUnavailable {
		return invalidOrigin(k)
	}
	if err := forCryptography(k.ARN(), k.State); err != nil {
		return err
	}
	if err := forMaterials(k); err != nil {
		return err
	}
	if err := sharedOnly(k); err != nil {
		return err
	}
	switch {
	case k.Origin == kmsapi.OriginTypeExternal && (pendingMaterial(k) == "" || !importedEverywhere(k, related)):
		return awserr.New(kmsapi.KMSInvalidStateException, "No available key material pending rotation for the key: %s.", k.ARN())
	case int(k.OnDemandRotations) >= s.quotas.OnDemandRotations:
		return awserr.New(kmsapi.LimitExceededException,
			"The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: %s", k.ARN())
	case k.Rotation.PeriodDays > 0 && k.Rotation.Next.Sub(now) < nearRotation:
		return awserr.New(kmsapi.ConflictException,
			"An automatic rotation of the key %s is in progress or scheduled to begin within the next %d minutes.", k.ARN(), int(nearRotation.Minutes()))
	}
	return nil
}

// forMaterials refuses keys that have one material for life: the asymmetric and
// HMAC ones, without a text (recorded from AWS), and those in custom key stores.
func forMaterials(k *kmsdb.Key) error {
	switch {
	case k.Origin != kmsapi.OriginTypeAwsKms && k.Origin != kmsapi.OriginTypeExternal:
		return invalidOrigin(k)
	case k.KeySpec != kmsapi.KeySpecSymmetricDefault:
		return awserr.New(kmsapi.UnsupportedOperationException, "")
	}
	return nil
}

func invalidOrigin(k *kmsdb.Key) error {
	return awserr.New(kmsapi.UnsupportedOperationException, "%s origin is %s which is not valid for this operation.", k.ARN(), k.Origin)
}
