// Package restxml carries the wire shapes of Amazon S3: it fills request
// structures from the parts of an HTTP request and writes answers as headers and
// XML (Smithy 2.0, "AWS restXml protocol", with S3's own root elements).
//
// Where a member goes is said by its aws tag, which internal/model/gen writes.
package restxml

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/strongroom/strongroom/internal/secret"
)

// location is where a member travels.
type location uint8

const (
	inBody    location = iota + 1 // element of the XML body
	inHeader                      // one header
	inHeaders                     // all headers of a prefix
	inQuery                       // query parameter
	inURI                         // bucket or key
	inPayload                     // the whole XML body
)

// kind is how a member lies in its Go structure.
type kind uint8

const (
	kindText    kind = iota + 1 // pointer to string or to a string type
	kindSecret                  // secret.Bytes: the text as it is on the wire
	kindInt                     // *int32, *int64
	kindBool                    // *bool
	kindTime                    // *time.Time
	kindStruct                  // *T
	kindTexts                   // slice of string or of a string type
	kindStructs                 // []T
	kindMap                     // map[string]string, from headers only
)

// plan is what the codec knows of one structure type. It is made once.
type plan struct {
	fields  []field
	body    []int // positions of members that are elements of the body
	payload int   // position of the payload member, -1 when there is none
}

type field struct {
	name      string // wire name; of a header in canonical form
	location  location
	kind      kind
	index     int
	typ       reflect.Type
	nested    *plan  // of a structure, or of the structures in a list
	element   string // name of a list's elements; equal to name when flattened
	flattened bool
	always    bool
	layout    timeFormat
}

var plans sync.Map // reflect.Type of a structure to *plan

// planOf panics on a type that it cannot carry: that is a broken build, which
// the tests of every shape show.
func planOf(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	p := compile(t)
	actual, _ := plans.LoadOrStore(t, p)
	return actual.(*plan)
}

func compile(t reflect.Type) *plan {
	p := &plan{payload: -1}
	for i := range t.NumField() {
		sf := t.Field(i)
		options := strings.Split(sf.Tag.Get("aws"), ",")
		f := field{name: options[0], index: i, typ: sf.Type, location: inBody, element: "member"}
		var nested reflect.Type
		if f.kind, nested = kindOf(sf.Type); f.kind == 0 || f.name == "" {
			panic(fmt.Sprintf("restxml: field %s of %v has no tag or an unsupported type", sf.Name, t))
		}
		for _, o := range options[1:] {
			f.option(o)
		}
		f.setLayout(options[1:])
		if nested != nil {
			f.nested = planOf(nested)
		}
		switch f.location {
		case inBody:
			p.body = append(p.body, len(p.fields))
		case inPayload:
			p.payload = len(p.fields)
		}
		p.fields = append(p.fields, f)
	}
	return p
}

func (f *field) option(o string) {
	switch o {
	case "header":
		f.location, f.name = inHeader, http.CanonicalHeaderKey(f.name)
	case "headers":
		f.location = inHeaders
	case "querystring":
		f.location = inQuery
	case "uri":
		f.location = inURI
	case "payload":
		f.location = inPayload
	case "flattened":
		f.flattened, f.element = true, f.name
	case "always":
		f.always = true
	default:
		if name, ok := strings.CutPrefix(o, "member="); ok {
			f.element = name
		}
	}
}

// setLayout chooses a timestamp's form: what the tag says, otherwise an
// HTTP-date in headers and ISO 8601 elsewhere (Smithy 2.0, "Timestamp serialization").
func (f *field) setLayout(options []string) {
	switch {
	case slices.Contains(options, "iso8601"):
		f.layout = iso8601
	case slices.Contains(options, "seconds"):
		f.layout = iso8601Seconds
	case slices.Contains(options, "rfc822"), f.location == inHeader:
		f.layout = httpDate
	default:
		f.layout = iso8601
	}
}

func kindOf(t reflect.Type) (kind, reflect.Type) {
	switch t {
	case reflect.TypeFor[secret.Bytes]():
		return kindSecret, nil
	case reflect.TypeFor[*time.Time]():
		return kindTime, nil
	case reflect.TypeFor[map[string]string]():
		return kindMap, nil
	}
	if k := t.Kind(); k != reflect.Pointer && k != reflect.Slice {
		return 0, nil
	}
	list := t.Kind() == reflect.Slice
	switch e := t.Elem(); e.Kind() {
	case reflect.String:
		if list {
			return kindTexts, nil
		}
		return kindText, nil
	case reflect.Struct:
		if list {
			return kindStructs, e
		}
		return kindStruct, e
	case reflect.Int32, reflect.Int64:
		return kindInt, nil
	case reflect.Bool:
		return kindBool, nil
	}
	return 0, nil
}
