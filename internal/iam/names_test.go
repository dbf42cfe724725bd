package iam

import (
	"strings"
	"testing"
)

// The forms that have a length count characters, not bytes, and take a newline
// only where the class has it.
func TestSizedForms(t *testing.T) {
	for _, tt := range []struct {
		name string
		form sized
		text string
		want bool
	}{
		{"no key", tagKeyForm, "", false},
		{"key of 128 letters", tagKeyForm, strings.Repeat("é", 128), true},
		{"key of 129 letters", tagKeyForm, strings.Repeat("a", 129), false},
		{"key with a space and signs", tagKeyForm, "a b_.:/=+-@", true},
		{"key with a semicolon", tagKeyForm, "a;b", false},
		{"key that is no UTF-8", tagKeyForm, "a\xff", false},
		{"key and a newline", tagKeyForm, "a\n", false},
		{"no value", tagValueForm, "", true},
		{"value of 256 letters", tagValueForm, strings.Repeat("語", 256), true},
		{"value of 257 letters", tagValueForm, strings.Repeat("語", 257), false},
		{"no description", descriptionForm, "", true},
		{"description of 1000 characters", descriptionForm, strings.Repeat("ü\n", 500), true},
		{"description of 1001 characters", descriptionForm, strings.Repeat("a", 1001), false},
		{"description with what is not of Latin-1", descriptionForm, "語", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.form.MatchString(tt.text); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
