package awsjson

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/strongroom/strongroom/internal/secret"
)

// kind is how a member lies in its Go structure. The generated packages use no
// other types.
type kind uint8

const (
	kindString  kind = iota + 1 // *string
	kindEnum                    // pointer to a string type
	kindInt                     // *int32, *int64
	kindBool                    // *bool
	kindFloat                   // *float64
	kindTime                    // *time.Time
	kindBlob                    // []byte
	kindSecret                  // secret.Bytes
	kindStruct                  // *T
	kindStrings                 // []string
	kindEnums                   // slice of a string type
	kindStructs                 // []T
	kindMap                     // map[string]string
)

// plan is what the codec knows of one structure type. It is made once.
type plan struct {
	fields []field
	byName map[string]int // position in fields
}

type field struct {
	name   string
	key    string // "Name": as it is written
	kind   kind
	index  int
	typ    reflect.Type // of the member
	nested *plan        // of a structure, or of the structures in a list
	always bool         // a list that is written even when nil
}

var plans sync.Map // reflect.Type of a structure to *plan

func planOf(t reflect.Type) (*plan, error) {
	if p, ok := plans.Load(t); ok {
		return p.(*plan), nil
	}
	p, err := compile(t)
	if err != nil {
		return nil, err
	}
	actual, _ := plans.LoadOrStore(t, p)
	return actual.(*plan), nil
}

// compile makes the plan of a structure type from its aws tags. A type that
// contains itself is not supported; the served operations have none.
func compile(t reflect.Type) (*plan, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("awsjson: %v is not a structure", t)
	}
	p := &plan{byName: map[string]int{}}
	for i := range t.NumField() {
		sf := t.Field(i)
		tag, ok := sf.Tag.Lookup("aws")
		if !ok {
			return nil, fmt.Errorf("awsjson: field %s of %v has no aws tag", sf.Name, t)
		}
		name, options, _ := strings.Cut(tag, ",")
		f := field{name: name, key: strconv.Quote(name) + ":", index: i, typ: sf.Type, always: options == "always"}
		var nested reflect.Type
		if f.kind, nested = kindOf(sf.Type); f.kind == 0 {
			return nil, fmt.Errorf("awsjson: field %s of %v is of an unsupported type %v", sf.Name, t, sf.Type)
		}
		if nested != nil {
			var err error
			if f.nested, err = planOf(nested); err != nil {
				return nil, err
			}
		}
		p.byName[name] = len(p.fields)
		p.fields = append(p.fields, f)
	}
	return p, nil
}

// kindOf returns a type's kind, 0 when it has none, and the structure inside it.
func kindOf(t reflect.Type) (kind, reflect.Type) {
	switch t {
	case reflect.TypeFor[*string]():
		return kindString, nil
	case reflect.TypeFor[*int32](), reflect.TypeFor[*int64]():
		return kindInt, nil
	case reflect.TypeFor[*bool]():
		return kindBool, nil
	case reflect.TypeFor[*float64]():
		return kindFloat, nil
	case reflect.TypeFor[*time.Time]():
		return kindTime, nil
	case reflect.TypeFor[[]byte]():
		return kindBlob, nil
	case reflect.TypeFor[secret.Bytes]():
		return kindSecret, nil
	case reflect.TypeFor[[]string]():
		return kindStrings, nil
	case reflect.TypeFor[map[string]string]():
		return kindMap, nil
	}
	if k := t.Kind(); k != reflect.Pointer && k != reflect.Slice {
		return 0, nil
	}
	list := t.Kind() == reflect.Slice
	switch elem := t.Elem(); {
	case elem.Kind() == reflect.String && list:
		return kindEnums, nil
	case elem.Kind() == reflect.String:
		return kindEnum, nil
	case elem.Kind() == reflect.Struct && list:
		return kindStructs, elem
	case elem.Kind() == reflect.Struct:
		return kindStruct, elem
	}
	return 0, nil
}
