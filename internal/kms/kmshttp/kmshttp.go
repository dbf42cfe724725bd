// Package kmshttp puts the KMS operations on the wire: the operation table and
// the status map of AWS KMS in the AWS JSON 1.1 protocol (target TrentService).
package kmshttp

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/awsjson"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// TargetPrefix is what X-Amz-Target begins with, before a dot and the operation.
const TargetPrefix = "TrentService"

// Operation is one row of the operation table.
type Operation struct {
	awsjson.Op
	Action   string // IAM action: kms:Encrypt
	MaxBody  int64  // greatest request body in bytes
	ReadOnly bool   // as CloudTrail counts it
}

// Body limits. The greatest valid request of a kind is well below its limit,
// also when a client escapes every character; the model bounds the members.
const (
	smallBody  = 64 << 10  // identifiers, limits, markers
	cryptoBody = 640 << 10 // 10 grant tokens of 8 KiB, 8 KiB of context, 8 KiB of blob; an import token
	largeBody  = 1 << 20   // a key policy, a description, tags; an attestation document
)

// Operations returns the operation table of s, one row for each operation.
func Operations(s *kms.Service) []Operation {
	return []Operation{
		row(awsjson.Bind("CancelKeyDeletion", s.CancelKeyDeletion), smallBody),
		row(awsjson.Bind("ConnectCustomKeyStore", s.ConnectCustomKeyStore), smallBody),
		row(awsjson.BindVoid("CreateAlias", s.CreateAlias), smallBody),
		row(awsjson.Bind("CreateCustomKeyStore", s.CreateCustomKeyStore), smallBody),
		row(awsjson.Bind("CreateGrant", s.CreateGrant), cryptoBody),
		row(awsjson.Bind("CreateKey", s.CreateKey), largeBody),
		row(awsjson.Bind("Decrypt", s.Decrypt), largeBody),
		row(awsjson.BindVoid("DeleteAlias", s.DeleteAlias), smallBody),
		row(awsjson.Bind("DeleteCustomKeyStore", s.DeleteCustomKeyStore), smallBody),
		row(awsjson.Bind("DeriveSharedSecret", s.DeriveSharedSecret), largeBody),
		row(awsjson.Bind("DeleteImportedKeyMaterial", s.DeleteImportedKeyMaterial), smallBody),
		row(awsjson.Bind("DescribeCustomKeyStores", s.DescribeCustomKeyStores), smallBody),
		row(awsjson.Bind("DescribeKey", s.DescribeKey), cryptoBody),
		row(awsjson.BindVoid("DisableKey", s.DisableKey), smallBody),
		row(awsjson.BindVoid("DisableKeyRotation", s.DisableKeyRotation), smallBody),
		row(awsjson.Bind("DisconnectCustomKeyStore", s.DisconnectCustomKeyStore), smallBody),
		row(awsjson.BindVoid("EnableKey", s.EnableKey), smallBody),
		row(awsjson.BindVoid("EnableKeyRotation", s.EnableKeyRotation), smallBody),
		row(awsjson.Bind("Encrypt", wiping(s.Encrypt, func(r *kmsapi.EncryptRequest) { r.Plaintext.Wipe() })), cryptoBody),
		row(awsjson.Bind("GenerateDataKey", s.GenerateDataKey), largeBody),
		row(awsjson.Bind("GenerateDataKeyPair", s.GenerateDataKeyPair), largeBody),
		row(awsjson.Bind("GenerateDataKeyPairWithoutPlaintext", s.GenerateDataKeyPairWithoutPlaintext), cryptoBody),
		row(awsjson.Bind("GenerateDataKeyWithoutPlaintext", s.GenerateDataKeyWithoutPlaintext), cryptoBody),
		row(awsjson.Bind("GenerateMac", wiping(s.GenerateMac, func(r *kmsapi.GenerateMacRequest) { r.Message.Wipe() })), cryptoBody),
		row(awsjson.Bind("GenerateRandom", s.GenerateRandom), largeBody),
		row(awsjson.Bind("GetKeyLastUsage", s.GetKeyLastUsage), smallBody),
		row(awsjson.Bind("GetKeyPolicy", s.GetKeyPolicy), smallBody),
		row(awsjson.Bind("GetKeyRotationStatus", s.GetKeyRotationStatus), smallBody),
		row(awsjson.Bind("GetPublicKey", s.GetPublicKey), cryptoBody),
		row(awsjson.Bind("GetParametersForImport", s.GetParametersForImport), smallBody),
		row(awsjson.Bind("ImportKeyMaterial", s.ImportKeyMaterial), cryptoBody),
		row(awsjson.Bind("ListAliases", s.ListAliases), smallBody),
		row(awsjson.Bind("ListGrants", s.ListGrants), smallBody),
		row(awsjson.Bind("ListKeyPolicies", s.ListKeyPolicies), smallBody),
		row(awsjson.Bind("ListKeyRotations", s.ListKeyRotations), smallBody),
		row(awsjson.Bind("ListKeys", s.ListKeys), smallBody),
		row(awsjson.Bind("ListResourceTags", s.ListResourceTags), smallBody),
		row(awsjson.Bind("ListRetirableGrants", s.ListRetirableGrants), smallBody),
		row(awsjson.BindVoid("PutKeyPolicy", s.PutKeyPolicy), largeBody),
		row(awsjson.Bind("ReEncrypt", s.ReEncrypt), cryptoBody),
		row(awsjson.Bind("ReplicateKey", s.ReplicateKey), largeBody),
		row(awsjson.BindVoid("RetireGrant", s.RetireGrant), smallBody),
		row(awsjson.BindVoid("RevokeGrant", s.RevokeGrant), smallBody),
		row(awsjson.Bind("RotateKeyOnDemand", s.RotateKeyOnDemand), smallBody),
		row(awsjson.Bind("ScheduleKeyDeletion", s.ScheduleKeyDeletion), smallBody),
		row(awsjson.Bind("Sign", wiping(s.Sign, func(r *kmsapi.SignRequest) { r.Message.Wipe() })), cryptoBody),
		row(awsjson.BindVoid("TagResource", s.TagResource), largeBody),
		row(awsjson.BindVoid("UntagResource", s.UntagResource), largeBody),
		row(awsjson.BindVoid("UpdateAlias", s.UpdateAlias), smallBody),
		row(awsjson.Bind("UpdateCustomKeyStore", s.UpdateCustomKeyStore), smallBody),
		row(awsjson.BindVoid("UpdateKeyDescription", s.UpdateKeyDescription), largeBody),
		row(awsjson.BindVoid("UpdatePrimaryRegion", s.UpdatePrimaryRegion), smallBody),
		row(awsjson.Bind("Verify", wiping(s.Verify, func(r *kmsapi.VerifyRequest) { r.Message.Wipe() })), cryptoBody),
		row(awsjson.Bind("VerifyMac", wiping(s.VerifyMac, func(r *kmsapi.VerifyMacRequest) { r.Message.Wipe() })), cryptoBody),
	}
}

