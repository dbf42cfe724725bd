package kms

import (
	"context"
	"errors"
	"strings"

	"github.com/strongroom/strongroom/internal/arn"
	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/store"
)

// form says which key identifiers an operation takes.
type form uint8

const (
	idOrARN form = 1 + iota // key id, key ARN
	anyForm                 // also alias name, alias ARN
)

// resolve finds the key that id means to the caller. An id or alias without an
// account is one of the caller's, in the region of the call.
//
// Errors (texts: recorded from AWS): NotFoundException for what is malformed,
// of another region, or not there in the caller's account. What is not there in
// another account is found as a [phantom].
func (s *Service) resolve(ctx context.Context, call *gate.Call, id string, f form) (*snapshot, error) {
	return s.resolveFor(ctx, call, call.Op.Action, id, f)
}

// resolveFor is resolve for an operation that takes several actions.
func (s *Service) resolveFor(ctx context.Context, call *gate.Call, action, id string, f form) (*snapshot, error) {
	account, name, byAlias := call.Caller.AccountID, id, strings.HasPrefix(id, aliasPrefix)
	if strings.HasPrefix(id, "arn:") {
		a, ok := arn.Parse(id)
		if !ok || a.Partition != arn.Partition || a.Service != "kms" || a.AccountID == "" {
			return nil, invalidKeyID(id)
		}
		if a.Region != call.Caller.Region {
			return nil, awserr.New(kmsapi.NotFoundException, "Invalid arn %s", a.Region)
		}
		var isKey bool
		account, byAlias = a.AccountID, strings.HasPrefix(a.Resource, aliasPrefix)
		if name, isKey = strings.CutPrefix(a.Resource, "key/"); !isKey && !byAlias {
			return nil, invalidKeyID(id)
		}
	}
	if byAlias && f != anyForm || !byAlias && !isKeyID(name) {
		return nil, invalidKeyID(id)
	}
	if account == call.Caller.AccountID {
		return s.find(ctx, call, account, name, byAlias)
	}
	if !crossAccount(call.Op.Name) {
		err := call.Authorize(gate.Request{Action: action, Resource: id, ResourceAccount: account, Kind: policy.Key})
		if err == nil {
			err = errors.New("another account was allowed " + action)
		}
		return nil, err
	}
	k, err := s.find(ctx, call, account, name, byAlias)
	if awserr.CodeOf(err) == kmsapi.NotFoundException {
		return phantom(account, call.Caller.Region, id), nil
	}
	return k, err
}

// phantom stands for a key of another account that is not there. It has no
// policy, so that the gate refuses it, in its turn and in the words that a key
// is refused in whose policy does not let the caller in. If it were refused
// where it is missed, an operation on two keys would tell by its order.
func phantom(account, region, id string) *snapshot {
	return &snapshot{key: kmsdb.Key{Account: account, Region: region}, arn: id}
}

// find looks a key up by its id or the name of an alias.
func (s *Service) find(ctx context.Context, call *gate.Call, account, name string, byAlias bool) (*snapshot, error) {
	ref := kmsdb.KeyRef{Account: account, Region: call.Caller.Region, ID: name}
	if byAlias {
		alias := kmsdb.AliasRef{Account: account, Region: call.Caller.Region, Name: name}
		if !isAliasName(name) { // no alias has it, and the store need not see it
			return nil, noAlias(alias)
		}
		target, err := s.aliasTarget(ctx, alias)
		if errors.Is(err, store.ErrNotFound) {
			return nil, noAlias(alias)
		}
		if err != nil {
			return nil, err
		}
		ref.ID = target
	}
	k, err := s.key(ctx, ref)
	if errors.Is(err, store.ErrNotFound) {
		return nil, noKey(ref)
	}
	return k, err
}

// keyNow reads a key inside the transaction that is to change it: its state is
// what counts then, not that of the snapshot.
func keyNow(tx *kmsdb.Tx, ref kmsdb.KeyRef) (kmsdb.Key, error) {
	k, err := tx.Key(ref)
	if errors.Is(err, store.ErrNotFound) {
		return kmsdb.Key{}, noKey(ref)
	}
	return k, err
}

func noKey(ref kmsdb.KeyRef) error {
	return awserr.New(kmsapi.NotFoundException, "Key '%s' does not exist", ref.ARN())
}

func noAlias(ref kmsdb.AliasRef) error {
	return awserr.New(kmsapi.NotFoundException, "Alias %s is not found.", ref.ARN())
}

func invalidKeyID(id string) error {
	return awserr.New(kmsapi.NotFoundException, "Invalid keyId '%s'", id)
}

// aliasPrefix begins every alias name.
const aliasPrefix = "alias/"

// isAlias reports whether a key identifier is an alias name or alias ARN.
func isAlias(id string) bool {
	if a, ok := arn.Parse(id); ok {
		id = a.Resource
	}
	return strings.HasPrefix(id, aliasPrefix)
}

// isKeyID reports whether id is a UUID, or mrk- and 32 hexadecimal digits.
func isKeyID(id string) bool {
	if rest, ok := strings.CutPrefix(id, "mrk-"); ok {
		return len(rest) == 32 && isHex(rest)
	}
	return len(id) == 36 && id[8] == '-' && id[13] == '-' && id[18] == '-' && id[23] == '-' &&
		isHex(id[:8]) && isHex(id[9:13]) && isHex(id[14:18]) && isHex(id[19:23]) && isHex(id[24:])
}

// isAliasName reports whether a name has only the characters of AliasNameType.
func isAliasName(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == ':', c == '/', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}
