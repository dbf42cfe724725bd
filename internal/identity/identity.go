// Package identity is the Caller value: who makes a request, from where, and
// under which request id. It is made once at the edge and passed explicitly.
package identity

import (
	"strings"
	"time"

	"github.com/strongroom/strongroom/internal/arn"
)

// Type is the kind of a principal, in the words of CloudTrail's userIdentity.type.
type Type string

// The kinds of principal. The zero value is invalid.
const (
	Root        Type = "Root"        // an account's root user
	IAMUser     Type = "IAMUser"     // a user of an account
	AssumedRole Type = "AssumedRole" // a session of a role
	AWSService  Type = "AWSService"  // the server itself; never from the network
	Anonymous   Type = "Anonymous"   // a request without a signature; of no account
)

// AdministratorAccess is the ARN of the AWS managed policy that allows every action.
const AdministratorAccess = "arn:aws:iam::aws:policy/AdministratorAccess"

// Caller is an authenticated principal together with the facts of one request.
// It is a value: services copy it to forward a call, and never change it in place.
type Caller struct {
	Type        Type
	AccountID   string // 12 digits
	ARN         string // arn:aws:iam::111122223333:root, …:user/alice
	PrincipalID string // the account for root, AIDA… for a user
	UserName    string // users only
	AccessKeyID string // AKIA…

	Region     string // of the credential scope
	RequestID  string // as answered in x-amzn-RequestId or x-amz-request-id
	SourceIP   string // without the port
	UserAgent  string
	Host       string // as the client sent it
	AuthMethod string // AuthHeader or QueryString
	TLSVersion string // TLSv1.3; empty on a plain connection
	TLSCipher  string

	// Signed is when the request says it was signed, and PayloadHash what it says
	// of its payload (x-amz-content-sha256; empty where it says nothing).
	Signed      time.Time
	PayloadHash string
	Referer     string // the HTTP header

	// Session is what temporary credentials say; nil for long-term ones.
	Session *Session
	// Endpoint is the VPC endpoint that the request came through; nil: none.
	Endpoint *Endpoint

	// ViaService is the service that makes this call on the principal's
	// behalf, such as s3.us-east-1.amazonaws.com; empty for a direct call.
	// Only code inside the process can set it.
	ViaService string
}

// Session is what the token of temporary credentials says. It is immutable.
type Session struct {
	RoleARN, RoleID   string // of the role, for AssumedRole
	Name              string // role session name
	SourceIdentity    string
	Issued, Expires   time.Time
	MFA               bool
	Policies          []string          // inline session policies: JSON documents
	PolicyARNs        []string          // managed policies given as session policies
	Tags              map[string]string // session tags
	TransitiveTagKeys []string
	Chained           bool // assumed with the credentials of another role session
}

// Endpoint is a VPC endpoint: a listener of the server's own.
type Endpoint struct {
	ID     string // vpce-…: aws:SourceVpce
	VPC    string // vpc-…: aws:SourceVpc
	Policy []byte // JSON; nil: everything is allowed
}

// Via returns a copy of c for a call that service makes with c's identity
// ("forward access session"). Service is a short name such as "s3".
func (c Caller) Via(service string) Caller {
	c.ViaService = service + "." + c.Region + ".amazonaws.com"
	return c
}

// ServicePrincipal returns the service that calls as itself, such as
// s3.amazonaws.com; empty when the caller is none.
func (c Caller) ServicePrincipal() string {
	if c.Type != AWSService || c.ViaService == "" {
		return ""
	}
	service, _, _ := strings.Cut(c.ViaService, ".")
	return service + ".amazonaws.com"
}

// SecureTransport reports whether the request came over TLS: the condition key
// aws:SecureTransport.
func (c Caller) SecureTransport() bool { return c.TLSVersion != "" }

// RootARN returns the ARN of the account's root user.
func RootARN(accountID string) string { return arn.New("iam", "", accountID, "root").String() }
