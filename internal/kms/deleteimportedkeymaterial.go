package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// DeleteImportedKeyMaterial deletes the current material of a key of origin
// EXTERNAL, or that of KeyMaterialId. The key cannot be used until the same
// material is imported again. Material that waits for a rotation goes, and the
// key stays as it is. What is not there is deleted.
// (KMS API Reference, DeleteImportedKeyMaterial)
//
// As with a key's end the token is deleted, the database's log is emptied by the
// next [Service.DestroyDue], and Config.Destroyed is called in the transaction.
// Handles in use finish what they do; their memory is not wiped.
func (s *Service) DeleteImportedKeyMaterial(ctx context.Context, c identity.Caller, req *kmsapi.DeleteImportedKeyMaterialRequest) (*kmsapi.DeleteImportedKeyMaterialResponse, error) {
	return do(ctx, s, c, opDeleteImportedKeyMaterial, req, s.deleteImportedKeyMaterial)
}

func (s *Service) deleteImportedKeyMaterial(ctx context.Context, call *gate.Call, req *kmsapi.DeleteImportedKeyMaterialRequest) (*kmsapi.DeleteImportedKeyMaterialResponse, error) {
	call.RequestParameters = optional(newObject().str("keyId", *req.KeyId), "keyMaterialId", req.KeyMaterialId).end()
	k, err := s.resolve(ctx, call, *req.KeyId, idOrARN)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, call, k, conditions{}); err != nil {
		return nil, err
	}
	id := k.key.Current
	if req.KeyMaterialId != nil {
		id = *req.KeyMaterialId
	}
	deleted := false
	err = s.commit(ctx, call, func(tx *kmsdb.Tx) (changed bool, err error) {
		key, err := keyNow(tx, k.key.Ref())
		if err != nil {
			return false, err
		}
		if err := forMaterialDeletion(&key); err != nil {
			return false, err
		}
		if req.KeyMaterialId == nil { // of now, not of the snapshot
			id = key.Current
		}
		call.ResponseElements = materialRecord(&key, id)
		m := key.Material(id)
		if m == nil && req.KeyMaterialId != nil {
			return false, awserr.New(kmsapi.NotFoundException, "Key material (id: %s) is not associated with KMS key %s.", id, key.ARN())
		}
		if m == nil || m.Absent {
			return false, nil
		}
		deleted = true
		return true, s.dropMaterial(tx, &key, id)
	})
	if err != nil {
		return nil, err
	}
	if deleted {
		s.logHolds.Store(true)
	}
	return &kmsapi.DeleteImportedKeyMaterialResponse{KeyId: new(k.arn), KeyMaterialId: shownMaterial(&k.key, id)}, nil
}

// dropMaterial takes material that is there out of a key and the store. The
// caller sets logHolds when the transaction is done.
func (s *Service) dropMaterial(tx *kmsdb.Tx, k *kmsdb.Key, id string) error {
	removeMaterial(k, id)
	if err := tx.PutKey(k); err != nil {
		return err
	}
	if err := tx.DeleteToken(k.Ref(), id); err != nil {
		return err
	}
	if s.destroyed != nil {
		if err := s.destroyed(tx.Store(), k.Region); err != nil {
			return err
		}
	}
	return s.synchronize(tx, k)
}

// forMaterialDeletion refuses keys that have no imported material to lose.
func forMaterialDeletion(k *kmsdb.Key) error {
	if k.Origin != kmsapi.OriginTypeExternal {
		return invalidOrigin(k)
	}
	switch k.State {
	case kmsapi.KeyStateEnabled, kmsapi.KeyStateDisabled, kmsapi.KeyStatePendingImport,
		kmsapi.KeyStatePendingDeletion, kmsapi.KeyStatePendingReplicaDeletion:
		return nil
	}
	return invalidState(k.ARN(), k.State)
}
