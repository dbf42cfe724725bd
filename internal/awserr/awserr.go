// Package awserr is the one error type of the services: an AWS error code, a
// message for the caller, and a cause for the log.
//
// Below the edge nobody knows HTTP: the status and the body are chosen in one
// map per protocol, from the code.
package awserr

import (
	"errors"
	"fmt"
)

// Code is an AWS error code such as "NotFoundException". A Code is itself an
// error, so that errors.Is(err, kmsapi.NotFoundException) holds through any
// wrapping.
type Code string

// Error implements error.
func (c Code) Error() string { return string(c) }

// Error is an error that has an AWS code. What the caller sees is Code,
// Message and Fields; Err is for the log alone.
type Error struct {
	Code    Code
	Message string  // AWS's own text; some codes have none
	Fields  []Field // further elements of an S3 error body, in order
	Err     error   // cause, never shown to the caller; may be nil
}

// Field is one further element of an S3 error body, such as ArgumentName.
type Field struct{ Name, Value string }

// New makes an Error with a formatted message.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Bare makes an Error without a message, as AWS sends some codes
// (InvalidCiphertextException, for one).
func Bare(code Code) *Error { return &Error{Code: code} }

// Wrap makes an Error whose cause goes to the log.
func Wrap(err error, code Code, format string, args ...any) *Error {
	e := New(code, format, args...)
	e.Err = err
	return e
}

// With returns a copy of e that has one more field for the S3 error body.
func (e *Error) With(name, value string) *Error {
	c := *e
	c.Fields = append(append([]Field(nil), e.Fields...), Field{name, value})
	return &c
}

// Error implements error; it is the text for the log.
func (e *Error) Error() string {
	s := string(e.Code)
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is e's code.
func (e *Error) Is(target error) bool {
	c, ok := target.(Code)
	return ok && c == e.Code
}

// CodeOf returns the code of the first Error in err's chain, or "" when there
// is none.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	if c, ok := errors.AsType[Code](err); ok {
		return c
	}
	return ""
}
