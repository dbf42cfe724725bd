package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
)

// What Decided says of records that do not tell what was asked.
var (
	ErrNotDenied   = errors.New("gate: the record is not of a call that was denied")
	ErrUndisclosed = errors.New("gate: the record does not tell of another account's resource")
	ErrTruncated   = errors.New("gate: the record had no room for the decision")
)

// Decided returns who asked the gate for what, by the record of a call that was
// denied. The request has neither the resource's policy nor grants, and not whose
// the resource is where the caller was not told; Assume and
// Context answer as they did then for the keys that documents asked for, and so
// does Time. The error is ErrNotDenied, ErrUndisclosed, ErrTruncated, or says
// that this is no record. When keys were left out, it is ErrTruncated too, and
// caller and request are good but for those.
func Decided(record []byte) (identity.Caller, Request, error) {
	var r struct {
		UserIdentity struct {
			Type, PrincipalID, ARN, AccountID, AccessKeyID, UserName, InvokedBy string

			SessionContext *struct {
				SessionIssuer struct{ PrincipalID, ARN string }
				Attributes    struct {
					CreationDate     time.Time
					MFAAuthenticated string
				}
				SourceIdentity string
			}
		}
		EventTime                                                                time.Time
		EventSource, AWSRegion, SourceIPAddress, UserAgent, RequestID, ErrorCode string
		AdditionalEventData                                                      struct{ Decision *decision }
		VPCEndpointID                                                            string
		TLSDetails                                                               struct{ TLSVersion, CipherSuite, ClientProvidedHostHeader string }
	}
	if err := json.Unmarshal(record, &r); err != nil {
		return identity.Caller{}, Request{}, fmt.Errorf("gate: reading a record: %w", err)
	}
	d := r.AdditionalEventData.Decision
	if d == nil {
		return identity.Caller{}, Request{}, ErrNotDenied
	}
	u := r.UserIdentity
	c := identity.Caller{
		Type: identity.Type(u.Type), AccountID: u.AccountID, ARN: u.ARN, PrincipalID: u.PrincipalID, UserName: u.UserName, AccessKeyID: u.AccessKeyID,
		Region: r.AWSRegion, RequestID: r.RequestID, SourceIP: r.SourceIPAddress, UserAgent: r.UserAgent,
		TLSVersion: r.TLSDetails.TLSVersion, TLSCipher: r.TLSDetails.CipherSuite, Host: r.TLSDetails.ClientProvidedHostHeader,
		ViaService: d.ViaService,
	}
	if r.EventSource == "s3.amazonaws.com" {
		c.UserAgent = strings.TrimSuffix(strings.TrimPrefix(c.UserAgent, "["), "]")
	}
	if c.SourceIP == audit.Internal || c.Type == identity.AWSService {
		c.SourceIP, c.UserAgent = "", ""
	}
	if s := u.SessionContext; s != nil {
		c.Session = &identity.Session{
			RoleARN: s.SessionIssuer.ARN, RoleID: s.SessionIssuer.PrincipalID, Issued: s.Attributes.CreationDate,
			MFA: s.Attributes.MFAAuthenticated == "true", SourceIdentity: s.SourceIdentity,
		}
		_, c.Session.Name, _ = strings.Cut(u.PrincipalID, ":")
	}
	if r.VPCEndpointID != "" {
		c.Endpoint = &identity.Endpoint{ID: r.VPCEndpointID}
	}
	if d.Undisclosed {
		return c, Request{Action: d.Action, Time: r.EventTime}, ErrUndisclosed
	}
	request, err := d.request()
	request.Time = r.EventTime
	if err == nil && d.Truncated {
		err = ErrTruncated
	}
	return c, request, err
}

// request turns the decision back into what was asked.
func (d *decision) request() (Request, error) {
	r := Request{Action: d.Action, Resource: d.Resource, ResourceAccount: d.ResourceAccount, CrossAccount: d.CrossAccount}
	for kind, name := range kindNames {
		if name == d.Kind {
			r.Kind = kind
		}
	}
	global, all, forPolicy := answers{}, answers{}, answers{}
	for name, text := range d.Context {
		var v policy.Value
		var one string
		if err := json.Unmarshal(text, &one); err == nil {
			v.Strings = []string{one}
		} else if err := json.Unmarshal(text, &v.Strings); err == nil {
			v.Multi = true
		} else {
			return r, fmt.Errorf("gate: the value of %s in a record: %w", name, err)
		}
		all[name], forPolicy[name] = v, v
		if globalNamed(name) != notGlobal || strings.HasPrefix(name, principalTag) {
			global[name] = v
		}
	}
	for _, name := range d.Hidden {
		delete(forPolicy, name)
	}
	r.Assume, r.Context, r.PolicyContext = global, all, forPolicy
	return r, nil
}

// answers are the condition keys of a request that was recorded.
type answers map[string]policy.Value

// Lookup implements policy.Context.
func (a answers) Lookup(name string) (policy.Value, bool) {
	v, ok := a[name]
	return v, ok
}
