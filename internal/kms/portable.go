package kms

import (
	"context"
	"errors"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/kms/ciphertext"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

// A blob's header is authenticated by a key of this server's, so that a damaged
// blob is known before anything of it is believed. A portable key, whose
// material other servers have too, cannot go by that: the key that
// authenticates the headers of its blobs comes from its material. It is found
// by what the header claims, and proves the header once the caller was
// authorised for it; until then nothing but the choice of the key was based on it.

// headerKey returns what authenticates the headers of blobs under k, of which
// handle is the current material.
func (s *Service) headerKey(k *snapshot, handle *hsm.BackingKey) *hsm.MACKey {
	if k.key.Portable {
		return handle.HeaderMAC()
	}
	return s.headerMAC
}

// findPortable looks whether a blob that this server's key did not authenticate
// claims to be under a portable key that is here.
func (s *Service) findPortable(ctx context.Context, call *gate.Call, src *source) error {
	claimed, err := ciphertext.Peek(src.blob)
	if err != nil || claimed.Region != call.Caller.Region || !isAccount(claimed.Account) || !isKeyID(claimed.KeyID) {
		return nil // the last two: a name that is not even one must not reach the database
	}
	k, err := s.key(ctx, kmsdb.KeyRef{Account: claimed.Account, Region: claimed.Region, ID: claimed.KeyID})
	if errors.Is(err, store.ErrNotFound) || err == nil && !k.key.Portable {
		return nil // damaged, as it seemed
	}
	if err != nil {
		return err
	}
	src.parsed, src.damaged, src.unproved = claimed, nil, true
	if src.key == nil {
		src.key = k
	}
	return nil
}

// isAccount reports whether id is an account id: 12 digits.
func isAccount(id string) bool {
	for i := range len(id) {
		if id[i] < '0' || id[i] > '9' {
			return false
		}
	}
	return len(id) == 12
}
