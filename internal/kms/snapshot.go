package kms

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/kms/ciphertext"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// snapshot is a key as one revision of its record has it, with its material
// opened. It is immutable; a newer revision makes a new one.
type snapshot struct {
	key kmsdb.Key
	arn string // empty for a service's own key

	current   *material
	materials map[[32]byte]*material

	// policy is what the gate is given; see policyFor.
	policy    []byte
	isDefault bool // policy is AWS's default key policy
}

// material is one version of the key material: a handle and its names.
type material struct {
	handle *hsm.BackingKey
	id     string            // 64 hexadecimal digits
	header ciphertext.Header // of blobs made under it
	event  json.RawMessage   // additionalEventData of records
}

// loadKey reads a key and opens its material.
func (s *Service) loadKey(ctx context.Context, ref kmsdb.KeyRef) (*snapshot, error) {
	key, err := s.db.Key(ctx, ref)
	if err != nil {
		return nil, err
	}
	k := &snapshot{key: key, materials: make(map[[32]byte]*material, len(key.Materials))}
	if key.Manager != kmsdb.Service {
		k.arn = ref.ARN()
		k.policy = []byte(key.Policy)
		k.isDefault = isDefaultPolicy(key.Policy, key.Account)
	}
	for _, m := range key.Materials {
		token, err := s.db.Token(ctx, ref, m.ID)
		if err != nil {
			return nil, err
		}
		handle, err := s.module.LoadBackingKey(token, key.Binding())
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", ref, err)
		}
		id := handle.ID()
		if hex.EncodeToString(id[:]) != m.ID {
			return nil, fmt.Errorf("key %s: token of key material %s holds other material", ref, m.ID)
		}
		k.materials[id] = &material{
			handle: handle, id: m.ID,
			header: ciphertext.Header{Account: key.Account, Region: key.Region, KeyID: key.ID, MaterialID: id},
			event:  json.RawMessage(`{"keyMaterialId":"` + m.ID + `"}`),
		}
		if m.ID == key.Current {
			k.current = k.materials[id]
		}
	}
	if k.current == nil {
		return nil, fmt.Errorf("key %s: its current key material %q is not among its materials", ref, key.Current)
	}
	return k, nil
}
