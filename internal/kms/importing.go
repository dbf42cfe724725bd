package kms

import (
	"slices"
	"time"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// This file says what importing and deleting key material changes in a key
// (KMS Developer Guide, "Importing key material for AWS KMS keys").
//
// Material that was imported is associated with its key for good, whether it is
// there or absent; a symmetric encryption key can have several, and is usable
// while all are there. New material of a key that has some waits for its rotation:
// until then it is not associated yet, and goes without a trace when it is
// deleted.

// imported is material that a request brings, unwrapped.
type imported struct {
	id          string // 64 hexadecimal digits
	importType  *kmsapi.ImportType
	wantID      *string   // KeyMaterialId of the request
	description *string   // nil: it stays what it was
	validTo     time.Time // zero: it does not expire
}

// importMaterial adds material to k, or brings back or renews what k has; missing
// says that k had no token of it. Errors are IncorrectKeyMaterialException, for
// material that is not what it must be, KMSInvalidStateException while other
// new material waits, and UnsupportedOperationException for new material of a
// replica: that comes to the primary key first, and then to each replica.
func importMaterial(k *kmsdb.Key, in imported, now time.Time) (missing bool, err error) {
	kind := kmsapi.ImportTypeExistingKeyMaterial
	if len(k.Materials) == 0 {
		kind = kmsapi.ImportTypeNewKeyMaterial
	}
	if in.importType != nil {
		kind = *in.importType
	}
	m := k.Material(in.id)
	if m == nil && kind == kmsapi.ImportTypeNewKeyMaterial {
		if err := sharedOnly(k); err != nil {
			return false, err
		}
	}
	if in.wantID != nil && *in.wantID != in.id || (m == nil) != (kind == kmsapi.ImportTypeNewKeyMaterial) {
		return false, awserr.New(kmsapi.IncorrectKeyMaterialException, "")
	}
	if waits := pendingMaterial(k); m == nil && waits != "" {
		return false, awserr.New(kmsapi.KMSInvalidStateException,
			"New key material (id: %s) cannot be imported into KMS key %s, because another key material (id: %s) is pending rotation.", in.id, k.ARN(), waits)
	}
	if m == nil {
		k.Materials = append(k.Materials, kmsdb.Material{ID: in.id, Created: now, Imported: true, Absent: true, Pending: len(k.Materials) > 0})
		m = &k.Materials[len(k.Materials)-1]
		if !m.Pending {
			k.Current = in.id
		}
	}
	missing = m.Absent
	m.Imported, m.Absent, m.ValidTo = true, false, in.validTo
	if in.description != nil {
		m.Description = *in.description
	}
	settle(k)
	return missing, nil
}

// removeMaterial takes material out of k that is there.
func removeMaterial(k *kmsdb.Key, id string) {
	if m := k.Material(id); m.Pending && (!k.MultiRegion || k.Primary()) {
		k.Materials = slices.DeleteFunc(k.Materials, func(m kmsdb.Material) bool { return m.ID == id })
	} else {
		m.Absent, m.ValidTo = true, time.Time{}
	}
	settle(k)
}

// settle sets the state of a key with imported material by what is there of it. A
// key that waits for its deletion goes on waiting.
func settle(k *kmsdb.Key) {
	switch {
	case !complete(k) && (k.State == kmsapi.KeyStateEnabled || k.State == kmsapi.KeyStateDisabled):
		k.State = kmsapi.KeyStatePendingImport
	case complete(k) && k.State == kmsapi.KeyStatePendingImport:
		k.State = kmsapi.KeyStateEnabled
	}
}

// complete reports whether a key has material, and none that is associated with
// it is absent. A replica knows of material that waits in its primary key and is
// to be imported into it, too.
func complete(k *kmsdb.Key) bool {
	return k.Current != "" && !slices.ContainsFunc(k.Materials, func(m kmsdb.Material) bool { return m.Absent && !m.Pending })
}

// expiration is what a key's metadata says of its imported material: whether any
// of it expires, and when the first does. Of a key without any it says nothing
// (recorded from AWS, of a key whose material was deleted).
func expiration(k *kmsdb.Key) (model *kmsapi.ExpirationModelType, validTo *time.Time) {
	for i := range k.Materials {
		m := &k.Materials[i]
		if !m.Imported || m.Absent || m.Pending {
			continue
		}
		switch {
		case m.ValidTo.IsZero() && model == nil:
			model = new(kmsapi.ExpirationModelTypeKeyMaterialDoesNotExpire)
		case !m.ValidTo.IsZero() && (validTo == nil || m.ValidTo.Before(*validTo)):
			model, validTo = new(kmsapi.ExpirationModelTypeKeyMaterialExpires), new(m.ValidTo)
		}
	}
	return model, validTo
}

// forImport refuses keys that take no material now. Origin comes before state.
func forImport(k *kmsdb.Key) error {
	if k.Origin != kmsapi.OriginTypeExternal {
		return invalidOrigin(k)
	}
	switch k.State {
	case kmsapi.KeyStateEnabled, kmsapi.KeyStateDisabled, kmsapi.KeyStatePendingImport:
		return nil
	}
	return invalidState(k.ARN(), k.State)
}

// importable refuses key specs of which no material is imported ("Requirements
// for imported key material").
func importable(spec kmsapi.KeySpec) error {
	switch spec {
	case kmsapi.KeySpecMlDsa44, kmsapi.KeySpecMlDsa65, kmsapi.KeySpecMlDsa87:
		return awserr.New(kmsapi.UnsupportedOperationException, "KeySpec %s is not supported with Origin %s.", spec, kmsapi.OriginTypeExternal)
	}
	return nil
}

// wrappings says how material is wrapped for its import into a key of a type (KMS
// API Reference, GetParametersForImport, WrappingAlgorithm).
func wrappings(t hsm.KeyType, wrappingKey hsm.KeyType, method hsm.WrappingMethod) bool {
	rsa := t == hsm.RSA2048 || t == hsm.RSA3072 || t == hsm.RSA4096
	switch method {
	case hsm.WrapOAEPSHA1, hsm.WrapOAEPSHA256: // what is under OAEP has room for it
		return wrappingKey != hsm.SM2 && !rsa && (t != hsm.P521 || wrappingKey != hsm.RSA2048)
	case hsm.WrapRSAAESSHA1, hsm.WrapRSAAESSHA256: // for key pairs
		return wrappingKey != hsm.SM2 && t.Purpose() == hsm.PurposeKeyPair
	case hsm.WrapSM2PKE:
		return wrappingKey == hsm.SM2 && !rsa
	}
	return false
}
