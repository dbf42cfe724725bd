// Package stshttp serves the STS API on the AWS Query protocol: its operation
// table and its status map.
package stshttp

import (
	"log/slog"
	"net/http"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/awsquery"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/sts"
	"github.com/strongroom/strongroom/internal/sts/stsapi"
)

// New makes the handler of s. Refused is [awsquery.Config]'s.
func New(s *sts.Service, log *slog.Logger, refused func(identity.Caller, string, error) error) *awsquery.Handler {
	return awsquery.New(awsquery.Config{
		Version:   "2011-06-15",
		Namespace: "https://sts.amazonaws.com/doc/2011-06-15/",
		Ops: []awsquery.Op{
			awsquery.Bind("AssumeRole", s.AssumeRole),
			awsquery.Bind("GetAccessKeyInfo", s.GetAccessKeyInfo),
			awsquery.Bind("GetCallerIdentity", s.GetCallerIdentity),
			awsquery.Bind("GetSessionToken", s.GetSessionToken),
		},
		Status:   status,
		Internal: stsapi.InternalFailure,
		Logger:   log,
		Refused:  refused,
	})
}

// status is the HTTP status of codes that are not 400. Source: STS API
// Reference, "Common Errors".
var status = map[awserr.Code]int{
	stsapi.AccessDenied:               http.StatusForbidden,
	stsapi.ExpiredToken:               http.StatusForbidden,
	stsapi.InvalidClientTokenId:       http.StatusForbidden,
	stsapi.MissingAuthenticationToken: http.StatusForbidden,
	stsapi.SignatureDoesNotMatch:      http.StatusForbidden,
	stsapi.RegionDisabledException:    http.StatusForbidden,
	stsapi.InternalFailure:            http.StatusInternalServerError,
	stsapi.NotImplemented:             http.StatusNotImplemented,
	"RequestEntityTooLarge":           http.StatusRequestEntityTooLarge,
}
