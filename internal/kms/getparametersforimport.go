package kms

import (
	"context"
	"errors"
	"time"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/secret"
)

// importWindow is how long a public key and its import token are good.
const importWindow = 24 * time.Hour

// errNoImports is the answer of a Service whose Config has no Imports.
var errNoImports = errors.New("kms: this server has no key for import tokens")

// GetParametersForImport makes a wrapping key for material of a key of origin
// EXTERNAL: its public key goes out, and its private key in the import token,
// sealed for this server and this key. Both are good for 24 hours, as often as one
// likes. (KMS API Reference, GetParametersForImport)
func (s *Service) GetParametersForImport(ctx context.Context, c identity.Caller, req *kmsapi.GetParametersForImportRequest) (*kmsapi.GetParametersForImportResponse, error) {
	return do(ctx, s, c, opGetParametersForImport, req, s.getParametersForImport)
}

func (s *Service) getParametersForImport(ctx context.Context, call *gate.Call, req *kmsapi.GetParametersForImportRequest) (*kmsapi.GetParametersForImportResponse, error) {
	call.RequestParameters = newObject().
		str("keyId", *req.KeyId).
		str("wrappingAlgorithm", string(*req.WrappingAlgorithm)).
		str("wrappingKeySpec", string(*req.WrappingKeySpec)).end()
	k, err := s.resolve(ctx, call, *req.KeyId, idOrARN)
	if err != nil {
		return nil, err
	}
	err = s.authorize(ctx, call, k, conditions{wrappingAlgorithm: string(*req.WrappingAlgorithm), wrappingKeySpec: string(*req.WrappingKeySpec)})
	if err != nil {
		return nil, err
	}
	if err := forImport(&k.key); err != nil {
		return nil, err
	}
	if s.imports == nil {
		return nil, errNoImports
	}
	wrappingKey, method, err := s.wrapping(&k.key, req)
	if err != nil {
		return nil, err
	}
	var token, public []byte
	var validTo time.Time
	err = s.inTurn(ctx, call.Caller.AccountID, wrappingKey, func() (err error) {
		validTo = s.now().Add(importWindow)
		token, public, err = s.imports.Issue(k.key.Binding(), wrappingKey, method, validTo)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &kmsapi.GetParametersForImportResponse{
		KeyId: new(k.arn), ImportToken: token, PublicKey: secret.New(public), ParametersValidTo: new(validTo),
	}, nil
}

// wrapping returns the wrapping key's type and the method of a request, if there
// are such in the key's region, and material of the key can be wrapped so.
func (s *Service) wrapping(k *kmsdb.Key, req *kmsapi.GetParametersForImportRequest) (hsm.KeyType, hsm.WrappingMethod, error) {
	if *req.WrappingAlgorithm == kmsapi.AlgorithmSpecRsaesPkcs1V15 { // since October 2023
		return 0, "", awserr.New(kmsapi.UnsupportedOperationException, "WrappingAlgorithm %s is not supported.", *req.WrappingAlgorithm)
	}
	if err := s.servesSpec(k.Region, string(*req.WrappingKeySpec)); err != nil {
		return 0, "", err
	}
	t, ok := hsm.ParseKeyType(string(*req.WrappingKeySpec))
	method := hsm.WrappingMethod(*req.WrappingAlgorithm)
	if !ok || !wrappings(k.Type(), t, method) {
		return 0, "", awserr.New(kmsapi.UnsupportedOperationException,
			"WrappingAlgorithm %s and WrappingKeySpec %s are not supported for KMS keys with KeySpec %s.", *req.WrappingAlgorithm, *req.WrappingKeySpec, k.KeySpec)
	}
	return t, method, nil
}
