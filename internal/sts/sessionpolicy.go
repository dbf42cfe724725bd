package sts

import (
	"errors"
	"unicode/utf8"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/sts/stsapi"
)

// The limits of session policies and session tags. AWS says only that there is
// one on their packed size. What 100 % is was taken from what clients report:
// some 2,048 bytes of policies, and some 460 bytes of tags.
const (
	maxSessionPolicy = 2048 // characters of the inline one
	maxPolicyARNs    = 10
	policySpace      = 2048 // bytes
	tagSpace         = 460  // bytes
	tagOverhead      = 2    // bytes beside key and value
)

// policies are the session policies of a request.
type policies struct {
	inline []string // none or one
	arns   []string
}

// sessionPolicies checks the session policies: the inline one parses, and the
// managed ones exist and are of AWS or of the role's account.
func (s *Service) sessionPolicies(role Role, req *stsapi.AssumeRoleRequest) (p policies, err error) {
	if n := len(req.PolicyArns); n > maxPolicyARNs {
		return policies{}, awserr.New(stsapi.ValidationError, "1 validation error detected: Value at 'policyArns' failed to satisfy constraint: Member must have length less than or equal to %d", maxPolicyARNs)
	}
	for i, d := range req.PolicyArns {
		if d.Arn == nil {
			return policies{}, awserr.New(stsapi.ValidationError, "1 validation error detected: Value null at 'policyArns.%d.member.arn' failed to satisfy constraint: Member must not be null", i+1)
		}
		if !s.cfg.Principals.HasPolicy(role.AccountID, *d.Arn) {
			return policies{}, awserr.New(stsapi.ValidationError, "Policy %s does not exist or is not attachable.", *d.Arn)
		}
		p.arns = append(p.arns, *d.Arn)
	}
	if req.Policy == nil {
		return p, nil
	}
	if utf8.RuneCountInString(*req.Policy) > maxSessionPolicy {
		return policies{}, awserr.New(stsapi.ValidationError, "1 validation error detected: Value at 'policy' failed to satisfy constraint: Member must have length less than or equal to %d", maxSessionPolicy)
	}
	if _, err := policy.Parse(policy.Identity, []byte(*req.Policy)); err != nil {
		return policies{}, malformedPolicy(err)
	}
	p.inline = []string{*req.Policy}
	return p, nil
}

// malformedPolicy names what is wrong with a session policy.
func malformedPolicy(err error) error {
	e, ok := errors.AsType[*policy.Error](err)
	if !ok {
		return err
	}
	return awserr.New(stsapi.MalformedPolicyDocumentException, "%s", e.Detail)
}

// packedSize returns the share of the room for session policies and tags that
// these take, in percent, rounded up. It fails when they take more than there is.
func packedSize(p policies, tags map[string]string) (percent int32, err error) {
	var text, tagged int
	for _, list := range [][]string{p.inline, p.arns} {
		for _, s := range list {
			text += len(s)
		}
	}
	for key, value := range tags {
		tagged += len(key) + len(value) + tagOverhead
	}
	share := func(n, of int) int { return (100*n + of - 1) / of }
	ofTags := share(tagged, tagSpace)
	all := share(text, policySpace) + ofTags
	switch {
	case ofTags > 100 && text == 0:
		return 0, awserr.New(stsapi.PackedPolicyTooLargeException, "Packed size of session tags consumes %d%% of allotted space.", ofTags)
	case all > 100:
		return 0, awserr.New(stsapi.PackedPolicyTooLargeException, "Packed policy consumes %d%% of allotted space, please use smaller policy.", all)
	}
	return int32(all), nil
}
