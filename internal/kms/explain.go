package kms

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/internal/arn"
	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// ErrNoKey says that an identifier means no key: requests for it are answered so
// before anything is decided, at least to the key's own account.
var ErrNoKey = errors.New("there is no such key")

// Question is what the gate is asked about an action on a key or an alias.
type Question struct {
	gate.Request
	// Grants are those on the key whose grantee the caller is, the first
	// maxConsidered of them.
	Grants []ConsideredGrant
	// MoreGrants says that there are others.
	MoreGrants bool
}

// ConsideredGrant is a grant and what it says of a request.
type ConsideredGrant struct {
	kmsdb.Grant
	OfAccount bool // the grantee is the caller's account: an identity policy must allow too
	Operation bool // the grant has the operation
	Met       bool // its constraint is met
}

// ConstraintText says what the constraint is, "" without one.
func (g ConsideredGrant) ConstraintText() string {
	if g.Constraint == "" {
		return ""
	}
	b := []byte(g.Constraint)
	for i, p := range sortedPairs(g.Context) {
		if i == 0 {
			b = append(b, ' ')
		} else {
			b = append(b, ", "...)
		}
		b = append(append(append(b, p.name...), '='), p.value...)
	}
	return string(b)
}

// maxConsidered bounds the grants of a question: a key may have 50,000.
const maxConsidered = 100

// Question returns what the gate is asked when c wants to do an action on what
// an identifier means to it: a key id, alias or ARN. It asks for nothing itself,
// changes nothing, and leaves no record, and so works with a gate without a
// trail and a store that is only read. Of the condition keys that a request
// brings it has the encryption context alone, and what operations fill in by
// themselves.
func (s *Service) Question(ctx context.Context, c identity.Caller, action, id string, encryptionContext map[string]string) (Question, error) {
	op, action := operationOf(action)
	call := s.gate.Begin(c, *op)
	if r, ok := aliasQuestion(call, action, id); ok {
		return Question{Request: r}, nil
	}
	k, err := s.named(ctx, call, id)
	if err != nil {
		return Question{}, err
	}
	with := presumed(op, &k.key)
	with.keyID, with.encryptionContext = id, encryptionContext
	with.ctx, with.service, with.call, with.action, with.key = ctx, s, call, action, k
	q := Question{Request: keyRequest(action, k, with)}
	q.Grant, q.AccountGrant = with.ownGrant, with.accountGrant
	if k.key.Account != c.AccountID {
		q.CrossAccount = crossAccount(op.Name)
		q.Undisclosed = q.CrossAccount
	}
	err = s.consider(ctx, &q, with)
	return q, err
}

// operationOf returns the operation that asks for an action, and the action as
// it spells it: policies do not mind the case, condition keys do.
func operationOf(action string) (*gate.Operation, string) {
	for _, a := range []string{reEncryptFrom, reEncryptTo} {
		if strings.EqualFold(a, action) {
			return opReEncrypt, a
		}
	}
	for _, op := range operations {
		if strings.EqualFold(op.Action, action) {
			return op, op.Action
		}
	}
	_, name, _ := strings.Cut(action, ":")
	return &gate.Operation{EventSource: EventSource, Name: name, Action: action}, action
}

// presumed are the conditions of a request that says no more than it must: its
// message type is the default one, and its algorithm is known where the key has
// only one for the operation, or the request a default.
func presumed(op *gate.Operation, k *kmsdb.Key) *conditions {
	c := &conditions{}
	switch op {
	case opEncrypt, opDecrypt, opReEncrypt:
		c.algorithm = only(encryptionAlgorithms(k))
	case opGenerateDataKey, opGenerateDataKeyWithoutPlaintext, opGenerateDataKeyPair, opGenerateDataKeyPairWithoutPlaintext:
		c.algorithm = kmsapi.EncryptionAlgorithmSpecSymmetricDefault
	case opSign, opVerify:
		c.signingAlgorithm, c.messageType = only(signingAlgorithms(k)), kmsapi.MessageTypeRaw
	case opGenerateMac, opVerifyMac:
		c.macAlgorithm = only(macAlgorithms(k))
	case opDeriveSharedSecret:
		c.agreement = only(agreementAlgorithms(k))
	}
	return c
}

