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
// a form: Name=x, List.member.1=x, Structure.Name=x. Unknown parameters are passed
// over; of a repeated one the first counts. The error is an *awserr.Error with
// code MalformedInput.
func Decode(form url.Values, v any) error {
	_, err := structure(form, "", reflect.ValueOf(v).Elem())
	return err
}

// structure fills v from the parameters under prefix and reports whether there
// were any.
func structure(form url.Values, prefix string, v reflect.Value) (found bool, err error) {
	t := v.Type()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("aws"), ",")
		some, err := member(form, prefix+name, v.Field(i))
		if err != nil {
			return false, err
		}
		found = found || some
	}
	return found, nil
}

func member(form url.Values, name string, v reflect.Value) (found bool, err error) {
	t := v.Type()
	switch {
	case t.Kind() == reflect.Slice:
		return list(form, name+".member.", v)
	case t.Kind() != reflect.Pointer:
		panic("awsquery: no decoding for " + t.String())
	case t.Elem().Kind() == reflect.Struct && t != reflect.TypeFor[*time.Time]():
		e := reflect.New(t.Elem())
		if found, err = structure(form, name+".", e.Elem()); found {
			v.Set(e)
		}
		return found, err
	case !form.Has(name):
		return false, nil
	}
	e := reflect.New(t.Elem())
	if err := scalar(form.Get(name), e.Elem()); err != nil {
		return false, awserr.New(MalformedInput, "The value of %s is not valid", name)
	}
	v.Set(e)
	return true, nil
}

func list(form url.Values, prefix string, v reflect.Value) (found bool, err error) {
	for n := 1; ; n++ {
		e := reflect.New(v.Type().Elem()).Elem()
		name := prefix + strconv.Itoa(n)
		if e.Kind() == reflect.Struct {
			found, err = structure(form, name+".", e)
		} else if found = form.Has(name); found {
			err = scalar(form.Get(name), e)
		}
		if err != nil || !found {
			return n > 1, err
		}
		if n > maxElements {
			return false, awserr.New(MalformedInput, "The list at %s is too long", strings.TrimSuffix(prefix, ".member."))
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
