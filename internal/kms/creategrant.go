package kms

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"unicode/utf8"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

// AWS's bounds of constraints (KMS Developer Guide, "Using grant constraints").
const (
	maxConstraintPairs  = 8
	maxConstraintLength = 384 // characters of a value
)

// CreateGrant lets a principal do some operations with a key, and is effective
// when it has answered. With a Name, a call that repeats another in everything
// answers the grant that is there, and a token of its own.
// (KMS API Reference, CreateGrant)
func (s *Service) CreateGrant(ctx context.Context, c identity.Caller, req *kmsapi.CreateGrantRequest) (*kmsapi.CreateGrantResponse, error) {
	return do(ctx, s, c, opCreateGrant, req, s.createGrant)
}

func (s *Service) createGrant(ctx context.Context, call *gate.Call, req *kmsapi.CreateGrantRequest) (*kmsapi.CreateGrantResponse, error) {
	call.RequestParameters = createGrantParameters(req)
	g, err := newGrant(req)
	if err != nil {
		return nil, err
	}
	k, err := s.resolve(ctx, call, *req.KeyId, idOrARN)
	if err != nil {
		return nil, err
	}
	if err := s.authorizeGrant(ctx, call, k, g, req); err != nil {
		return nil, err
	}
	if err := forGrant(k.arn, k.key.State); err != nil {
		return nil, err
	}
	if err := k.suits(g); err != nil {
		return nil, err
	}
	if g.Grantee, err = s.party(*req.GranteePrincipal); err != nil {
		return nil, err
	}
	if req.RetiringPrincipal != nil {
		if g.Retiring, err = s.party(*req.RetiringPrincipal); err != nil {
			return nil, err
		}
	}
	if isTrue(req.DryRun) {
		return nil, dryRun()
	}
	g.Account, g.Region, g.KeyID = k.key.Account, k.key.Region, k.key.ID
	g.IssuingAccount, g.CreationDate = call.Caller.AccountID, s.now()
	var id [grantIDSize]byte
	rand.Read(id[:]) // never fails
	g.ID = hex.EncodeToString(id[:])
	if err := s.commit(ctx, call, func(tx *kmsdb.Tx) (changed bool, err error) { return s.putGrant(tx, call, k, g) }); err != nil {
		return nil, err
	}
	token, err := s.newGrantToken(g)
	if err != nil {
		return nil, err
	}
	return &kmsapi.CreateGrantResponse{GrantId: new(g.ID), GrantToken: new(token)}, nil
}

// authorizeGrant asks the gate whether the caller may make g. Who may by a
// policy can grant whatever the policy's conditions leave; who may by a grant,
// no more than that, under a constraint at least as strict (KMS Developer Guide,
// "Granting CreateGrant permission").
func (s *Service) authorizeGrant(ctx context.Context, call *gate.Call, k *snapshot, g *kmsdb.Grant, req *kmsapi.CreateGrantRequest) error {
	with := conditions{grantTokens: req.GrantTokens, encryptionContext: g.Context, grant: &grantConditions{
		GranteePrincipal: *req.GranteePrincipal, ConstraintType: g.Constraint, IsForAWSResource: new(call.Caller.ViaService != ""),
	}}
	for _, o := range g.Operations {
		with.grant.Operations = append(with.grant.Operations, string(o))
	}
	if req.RetiringPrincipal != nil {
		with.grant.RetiringPrincipal = *req.RetiringPrincipal
	}
	ops := opsOf(g.Operations...) | opsOf(kmsapi.GrantOperationCreateGrant)
	with.through = func(set *grantSet) (string, bool) { return set.delegates(ops, g.Constraint, g.Context) }
	return s.authorize(ctx, call, k, with)
}

// putGrant stores g, or makes g the grant that it repeats.
func (s *Service) putGrant(tx *kmsdb.Tx, call *gate.Call, k *snapshot, g *kmsdb.Grant) (changed bool, err error) {
	key, err := keyNow(tx, k.key.Ref())
	if err != nil {
		return false, err
	}
	if err := forGrant(k.arn, key.State); err != nil {
		return false, err
	}
	defer func() { call.ResponseElements = newObject().str("grantId", g.ID).str("keyId", k.arn).end() }()
	if g.Name != "" {
		old, err := tx.GrantNamed(g)
		if err == nil {
			*g = old
			return false, nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return false, err
		}
	}
	n, err := tx.CountGrants(g.Key())
	if err != nil {
		return false, err
	}
	if n >= s.quotas.GrantsPerKey {
		return false, awserr.New(kmsapi.LimitExceededException, "%s has the maximum of %d grants.", k.arn, s.quotas.GrantsPerKey)
	}
	return true, tx.CreateGrant(g)
}

