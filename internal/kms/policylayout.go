package kms

import (
	"bytes"
	"encoding/json"
	"strings"
)

// layoutPolicy prints a JSON document in the layout in which AWS answers key
// policies: members on lines of their own, two spaces deeper than their object,
// a space on both sides of the colon, and lists on the line they begin in
// (observed in AWS: GetKeyPolicy of the default key policy).
//
//	{
//	  "Version" : "2012-10-17",
//	  "Statement" : [ {
//	    "Sid" : "Enable IAM User Permissions",
//	…
//	  } ]
//	}
//
// Strings and numbers stay as they are. What is no JSON comes back unchanged.
func layoutPolicy(doc []byte) string {
	var compact bytes.Buffer
	if json.Compact(&compact, doc) != nil {
		return string(doc)
	}
	l := policyLayout{in: compact.Bytes()}
	l.value()
	return l.out.String()
}

// policyLayout reads JSON that is well-formed and has no white space.
type policyLayout struct {
	in    []byte
	out   strings.Builder
	depth int // of objects
}

func (l *policyLayout) value() {
	switch l.in[0] {
	case '{':
		l.list('{', '}', func() {
			l.depth++
			l.members()
			l.depth--
			l.line()
		})
	case '[':
		l.list('[', ']', func() {
			l.out.WriteByte(' ')
			for l.value(); l.in[0] == ','; l.value() {
				l.take(1)
				l.out.WriteByte(' ')
			}
			l.out.WriteByte(' ')
		})
	default:
		l.take(l.scalar())
	}
}

// list prints what stands between two brackets, a space when that is nothing.
func (l *policyLayout) list(open, end byte, content func()) {
	l.take(1)
	if l.in[0] == end {
		l.out.WriteByte(' ')
	} else {
		content()
	}
	l.take(1)
}

func (l *policyLayout) members() {
	for {
		l.line()
		l.take(l.scalar())
		l.in = l.in[1:] // the colon
		l.out.WriteString(" : ")
		l.value()
		if l.in[0] != ',' {
			return
		}
		l.take(1)
	}
}

func (l *policyLayout) line() {
	l.out.WriteByte('\n')
	for range l.depth {
		l.out.WriteString("  ")
	}
}

// take prints the next n bytes.
func (l *policyLayout) take(n int) {
	l.out.Write(l.in[:n])
	l.in = l.in[n:]
}

// scalar returns the length of the string, number or word that comes next.
func (l *policyLayout) scalar() int {
	if l.in[0] != '"' {
		if n := bytes.IndexAny(l.in, ",]}"); n >= 0 {
			return n
		}
		return len(l.in)
	}
	for n := 1; ; n++ {
		switch l.in[n] {
		case '\\':
			n++
		case '"':
			return n + 1
		}
	}
}
