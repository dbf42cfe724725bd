package model

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// File is an API model as it lies on disk: the part of botocore's service
// model that the server needs. Keys that are not named here are dropped on
// reading, so that reading and writing a file trims it.
type File struct {
	Metadata   Metadata              `json:"metadata"`
	Operations map[string]*Operation `json:"operations"`
	Shapes     map[string]*Shape     `json:"shapes"`
}

// Metadata is what a model says about its service.
type Metadata struct {
	APIVersion   string `json:"apiVersion"`             // 2014-11-01
	Protocol     string `json:"protocol"`               // json, query or rest-xml
	ServiceID    string `json:"serviceId"`              // KMS
	TargetPrefix string `json:"targetPrefix,omitempty"` // of X-Amz-Target; JSON services only
	XMLNamespace string `json:"xmlNamespace,omitempty"` // of an answer; Query services only
}

// Operation is one API operation.
type Operation struct {
	Name   string `json:"name"`
	HTTP   HTTP   `json:"http"`
	Input  *Ref   `json:"input,omitempty"`
	Output *Ref   `json:"output,omitempty"` // nil: the operation answers an empty body
	Errors []Ref  `json:"errors,omitempty"`
}

// HTTP is the route of an operation.
type HTTP struct {
	Method       string `json:"method"`
	RequestURI   string `json:"requestUri"`
	ResponseCode int    `json:"responseCode,omitempty"` // 0 means 200
}

// Ref points to a shape by name and says how the referring place puts it on
// the wire.
type Ref struct {
	Shape         string `json:"shape"`
	ResultWrapper string `json:"resultWrapper,omitempty"`
	Location      string `json:"location,omitempty"` // header, headers, querystring, uri, statusCode; empty: the body
	LocationName  string `json:"locationName,omitempty"`
	Flattened     bool   `json:"flattened,omitempty"`
	Streaming     bool   `json:"streaming,omitempty"`
}

// Shape is one data type of the API.
type Shape struct {
	Name            string     `json:"-"`
	Type            string     `json:"type"` // structure, list, map, string, blob, boolean, integer, long, double, timestamp
	Required        []string   `json:"required,omitempty"`
	Members         Members    `json:"members,omitempty"`
	Member          *Ref       `json:"member,omitempty"` // of a list
	Key             *Ref       `json:"key,omitempty"`    // of a map
	Value           *Ref       `json:"value,omitempty"`
	Min             *int64     `json:"min,omitempty"` // length of strings, blobs and lists; value of numbers
	Max             *int64     `json:"max,omitempty"`
	Pattern         string     `json:"pattern,omitempty"` // java.util.regex, matched against the whole value
	Enum            []string   `json:"enum,omitempty"`
	Sensitive       bool       `json:"sensitive,omitempty"`
	Flattened       bool       `json:"flattened,omitempty"`
	Payload         string     `json:"payload,omitempty"`         // the member that is the whole body
	TimestampFormat string     `json:"timestampFormat,omitempty"` // iso8601, rfc822; empty: the protocol's default
	Exception       bool       `json:"exception,omitempty"`
	Fault           bool       `json:"fault,omitempty"` // an exception that is the server's
	Error           *ErrorInfo `json:"error,omitempty"`
}

// ErrorInfo is what a model says about an exception beyond its name.
type ErrorInfo struct {
	Code           string `json:"code,omitempty"`
	HTTPStatusCode int    `json:"httpStatusCode,omitempty"`
}

// IsRequired reports whether a structure must have the named member.
func (s *Shape) IsRequired(member string) bool { return slices.Contains(s.Required, member) }

// Code returns the code by which an exception goes over the wire.
func (s *Shape) Code() string {
	if s.Error != nil && s.Error.Code != "" {
		return s.Error.Code
	}
	return s.Name
}

// Member is one member of a structure.
type Member struct {
	Name string
	Ref
}

// GoName returns the name of the member's field: its own, from a capital.
func (m *Member) GoName() string { return strings.ToUpper(m.Name[:1]) + m.Name[1:] }

// WireName returns the member's name on the wire.
func (m *Member) WireName() string {
	if m.LocationName != "" {
		return m.LocationName
	}
	return m.Name
}

// Members are a structure's members in the order of the model, which is the
// order in which violations are reported.
type Members []Member

// UnmarshalJSON implements [json.Unmarshaler]; it keeps the order of the file.
func (m *Members) UnmarshalJSON(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if _, err := dec.Token(); err != nil {
		return err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		member := Member{Name: fmt.Sprint(name)}
		if err := dec.Decode(&member.Ref); err != nil {
			return err
		}
		*m = append(*m, member)
	}
	return nil
}

// MarshalJSON implements [json.Marshaler].
func (m Members) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	for i, member := range m {
		b.WriteByte("{,"[min(i, 1)])
		name, _ := json.Marshal(member.Name)
		ref, err := json.Marshal(member.Ref)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(ref)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// ParseFile reads a model file and gives every shape its name.
func ParseFile(data []byte) (*File, error) {
	var f File
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("parsing API model: %w", err)
	}
	for name, s := range f.Shapes {
		s.Name = name
	}
	return &f, nil
}
