package awsjson

import (
	"reflect"

	"github.com/strongroom/strongroom/internal/secret"
)

// wipe overwrites the secrets in the structure that v points to and in those
// inside it. What is not a structure of the codec is left alone.
func wipe(v any) {
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Pointer || rv.IsNil() {
		return
	}
	if p, err := planOf(rv.Type().Elem()); err == nil {
		p.wipe(rv.Elem())
	}
}

func (p *plan) wipe(v reflect.Value) {
	for i := range p.fields {
		f := &p.fields[i]
		switch m := v.Field(f.index); f.kind {
		case kindSecret:
			m.Addr().Interface().(*secret.Bytes).Wipe()
		case kindStruct:
			if !m.IsNil() {
				f.nested.wipe(m.Elem())
			}
		case kindStructs:
			for j := range m.Len() {
				f.nested.wipe(m.Index(j))
			}
		}
	}
}
