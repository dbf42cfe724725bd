package kms

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/store"
)

// defaultPolicy is the key policy of CreateKey without one: the account's root
// may do everything, which leaves the key to the account's identity policies
// (KMS Developer Guide, "Default key policy").
func defaultPolicy(account string) string {
	type principal struct{ AWS string }
	type statement struct {
		Sid       string
		Effect    string
		Principal principal
		Action    string
		Resource  string
	}
	return encodePolicy(struct {
		Version   string
		ID        string `json:"Id"`
		Statement []statement
	}{"2012-10-17", "key-default-1", []statement{
		{"Enable IAM User Permissions", "Allow", principal{identity.RootARN(account)}, "kms:*", "*"},
	}})
}

// encodePolicy prints a policy. It leaves the characters of HTML alone, which
// json.Marshal makes six times as long.
func encodePolicy(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("kms: " + err.Error()) // strings marshal
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// parsePolicy reads the key policy of a request, of which the quota bounds the
// length. It asks nobody which
// principals there are: that would tell whoever has no rights.
func (s *Service) parsePolicy(text string) (*policy.Document, error) {
	if len(text) > s.quotas.PolicyBytes {
		return nil, awserr.New(kmsapi.LimitExceededException, "The key policy exceeds the maximum of %d bytes.", s.quotas.PolicyBytes)
	}
	doc, err := policy.Parse(policy.Key, []byte(text))
	return doc, malformed(err)
}

// storedPolicy returns a policy as it is kept, with the unique ids of its
// principals, of which each must exist.
func storedPolicy(doc *policy.Document, known policy.Directory) (*policy.Document, error) {
	stored, err := doc.Stored(known)
	return stored, malformed(err)
}

// malformed makes AWS's error of what is wrong with a policy. AWS has one text
// for every fault of a principal, and none for what is no JSON; what it has for
// the others is not known to us, so they say what is wrong and where.
func malformed(err error) error {
	e, ok := errors.AsType[*policy.Error](err)
	if !ok {
		return err
	}
	text := e.Error()
	switch e.Reason {
	case policy.NotUTF8, policy.NotJSON:
		text = ""
	case policy.MissingPrincipal, policy.InvalidPrincipal:
		text = "Policy contains a statement with one or more invalid principals."
	case policy.OverlyPermissiveCondition:
		text = e.Detail // AWS's own
	}
	return &awserr.Error{Code: kmsapi.MalformedPolicyDocumentException, Message: text, Err: err}
}

// checkLockout refuses a policy under which the caller could not change the
// policy again. K is the key as it would be; identity policies count as far as
// the policy leaves the key to them. Text: observed in AWS.
// (KMS API Reference, PutKeyPolicy, BypassPolicyLockoutSafetyCheck)
func (s *Service) checkLockout(ctx context.Context, call *gate.Call, k *snapshot) error {
	with := conditions{bypassLockout: new(false), ctx: ctx, service: s, call: call, key: k}
	err := with.answer(call.Permits(keyRequest(opPutKeyPolicy.Action, k, &with)))
	if errors.Is(err, gate.AccessDenied) {
		return awserr.New(kmsapi.MalformedPolicyDocumentException, "The new key policy will not allow you to update the key policy in the future.")
	}
	return err
}

// principalsIn returns the principals there are in a transaction, as far as
// they can be asked for in one: a bootstrap file may make a role and a key
// whose policy names it.
func (s *Service) principalsIn(tx *store.Tx) policy.Directory {
	if d, ok := s.principals.(interface {
		In(tx *store.Tx) policy.Directory
	}); ok {
		return d.In(tx)
	}
	return s.principals
}

// nobody knows no users and roles, and takes every account for one that there is.
type nobody struct{}

func (nobody) UniqueID(string) (string, bool) { return "", false }
func (nobody) ARN(string) (string, bool)      { return "", false }
func (nobody) HasAccount(string) bool         { return true }