// wiping returns an operation with what its requests hold in clear, a plaintext
// or a message, wiped when it is done: this package alone has the request.
// (awsjson does that for answers.)
func wiping[Req, Resp any](op func(context.Context, identity.Caller, *Req) (*Resp, error), wipe func(*Req)) func(context.Context, identity.Caller, *Req) (*Resp, error) {
	return func(ctx context.Context, c identity.Caller, req *Req) (*Resp, error) {
		defer wipe(req)
		return op(ctx, c, req)
	}
}

// row takes from the service what the gate goes by, so that the table cannot
// say anything else.
func row(op awsjson.Op, maxBody int64) Operation {
	o, ok := kms.Operation(op.Name)
	if !ok {
		panic("kmshttp: the service has no operation " + op.Name)
	}
	return Operation{Op: op, Action: o.Action, MaxBody: maxBody, ReadOnly: o.ReadOnly}
}

// statuses holds the codes that are the server's fault; all others are 400,
// AccessDeniedException included (KMS API Reference, "Common errors" and the
// operations' own).
var statuses = map[awserr.Code]int{
	kmsapi.KMSInternalException:       http.StatusInternalServerError,
	kmsapi.DependencyTimeoutException: http.StatusInternalServerError,
	kmsapi.KeyUnavailableException:    http.StatusInternalServerError,
}

// Config is what a [Handler] is made of. Service is required.
type Config struct {
	Service *kms.Service
	Logger  *slog.Logger           // causes of errors; nil means slog.Default()
	OnError func(code awserr.Code) // called for each error answered, if not nil

	// Refused records a request that no operation saw ([awsjson.Config]).
	Refused func(c identity.Caller, op string, err error) error
}

// Handler serves KMS requests that the edge has read and authenticated. It is
// safe for concurrent use.
type Handler struct {
	json  *awsjson.Handler
	table map[string]Operation
}

// New makes a Handler.
func New(cfg Config) *Handler {
	h := &Handler{table: map[string]Operation{}}
	var ops []awsjson.Op
	for _, o := range Operations(cfg.Service) {
		h.table[o.Name] = o
		ops = append(ops, o.Op)
	}
	h.json = awsjson.New(awsjson.Config{
		TargetPrefix: TargetPrefix, Ops: ops, Status: statuses,
		Internal: kmsapi.KMSInternalException, Logger: cfg.Logger, OnError: cfg.OnError, Refused: cfg.Refused,
	})
	return h
}

// Operation returns the operation that an X-Amz-Target header names, "" when
// the header is not for KMS. The operation need not exist.
func (h *Handler) Operation(target string) string { return h.json.Operation(target) }

// MaxBody returns the greatest request body in bytes of an operation. For one
// that does not exist it is small: its signature is checked all the same.
func (h *Handler) MaxBody(op string) int64 {
	if o, ok := h.table[op]; ok {
		return o.MaxBody
	}
	return smallBody
}

// Serve runs an operation for c on a body that has been read, and writes the
// answer.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, c identity.Caller, op string, body []byte) {
	h.json.Serve(w, r, c, op, body)
}

// WriteError answers an error that came up before an operation could run.
func (h *Handler) WriteError(w http.ResponseWriter, requestID string, err error) {
	h.json.WriteError(w, requestID, err)
}
