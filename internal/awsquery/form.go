package awsquery

import (
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/strongroom/strongroom/internal/awserr"
)

// MalformedInput is the code of what Decode returns.
const MalformedInput awserr.Code = "MalformedInput"

// maxElements bounds a list: its elements must be numbered from 1 without a gap.
const maxElements = 1000

// Decode fills v, a pointer to a generated input structure that is empty, from
// a form: Name=x, List.member.1=x, Structure.Name=x. An empty list is List= or
// nothing.
//
// Parameters of names that the structure has not are passed over, as AWS does.
// One that begins with a name that it has must be understood: a list with a gap,
// an element that is none or a parameter that is repeated is refused. Passed over,
// it could be the session policy that was to narrow the request.
//
// The error is an *awserr.Error with code MalformedInput.
func Decode(form url.Values, v any) error {
	d := decoder{form, map[string]bool{}}
	rv := reflect.ValueOf(v).Elem()
	if _, err := d.structure("", rv); err != nil {
		return err
	}
	if len(d.used) == len(form) {
		return nil
	}
	for i := range rv.NumField() {
		prefix := memberName(rv.Type().Field(i)) + "."
		for name := range form {
			if strings.HasPrefix(name, prefix) && !d.used[name] {
				return awserr.New(MalformedInput, "The parameter %s is not valid", name)
			}
		}
	}
	return nil
}

// decoder decodes one form.
type decoder struct {
	form url.Values
	used map[string]bool // parameters that became part of the structure
}

func memberName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("aws"), ",")
	return name
}

// has reports whether there is a parameter, and marks it as used.
func (d *decoder) has(name string) (bool, error) {
	switch len(d.form[name]) {
	case 0:
		return false, nil
	case 1:
		d.used[name] = true
		return true, nil
	}
	return false, awserr.New(MalformedInput, "The parameter %s is given more than once", name)
}

// structure fills v from the parameters under prefix and reports whether there
// were any.
func (d *decoder) structure(prefix string, v reflect.Value) (found bool, err error) {
	t := v.Type()
	for i := range t.NumField() {
		some, err := d.member(prefix+memberName(t.Field(i)), v.Field(i))
		if err != nil {
			return false, err
		}
		found = found || some
	}
	return found, nil
}

func (d *decoder) member(name string, v reflect.Value) (found bool, err error) {
	t := v.Type()
	switch {
	case t.Kind() == reflect.Slice:
		return d.list(name, v)
	case t.Kind() != reflect.Pointer:
		panic("awsquery: no decoding for " + t.String())
	case t.Elem().Kind() == reflect.Struct && t != reflect.TypeFor[*time.Time]():
		e := reflect.New(t.Elem())
		if found, err = d.structure(name+".", e.Elem()); found {
			v.Set(e)
		}
		return found, err
	}
	if found, err = d.has(name); !found {
		return false, err
	}
	e := reflect.New(t.Elem())
	if err := scalar(d.form.Get(name), e.Elem()); err != nil {
		return false, awserr.New(MalformedInput, "The value of %s is not valid", name)
	}
	v.Set(e)
	return true, nil
}

func (d *decoder) list(name string, v reflect.Value) (found bool, err error) {
	if empty, err := d.has(name); err != nil {
		return false, err
	} else if empty && d.form.Get(name) != "" {
		return false, awserr.New(MalformedInput, "The value of %s is not a list", name)
	}
	for n := 1; ; n++ {
		e := reflect.New(v.Type().Elem()).Elem()
		element := name + ".member." + strconv.Itoa(n)
		if e.Kind() == reflect.Struct {
			found, err = d.structure(element+".", e)
		} else if found, err = d.has(element); found {
			err = scalar(d.form.Get(element), e)
		}
		if err != nil || !found {
			return n > 1, err
		}
		if n > maxElements {
			return false, awserr.New(MalformedInput, "The list at %s is too long", name)
		}
		v.Set(reflect.Append(v, e))
	}
}

// scalar parses the text of one parameter.
func scalar(text string, v reflect.Value) error {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
		return nil
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		v.SetBool(b)
		return err
	case reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		v.SetInt(n)
		return err
	case reflect.Struct:
		t, err := time.Parse(time.RFC3339, text)
		v.Set(reflect.ValueOf(t))
		return err
	}
	panic("awsquery: no decoding for " + v.Type().String())
}
