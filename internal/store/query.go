package store

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxKeySize is the longest key or reference in bytes: an S3 bucket and key
// (63 + 1024) fit several times.
const maxKeySize = 4096

// PrefixEnd returns the least string that is greater than every string with the
// prefix, both valid UTF-8. It is false when there is none: for the empty
// prefix, and for one of nothing but U+10FFFF. With [Query.From] it steps over
// everything below a prefix.
//
// It counts in code points because a string that is not UTF-8 is no text to
// PostgreSQL; UTF-8 sorts bytewise as code points do.
func PrefixEnd(prefix string) (string, bool) {
	for prefix != "" {
		r, n := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-n]
		switch {
		case r == 0xD7FF: // before the surrogates, which UTF-8 leaves out
			return prefix + "\uE000", true
		case r < utf8.MaxRune:
			return prefix + string(r+1), true
		}
	}
	return "", false
}

// plan turns a query into a statement and its parameters.
func (q Query) plan(t Table) (statement, []any, error) {
	if err := checkTable(t); err != nil {
		return statement{}, nil, err
	}
	if q.Limit < 1 {
		return statement{}, nil, fmt.Errorf("%w: a list of %s with limit %d", ErrInvalid, t, q.Limit)
	}
	for _, s := range []string{q.Prefix, q.After, q.From, q.Ref} {
		if err := checkText(t, s); err != nil {
			return statement{}, nil, err
		}
	}
	st := statement{opList, t}
	args := make([]any, 0, 4)
	if q.Ref != "" {
		st.op |= listRef
		args = append(args, q.Ref)
	}
	// One lower bound: the greatest of the three. Of equal ones After wins,
	// for it takes its key out. No key is empty, so After "" takes none.
	lower := max(q.Prefix, q.From)
	if lower > q.After {
		st.op |= listFrom
		args = append(args, lower)
	} else {
		args = append(args, q.After)
	}
	if end, ok := PrefixEnd(q.Prefix); ok {
		st.op |= listBelow
		args = append(args, end)
	}
	return st, append(args, q.Limit), nil
}

// checkKey refuses what one of the databases could not hold as a key.
func checkKey(t Table, key string) error {
	if err := checkTable(t); err != nil {
		return err
	}
	if key == "" {
		return fmt.Errorf("%w: an empty key in %s", ErrInvalid, t)
	}
	return checkText(t, key)
}

func checkText(t Table, s string) error {
	switch {
	case len(s) > maxKeySize:
		return fmt.Errorf("%w: a key in %s of %d bytes", ErrInvalid, t, len(s))
	case !utf8.ValidString(s):
		return fmt.Errorf("%w: a key in %s that is not UTF-8: %q", ErrInvalid, t, s)
	case strings.IndexByte(s, 0) >= 0:
		return fmt.Errorf("%w: a key in %s with a NUL byte: %q", ErrInvalid, t, s)
	}
	return nil
}

var allTables = Tables()

// checkTable is also what keeps anything but a constant out of the SQL.
func checkTable(t Table) error {
	if !slices.Contains(allTables, t) {
		return fmt.Errorf("%w: no table %q", ErrInvalid, string(t))
	}
	return nil
}
