package iam

import (
	"errors"
	"fmt"
	"unicode"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/policy"
)

// Error codes of the IAM API that documents and their attachment can meet.
const (
	MalformedPolicyDocument awserr.Code = "MalformedPolicyDocument"
	LimitExceeded           awserr.Code = "LimitExceeded"
	NoSuchEntity            awserr.Code = "NoSuchEntity"
	DeleteConflict          awserr.Code = "DeleteConflict"
)

// Sizes of documents in characters, white space aside (IAM User Guide, "IAM and
// AWS STS quotas"; for service control policies AWS Organizations User Guide,
// "Quotas", which counts every character). Those of inline policies are in kind.
const (
	maxManaged        = 6144
	maxTrust          = 2048
	maxServiceControl = 5120
	maxAttached       = 10 // managed policies on one principal
	maxGroups         = 10 // groups of one user
)

// size counts the characters of a document that quotas count.
func size(text string) (n int) {
	for _, r := range text {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}

// parse parses a document that somebody gives. The error is an *awserr.Error of
// MalformedPolicyDocument around the *policy.Error, with what the document is in
// front of it.
func parse(k policy.Kind, what, text string) (*policy.Document, error) {
	// policyDocumentType of the IAM API model: [\u0009\u000A\u000D\u0020-\u00FF]+
	for _, r := range text {
		if r > 0xFF || r < 0x20 && r != '\t' && r != '\n' && r != '\r' {
			return nil, fmt.Errorf("%s: %w", what, awserr.New(MalformedPolicyDocument,
				"The policy failed legacy parsing: it has the character %U, and may have those of Latin-1; write another one as an escape, \\u and four hexadecimal digits", r))
		}
	}
	d, err := policy.Parse(k, []byte(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, malformed(err))
	}
	return d, nil
}

// stored parses a document of the store, which was accepted once.
func stored(k policy.Kind, what, text string) (*policy.Document, error) {
	d, err := policy.Parse(k, []byte(text))
	if err != nil {
		return nil, fmt.Errorf("iam: %s: %w", what, err)
	}
	return d, nil
}

// malformed gives a refused document IAM's code and text. The details, with line
// and column, are the cause.
func malformed(err error) error {
	refused, ok := errors.AsType[*policy.Error](err)
	if !ok {
		return err
	}
	text := refused.Detail
	switch refused.Reason {
	case policy.InvalidVersion:
		text = "Policy document must be version 2012-10-17 or greater."
	case policy.InvalidConditionValue, policy.InvalidVariable:
		text = "The policy failed legacy parsing"
	case policy.MissingPrincipal:
		text = "Missing required field Principal"
	case policy.NotUTF8, policy.LeadingSpace, policy.NotJSON, policy.DuplicateKey, policy.Syntax, policy.UnknownElement,
		policy.MissingStatement, policy.InvalidEffect, policy.UnknownOperator, policy.OverlyPermissiveCondition:
		text = "Syntax errors in policy."
	}
	return awserr.Wrap(refused, MalformedPolicyDocument, "%s", text)
}

// parseInline compiles the inline policies of an entity.
func (k kind) parseInline(name string, texts map[string]string) error {
	total := 0
	for n, text := range texts {
		if !longNameForm.MatchString(n) {
			return fmt.Errorf("%s %s, inline policy %q: a policy name has 1 to 128 of the characters A-Z a-z 0-9 _ + = , . @ -", k.noun, name, n)
		}
		if _, err := parse(policy.Identity, fmt.Sprintf("%s %s, inline policy %s", k.noun, name, n), text); err != nil {
			return err
		}
		total += size(text)
	}
	if total > k.inline {
		return awserr.New(LimitExceeded, "Maximum policy size of %d bytes exceeded for %s %s", k.inline, k.noun, name)
	}
	return nil
}
