package gate

import (
	"errors"
	"strings"
	"time"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/uuid"
)

// What the record of a call says whose error has no AWS code. The cause is for
// the log, which has it under the same request id.
const (
	internalFailure awserr.Code = "InternalFailure"
	internalMessage string      = "The request processing has failed because of an unknown error, exception or failure."
)

// errPanic is the outcome of a call that panicked.
var errPanic = errors.New("gate: the operation panicked")

// stamp is what makes a record this one and no other.
type stamp struct {
	time    time.Time
	eventID string
}

// Records returns the JSON of the CloudTrail records of a call that succeeds, for
// the transaction that makes its change: the call's own, and one for each account
// that was named by Share. Time and event ids are fixed by the first
// use, so that a record made for a transaction that failed and the one Finish
// writes in its place are the same event. The caller owns the bytes.
func (c *Call) Records() [][]byte {
	own := c.record(nil)
	records := [][]byte{own.AppendJSON(make([]byte, 0, 1024))}
	for _, o := range c.owners {
		r := c.ownerRecord(own, o)
		records = append(records, r.AppendJSON(make([]byte, 0, 1024)))
	}
	return records
}

// record is the call's own record for outcome err, nil or the error that is to
// be answered.
func (c *Call) record(err error) audit.Record {
	if c.stamp == nil {
		c.stamp = &stamp{c.gate.clock(), uuid.New()}
	}
	r := audit.Record{
		UserIdentity:        userIdentity(c.Caller),
		EventTime:           c.stamp.time,
		EventSource:         c.Op.EventSource,
		EventName:           c.Op.Name,
		AWSRegion:           c.Caller.Region,
		SourceIPAddress:     c.Caller.SourceIP,
		UserAgent:           c.Caller.UserAgent,
		RequestParameters:   c.RequestParameters,
		AdditionalEventData: c.AdditionalEventData,
		RequestID:           c.Caller.RequestID,
		EventID:             c.stamp.eventID,
		ReadOnly:            c.Op.ReadOnly,
		APIVersion:          c.Op.APIVersion,
		RecipientAccountID:  c.Caller.AccountID,
	}
	if c.Op.Data {
		r.EventCategory = audit.Data
	}
	switch {
	case c.Caller.Type == identity.AWSService:
		r.SourceIPAddress = r.UserIdentity.InvokedBy
		r.UserAgent = r.UserIdentity.InvokedBy
	case c.Caller.ViaService != "":
		r.SourceIPAddress, r.UserAgent = audit.Internal, audit.Internal
	default:
		if c.Op.EventSource == "s3.amazonaws.com" {
			r.UserAgent = "[" + r.UserAgent + "]" // S3 alone does so
		}
		if c.Caller.TLSVersion != "" {
			r.TLSDetails = &audit.TLSDetails{
				TLSVersion:               c.Caller.TLSVersion,
				CipherSuite:              c.Caller.TLSCipher,
				ClientProvidedHostHeader: c.Caller.Host,
			}
		}
	}
	if err == nil {
		r.ResponseElements, r.SharedEventID = c.ResponseElements, c.sharedEventID
	} else {
		r.ErrorCode, r.ErrorMessage = outcome(err)
	}
	denied := c.denied || r.ErrorCode == string(AccessDenied)
	if denied {
		r.RequestParameters = nil
	}
	r.Resources = c.shownResources(denied)
	if c.decision != nil && r.ErrorCode != "" {
		r.AdditionalEventData = withDecision(r.AdditionalEventData, c.decision)
	}
	if c.Caller.Endpoint != nil && c.Caller.ViaService == "" {
		r.VPCEndpointID = c.Caller.Endpoint.ID
	}
	if c.streaming != nil {
		r.Addendum = &audit.Addendum{
			Reason:            "UPDATED_DATA",
			UpdatedFields:     "errorCode,errorMessage,additionalEventData",
			OriginalRequestID: c.Caller.RequestID,
			OriginalEventID:   c.streaming.eventID,
		}
	}
	return r
}

// outcome returns the code and message of an error as CloudTrail has them: the
// suffix is dropped from access denials alone.
func outcome(err error) (code, message string) {
	e, ok := errors.AsType[*awserr.Error](err)
	if !ok {
		if c, ok := errors.AsType[awserr.Code](err); ok {
			e = awserr.Bare(c)
		} else {
			e = awserr.New(internalFailure, internalMessage)
		}
	}
	if e.Code == AccessDenied+"Exception" {
		return string(AccessDenied), e.Message
	}
	return string(e.Code), e.Message
}

// userIdentity says who called, as CloudTrail User Guide, "CloudTrail
// userIdentity element" has it for each type.
func userIdentity(c identity.Caller) audit.UserIdentity {
	if c.Type == identity.AWSService {
		u := audit.UserIdentity{Type: string(c.Type), InvokedBy: c.ServicePrincipal()}
		if u.InvokedBy == "" {
			u.InvokedBy = audit.Internal
		}
		return u
	}
	u := audit.UserIdentity{
		Type:        string(c.Type),
		PrincipalID: c.PrincipalID,
		ARN:         c.ARN,
		AccountID:   c.AccountID,
		AccessKeyID: c.AccessKeyID,
		UserName:    c.UserName,
		Session:     sessionContext(c),
	}
	if c.ViaService != "" {
		// So CloudTrail shows S3's use of a KMS key: the record names no
		// service, the encryption context says which object it was for.
		u.InvokedBy = audit.Internal
	}
	return u
}

// sessionContext says how the caller came by temporary credentials; nil when it
// has long-term ones.
func sessionContext(c identity.Caller) *audit.SessionContext {
	s := c.Session
	if s == nil {
		return nil
	}
	out := &audit.SessionContext{CreationDate: s.Issued, MFAAuthenticated: s.MFA, SourceIdentity: s.SourceIdentity}
	if c.Type == identity.AssumedRole {
		out.Issuer = &audit.SessionIssuer{
			Type: "Role", PrincipalID: s.RoleID, ARN: s.RoleARN, AccountID: c.AccountID, UserName: s.RoleARN[strings.LastIndexByte(s.RoleARN, '/')+1:],
		}
	}
	return out
}

// serviceName takes the region out of a ViaService value:
// s3.us-east-1.amazonaws.com becomes s3.amazonaws.com.
func serviceName(via string) string {
	service, _, _ := strings.Cut(via, ".")
	return service + ".amazonaws.com"
}
