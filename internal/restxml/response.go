package restxml

import (
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/secret"
)

// xmlDeclaration opens every document that S3 sends.
const xmlDeclaration = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

// roots are the root elements of answers, which no model says: the name of the
// output structure in S3's published XML schema.
var roots = map[string]string{
	"CompleteMultipartUploadOutput": "CompleteMultipartUploadResult",
	"CreateMultipartUploadOutput":   "InitiateMultipartUploadResult",
	"DeleteObjectsOutput":           "DeleteResult",
	"ListBucketsOutput":             "ListAllMyBucketsResult",
	"ListMultipartUploadsOutput":    "ListMultipartUploadsResult",
	"ListObjectsOutput":             "ListBucketResult",
	"ListObjectsV2Output":           "ListBucketResult",
	"ListPartsOutput":               "ListPartsResult",
}

// bareRoots are the answers whose one member, a text, is itself the root element.
var bareRoots = map[string]bool{"GetBucketLocationOutput": true}

// SetHeaders sets the headers that v's members stand for. V is a pointer to a
// generated output structure; absent members set nothing. Names are in canonical
// form, so that h.Get finds them, but for those of user metadata.
func SetHeaders(h http.Header, v any) {
	rv := reflect.ValueOf(v).Elem()
	p := planOf(rv.Type())
	for i := range p.fields {
		f := &p.fields[i]
		fv := rv.Field(f.index)
		switch f.location {
		case inHeader:
			if f.present(fv) {
				h[f.name] = []string{string(f.appendScalar(nil, fv))}
			}
		case inHeaders:
			for name, value := range fv.Interface().(map[string]string) {
				// In lower case, as AWS sends them: Python's clients show the
				// names as they come.
				h[strings.ToLower(f.name+name)] = []string{value}
			}
		}
	}
}

// HasBody reports whether v, a pointer to a generated output structure, is
// answered with an XML document.
func HasBody(v any) bool {
	p := planOf(reflect.TypeOf(v).Elem())
	return len(p.body) > 0 || p.payload >= 0
}

// AppendBody appends v's XML document to dst. V is a pointer to a generated
// output structure for which HasBody is true. Absent members are left out.
func AppendBody(dst []byte, v any) []byte {
	rv := reflect.ValueOf(v).Elem()
	p := planOf(rv.Type())
	dst = append(dst, xmlDeclaration...)
	if p.payload >= 0 { // one member is the whole document
		f := &p.fields[p.payload]
		dst = append(append(dst, '<'), f.name...)
		dst = append(dst, ` xmlns="`+Namespace+`">`...)
		if fv := rv.Field(f.index); f.present(fv) {
			dst = f.nested.appendBody(dst, fv.Elem())
		}
		return closeTag(dst, f.name)
	}
	name := rv.Type().Name()
	if bareRoots[name] {
		f := &p.fields[p.body[0]]
		dst = append(append(dst, '<'), f.name...)
		dst = append(dst, ` xmlns="`+Namespace+`">`...)
		if fv := rv.Field(f.index); f.present(fv) {
			dst = appendText(dst, fv.Elem().String())
		}
		return closeTag(dst, f.name)
	}
	root, ok := roots[name]
	if !ok {
		panic("restxml: no root element is known for " + name)
	}
	dst = append(append(dst, '<'), root...)
	dst = append(dst, ` xmlns="`+Namespace+`">`...)
	dst = p.appendBody(dst, rv)
	return closeTag(dst, root)
}

// AppendMembers appends the body members of v, a pointer to a generated
// structure, as XML elements without a root.
func AppendMembers(dst []byte, v any) []byte {
	rv := reflect.ValueOf(v).Elem()
	return planOf(rv.Type()).appendBody(dst, rv)
}

// AppendError appends S3's error document. Fields of the error follow its
// message, in order; resource is the path of the request.
func AppendError(dst []byte, e *awserr.Error, resource, requestID, hostID string) []byte {
	dst = append(append(dst, xmlDeclaration...), "<Error>"...)
	dst = AppendElement(dst, "Code", string(e.Code))
	dst = AppendElement(dst, "Message", e.Message)
	for _, f := range e.Fields {
		dst = AppendElement(dst, f.Name, f.Value)
	}
	dst = AppendElement(dst, "Resource", resource)
	dst = AppendElement(dst, "RequestId", requestID)
	dst = AppendElement(dst, "HostId", hostID)
	return closeTag(dst, "Error")
}

// AppendElement appends an element that holds text.
func AppendElement(dst []byte, name, text string) []byte {
	return closeTag(appendText(openTag(dst, name), text), name)
}

func openTag(dst []byte, name string) []byte {
	return append(append(append(dst, '<'), name...), '>')
}

func closeTag(dst []byte, name string) []byte {
	return append(append(append(dst, '<', '/'), name...), '>')
}

// present reports whether a member is to be written.
func (f *field) present(v reflect.Value) bool {
	if f.kind == kindSecret {
		return !v.Interface().(secret.Bytes).IsNil()
	}
	return !v.IsNil() || f.always
}

func (p *plan) appendBody(dst []byte, v reflect.Value) []byte {
	for _, i := range p.body {
		f := &p.fields[i]
		if fv := v.Field(f.index); f.present(fv) {
			dst = f.appendElement(dst, fv)
		}
	}
	return dst
}

func (f *field) appendElement(dst []byte, v reflect.Value) []byte {
	switch f.kind {
	case kindStruct:
		return closeTag(f.nested.appendBody(openTag(dst, f.name), v.Elem()), f.name)
	case kindTexts, kindStructs:
		if f.flattened {
			return f.appendList(dst, v)
		}
		return closeTag(f.appendList(openTag(dst, f.name), v), f.name)
	case kindText:
		return AppendElement(dst, f.name, v.Elem().String())
	}
	return closeTag(f.appendScalar(openTag(dst, f.name), v), f.name)
}

func (f *field) appendList(dst []byte, v reflect.Value) []byte {
	for i := range v.Len() {
		if f.kind == kindTexts {
			dst = AppendElement(dst, f.element, v.Index(i).String())
			continue
		}
		dst = f.nested.appendBody(openTag(dst, f.element), v.Index(i))
		dst = closeTag(dst, f.element)
	}
	return dst
}

// appendScalar appends a present scalar as text that is not escaped.
func (f *field) appendScalar(dst []byte, v reflect.Value) []byte {
	switch f.kind {
	case kindText:
		return append(dst, v.Elem().String()...)
	case kindSecret:
		return append(dst, v.Interface().(secret.Bytes).Expose()...)
	case kindInt:
		return strconv.AppendInt(dst, v.Elem().Int(), 10)
	case kindBool:
		return strconv.AppendBool(dst, v.Elem().Bool())
	case kindTime:
		return f.layout.append(dst, *v.Interface().(*time.Time))
	}
	panic(fmt.Sprintf("restxml: %s is no scalar", f.name))
}
