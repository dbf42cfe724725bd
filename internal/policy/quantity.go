package policy

import (
	"cmp"
	"strings"
	"time"
)

// decimal is a number of a policy or a request, compared exactly: digits without
// leading zeros before the point and without trailing ones after it.
type decimal struct {
	negative    bool
	whole, frac string
}

func parseDecimal(s string) (d decimal, ok bool) {
	d.negative = strings.HasPrefix(s, "-")
	if d.negative || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	whole, fraction, point := strings.Cut(s, ".")
	digit := func(c byte) bool { return '0' <= c && c <= '9' }
	if whole == "" || point && fraction == "" || !all(whole, digit) || !all(fraction, digit) {
		return decimal{}, false
	}
	d.whole, d.frac = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	d.negative = d.negative && (d.whole != "" || d.frac != "")
	return d, true
}

func (d decimal) compare(e decimal) int {
	if d.negative != e.negative {
		if d.negative {
			return -1
		}
		return 1
	}
	c := cmp.Or(cmp.Compare(len(d.whole), len(e.whole)), strings.Compare(d.whole, e.whole), strings.Compare(d.frac, e.frac))
	if d.negative {
		return -c
	}
	return c
}

// quantity is a value of a Numeric operator.
type quantity struct {
	order order
	want  decimal
}

func compileNumber(v *node, o order) (matcher, error) {
	d, ok := parseDecimal(v.text)
	if !ok {
		return nil, refuse(v.at, InvalidConditionValue, "%q is no number", excerpt(v.text))
	}
	return &quantity{o, d}, nil
}

func (m *quantity) match(got string, _ Context) verdict {
	d, ok := parseDecimal(got)
	if !ok {
		return no
	}
	return m.order.has(d.compare(m.want))
}

// date is a value of a Date operator.
type date struct {
	order order
	want  time.Time
}

func compileDate(v *node, o order) (matcher, error) {
	t, ok := parseDate(v.text)
	if !ok {
		return nil, refuse(v.at, InvalidConditionValue, "%q is no date such as 2026-11-23T12:00:00Z, nor seconds since 1970", excerpt(v.text))
	}
	return &date{o, t}, nil
}

func (m *date) match(got string, _ Context) verdict {
	t, ok := parseDate(got)
	if !ok {
		return no
	}
	return m.order.has(t.Compare(m.want))
}

// parseDate reads the forms of the W3C's note on ISO 8601, and seconds since
// 1970. Four digits are a year.
func parseDate(s string) (time.Time, bool) {
	for _, layout := range []string{
		"2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04Z07:00", "2006-01-02", "2006-01", "2006",
	} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	d, ok := parseDecimal(s)
	if !ok || len(d.whole) > 12 {
		return time.Time{}, false
	}
	var seconds, nanos int64
	for _, c := range []byte(d.whole) {
		seconds = seconds*10 + int64(c-'0')
	}
	for i := range 9 {
		nanos *= 10
		if i < len(d.frac) {
			nanos += int64(d.frac[i] - '0')
		}
	}
	if d.negative {
		seconds, nanos = -seconds, -nanos
	}
	return time.Unix(seconds, nanos), true
}
