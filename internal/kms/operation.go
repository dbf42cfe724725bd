package kms

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/model"
	"github.com/strongroom/strongroom/internal/store"
)

// EventSource is what CloudTrail calls the service.
const EventSource = "kms.amazonaws.com"

// The operations. CloudTrail calls all cryptographic ones read-only (KMS
// Developer Guide, "Logging AWS KMS API calls with AWS CloudTrail").
var (
	opCancelKeyDeletion                   = write("CancelKeyDeletion")
	opConnectCustomKeyStore               = write("ConnectCustomKeyStore")
	opCreateAlias                         = write("CreateAlias")
	opCreateCustomKeyStore                = write("CreateCustomKeyStore")
	opCreateGrant                         = write("CreateGrant")
	opCreateKey                           = write("CreateKey")
	opDecrypt                             = read("Decrypt")
	opDeleteAlias                         = write("DeleteAlias")
	opDeleteCustomKeyStore                = write("DeleteCustomKeyStore")
	opDeleteImportedKeyMaterial           = write("DeleteImportedKeyMaterial")
	opDeriveSharedSecret                  = read("DeriveSharedSecret")
	opDescribeCustomKeyStores             = read("DescribeCustomKeyStores")
	opDescribeKey                         = read("DescribeKey")
	opDisableKey                          = write("DisableKey")
	opDisableKeyRotation                  = write("DisableKeyRotation")
	opDisconnectCustomKeyStore            = write("DisconnectCustomKeyStore")
	opEnableKey                           = write("EnableKey")
	opEnableKeyRotation                   = write("EnableKeyRotation")
	opEncrypt                             = read("Encrypt")
	opGenerateDataKey                     = read("GenerateDataKey")
	opGenerateDataKeyPair                 = read("GenerateDataKeyPair")
	opGenerateDataKeyPairWithoutPlaintext = read("GenerateDataKeyPairWithoutPlaintext")
	opGenerateDataKeyWithoutPlaintext     = read("GenerateDataKeyWithoutPlaintext")
	opGenerateMac                         = read("GenerateMac")
	opGenerateRandom                      = read("GenerateRandom")
	opGetKeyLastUsage                     = read("GetKeyLastUsage")
	opGetKeyPolicy                        = read("GetKeyPolicy")
	opGetKeyRotationStatus                = read("GetKeyRotationStatus")
	opGetParametersForImport              = read("GetParametersForImport")
	opGetPublicKey                        = read("GetPublicKey")
	opImportKeyMaterial                   = write("ImportKeyMaterial")
	opListAliases                         = read("ListAliases")
	opListGrants                          = read("ListGrants")
	opListKeyPolicies                     = read("ListKeyPolicies")
	opListKeyRotations                    = read("ListKeyRotations")
	opListKeys                            = read("ListKeys")
	opListResourceTags                    = read("ListResourceTags")
	opListRetirableGrants                 = read("ListRetirableGrants")
	opPutKeyPolicy                        = write("PutKeyPolicy")
	opReEncrypt                           = &gate.Operation{EventSource: EventSource, Name: "ReEncrypt", Action: reEncryptFrom, ReadOnly: true}
	opReplicateKey                        = write("ReplicateKey")
	opRetireGrant                         = write("RetireGrant")
	opRevokeGrant                         = write("RevokeGrant")
	opRotateKeyOnDemand                   = write("RotateKeyOnDemand")
	opScheduleKeyDeletion                 = write("ScheduleKeyDeletion")
	opSign                                = read("Sign")
	opTagResource                         = write("TagResource")
	opUntagResource                       = write("UntagResource")
	opUpdateAlias                         = write("UpdateAlias")
	opUpdateCustomKeyStore                = write("UpdateCustomKeyStore")
	opUpdateKeyDescription                = write("UpdateKeyDescription")
	opUpdatePrimaryRegion                 = write("UpdatePrimaryRegion")
	opVerify                              = read("Verify")
	opVerifyMac                           = read("VerifyMac")
)

// ReEncrypt has no action of its own: the caller needs one on the key that it
// is done from, and one on the key that it is done to.
const (
	reEncryptFrom = "kms:ReEncryptFrom"
	reEncryptTo   = "kms:ReEncryptTo"
)

