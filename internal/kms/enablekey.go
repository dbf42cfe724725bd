package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// EnableKey makes a disabled key usable again. (KMS API Reference, EnableKey)
func (s *Service) EnableKey(ctx context.Context, c identity.Caller, req *kmsapi.EnableKeyRequest) error {
	_, err := do(ctx, s, c, opEnableKey, req, func(ctx context.Context, call *gate.Call, req *kmsapi.EnableKeyRequest) (*void, error) {
		return nil, s.setState(ctx, call, *req.KeyId, kmsapi.KeyStateEnabled)
	})
	return err
}

// DisableKey makes a key unusable for cryptography until EnableKey. When it
// returns, no later call uses the key. (KMS API Reference, DisableKey)
func (s *Service) DisableKey(ctx context.Context, c identity.Caller, req *kmsapi.DisableKeyRequest) error {
	_, err := do(ctx, s, c, opDisableKey, req, func(ctx context.Context, call *gate.Call, req *kmsapi.DisableKeyRequest) (*void, error) {
		return nil, s.setState(ctx, call, *req.KeyId, kmsapi.KeyStateDisabled)
	})
	return err
}

// void is the answer of operations that have none.
type void struct{}

func (s *Service) setState(ctx context.Context, call *gate.Call, keyID string, state kmsapi.KeyState) error {
	call.RequestParameters = newObject().str("keyId", keyID).end()
	k, err := s.resolve(ctx, call, keyID, idOrARN)
	if err != nil {
		return err
	}
	if err := s.authorize(ctx, call, k, conditions{}); err != nil {
		return err
	}
	call.ResponseElements = keyRecord(k.arn)
	return s.commit(ctx, call, func(tx *kmsdb.Tx) (changed bool, err error) {
		key, err := keyNow(tx, k.key.Ref())
		if err != nil {
			return false, err
		}
		if err := forEnabling(k.arn, key.State); err != nil {
			return false, err
		}
		if key.State == state {
			return false, nil
		}
		key.State = state
		return true, tx.PutKey(&key)
	})
}

// commit runs one mutation in a transaction that also holds the call's records,
// so that no change is without them whenever the process dies. When fn changed
// nothing, the record is written like that of a read.
//
// Made are the ARNs of what fn makes. They are in the record of the change
// alone: that of a failure must not name what never was.
func (s *Service) commit(ctx context.Context, call *gate.Call, fn func(*kmsdb.Tx) (changed bool, err error), made ...string) error {
	recorded := false
	err := s.db.Update(ctx, func(tx *kmsdb.Tx) error {
		changed, err := fn(tx)
		if err != nil || !changed {
			return err
		}
		records := call.Records() // fixes time and event id, of the copy too
		if len(made) > 0 {
			done := *call
			for _, arn := range made {
				done.AddResource(arn, call.Caller.AccountID, resourceType)
			}
			records = done.Records()
		}
		tx.SetRecord(records...)
		recorded = true
		return nil
	})
	if err == nil && recorded {
		call.Committed()
	}
	return err
}
