package kms

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/secret"
	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/uuid"
)

// MaterialSize is the size in bytes of the key material of a symmetric
// encryption key.
const MaterialSize = 32

// Seed is a customer managed symmetric encryption key that the operator
// declares. What it leaves out stays as it is in a key that is there.
type Seed struct {
	Account, Region string
	ID              string // a UUID
	Description     *string
	Enabled         *bool // of a new key: nil means enabled
	Aliases         []string
	Tags            map[string]string // nil: left alone; else just these
	// Policy is the key policy, JSON. Empty: a new key gets the default one.
	Policy string

	// Material is the key's material, MaterialSize bytes, for tests: whoever
	// has the declaration has the key. Empty: random, as for any key. Servers
	// that are given the same material for the same id open each other's
	// ciphertexts.
	Material secret.Bytes
}

// PutKeyIn makes sure, in a transaction of the caller's, that the key is there
// as declared. Doing it again changes nothing. An id whose key has other
// material is refused. A key that waits for its deletion is left alone.
func (s *Service) PutKeyIn(tx *store.Tx, seed Seed) error {
	if err := s.checkSeed(seed); err != nil {
		return err
	}
	db := s.db.In(tx)
	ref := kmsdb.KeyRef{Account: seed.Account, Region: seed.Region, ID: seed.ID}
	key, err := db.Key(ref)
	event := "UpdateKey"
	changed := false
	switch {
	case errors.Is(err, store.ErrNotFound):
		event, changed = "CreateKey", true
		if key, err = s.plant(tx, db, seed); err != nil {
			return err
		}
	case err != nil:
		return err
	case key.State == kmsapi.KeyStatePendingDeletion:
		return nil
	default:
		if changed, err = s.tend(tx, db, &key, seed); err != nil {
			return err
		}
	}
	renamed, err := s.nameSeed(db, seed)
	if err != nil || !changed && !renamed {
		return err
	}
	record, err := audit.Own{
		Source: EventSource, Name: event, Account: seed.Account, Region: seed.Region, Time: s.clock(), EventID: uuid.New(),
	}.With(map[string]any{"keyId": ref.ARN(), "aliases": seed.Aliases, "importedMaterial": key.Portable})
	if err != nil {
		return err
	}
	record.Resources = []audit.Resource{{AccountID: seed.Account, Type: resourceType, ARN: ref.ARN()}}
	tx.SetRecord(record.AppendJSON(nil))
	return nil
}

func (s *Service) checkSeed(seed Seed) error {
	switch {
	case !slices.Contains(s.regions, seed.Region):
		return fmt.Errorf("key %s: region %q is not enabled; enable it with --region", seed.ID, seed.Region)
	case !isKeyID(seed.ID) || len(seed.ID) != 36 || seed.ID != strings.ToLower(seed.ID):
		return fmt.Errorf("key %q: a key id is a UUID in small letters, such as 1234abcd-12ab-34cd-56ef-1234567890ab", seed.ID)
	case seed.Description != nil && utf8.RuneCountInString(*seed.Description) > maxDescription:
		return fmt.Errorf("key %s: a description has at most %d characters", seed.ID, maxDescription)
	case seed.Material.Len() != 0 && seed.Material.Len() != MaterialSize:
		return fmt.Errorf("key %s: key material has %d bytes", seed.ID, MaterialSize)
	}
	for _, name := range seed.Aliases {
		if err := checkAliasName(name); err != nil || !isAliasName(name) || len(name) > maxAliasName {
			return fmt.Errorf("key %s: alias %q: a name is alias/ and then letters, digits, and / _ -, of %d characters at most, and does not begin with alias/aws/", seed.ID, name, maxAliasName)
		}
	}
	return nil
}

// The model's limits of DescriptionType and AliasNameType, in characters. What
// is longer no request could change any more.
const (
	maxDescription = 8192
	maxAliasName   = 256
)

// plant makes the key.
func (s *Service) plant(tx *store.Tx, db *kmsdb.Tx, seed Seed) (kmsdb.Key, error) {
	key := s.emptyKey(kmsdb.Customer, seed.Account, seed.Region)
	key.ID, key.Policy, key.Portable = seed.ID, defaultPolicy(seed.Account), seed.Material.Len() > 0
	var token []byte
	var err error
	if key.Portable {
		token, err = s.module.ImportKey(key.Binding(), seed.Material)
	} else {
		token, err = s.module.GenerateKey(key.Binding())
	}
	if err != nil {
		return kmsdb.Key{}, err
	}
	if err := s.addMaterial(key, token); err != nil {
		return kmsdb.Key{}, err
	}
	if _, err := s.declare(tx, key, seed); err != nil {
		return kmsdb.Key{}, err
	}
	n, err := db.CountKeys(key.Account, key.Region)
	if err != nil {
		return kmsdb.Key{}, err
	}
	if n >= s.quotas.Keys {
		return kmsdb.Key{}, fmt.Errorf("key %s: the account has the maximum of %d keys in this region", seed.ID, s.quotas.Keys)
	}
	return *key, db.CreateKey(key, token)
}