var operations = []*gate.Operation{
	opCancelKeyDeletion,
	opConnectCustomKeyStore,
	opCreateAlias,
	opCreateCustomKeyStore,
	opCreateGrant,
	opCreateKey,
	opDecrypt,
	opDeleteAlias,
	opDeleteCustomKeyStore,
	opDeleteImportedKeyMaterial,
	opDeriveSharedSecret,
	opDescribeCustomKeyStores,
	opDescribeKey,
	opDisableKey,
	opDisableKeyRotation,
	opDisconnectCustomKeyStore,
	opEnableKey,
	opEnableKeyRotation,
	opEncrypt,
	opGenerateDataKey,
	opGenerateDataKeyPair,
	opGenerateDataKeyPairWithoutPlaintext,
	opGenerateDataKeyWithoutPlaintext,
	opGenerateMac,
	opGenerateRandom,
	opGetKeyLastUsage,
	opGetKeyPolicy,
	opGetKeyRotationStatus,
	opGetParametersForImport,
	opGetPublicKey,
	opImportKeyMaterial,
	opListAliases,
	opListGrants,
	opListKeyPolicies,
	opListKeyRotations,
	opListKeys,
	opListResourceTags,
	opListRetirableGrants,
	opPutKeyPolicy,
	opReEncrypt,
	opReplicateKey,
	opRetireGrant,
	opRevokeGrant,
	opRotateKeyOnDemand,
	opScheduleKeyDeletion,
	opSign,
	opTagResource,
	opUntagResource,
	opUpdateAlias,
	opUpdateCustomKeyStore,
	opUpdateKeyDescription,
	opUpdatePrimaryRegion,
	opVerify,
	opVerifyMac,
}

// Operations yields every operation that the service answers, by name.
func Operations() iter.Seq[gate.Operation] {
	return func(yield func(gate.Operation) bool) {
		for _, op := range operations {
			if !yield(*op) {
				return
			}
		}
	}
}

// Operation returns the operation of that name.
func Operation(name string) (gate.Operation, bool) {
	i := slices.IndexFunc(operations, func(op *gate.Operation) bool { return op.Name == name })
	if i < 0 {
		return gate.Operation{}, false
	}
	return *operations[i], true
}

func read(name string) *gate.Operation {
	return &gate.Operation{EventSource: EventSource, Name: name, Action: "kms:" + name, ReadOnly: true}
}

func write(name string) *gate.Operation {
	return &gate.Operation{EventSource: EventSource, Name: name, Action: "kms:" + name}
}

// do runs one operation: every exported operation passes through it, and what
// lies under it is unexported. A response leaves only when its record is in
// the trail, or in the transaction that fn committed.
//
// An error without an AWS code is the server's fault. It becomes
// KMSInternalException with its cause for the log.
func do[Req, Resp any](ctx context.Context, s *Service, c identity.Caller, op *gate.Operation, req *Req,
	fn func(context.Context, *gate.Call, *Req) (*Resp, error),
) (resp *Resp, err error) {
	if err := s.gate.Ready(); err != nil {
		return nil, err
	}
	call := s.gate.Begin(c, *op)
	defer func() {
		switch {
		case err != nil: // End's too: no answer without its record
			resp = nil
		case resp != nil && tracked(op): // it is nil in a panic
			s.usage.note(call)
		}
	}()
	defer call.End(&err)
	resp, err = attempt(ctx, s, call, op, req, fn)
	s.report(c, op, err)
	return resp, coded(ctx, err)
}

func attempt[Req, Resp any](ctx context.Context, s *Service, call *gate.Call, op *gate.Operation, req *Req,
	fn func(context.Context, *gate.Call, *Req) (*Resp, error),
) (*Resp, error) {
	if err := s.checkRegion(call.Caller.Region); err != nil {
		return nil, err
	}
	if err := s.throttled(call, req); err != nil {
		return nil, err
	}
	if err := model.KMS().Validate(op.Name, req); err != nil {
		return nil, err
	}
	return fn(ctx, call, req)
}

// report puts into the log what must be there whoever made the call: a row that
// was changed behind the server's back is an attack or a broken disk.
func (s *Service) report(c identity.Caller, op *gate.Operation, err error) {
	if t, ok := errors.AsType[*store.TamperedError](err); ok {
		s.log.Error("kms: refusing a row that was changed outside the server",
			"requestID", c.RequestID, "operation", op.Name, "table", string(t.Table), "row", t.Key)
	}
}

const (
	// internalText is what a caller learns of an error of the server's own.
	internalText = "An internal error occurred. The request can be retried."
	abortedText  = "The request was aborted before it could be answered."
)

// coded gives err a code when it has none. That the caller went away is no
// fault of the server: AWS has a code for it that all services share (Common
// Errors, RequestAbortedException: "the client closed the connection"). Nil
// stays nil.
func coded(ctx context.Context, err error) error {
	switch {
	case err == nil || awserr.CodeOf(err) != "":
		return err
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return awserr.Wrap(err, kmsapi.RequestAbortedException, abortedText)
	}
	return awserr.Wrap(err, kmsapi.KMSInternalException, internalText)
}
