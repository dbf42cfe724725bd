package kms

import (
	"cmp"
	"fmt"
	"math"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// Quotas say how much there may be. They hold for each account and region alike,
// and count when something is added: what is there stays when one is lowered. A
// field that is 0 means AWS's default (KMS Developer Guide, "Resource quotas").
type Quotas struct {
	Keys              int // customer managed keys of an account in a region, in whatever state; 100,000
	AliasesPerKey     int // 50
	GrantsPerKey      int // 50,000
	CustomKeyStores   int // of an account in a region; 10
	OnDemandRotations int // of one key in its life; 25
	PolicyBytes       int // of a key policy; 32,768
}

// byName leads to the field of each quota.
func (q *Quotas) byName() []namedQuota {
	return []namedQuota{
		{"keys", &q.Keys, 100_000, math.MaxInt32},
		{"aliases-per-key", &q.AliasesPerKey, 50, 10_000},
		{"grants-per-key", &q.GrantsPerKey, 50_000, math.MaxInt32},
		{"custom-key-stores", &q.CustomKeyStores, 10, 1000},
		{"on-demand-rotations", &q.OnDemandRotations, 25, 10_000},
		{"policy-bytes", &q.PolicyBytes, 32 << 10, 131_072}, // the model's bound
	}
}

type namedQuota struct {
	name    string
	value   *int
	usual   int // AWS's
	maximum int
}

// Set sets a quota by its name: keys, aliases-per-key, grants-per-key,
// custom-key-stores, on-demand-rotations or policy-bytes.
func (q *Quotas) Set(name string, value int) error {
	names := ""
	for i, n := range q.byName() {
		if n.name == name {
			if value < 1 || value > n.maximum {
				return fmt.Errorf("%s=%d: want 1 to %d", name, value, n.maximum)
			}
			*n.value = value
			return nil
		}
		if i > 0 {
			names += ", "
		}
		names += n.name
	}
	return fmt.Errorf("%q is no quota: want one of %s", name, names)
}

// complete fills in AWS's defaults.
func (q *Quotas) complete() {
	for _, n := range q.byName() {
		*n.value = cmp.Or(*n.value, n.usual)
	}
}

// keyQuota refuses one customer managed key more than an account may have in a
// region.
func (s *Service) keyQuota(tx *kmsdb.Tx, account, region string) error {
	n, err := tx.CountKeys(account, region)
	if err == nil && n >= s.quotas.Keys {
		err = awserr.New(kmsapi.LimitExceededException, "The account has the maximum of %d keys in this region.", s.quotas.Keys)
	}
	return err
}

// aliasQuota refuses one alias too many for a key.
func (s *Service) aliasQuota(tx *kmsdb.Tx, k *kmsdb.Key) error {
	n, err := tx.CountAliases(k.Ref(), s.quotas.AliasesPerKey)
	if err == nil && n >= s.quotas.AliasesPerKey {
		return awserr.New(kmsapi.LimitExceededException, "%s has the maximum of %d aliases.", k.ARN(), s.quotas.AliasesPerKey)
	}
	return err
}
