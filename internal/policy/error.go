package policy

import "fmt"

// Reason says why a document is refused. Services map it to the code and text
// that AWS has for it. The zero value is invalid.
type Reason uint8

// The reasons to refuse a document.
const (
	NotUTF8                   Reason = iota + 1 // a byte order mark, UTF-16, or bytes that are no UTF-8
	LeadingSpace                                // white space before the document, where AWS takes none
	NotJSON                                     // no JSON object, or something after it
	DuplicateKey                                // a name twice in one object, or one condition key in two spellings
	Syntax                                      // JSON, but an element has not the form it must have
	UnknownElement                              // an element that there is not
	InvalidVersion                              // neither 2008-10-17 nor 2012-10-17
	MissingStatement                            // no statement
	InvalidSid                                  // characters that a Sid of this kind may not have
	DuplicateSid                                // a Sid twice, where AWS forbids it
	InvalidEffect                               // missing, or neither Allow nor Deny
	MissingPrincipal                            // no principal in a kind that needs one
	InvalidPrincipal                            // a principal that cannot be, or that does not exist
	ProhibitedPrincipal                         // a principal in a kind that has none
	MissingAction                               // no action in a kind that needs one
	InvalidAction                               // an action without its vendor, or with impossible characters
	MissingResource                             // no resource in a kind that needs one
	InvalidResource                             // neither an ARN nor "*"
	ProhibitedResource                          // a resource in a trust policy
	UnknownOperator                             // a condition operator that there is not
	InvalidConditionKey                         // a condition key without its vendor
	InvalidConditionValue                       // a value that the operator cannot compare
	InvalidVariable                             // a policy variable that does not end, or has no name
	OverlyPermissiveCondition                   // ForAllValues with a key that has one value, in a key policy
)

var reasons = [...]string{
	NotUTF8: "NotUTF8", LeadingSpace: "LeadingSpace", NotJSON: "NotJSON", DuplicateKey: "DuplicateKey",
	Syntax: "Syntax", UnknownElement: "UnknownElement", InvalidVersion: "InvalidVersion",
	MissingStatement: "MissingStatement", InvalidSid: "InvalidSid", DuplicateSid: "DuplicateSid",
	InvalidEffect: "InvalidEffect", MissingPrincipal: "MissingPrincipal", InvalidPrincipal: "InvalidPrincipal",
	ProhibitedPrincipal: "ProhibitedPrincipal", MissingAction: "MissingAction", InvalidAction: "InvalidAction",
	MissingResource: "MissingResource", InvalidResource: "InvalidResource", ProhibitedResource: "ProhibitedResource",
	UnknownOperator: "UnknownOperator", InvalidConditionKey: "InvalidConditionKey",
	InvalidConditionValue: "InvalidConditionValue", InvalidVariable: "InvalidVariable",
	OverlyPermissiveCondition: "OverlyPermissiveCondition",
}

// String returns the name of the constant.
func (r Reason) String() string { return name(reasons[:], r) }

// name returns names[i], or the number where there is none.
func name[T ~uint8](names []string, i T) string {
	if int(i) < len(names) && names[i] != "" {
		return names[i]
	}
	return fmt.Sprintf("%d", i)
}

// Error says what is wrong with a document, and where.
type Error struct {
	Reason Reason
	// Detail is one line for whoever wrote the document. Where AWS has a text
	// that does not depend on the service, it is that text.
	Detail       string
	Line, Column int // from 1; the column counts bytes
}

// Error returns "line 3, column 14: …".
func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Detail)
}

// fault is an Error whose place is still an offset.
type fault struct {
	reason Reason
	detail string
	at     int
}

func (f *fault) Error() string { return f.detail }

func refuse(at int, r Reason, format string, args ...any) error {
	return &fault{r, fmt.Sprintf(format, args...), at}
}

// located gives f its place in text.
func (f *fault) located(text []byte) *Error {
	e := &Error{Reason: f.reason, Detail: f.detail, Line: 1, Column: 1}
	for _, c := range text[:min(f.at, len(text))] {
		e.Column++
		if c == '\n' {
			e.Line, e.Column = e.Line+1, 1
		}
	}
	return e
}
