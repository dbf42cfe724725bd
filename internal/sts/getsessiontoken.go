package sts

import (
	"context"
	"time"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/sts/stsapi"
)

// How long credentials of GetSessionToken last when the caller does not say,
// and the most for a root user (STS API Reference, GetSessionToken).
const (
	sessionDefault = 12 * time.Hour
	sessionRoot    = time.Hour
)

// GetSessionToken makes temporary credentials of the calling user. It needs no
// permission and no policy can deny it: it says who the caller is, nothing more.
func (s *Service) GetSessionToken(_ context.Context, c identity.Caller, req *stsapi.GetSessionTokenRequest) (*stsapi.GetSessionTokenResponse, error) {
	return do(s, c, opGetSessionToken, req, s.getSessionToken)
}

func (s *Service) getSessionToken(call *gate.Call, req *stsapi.GetSessionTokenRequest) (*stsapi.GetSessionTokenResponse, error) {
	c := call.Caller
	call.RequestParameters = marshal(struct {
		DurationSeconds *int32  `json:"durationSeconds,omitempty"`
		SerialNumber    *string `json:"serialNumber,omitempty"`
	}{req.DurationSeconds, req.SerialNumber})
	if c.Session != nil {
		return nil, errSessionCredentials
	}
	if err := multiFactor(req.SerialNumber, req.TokenCode); err != nil {
		return nil, err
	}
	duration := sessionDefault
	if req.DurationSeconds != nil {
		duration = time.Duration(*req.DurationSeconds) * time.Second
	}
	session := &claims{kind: ofUser, account: c.AccountID, id: c.PrincipalID}
	if c.Type == identity.Root {
		session.kind, session.id = ofRoot, ""
		duration = min(duration, sessionRoot)
	}
	credentials, err := s.issue(session, duration)
	if err != nil {
		return nil, err
	}
	call.ResponseElements = marshal(map[string]any{"credentials": recorded(credentials)})
	return &stsapi.GetSessionTokenResponse{Credentials: credentials}, nil
}