// newGrant makes of a request what it says without regard to the key.
func newGrant(req *kmsapi.CreateGrantRequest) (*kmsdb.Grant, error) {
	g := &kmsdb.Grant{}
	if req.Name != nil {
		g.Name = *req.Name
	}
	for _, o := range req.Operations {
		if !slices.Contains(g.Operations, o) {
			g.Operations = append(g.Operations, o)
		}
	}
	switch {
	case len(g.Operations) == 0:
		return nil, awserr.New(kmsapi.ValidationException, "Grants must contain at least one operation.")
	case len(g.Operations) == 1 && g.Operations[0] == kmsapi.GrantOperationCreateGrant: // text: observed on AWS
		return nil, awserr.New(kmsapi.ValidationException, "Grants must not contain only the CreateGrant operation.")
	}
	if c := req.Constraints; c != nil {
		switch {
		case c.EncryptionContextEquals != nil && c.EncryptionContextSubset != nil:
			return nil, awserr.New(kmsapi.ValidationException, "Constraints can have EncryptionContextEquals or EncryptionContextSubset, not both.")
		case c.EncryptionContextEquals != nil:
			g.Constraint, g.Context = kmsdb.ContextEquals, c.EncryptionContextEquals
		case c.EncryptionContextSubset != nil:
			g.Constraint, g.Context = kmsdb.ContextSubset, c.EncryptionContextSubset
		}
	}
	return g, checkConstraint(g)
}

func checkConstraint(g *kmsdb.Grant) error {
	if g.Constraint == "" {
		return nil
	}
	if n := len(g.Context); n == 0 || n > maxConstraintPairs {
		return awserr.New(kmsapi.ValidationException, "%s must have 1 to %d pairs.", g.Constraint, maxConstraintPairs)
	}
	for _, value := range g.Context {
		if utf8.RuneCountInString(value) > maxConstraintLength {
			return awserr.New(kmsapi.ValidationException, "A value in %s has more than %d characters.", g.Constraint, maxConstraintLength)
		}
	}
	return checkContext(g.Context)
}

// forGrant is for CreateGrant. A key whose key store is out of reach takes it.
func forGrant(arn string, st kmsapi.KeyState) error {
	if st == kmsapi.KeyStateUnavailable {
		return nil
	}
	return forCryptography(arn, st)
}

// suits checks that k can do what g allows (KMS Developer Guide, "Grant
// operations"), and has an encryption context if g constrains it.
func (k *snapshot) suits(g *kmsdb.Grant) error {
	able := k.grantOps()
	for _, o := range g.Operations {
		if able&opsOf(o) == 0 {
			return awserr.New(kmsapi.ValidationException, "Operation %s is not supported by %s, whose key spec is %s and key usage is %s.", o, k.arn, k.key.KeySpec, k.key.KeyUsage)
		}
	}
	if g.Constraint != "" && !k.symmetric() {
		return awserr.New(kmsapi.ValidationException, "%s cannot constrain a grant on %s, which has no encryption context: its key spec is %s.", g.Constraint, k.arn, k.key.KeySpec)
	}
	return nil
}

func (k *snapshot) symmetric() bool {
	return k.key.KeySpec == kmsapi.KeySpecSymmetricDefault && k.key.KeyUsage == kmsapi.KeyUsageTypeEncryptDecrypt
}

// grantOps returns the grant operations that k can do.
func (k *snapshot) grantOps() grantOps {
	ops := opsOf(kmsapi.GrantOperationCreateGrant, kmsapi.GrantOperationRetireGrant, kmsapi.GrantOperationDescribeKey)
	switch k.key.KeyUsage {
	case kmsapi.KeyUsageTypeEncryptDecrypt:
		ops |= opsOf(kmsapi.GrantOperationEncrypt, kmsapi.GrantOperationDecrypt, kmsapi.GrantOperationReEncryptFrom, kmsapi.GrantOperationReEncryptTo)
		if k.symmetric() {
			return ops | opsOf(kmsapi.GrantOperationGenerateDataKey, kmsapi.GrantOperationGenerateDataKeyWithoutPlaintext,
				kmsapi.GrantOperationGenerateDataKeyPair, kmsapi.GrantOperationGenerateDataKeyPairWithoutPlaintext)
		}
	case kmsapi.KeyUsageTypeSignVerify:
		ops |= opsOf(kmsapi.GrantOperationSign, kmsapi.GrantOperationVerify)
	case kmsapi.KeyUsageTypeKeyAgreement:
		ops |= opsOf(kmsapi.GrantOperationDeriveSharedSecret)
	case kmsapi.KeyUsageTypeGenerateVerifyMac:
		return ops | opsOf(kmsapi.GrantOperationGenerateMac, kmsapi.GrantOperationVerifyMac)
	}
	return ops | opsOf(kmsapi.GrantOperationGetPublicKey)
}

// createGrantParameters is requestParameters: grant tokens are not in it.
func createGrantParameters(req *kmsapi.CreateGrantRequest) json.RawMessage {
	o := newObject().str("keyId", *req.KeyId).str("granteePrincipal", *req.GranteePrincipal)
	o = optional(o, "retiringPrincipal", req.RetiringPrincipal)
	ops := make([]string, len(req.Operations))
	for i, op := range req.Operations {
		ops[i] = string(op)
	}
	o = o.strings("operations", ops)
	if c := req.Constraints; c != nil {
		o = o.raw("constraints", newObject().
			pairs("encryptionContextSubset", c.EncryptionContextSubset).pairs("encryptionContextEquals", c.EncryptionContextEquals).end())
	}
	o = optional(o, "name", req.Name)
	if isTrue(req.DryRun) {
		o = o.boolean("dryRun", true)
	}
	return o.end()
}
