package s3

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/strongroom/strongroom/internal/s3/s3api"
	"github.com/strongroom/strongroom/internal/secret"
)

// member is a field of a wire shape that travels in a header, the query string
// or the path. The aws tag says so: `aws:"x-amz-acl,header"`.
type member struct {
	index    int
	field    string // Go name
	wire     string // header or query parameter
	location string
}

var memberPlans sync.Map // reflect.Type → []member

func membersOf(t reflect.Type) []member {
	if plan, ok := memberPlans.Load(t); ok {
		return plan.([]member)
	}
	var plan []member
	for i := range t.NumField() {
		wire, rest, _ := strings.Cut(t.Field(i).Tag.Get("aws"), ",")
		location, _, _ := strings.Cut(rest, ",")
		plan = append(plan, member{i, t.Field(i).Name, wire, location})
	}
	memberPlans.Store(t, plan)
	return plan
}

// refuseOthers answers NotImplemented when a member of the request is set that
// the operation does not act on. Served lists the Go names of those it does act
// on, or may rightly ignore. Nothing that asks for behaviour is ever dropped.
func refuseOthers(in any, served memberSet) error {
	v := reflect.ValueOf(in).Elem()
	for _, m := range membersOf(v.Type()) {
		f := v.Field(m.index)
		if served[m.field] || f.IsZero() || f.Kind() == reflect.Struct && isAbsentSecret(f) {
			continue
		}
		return notImplemented(m.wire)
	}
	return nil
}

func isAbsentSecret(f reflect.Value) bool {
	b, ok := f.Interface().(secret.Bytes)
	return ok && b.IsNil()
}

// memberSet is a set of members by their Go names.
type memberSet map[string]bool

// names makes the set for refuseOthers.
func names(list ...string) memberSet { return make(memberSet, len(list)).and(list) }

// and adds names to a set that is being made.
func (s memberSet) and(list []string) memberSet {
	for _, n := range list {
		s[n] = true
	}
	return s
}

// Members that CloudTrail does not show: user metadata may be anything, the
// customer's key is a secret, and so is the code of an MFA device, which comes
// with the call even where it is refused.
var unrecorded = names("Metadata", "MFA", "SSECustomerKey", "SSECustomerKeyMD5", "CopySourceSSECustomerKey", "CopySourceSSECustomerKeyMD5",
	"Bucket", "Key", "ContentLength")

// digestOf reports whether a header holds a digest of the payload. It has no
// place in a record: of a short or well-known text it gives the text away, and
// the trail is there for others to read than the object is.
func digestOf(header string) bool {
	switch header {
	case "x-amz-checksum-algorithm", "x-amz-checksum-mode", "x-amz-checksum-type":
		return false
	}
	return strings.HasPrefix(header, "x-amz-checksum-")
}

// requestParameters is CloudTrail's requestParameters: bucketName, key and Host,
// and what came in x-amz headers and the query string, under its wire name.
func requestParameters(host string, in any) json.RawMessage {
	params := map[string]any{"Host": host}
	v := reflect.ValueOf(in).Elem()
	for _, m := range membersOf(v.Type()) {
		f := v.Field(m.index)
		switch m.field {
		case "Bucket":
			params["bucketName"] = f.Interface()
		case "Key":
			params["key"] = f.Interface()
		case "Delete":
			if d, ok := f.Interface().(*s3api.Delete); ok && d != nil {
				params["delete"] = recordedKeys(d)
			}
		}
		amz := m.location == "header" && strings.HasPrefix(m.wire, "x-amz-")
		if unrecorded[m.field] || digestOf(m.wire) || f.IsZero() || !amz && m.location != "querystring" {
			continue
		}
		if f.Kind() == reflect.Pointer {
			f = f.Elem()
		}
		params[m.wire] = fmt.Sprint(f.Interface())
	}
	b, _ := json.Marshal(params) // strings always encode
	return b
}

// addParameter adds a JSON value to the record's requestParameters.
func (c *call) addParameter(name string, value json.RawMessage) {
	var params map[string]json.RawMessage
	if err := json.Unmarshal(c.RequestParameters, &params); err != nil {
		return // they are our own, and an object
	}
	params[name] = value
	if b, err := json.Marshal(params); err == nil { // which takes the spaces out of the value
		c.RequestParameters = b
	}
}
