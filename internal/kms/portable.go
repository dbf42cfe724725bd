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
// Of another account's key it proves the header first.

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
	if errors.Is(err, store.ErrNotFound) || err == nil && (!k.key.Portable || !symmetric(&k.key)) {
		return nil // damaged, as it seemed
	}
	if err != nil {
		return err
	}
	src.unproved = k.key.Account == call.Caller.AccountID
	if !src.unproved {
		proved, err := s.proves(ctx, k, claimed, src.blob)
		if err != nil || !proved {
			return err
		}
	}
	src.parsed, src.damaged = claimed, nil
	if src.key == nil {
		src.key = k
	}
	return nil
}

// proves reports whether k's material authenticates the header of a blob that
// claims to be under k. For the blob of another account's key it is asked before
// the gate is: any header can be written, and to answer one that names a key
// otherwise than one that names none would tell whoever asks what other accounts
// have. A key that is not enabled is not opened for that, and proves nothing.
func (s *Service) proves(ctx context.Context, k *snapshot, claimed *ciphertext.Blob, blob []byte) (bool, error) {
	m := k.materials[claimed.MaterialID]
	if m == nil || forCryptography(k.arn, k.key.State) != nil {
		return false, nil
	}
	handle, err := s.open(ctx, k, m)
	if err != nil {
		return false, err
	}
	_, err = ciphertext.Parse(handle.HeaderMAC(), blob)
	return err == nil, nil
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
