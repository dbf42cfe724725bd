package kms

import (
	"encoding/json"
	"reflect"
	"strings"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// maxPolicy is the longest key policy in bytes (KMS Developer Guide, "Key
// policies in AWS KMS": 32 KB; the model's 131072 is not what decides).
const maxPolicy = 32 << 10

// policyDocument is the form in which we store a default key policy.
type policyDocument struct {
	Version   string
	ID        string `json:"Id,omitempty"`
	Statement []policyStatement
}

type policyStatement struct {
	Sid       string `json:",omitempty"`
	Effect    string
	Principal struct{ AWS string }
	Action    string
	Resource  string
}

// defaultPolicy is the key policy of CreateKey without one: the account's root
// may do everything, which leaves the key to the account's identity policies
// (KMS Developer Guide, "Default key policy").
func defaultPolicy(account string) string {
	return delegatingPolicy(account, "key-default-1", "Enable IAM User Permissions")
}

func delegatingPolicy(account, id, sid string) string {
	st := policyStatement{Sid: sid, Effect: "Allow", Action: "kms:*", Resource: "*"}
	st.Principal.AWS = identity.RootARN(account)
	return encodePolicy(policyDocument{"2012-10-17", id, []policyStatement{st}})
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

// acceptPolicy returns the policy to store for the one given to CreateKey.
// Until there is a policy engine only what means the same as the default
// policy is taken, and it is stored in our own words: a document that nobody
// evaluates yet must not say something else to whoever evaluates it one day.
// The second error is the answer to a well-formed policy we cannot enforce;
// the caller gives it after authorization.
func acceptPolicy(doc, account string) (policy string, unsupported, err error) {
	if len(doc) > maxPolicy {
		return "", nil, policyTooLong()
	}
	var tree map[string]any
	if json.Unmarshal([]byte(doc), &tree) != nil {
		return "", nil, awserr.Bare(kmsapi.MalformedPolicyDocumentException)
	}
	if err := checkPolicy(tree); err != nil {
		return "", nil, err
	}
	id, sid, ok := delegates(tree, account)
	if !ok {
		return "", awserr.New(kmsapi.UnsupportedOperationException,
			"Key policies other than the default key policy are not supported yet."), nil
	}
	policy = delegatingPolicy(account, id, sid)
	if len(policy) > maxPolicy { // an account is longer in our spelling
		return "", nil, policyTooLong()
	}
	return policy, nil, nil
}

func policyTooLong() error {
	return awserr.New(kmsapi.LimitExceededException, "The key policy exceeds the maximum of %d bytes.", maxPolicy)
}

// checkPolicy refuses what is no key policy at all: one without statements, and
// statements without an effect or a principal (IAM User Guide, "IAM JSON policy
// elements"). A statement without Action or Resource is allowed to do nothing.
func checkPolicy(tree map[string]any) error {
	statements, isList := tree["Statement"].([]any)
	if !isList {
		statements = []any{tree["Statement"]}
	}
	if len(statements) == 0 {
		return awserr.Bare(kmsapi.MalformedPolicyDocumentException)
	}
	for _, s := range statements {
		st, _ := s.(map[string]any) // of what is no object, nil: it has no effect
		if st["Effect"] != "Allow" && st["Effect"] != "Deny" {
			return awserr.Bare(kmsapi.MalformedPolicyDocumentException)
		}
		if !isPrincipal(st["Principal"]) && !isPrincipal(st["NotPrincipal"]) {
			return awserr.New(kmsapi.MalformedPolicyDocumentException, "Policy contains a statement with one or more invalid principals.")
		}
	}
	return nil
}

// isPrincipal reports whether v has the form of a principal, not whether there
// is such a one: everyone, or a list by kind.
func isPrincipal(v any) bool {
	kinds, _ := v.(map[string]any)
	return v == "*" || len(kinds) > 0
}

// isDefaultPolicy reports whether doc means what the default policy means.
func isDefaultPolicy(doc, account string) bool {
	var tree map[string]any
	if json.Unmarshal([]byte(doc), &tree) != nil {
		return false
	}
	_, _, ok := delegates(tree, account)
	return ok
}

// delegates reports whether a policy is the default one but for its Id and Sid,
// which mean nothing. A list of one stands for its element, and an account's
// number for the ARN of its root (IAM User Guide, "AWS JSON policy elements:
// Principal").
func delegates(tree map[string]any, account string) (id, sid string, ok bool) {
	st, isObject := single(tree["Statement"]).(map[string]any)
	if !isObject {
		return "", "", false
	}
	id, idOK := stringOr(tree["Id"])
	sid, sidOK := stringOr(st["Sid"])
	principal, _ := st["Principal"].(map[string]any)
	aws := single(principal["AWS"])
	if aws == account {
		aws = identity.RootARN(account)
	}
	want := map[string]any{"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Principal": identity.RootARN(account)}
	got := map[string]any{"Principal": aws}
	for name, v := range st {
		if name != "Sid" && name != "Principal" {
			got[name] = single(v)
		}
	}
	for name := range tree {
		if name != "Version" && name != "Id" && name != "Statement" {
			return "", "", false
		}
	}
	ok = idOK && sidOK && len(principal) == 1 && tree["Version"] == "2012-10-17" && reflect.DeepEqual(got, want)
	return id, sid, ok
}

// stringOr returns a string that may be absent.
func stringOr(v any) (string, bool) {
	s, ok := v.(string)
	return s, ok || v == nil
}

// single returns the element of a list of one, and anything else as it is.
func single(v any) any {
	if list, ok := v.([]any); ok && len(list) == 1 {
		return list[0]
	}
	return v
}
