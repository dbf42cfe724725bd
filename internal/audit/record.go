package audit

import (
	"encoding/json"
	"time"
)

// EventVersion is the version of the CloudTrail record we write.
const EventVersion = "1.11"

// Internal is what CloudTrail writes for the caller, the address and the user
// agent of a call that a service makes on a principal's behalf.
const Internal = "AWS Internal"

// Values of Record.EventCategory.
const (
	Management = "Management"
	Data       = "Data"
)

// Values of Record.EventType.
const (
	APICall      = "AwsApiCall"
	ServiceEvent = "AwsServiceEvent"
)

// Limits of the fields in bytes of JSON text, quotes not counted for strings.
// Source: AWS CloudTrail User Guide, "CloudTrail record contents".
const (
	maxText       = 1 << 10   // userAgent, errorCode, errorMessage; ours also for every other string
	maxParameters = 100 << 10 // requestParameters, responseElements, serviceEventDetails
	maxAdditional = 28 << 10  // additionalEventData
	maxResources  = 16        // ours; no call served names more than two
)

// Record is one CloudTrail record. A json.RawMessage in it must be one JSON
// value, well-formed UTF-8 included: it goes into the trail as it is, and
// Verify calls a record that is not JSON damage.
type Record struct {
	UserIdentity    UserIdentity
	EventTime       time.Time // printed in UTC, to the second
	EventSource     string    // kms.amazonaws.com
	EventName       string
	AWSRegion       string
	SourceIPAddress string
	UserAgent       string
	ErrorCode       string // left out when empty, like ErrorMessage
	ErrorMessage    string

	RequestParameters   json.RawMessage // nil is null
	ResponseElements    json.RawMessage // nil is null
	AdditionalEventData json.RawMessage // nil is left out
	ServiceEventDetails json.RawMessage // nil is left out

	RequestID  string // left out when empty, as in events no request caused
	EventID    string // UUID
	ReadOnly   bool
	Resources  []Resource // left out when empty
	EventType  string     // empty is APICall
	APIVersion string     // left out when empty

	RecipientAccountID string
	SharedEventID      string // left out when empty
	VPCEndpointID      string // left out when empty
	EventCategory      string // empty is Management; managementEvent follows from it
	Addendum           *Addendum
	TLSDetails         *TLSDetails
}

// UserIdentity says who made the call. Which fields are set depends on Type;
// empty ones are left out.
type UserIdentity struct {
	Type        string // Root, IAMUser, AWSService; empty for KMS's own events
	PrincipalID string
	ARN         string
	AccountID   string
	AccessKeyID string
	UserName    string
	Session     *SessionContext // nil: long-term credentials
	InvokedBy   string
}

// SessionContext says of temporary credentials how the caller came by them.
type SessionContext struct {
	Issuer           *SessionIssuer // nil: the caller itself, by GetSessionToken
	CreationDate     time.Time      // printed in UTC, to the second
	MFAAuthenticated bool
	SourceIdentity   string // left out when empty
}

// SessionIssuer is the role that a session is of.
type SessionIssuer struct {
	Type        string // Role
	PrincipalID string // AROA…
	ARN         string
	AccountID   string
	UserName    string // name of the role
}

// Resource is one resource that a call touched.
type Resource struct {
	AccountID string // left out when empty, as for an S3 object
	Type      string // AWS::KMS::Key
	ARN       string
}

// Addendum marks a record that completes an earlier one of the same call.
type Addendum struct {
	Reason            string // UPDATED_DATA
	UpdatedFields     string // names with commas between them
	OriginalRequestID string
	OriginalEventID   string
}

// TLSDetails describes the connection the call came over.
type TLSDetails struct {
	TLSVersion               string // TLSv1.3
	CipherSuite              string
	ClientProvidedHostHeader string
}
