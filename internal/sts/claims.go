package sts

import (
	"encoding/binary"
	"maps"
	"slices"
	"time"
)

// claims is what a session token says beside its secret
// (docs/formats/session-token.md):
//
//	offset  size  content
//	0       1     kind
//	1       1     flags: bit 0: chained
//	2       8     issued, Unix seconds, big-endian
//	10      8     expires, likewise
//	18      12    account
//	30            role:  text role id, session name, source identity;
//	              texts policies, policy ARNs, tags (key, value, …), transitive tag keys
//	              user:  text user id
//	              root:  nothing
//
// A text is its length in 16 bits, big-endian, then its bytes; texts are their
// number in 16 bits, then each.
type claims struct {
	kind            kind
	chained         bool
	issued, expires time.Time // to the second
	account         string    // 12 digits
	id              string    // of the role or user; empty for root

	// Of a role only:
	name, sourceIdentity string
	policies, policyARNs []string
	tags                 map[string]string
	transitive           []string
}

// kind is who a session is of. The zero value is invalid.
type kind uint8

const (
	ofRole kind = iota + 1
	ofUser
	ofRoot
)

const (
	accountSize = 12
	flagChained = 1
	fixedClaims = 2 + 8 + 8 + accountSize
)

// append appends the claims as bytes. Texts are shorter than 64 KiB, and lists
// of as many: their issuer sees to that.
func (c *claims) append(dst []byte) []byte {
	var flags byte
	if c.chained {
		flags |= flagChained
	}
	dst = append(dst, byte(c.kind), flags)
	dst = binary.BigEndian.AppendUint64(dst, uint64(c.issued.Unix()))
	dst = binary.BigEndian.AppendUint64(dst, uint64(c.expires.Unix()))
	dst = append(dst, c.account...)
	switch c.kind {
	case ofUser:
		return appendText(dst, c.id)
	case ofRoot:
		return dst
	}
	dst = appendText(dst, c.id)
	dst = appendText(dst, c.name)
	dst = appendText(dst, c.sourceIdentity)
	dst = appendTexts(dst, c.policies)
	dst = appendTexts(dst, c.policyARNs)
	tags := make([]string, 0, 2*len(c.tags))
	for _, key := range slices.Sorted(maps.Keys(c.tags)) {
		tags = append(tags, key, c.tags[key])
	}
	dst = appendTexts(dst, tags)
	return appendTexts(dst, c.transitive)
}

func appendText(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(s))), s...)
}

func appendTexts(dst []byte, list []string) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(list)))
	for _, s := range list {
		dst = appendText(dst, s)
	}
	return dst
}

// parseClaims reads what append writes, and reports false for anything else.
// What it returns does not refer to b.
func parseClaims(b []byte) (*claims, bool) {
	if len(b) < fixedClaims || b[1]&^flagChained != 0 {
		return nil, false
	}
	c := &claims{
		kind:    kind(b[0]),
		chained: b[1]&flagChained != 0,
		issued:  time.Unix(int64(binary.BigEndian.Uint64(b[2:])), 0).UTC(),
		expires: time.Unix(int64(binary.BigEndian.Uint64(b[10:])), 0).UTC(),
		account: string(b[18:fixedClaims]),
	}
	r := reader{b: b[fixedClaims:]}
	switch c.kind {
	case ofRole:
		c.id, c.name, c.sourceIdentity = r.text(), r.text(), r.text()
		c.policies, c.policyARNs = r.texts(), r.texts()
		c.tags = r.tags()
		c.transitive = r.texts()
	case ofUser:
		c.id = r.text()
	case ofRoot:
	default:
		return nil, false
	}
	if r.bad || len(r.b) > 0 {
		return nil, false
	}
	return c, true
}

// reader reads texts until one does not fit; what it returns then is of no use.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) number() int {
	if len(r.b) < 2 {
		r.bad, r.b = true, nil
		return 0
	}
	n := binary.BigEndian.Uint16(r.b)
	r.b = r.b[2:]
	return int(n)
}

func (r *reader) text() string {
	n := r.number()
	if n > len(r.b) {
		r.bad, r.b = true, nil
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *reader) texts() (list []string) {
	for n := r.number(); n > 0 && !r.bad; n-- {
		list = append(list, r.text())
	}
	return list
}

// tags reads pairs of a key and a value, whose keys must ascend.
func (r *reader) tags() map[string]string {
	list := r.texts()
	if len(list) == 0 {
		return nil
	}
	if len(list)%2 != 0 {
		r.bad = true
		return nil
	}
	tags := make(map[string]string, len(list)/2)
	for i := 0; i < len(list); i += 2 {
		if i > 0 && list[i] <= list[i-2] {
			r.bad = true
		}
		tags[list[i]] = list[i+1]
	}
	return tags
}
