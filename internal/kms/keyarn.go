package kms

import (
	"context"
	"errors"
	"strings"

	"github.com/strongroom/strongroom/internal/arn"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

// KeyARN returns the ARN of the key that keyID, a key id, key ARN, alias name or
// alias ARN, means to c in the region of the call. S3 needs it for the condition
// key of bucket policies that names the KMS key. It decides and records nothing,
// and says nothing of other accounts: what is theirs, and an alias that is not
// there, comes back as it is. Whether there is such a key remains open.
func (s *Service) KeyARN(ctx context.Context, c identity.Caller, keyID string) (string, error) {
	name := keyID
	if a, ok := arn.Parse(keyID); ok {
		if a.Service != "kms" || a.AccountID != c.AccountID || a.Region != c.Region {
			return keyID, nil
		}
		name = a.Resource
	}
	ref := kmsdb.KeyRef{Account: c.AccountID, Region: c.Region, ID: name}
	switch {
	case isKeyID(name):
		return ref.ARN(), nil
	case !strings.HasPrefix(name, aliasPrefix), !isAliasName(name):
		return keyID, nil
	}
	target, err := s.aliasTarget(ctx, kmsdb.AliasRef{Account: c.AccountID, Region: c.Region, Name: name})
	if errors.Is(err, store.ErrNotFound) {
		return keyID, nil
	}
	ref.ID = target
	return ref.ARN(), err
}
