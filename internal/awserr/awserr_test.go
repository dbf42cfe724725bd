package awserr

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

const notFound Code = "NotFoundException"

func TestCodeThroughWrapping(t *testing.T) {
	err := fmt.Errorf("looking up: %w", Wrap(io.ErrUnexpectedEOF, notFound, "Invalid keyId '%s'", "x"))
	if !errors.Is(err, notFound) {
		t.Error("the code must be found through wrapping")
	}
	if errors.Is(err, Code("Other")) {
		t.Error("another code must not match")
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("the cause must be found through wrapping")
	}
	if got := CodeOf(err); got != notFound {
		t.Errorf("got %q, want %q", got, notFound)
	}
	if got := CodeOf(io.EOF); got != "" {
		t.Errorf("got %q for an error without a code, want none", got)
	}
}

func TestWithCopies(t *testing.T) {
	base := New("InvalidArgument", "bad")
	a, b := base.With("ArgumentName", "a"), base.With("ArgumentName", "b")
	if len(base.Fields) != 0 || a.Fields[0].Value != "a" || b.Fields[0].Value != "b" {
		t.Errorf("With must not change its receiver: %v %v %v", base.Fields, a.Fields, b.Fields)
	}
}