// only returns the element of a list that has one, "" of others.
func only[T ~string](list []T) T {
	if len(list) == 1 {
		return list[0]
	}
	return ""
}

// aliasQuestion is the question about an alias itself, of which no key policy
// speaks.
func aliasQuestion(call *gate.Call, action, id string) (gate.Request, bool) {
	if !isAlias(id) || !slices.Contains([]string{opCreateAlias.Action, opUpdateAlias.Action, opDeleteAlias.Action}, action) {
		return gate.Request{}, false
	}
	ref := kmsdb.AliasRef{Account: call.Caller.AccountID, Region: call.Caller.Region, Name: id}
	if a, ok := arn.Parse(id); ok {
		ref = kmsdb.AliasRef{Account: a.AccountID, Region: a.Region, Name: a.Resource}
	}
	return gate.Request{Action: action, Resource: ref.ARN(), ResourceAccount: ref.Account, Context: &conditions{call: call, alias: true}}, true
}

// named finds a key, of any account, without asking the gate whether the caller
// may hear of it.
func (s *Service) named(ctx context.Context, call *gate.Call, id string) (*snapshot, error) {
	account, name := call.Caller.AccountID, id
	if a, ok := arn.Parse(id); ok {
		account, name = a.AccountID, strings.TrimPrefix(a.Resource, "key/")
		if a.Service != "kms" {
			return nil, errors.New("want a KMS key: its id, alias or ARN")
		}
		if a.Region != call.Caller.Region {
			return nil, errors.New("a key of another region does not exist in region " + call.Caller.Region)
		}
	}
	k, err := s.find(ctx, call, account, name, strings.HasPrefix(name, aliasPrefix))
	if awserr.CodeOf(err) == kmsapi.NotFoundException {
		return nil, ErrNoKey
	}
	return k, err
}

// consider adds the grants to a question.
func (s *Service) consider(ctx context.Context, q *Question, with *conditions) error {
	ops := opOf(with.action)
	own, ofAccount := grantees(with.call.Caller), granteeAccount(with.call.Caller)
	for _, grantee := range append(slices.Clone(own), ofAccount...) {
		grants, last, bad, err := s.db.Granted(ctx, with.key.key.Ref(), grantee, "", maxConsidered)
		if err = errors.Join(append(bad, err)...); err != nil {
			return err
		}
		q.MoreGrants = q.MoreGrants || last != ""
		for _, g := range grants {
			one := newGrantSet()
			one.add(&g)
			_, met := one.allows(opsOf(g.Operations...)&ops, with.encryptionContext)
			q.Grants = append(q.Grants, ConsideredGrant{
				Grant: g, OfAccount: slices.Contains(ofAccount, grantee), Operation: opsOf(g.Operations...)&ops != 0,
				Met: met || opsOf(g.Operations...)&ops == 0 && g.Constraint == "",
			})
		}
	}
	return nil
}

// Grantees returns the unique ids of everybody with a grant on a key, given by
// its ARN. Whoever has several comes several times.
func (s *Service) Grantees(ctx context.Context, key string) (ids []string, err error) {
	a, ok := arn.Parse(key)
	id, isKey := strings.CutPrefix(a.Resource, "key/")
	if !ok || !isKey || a.Service != "kms" {
		return nil, nil
	}
	ref := kmsdb.KeyRef{Account: a.AccountID, Region: a.Region, ID: id}
	for after := ""; ; {
		grants, err := s.db.Grants(ctx, ref, "", after, grantPage)
		if err != nil {
			return nil, err
		}
		for i := range grants {
			ids = append(ids, grants[i].Grantee.ID)
		}
		if len(grants) < grantPage {
			return ids, nil
		}
		after = grants[len(grants)-1].ID
	}
}
