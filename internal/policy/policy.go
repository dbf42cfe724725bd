// Package policy parses and evaluates policy documents: key policies, bucket
// policies, identity policies, permissions boundaries, session policies, trust
// policies, service control policies and VPC endpoint policies. It is pure: what
// a decision depends on is in its arguments, the time included. It decides
// about one document; how documents are combined is the gate's affair.
//
// Source: IAM User Guide, "IAM JSON policy reference".
package policy

import "iter"

// Kind is what a document is attached to. It says which elements the document
// may and must have. The zero value is invalid.
type Kind uint8

// The kinds of document.
const (
	Identity       Kind = iota + 1 // of a user, group or role; permissions boundaries and session policies too
	Key                            // KMS key policy
	Bucket                         // S3 bucket policy
	Trust                          // trust policy of a role
	ServiceControl                 // service control policy of an account
	Endpoint                       // VPC endpoint policy
)

// Request is what is asked of a document. It belongs to one goroutine.
type Request struct {
	Action    string    // kms:Decrypt
	Resource  string    // ARN, or "*"
	Principal Principal // read by documents that name principals
	Context   Context

	// The action in lower case, and what is in the resource, made when a document
	// first asks: the next documents are asked about the same.
	lowered                string // the action that room, vendorLen and the hashes are of
	room                   [maxAction]byte
	vendorLen              int
	actionHash, vendorHash uint64
	searched               string // the resource that found is of
	found                  trigrams
}

// Principal is a caller as documents name it. Fields that it has not are empty.
type Principal struct {
	AccountID string // 12 digits; empty for a service
	Root      bool   // the account's root user
	// ARN is that of the user, the session (arn:aws:sts::…:assumed-role/Role/session)
	// or the federated user.
	ARN string
	ID  string // unique id: AIDA…, or AROA…:session of a session
	// RoleARN and RoleID are those of the role a session is of.
	RoleARN, RoleID string
	Service         string // s3.amazonaws.com, for a service that acts itself
	Federated       string // ARN or name of the provider that vouched, in AssumeRoleWith…
}

// Context answers for the condition keys of one request.
type Context interface {
	// Lookup returns the value of a condition key, whose name is in lower case,
	// and whether the request has it.
	Lookup(name string) (Value, bool)
}

// Value is the value of a condition key.
type Value struct {
	Strings []string
	Multi   bool // the key is multivalued, whether or not it has one value now
}

// Match is how an Allow of a document that names principals names the caller;
// the greater, the less else is asked. The zero value is no match.
type Match uint8

// The ways in which a document names a caller.
const (
	ByAccount   Match = iota + 1 // its account
	ByRole                       // the role that it is a session of
	ByEveryone                   // "*", or a NotPrincipal that does not list it
	ByPrincipal                  // the user, session, federated user or service itself
)

// Outcome is what a document says of a request.
type Outcome struct {
	Deny  *Statement // the first Deny that applies; nil: none
	Allow *Statement // the first Allow that applies, of the greatest Match; nil: none
	Match Match      // of Allow; 0 in documents that name no principals
}

// Directory knows the principals that documents name. It is safe for
// concurrent use.
type Directory interface {
	// UniqueID returns the unique id (AIDA…, AROA…) of the user or role that has
	// this ARN now. Session ARNs name roles without their path, so it also takes
	// arn:aws:sts::ACCOUNT:assumed-role/NAME for the role of that name.
	UniqueID(arn string) (id string, ok bool)
	// ARN returns the ARN of the user or role with a unique id, with its path.
	ARN(id string) (arn string, ok bool)
	// HasAccount reports whether there is such an account.
	HasAccount(id string) bool
}

// The versions of the policy language. A document without one has the first.
const (
	Version2008 = "2008-10-17"
	Version2012 = "2012-10-17"
)

// Document is a parsed document. It is immutable and safe for concurrent use.
type Document struct {
	kind       Kind
	text       []byte
	version    string
	statements []Statement
	names      []named // the principals of type AWS, in the order of the text
	index      index
	screen     screen
}

// named is a principal of type AWS and where its string, quotes included,
// stands in the text.
type named struct {
	at, end int
	value   string
}

// Text returns the document byte for byte as it was parsed. It must not be
// changed.
func (d *Document) Text() []byte { return d.text }

// Kind returns what the document was parsed as.
func (d *Document) Kind() Kind { return d.kind }

// Version returns the version of the policy language that holds for the
// document: Version2008 when it names none.
func (d *Document) Version() string { return d.version }

// Statements returns the document's statements, which must not be changed.
func (d *Document) Statements() []Statement { return d.statements }

// Principals yields the principals of type AWS that the document names, in
// Principal and NotPrincipal, as they are written: "*", account ids, ARNs, and
// in a stored document unique ids. One that is named twice comes twice.
func (d *Document) Principals() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, n := range d.names {
			if !yield(n.value) {
				return
			}
		}
	}
}

// Effect is what a statement does. The zero value is invalid.
type Effect uint8

// The effects.
const (
	Allow Effect = iota + 1
	Deny
)

var effects = [...]string{Allow: "Allow", Deny: "Deny"}

// String returns the effect as documents write it.
func (e Effect) String() string { return name(effects[:], e) }

// Statement is one statement of a document.
type Statement struct {
	Index  int // from 0
	Sid    string
	Effect Effect
	Line   int // of the text, from 1: where the statement begins

	principals   *principals // nil in kinds without
	notPrincipal bool

	actions   []actionPattern
	notAction bool

	resources   []pattern // nil in a trust policy
	notResource bool

	conditions []condition

	// inert says that the statement of a key policy has no effect, because it
	// has no action or no resource.
	inert bool
}