// tend brings a key that is there to what is declared.
func (s *Service) tend(tx *store.Tx, db *kmsdb.Tx, key *kmsdb.Key, seed Seed) (changed bool, err error) {
	if key.Manager != kmsdb.Customer {
		return false, fmt.Errorf("key %s is an AWS managed key", seed.ID)
	}
	if seed.Material.Len() > 0 {
		token, err := s.module.ImportKey(key.Binding(), seed.Material)
		if err != nil {
			return false, err
		}
		id, err := s.module.MaterialID(token, key.Binding())
		if err != nil {
			return false, err
		}
		if !slices.ContainsFunc(key.Materials, func(m kmsdb.Material) bool { return m.ID == hex.EncodeToString(id[:]) }) {
			return false, fmt.Errorf("key %s is there with other key material: declare another id, or leave its material out", seed.ID)
		}
	}
	if changed, err = s.declare(tx, key, seed); err != nil || !changed {
		return false, err
	}
	return true, db.PutKey(key)
}

// declare sets what the seed says of a key, and reports whether that was news.
func (s *Service) declare(tx *store.Tx, key *kmsdb.Key, seed Seed) (changed bool, err error) {
	if seed.Description != nil && *seed.Description != key.Description {
		key.Description, changed = *seed.Description, true
	}
	if seed.Enabled != nil {
		state := kmsapi.KeyStateEnabled
		if !*seed.Enabled {
			state = kmsapi.KeyStateDisabled
		}
		if key.State != state {
			key.State, changed = state, true
		}
	}
	if seed.Tags != nil {
		var given []kmsapi.Tag
		for name, value := range seed.Tags {
			if n := utf8.RuneCountInString(name); n < 1 || n > maxTagKey || utf8.RuneCountInString(value) > maxTagValue {
				return false, fmt.Errorf("key %s: a tag has a key of 1 to %d characters and a value of at most %d", seed.ID, maxTagKey, maxTagValue)
			}
			given = append(given, kmsapi.Tag{TagKey: &name, TagValue: &value})
		}
		tags, err := newTags(nil, given)
		if err != nil {
			return false, fmt.Errorf("key %s: %w", seed.ID, err)
		}
		if !slices.Equal(tags, key.Tags) {
			key.Tags, changed = tags, true
		}
	}
	if seed.Policy != "" {
		doc, err := s.parsePolicy(seed.Policy)
		if err == nil {
			doc, err = storedPolicy(doc, s.principalsIn(tx))
		}
		if err != nil {
			return false, fmt.Errorf("key %s: %w", seed.ID, policyFault(err))
		}
		if text := string(doc.Text()); text != key.Policy {
			key.Policy, changed = text, true
		}
	}
	return changed, nil
}

// policyFault is why a policy is refused, with its place, which AWS's error of
// a request does not always have.
func policyFault(err error) error {
	if e, ok := errors.AsType[*policy.Error](err); ok {
		return fmt.Errorf("policy: %w", e)
	}
	return err
}

// The model's limits of TagKeyType and TagValueType, in characters.
const (
	maxTagKey   = 128
	maxTagValue = 256
)

// nameSeed makes the aliases stand for the key, whatever they stood for.
func (s *Service) nameSeed(db *kmsdb.Tx, seed Seed) (changed bool, err error) {
	for _, name := range seed.Aliases {
		ref := kmsdb.AliasRef{Account: seed.Account, Region: seed.Region, Name: name}
		alias, err := db.Alias(ref)
		switch {
		case err == nil && alias.TargetKeyID == seed.ID:
			continue
		case errors.Is(err, store.ErrNotFound):
			alias = kmsdb.Alias{Account: ref.Account, Region: ref.Region, Name: ref.Name, CreationDate: s.now()}
		case err != nil:
			return false, err
		}
		n, err := db.CountAliases(kmsdb.KeyRef{Account: seed.Account, Region: seed.Region, ID: seed.ID}, s.quotas.AliasesPerKey)
		if err != nil {
			return false, err
		}
		if n >= s.quotas.AliasesPerKey {
			return false, fmt.Errorf("key %s has the maximum of %d aliases", seed.ID, s.quotas.AliasesPerKey)
		}
		alias.TargetKeyID, alias.LastUpdatedDate, changed = seed.ID, s.now(), true
		if err := db.PutAlias(&alias); err != nil {
			return false, err
		}
	}
	return changed, nil
}
