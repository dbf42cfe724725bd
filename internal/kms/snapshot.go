package kms

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/kms/ciphertext"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/policy"
)

// snapshot is a key as one revision of its record has it. It is immutable but
// for the handles of its material; a newer revision makes a new one.
type snapshot struct {
	key kmsdb.Key // but for Policy, which is below, compiled
	arn string    // empty for a service's own key

	current   *material // nil: no material was ever imported
	materials map[[32]byte]*material

	policy *policy.Document // nil for a service's own key
}

// material is one version of the key material: its names, and a handle once it
// was used.
type material struct {
	id     string            // 64 hexadecimal digits
	header ciphertext.Header // of blobs made under it
	event  json.RawMessage   // additionalEventData of records
	ends   time.Time         // when imported material expires; zero: it does not

	// One of them, by the key's type; nil until open.
	handle atomic.Pointer[hsm.BackingKey]
	pair   atomic.Pointer[hsm.KeyPair]
	hmac   atomic.Pointer[hsm.HMACKey]
}

// What a snapshot takes in the cache beside its texts. All are generous: a
// bound is wanted, not the figure.
const (
	snapshotSize = 1 << 10
	materialSize = 1 << 10
	tagSize      = 64
	// compiledPolicy is how many times the size of its text a policy takes.
	compiledPolicy = 8
)

func (k *snapshot) size() int {
	n := snapshotSize + len(k.materials)*materialSize + len(k.key.Description)
	if t := k.key.Type(); t != hsm.Symmetric {
		n += t.HandleSize() // those have one material
	}
	if k.policy != nil {
		n += compiledPolicy * len(k.policy.Text())
	}
	for _, t := range k.key.Tags {
		n += tagSize + len(t.Key) + len(t.Value)
	}
	return n
}

// loadKey reads a key. It leaves the key material closed: what only looks at a
// key needs none, and a key that is disabled has no handle in memory.
func (s *Service) loadKey(ctx context.Context, ref kmsdb.KeyRef) (*snapshot, error) {
	key, err := s.db.Key(ctx, ref)
	if err != nil {
		return nil, err
	}
	return newSnapshot(key)
}

func newSnapshot(key kmsdb.Key) (*snapshot, error) {
	ref := key.Ref()
	k := &snapshot{key: key, materials: make(map[[32]byte]*material, len(key.Materials))}
	if key.Manager != kmsdb.Service {
		k.arn = ref.ARN()
		var err error
		if k.policy, err = policy.Parse(policy.Key, []byte(key.Policy)); err != nil {
			return nil, fmt.Errorf("key %s: its policy: %w", ref, err)
		}
	}
	k.key.Policy = ""
	for _, v := range key.Materials {
		var id [32]byte
		if n, err := hex.Decode(id[:], []byte(v.ID)); err != nil || n != len(id) {
			return nil, fmt.Errorf("key %s: %q is no id of key material", ref, v.ID)
		}
		m := &material{
			id:     v.ID,
			header: ciphertext.Header{Account: key.Account, Region: key.Region, KeyID: key.ID, MaterialID: id},
			event:  json.RawMessage(`{"keyMaterialId":"` + v.ID + `"}`),
			ends:   v.ValidTo,
		}
		k.materials[id] = m
		if v.ID == key.Current {
			k.current = m
		}
	}
	if k.current == nil && (key.Current != "" || len(key.Materials) > 0) {
		return nil, fmt.Errorf("key %s: its current key material %q is not among its materials", ref, key.Current)
	}
	return k, nil
}

// open returns the handle of m, one of the materials of k, a symmetric
// encryption key. Call it last: after the caller was authorized and the key's
// state allowed its use.
func (s *Service) open(ctx context.Context, k *snapshot, m *material) (*hsm.BackingKey, error) {
	return openHandle(ctx, s, k, m, &m.handle, s.module.LoadBackingKey)
}

// openPair is open for the material of an asymmetric key.
func (s *Service) openPair(ctx context.Context, k *snapshot) (*hsm.KeyPair, error) {
	return openHandle(ctx, s, k, k.current, &k.current.pair, func(token []byte, b hsm.Binding) (*hsm.KeyPair, error) {
		return s.module.LoadKeyPair(token, k.key.Type(), b)
	})
}

// openHMAC is open for the material of an HMAC key.
func (s *Service) openHMAC(ctx context.Context, k *snapshot) (*hsm.HMACKey, error) {
	return openHandle(ctx, s, k, k.current, &k.current.hmac, func(token []byte, b hsm.Binding) (*hsm.HMACKey, error) {
		return s.module.LoadHMACKey(token, k.key.Type(), b)
	})
}

func openHandle[H any, P interface {
	*H
	ID() [32]byte
}](ctx context.Context, s *Service, k *snapshot, m *material, slot *atomic.Pointer[H], load func([]byte, hsm.Binding) (P, error)) (P, error) {
	if !m.ends.IsZero() && !m.ends.After(s.clock()) { // and is about to be deleted
		return nil, invalidState(k.arn, kmsapi.KeyStatePendingImport)
	}
	if handle := slot.Load(); handle != nil {
		return handle, nil
	}
	handle, err := loadHandle(ctx, s, k, m, load)
	if errors.Is(err, hsm.ErrUnknownDomainKey) {
		// The domain key was rotated, and the version that wrapped the token
		// as it was read is destroyed: another one is there now.
		handle, err = loadHandle(ctx, s, k, m, load)
	}
	if err != nil {
		return nil, err
	}
	if handle.ID() != m.header.MaterialID {
		return nil, fmt.Errorf("key %s: token of key material %s holds other material", k.key.Ref(), m.id)
	}
	slot.Store(handle) // of concurrent first uses any may stay: they are the same
	return handle, nil
}

// loadHandle reads a token and opens it.
func loadHandle[P any](ctx context.Context, s *Service, k *snapshot, m *material, load func([]byte, hsm.Binding) (P, error)) (handle P, err error) {
	ref := k.key.Ref()
	token, err := s.db.Token(ctx, ref, m.id)
	if err != nil {
		return handle, err
	}
	if handle, err = load(token, k.key.Binding()); err != nil {
		return handle, fmt.Errorf("key %s: %w", ref, err)
	}
	return handle, nil
}
