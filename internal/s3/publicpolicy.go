package s3

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
)

// isPublic reports whether a policy is public as S3 means it: whether it allows
// anything to everyone, and not only from fixed addresses, networks, accounts or
// the like. That no caller could get through is no matter.
//
// Source: User Guide, "Blocking public access to your Amazon S3 storage", "The
// meaning of public".
func isPublic(text []byte) (bool, error) {
	statements, err := readStatements(text)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(statements, func(st statementText) bool {
		return st.Effect == "Allow" && st.everyone() && !st.narrowed()
	}), nil
}

// everyone reports whether the principal is, or has among it, everyone.
func (st *statementText) everyone() bool {
	var all string
	if json.Unmarshal(st.Principal, &all) == nil {
		return all == "*"
	}
	var named map[string]list
	return json.Unmarshal(st.Principal, &named) == nil && slices.Contains(named["AWS"], "*")
}

// narrowing are the keys, in lower case, that make a statement for everyone one
// for few where they must have fixed values.
var narrowing = []string{"aws:sourceip", "aws:sourcearn", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceowner", "aws:sourceaccount",
	"aws:userid", "aws:principalorgid", "aws:principalarn", "aws:principalaccount", "s3:dataaccesspointarn", "s3:dataaccesspointaccount"}

// narrowed reports whether a condition holds the statement to fixed values.
func (st *statementText) narrowed() bool {
	for operator, keys := range st.Condition {
		switch strings.ToLower(operator) {
		case "stringequals", "stringlike", "arnequals", "arnlike", "ipaddress":
		default:
			continue // what may hold without the key, or for all values but some
		}
		for key, raw := range keys {
			var values list
			if !slices.Contains(narrowing, strings.ToLower(key)) || json.Unmarshal(raw, &values) != nil {
				continue
			}
			if !slices.ContainsFunc(values, broad) {
				return true
			}
		}
	}
	return false
}

// broad reports whether a value is none that is fixed: one with a wildcard or a
// variable, or a range of addresses wider than /8, or /32 of IPv6.
func broad(value string) bool {
	if strings.ContainsAny(value, "*?") || strings.Contains(value, "${") {
		return true
	}
	prefix, err := netip.ParsePrefix(value)
	return err == nil && (prefix.Addr().Is4() && prefix.Bits() < 8 || !prefix.Addr().Is4() && prefix.Bits() < 32)
}
