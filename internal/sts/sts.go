// Package sts is the AWS Security Token Service, as far as it is served:
// GetCallerIdentity.
package sts

import (
	"context"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/sts/stsapi"
)

// Service answers STS operations. It is safe for concurrent use.
type Service struct{ gate *gate.Gate }

// New makes a Service whose calls pass through g.
func New(g *gate.Gate) *Service { return &Service{gate: g} }

// EventSource is what CloudTrail calls the service.
const EventSource = "sts.amazonaws.com"

var getCallerIdentity = gate.Operation{
	EventSource: EventSource,
	Name:        "GetCallerIdentity",
	Action:      "sts:GetCallerIdentity",
	ReadOnly:    true,
}

// GetCallerIdentity tells who the caller is. It needs no permission: anyone
// who can sign a request may ask, even when a policy denies the action (STS
// API Reference, GetCallerIdentity).
func (s *Service) GetCallerIdentity(_ context.Context, c identity.Caller, _ *stsapi.GetCallerIdentityRequest) (*stsapi.GetCallerIdentityResponse, error) {
	if err := s.gate.Ready(); err != nil {
		return nil, err
	}
	call := s.gate.Begin(c, getCallerIdentity)
	if err := call.Finish(nil); err != nil {
		return nil, err
	}
	return &stsapi.GetCallerIdentityResponse{Account: &c.AccountID, Arn: &c.ARN, UserId: &c.PrincipalID}, nil
}
