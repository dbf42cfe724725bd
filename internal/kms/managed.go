package kms

import (
	"context"
	"errors"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/store"
)

// This file makes the keys that nobody asks for by CreateKey: the AWS managed
// key of alias/aws/s3, and the key of S3 itself for SSE-S3. Both come into
// being on first use, once per account and region.

const (
	s3AliasName = "alias/aws/s3"
	// Observed in AWS: DescribeKey of alias/aws/s3.
	s3Description = "Default key that protects my S3 objects when no other key is defined"
)

// s3Alias names the alias of S3's AWS managed key of the caller.
func s3Alias(c identity.Caller) kmsdb.AliasRef {
	return kmsdb.AliasRef{Account: c.AccountID, Region: c.Region, Name: s3AliasName}
}

// isS3Alias reports whether a key identifier names that alias.
func isS3Alias(c identity.Caller, keyID string) bool {
	return keyID == s3AliasName || keyID == s3Alias(c).ARN()
}

// ensureManagedKey makes the AWS managed key of alias/aws/s3 of the caller's
// account and region when there is none and the caller may do what it is
// doing with it, by the policy that the key is to have.
func (s *Service) ensureManagedKey(ctx context.Context, call *gate.Call, encryptionContext map[string]string) error {
	alias := s3Alias(call.Caller)
	_, err := s.aliasTarget(ctx, alias)
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	key := s.emptyKey(kmsdb.AWS, alias.Account, alias.Region)
	key.Description = s3Description
	schedule(key, yearly, key.CreationDate)
	key.Policy = managedKeyPolicy(alias.Account, alias.Region)
	doc, err := policy.Parse(policy.Key, []byte(key.Policy))
	if err != nil {
		return err
	}
	with := conditions{keyID: s3AliasName, algorithm: algorithm(nil), encryptionContext: encryptionContext}
	if err := s.decide(ctx, call, call.Op.Action, &snapshot{key: *key, arn: key.ARN(), policy: doc}, with); err != nil {
		return err
	}
	return s.makeManagedKey(ctx, call.Caller, alias, key)
}

// makeManagedKey makes the key and the alias in one transaction. Of concurrent
// first uses, the one whose transaction comes first makes them.
func (s *Service) makeManagedKey(ctx context.Context, c identity.Caller, ref kmsdb.AliasRef, key *kmsdb.Key) error {
	alias := &kmsdb.Alias{
		Account: ref.Account, Region: ref.Region, Name: ref.Name, TargetKeyID: key.ID,
		CreationDate: key.CreationDate, LastUpdatedDate: key.CreationDate,
	}
	return s.makeOnce(ctx, c, key, ref.ARN(), func(tx *kmsdb.Tx, token []byte) (bool, error) {
		if _, err := tx.Alias(ref); !errors.Is(err, store.ErrNotFound) {
			return false, err
		}
		if err := tx.CreateKey(key, token); err != nil {
			return false, err
		}
		return true, tx.PutAlias(alias)
	})
}

// serviceKey returns S3's own key of an account and region, and makes it when
// there is none.
func (s *Service) serviceKey(ctx context.Context, account, region string) (*snapshot, error) {
	if err := s.checkRegion(region); err != nil {
		return nil, err
	}
	ref := kmsdb.KeyRef{Service: "s3", Account: account, Region: region}
	k, err := s.key(ctx, ref)
	if !errors.Is(err, store.ErrNotFound) {
		return k, err
	}
	key := s.emptyKey(kmsdb.Service, account, region)
	key.Service = ref.Service
	c := identity.Caller{AccountID: account, Region: region}
	err = s.makeOnce(ctx, c, key, "", func(tx *kmsdb.Tx, token []byte) (bool, error) {
		if _, err := tx.Key(ref); !errors.Is(err, store.ErrNotFound) {
			return false, err
		}
		return true, tx.CreateKey(key, token)
	})
	if err != nil {
		return nil, err
	}
	return s.key(ctx, ref)
}

// makeOnce gives a key its material and runs a transaction that makes the key
// unless it finds one. What it makes has a record, in S3's own name: the caller
// needs no kms:CreateKey for it. AWS shows no such record for a service's own
// key; ours may not change anything unaudited.
func (s *Service) makeOnce(ctx context.Context, c identity.Caller, key *kmsdb.Key, aliasARN string, fn func(tx *kmsdb.Tx, token []byte) (made bool, err error)) error {
	if err := s.gate.Ready(); err != nil {
		return err
	}
	call := s.gate.Begin(identity.Caller{
		Type: identity.AWSService, AccountID: c.AccountID, Region: c.Region, RequestID: c.RequestID,
	}.Via("s3"), *opCreateKey)
	resources := []string{key.ARN()}
	if aliasARN != "" {
		resources = append(resources, aliasARN)
	}
	made := false
	err := s.withMaterial(ctx, key, func(token []byte) error {
		call.ResponseElements = metadataRecord(key)
		return s.commit(ctx, call, func(tx *kmsdb.Tx) (bool, error) {
			var err error
			made, err = fn(tx, token)
			return made, err
		}, resources...)
	})
	if err == nil && !made {
		return nil // somebody was first: nothing happened that a record could tell
	}
	return call.Finish(coded(ctx, err))
}

// managedKeyPolicy is the key policy of alias/aws/s3: S3 may use the key for the
// account's principals, who need no permission of KMS for that; directly they
// may only look at it, so that DisableKey and the like are refused. Source: AWS managed key of an AWS account, GetKeyPolicy, as
// collected in public (policy Id auto-s3-2).
func managedKeyPolicy(account, region string) string {
	type m = map[string]any
	return encodePolicy(m{
		"Version": "2012-10-17",
		"Id":      "auto-s3-2",
		"Statement": []m{{
			"Sid":       "Allow access through S3 for all principals in the account that are authorized to use S3",
			"Effect":    "Allow",
			"Principal": m{"AWS": "*"},
			"Action":    []string{"kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"},
			"Resource":  "*",
			"Condition": m{"StringEquals": m{"kms:CallerAccount": account, "kms:ViaService": "s3." + region + ".amazonaws.com"}},
		}, {
			"Sid":       "Allow direct access to key metadata to the account",
			"Effect":    "Allow",
			"Principal": m{"AWS": identity.RootARN(account)},
			"Action":    []string{"kms:Describe*", "kms:Get*", "kms:List*"},
			"Resource":  "*",
		}},
	})
}
