package sts

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/strongroom/strongroom/internal/arn"
	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/sts/stsapi"
)

// roleDefault is how long a role session lasts when the caller does not say. It
// is also the most for a session that temporary credentials ask for (IAM User
// Guide, "Role chaining").
const roleDefault = time.Hour

// AssumeRole makes temporary credentials of a role. The checks come in this
// order: the form of the request; root; multi-factor parameters; tags and source
// identity against those of the caller's own session; the decisions about
// sts:AssumeRole, sts:TagSession and sts:SetSourceIdentity on the role; duration;
// session policies and their size.
func (s *Service) AssumeRole(_ context.Context, c identity.Caller, req *stsapi.AssumeRoleRequest) (*stsapi.AssumeRoleResponse, error) {
	return do(s, c, opAssumeRole, req, s.assumeRole)
}

func (s *Service) assumeRole(call *gate.Call, req *stsapi.AssumeRoleRequest) (*stsapi.AssumeRoleResponse, error) {
	c := call.Caller
	name, ok := parseRoleARN(*req.RoleArn)
	if !ok {
		return nil, awserr.New(stsapi.ValidationError, "Request ARN is invalid")
	}
	if req.ProvidedContexts != nil {
		return nil, awserr.New(stsapi.NotImplemented, "ProvidedContexts is not supported by this server.")
	}
	tags, err := sessionTags(c.Session, req)
	if err != nil {
		return nil, err
	}
	call.RequestParameters = marshal(recordedRequest(c.Session, req))
	call.AddResource(*req.RoleArn, name.AccountID, "AWS::IAM::Role")
	if c.Type == identity.Root {
		return nil, awserr.New(stsapi.AccessDenied, "Roles may not be assumed by root accounts.")
	}
	if err := multiFactor(req.SerialNumber, req.TokenCode); err != nil {
		return nil, err
	}
	source, err := sourceIdentity(c.Session, req.SourceIdentity)
	if err != nil {
		return nil, err
	}
	role, err := s.authorizeRole(call, req, name, len(tags.all) > 0, source != "")
	if err != nil {
		return nil, err
	}
	call.Share(role.AccountID)
	duration, err := roleDuration(c.Session, role, req.DurationSeconds)
	if err != nil {
		return nil, err
	}
	policies, err := s.sessionPolicies(role, req)
	if err != nil {
		return nil, err
	}
	packed, err := packedSize(policies, tags.all)
	if err != nil {
		return nil, err
	}
	session := &claims{
		kind: ofRole, account: role.AccountID, id: role.ID, chained: c.Type == identity.AssumedRole,
		name: *req.RoleSessionName, sourceIdentity: source,
		policies: policies.inline, policyARNs: policies.arns, tags: tags.all, transitive: tags.transitive,
	}
	credentials, err := s.issue(session, duration)
	if err != nil {
		return nil, err
	}
	resp := &stsapi.AssumeRoleResponse{
		Credentials: credentials,
		AssumedRoleUser: &stsapi.AssumedRoleUser{
			AssumedRoleId: new(role.ID + ":" + session.name), Arn: new(sessionARN(role.AccountID, role.ARN, session.name)),
		},
	}
	if packed > 0 {
		resp.PackedPolicySize = &packed
	}
	if source != "" {
		resp.SourceIdentity = &source
	}
	call.ResponseElements = marshal(recordedAnswer(resp))
	return resp, nil
}

// roleForm is the form of a role's ARN: a path and a name.
var roleForm = regexp.MustCompile(`^role/([\x21-\x7e]{0,510}/)?[\w+=,.@-]{1,64}$`)

func parseRoleARN(text string) (arn.ARN, bool) {
	a, ok := arn.Parse(text)
	ok = ok && a.Partition == arn.Partition && a.Service == "iam" && a.Region == "" && len(a.AccountID) == accountSize &&
		strings.Trim(a.AccountID, "0123456789") == "" && roleForm.MatchString(a.Resource)
	return a, ok
}

