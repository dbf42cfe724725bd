// Package sts is the AWS Security Token Service: temporary credentials of roles,
// users and root users, and what they stand for.
//
// It keeps nothing: a session token holds everything that the credentials stand
// for, sealed (docs/formats/session-token.md). So credentials outlive a restart,
// and nobody can list or end them one by one; what ends them is that their
// principal goes, or what is denied to it.
//
// Source of the operations and their rules: STS API Reference; IAM User Guide,
// "Temporary security credentials in IAM" and the pages under it.
package sts

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/model"
	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/sts/stsapi"
)

// EventSource is what CloudTrail calls the service.
const EventSource = "sts.amazonaws.com"

// Role is what must be known of a role to assume it.
type Role struct {
	ARN, ID    string // arn:aws:iam::A:role/path/name, AROA…
	AccountID  string
	Trust      *policy.Document // of kind policy.Trust
	MaxSession time.Duration    // 1 to 12 hours
	Tags       map[string]string
}

// Principals knows who there is. It is safe for concurrent use, and says what
// is so at the moment of the call: credentials of a role that is deleted end
// with it.
type Principals interface {
	policy.Directory
	// Role returns the role that has an ARN now.
	Role(arn string) (r Role, ok bool)
	// HasPolicy reports whether there is a managed policy of that ARN which
	// principals of the account may be given: AWS's, or the account's own.
	HasPolicy(account, arn string) bool
	// AccessKeyAccount returns the account of a long-term access key.
	AccessKeyAccount(id string) (account string, ok bool)
}

// Config is what a [Service] is made of. All but Clock is required.
type Config struct {
	Gate       *gate.Gate
	Key        *hsm.SessionKey // seals session tokens
	Principals Principals
	Clock      func() time.Time // nil: time.Now
}

// Service answers STS operations. It is safe for concurrent use.
type Service struct {
	cfg   Config
	cache cache
}

// New makes a Service.
func New(cfg Config) *Service {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	return &Service{cfg: cfg}
}

// now is the time to the second, as tokens and answers have it.
func (s *Service) now() time.Time { return s.cfg.Clock().UTC().Truncate(time.Second) }

// The operations. CloudTrail calls all of them read-only: they change nothing
// that is kept.
var (
	opAssumeRole        = operation("AssumeRole")
	opGetAccessKeyInfo  = operation("GetAccessKeyInfo")
	opGetCallerIdentity = operation("GetCallerIdentity")
	opGetSessionToken   = operation("GetSessionToken")

	operations = []gate.Operation{opAssumeRole, opGetAccessKeyInfo, opGetCallerIdentity, opGetSessionToken}
)

// The further actions that AssumeRole asks for when the session has tags, or a
// source identity.
const (
	actionTagSession        = "sts:TagSession"
	actionSetSourceIdentity = "sts:SetSourceIdentity"
)

func operation(name string) gate.Operation {
	return gate.Operation{EventSource: EventSource, Name: name, Action: "sts:" + name, ReadOnly: true}
}

// Operations yields every operation that the service answers, by name.
func Operations() iter.Seq[gate.Operation] {
	return func(yield func(gate.Operation) bool) {
		for _, op := range operations {
			if !yield(op) {
				return
			}
		}
	}
}

// do runs one operation: every exported operation passes through it. A response
// leaves only when its record is in the trail.
func do[Req, Resp any](s *Service, c identity.Caller, op gate.Operation, req *Req, fn func(*gate.Call, *Req) (*Resp, error)) (resp *Resp, err error) {
	if err := s.cfg.Gate.Ready(); err != nil {
		return nil, err
	}
	call := s.cfg.Gate.Begin(c, op)
	defer func() {
		if err != nil { // End's too: no answer without its record
			resp = nil
		}
	}()
	defer call.End(&err)
	if err := model.STS().Validate(op.Name, req); err != nil {
		if e, ok := errors.AsType[*awserr.Error](err); ok {
			err = awserr.New(stsapi.ValidationError, "%s", e.Message) // the Query protocol's name
		}
		return nil, err
	}
	if limited(c) && op != opAssumeRole && op != opGetCallerIdentity {
		return nil, limitedError(op)
	}
	return fn(call, req)
}

// limited reports whether the caller has credentials of GetSessionToken. They
// may call no operations of STS but AssumeRole and GetCallerIdentity (STS API
// Reference, GetSessionToken).
func limited(c identity.Caller) bool { return c.Session != nil && c.Type != identity.AssumedRole }

// limitedError is what AWS answers such a caller.
func limitedError(op gate.Operation) error {
	if op == opGetSessionToken {
		return errSessionCredentials
	}
	return awserr.New(stsapi.InvalidClientTokenId, "The security token included in the request is invalid")
}

var errSessionCredentials = awserr.New(stsapi.AccessDenied, "Cannot call GetSessionToken with session credentials")

// GetCallerIdentity tells who the caller is. It needs no permission: anyone
// who can sign a request may ask, even when a policy denies the action (STS
// API Reference, GetCallerIdentity).
func (s *Service) GetCallerIdentity(_ context.Context, c identity.Caller, req *stsapi.GetCallerIdentityRequest) (*stsapi.GetCallerIdentityResponse, error) {
	return do(s, c, opGetCallerIdentity, req, func(*gate.Call, *stsapi.GetCallerIdentityRequest) (*stsapi.GetCallerIdentityResponse, error) {
		return &stsapi.GetCallerIdentityResponse{Account: &c.AccountID, Arn: &c.ARN, UserId: &c.PrincipalID}, nil
	})
}

// multiFactor refuses the parameters of multi-factor authentication, with what
// AWS says of a wrong code: there are no devices here, so no code is right.
func multiFactor(serialNumber, tokenCode *string) error {
	if serialNumber == nil && tokenCode == nil {
		return nil
	}
	return awserr.New(stsapi.AccessDenied, "MultiFactorAuthentication failed with invalid MFA one time pass code.")
}