// authorizeRole looks the role up and decides whether the caller may assume it,
// with tags and a source identity if the session is to have any. A role that does
// not exist is refused as one whose trust policy allows nobody: the answer does
// not tell which.
func (s *Service) authorizeRole(call *gate.Call, req *stsapi.AssumeRoleRequest, name arn.ARN, tagged, sourced bool) (Role, error) {
	role, found := s.cfg.Principals.Role(*req.RoleArn)
	r := gate.Request{
		Kind: policy.Trust, Policy: role.Trust, Resource: *req.RoleArn, ResourceAccount: name.AccountID, CrossAccount: true,
		Context: &roleContext{req, role.Tags},
	}
	actions := []string{opAssumeRole.Action}
	if tagged {
		actions = append(actions, actionTagSession)
	}
	if sourced {
		actions = append(actions, actionSetSourceIdentity)
	}
	for _, r.Action = range actions {
		if err := call.Authorize(r); err != nil {
			return Role{}, err
		}
	}
	if !found || role.Trust == nil {
		return Role{}, awserr.New(stsapi.AccessDenied, "User: %s is not authorized to perform: %s on resource: %s because no role trust policy allows the %[2]s action", call.Caller.ARN, opAssumeRole.Action, *req.RoleArn)
	}
	return role, nil
}

// sourceIdentity returns the source identity of the new session: that of the
// caller's own session, which cannot be changed along a chain, else the
// requested one.
func sourceIdentity(caller *identity.Session, requested *string) (string, error) {
	switch {
	case caller != nil && caller.SourceIdentity != "":
		if requested != nil && *requested != caller.SourceIdentity {
			return "", awserr.New(stsapi.ValidationError, "The source identity is already set for this assume role session")
		}
		return caller.SourceIdentity, nil
	case requested != nil:
		return *requested, nil
	}
	return "", nil
}

// roleDuration returns how long the session may last.
func roleDuration(caller *identity.Session, role Role, requested *int32) (time.Duration, error) {
	if requested == nil {
		return roleDefault, nil
	}
	d := time.Duration(*requested) * time.Second
	switch {
	case d > role.MaxSession:
		return 0, awserr.New(stsapi.ValidationError, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	case caller != nil && d > roleDefault:
		return 0, awserr.New(stsapi.ValidationError, "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	return d, nil
}

// recordedTag is a session tag in a record.
type recordedTag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// recordedRequest is what CloudTrail has of the request (IAM User Guide,
// "Viewing session tags in CloudTrail").
func recordedRequest(caller *identity.Session, req *stsapi.AssumeRoleRequest) any {
	type arnOf struct {
		ARN *string `json:"arn"`
	}
	r := struct {
		Tags                   []recordedTag     `json:"tags,omitempty"`
		IncomingTransitiveTags map[string]string `json:"incomingTransitiveTags,omitempty"`
		TransitiveTagKeys      []string          `json:"transitiveTagKeys,omitempty"`
		RoleARN                *string           `json:"roleArn"`
		RoleSessionName        *string           `json:"roleSessionName"`
		ExternalID             *string           `json:"externalId,omitempty"`
		SourceIdentity         *string           `json:"sourceIdentity,omitempty"`
		Policy                 *string           `json:"policy,omitempty"`
		PolicyARNs             []arnOf           `json:"policyArns,omitempty"`
		DurationSeconds        *int32            `json:"durationSeconds,omitempty"`
		SerialNumber           *string           `json:"serialNumber,omitempty"`
	}{
		TransitiveTagKeys: req.TransitiveTagKeys, RoleARN: req.RoleArn, RoleSessionName: req.RoleSessionName, ExternalID: req.ExternalId,
		SourceIdentity: req.SourceIdentity, Policy: req.Policy, DurationSeconds: req.DurationSeconds, SerialNumber: req.SerialNumber,
	}
	for _, t := range req.Tags {
		r.Tags = append(r.Tags, recordedTag{*t.Key, *t.Value})
	}
	for _, p := range req.PolicyArns {
		r.PolicyARNs = append(r.PolicyARNs, arnOf{p.Arn})
	}
	r.IncomingTransitiveTags = transitiveTags(caller)
	return r
}

// recordedAnswer is what CloudTrail has of the answer.
func recordedAnswer(resp *stsapi.AssumeRoleResponse) any {
	user := map[string]string{"assumedRoleId": *resp.AssumedRoleUser.AssumedRoleId, "arn": *resp.AssumedRoleUser.Arn}
	return struct {
		Credentials      recordedCredentials `json:"credentials"`
		AssumedRoleUser  map[string]string   `json:"assumedRoleUser"`
		PackedPolicySize *int32              `json:"packedPolicySize,omitempty"`
		SourceIdentity   *string             `json:"sourceIdentity,omitempty"`
	}{recorded(resp.Credentials), user, resp.PackedPolicySize, resp.SourceIdentity}
}
