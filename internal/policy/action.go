package policy

import "strings"

// actionPattern is one value of Action or NotAction, compiled, in lower case.
//
// Source: IAM User Guide, "IAM JSON policy elements: Action".
type actionPattern struct {
	glob   string
	vendor string // kms; empty for "*", which is of every vendor
	prefix string // of glob, up to its first wildcard
	rest   bool   // glob is prefix and a star
}

// compileAction compiles an action, or returns the detail of what is wrong with it.
func compileAction(s string) (actionPattern, string) {
	vendor, action, ok := strings.Cut(s, ":")
	switch {
	case s == "*" || s == "*:*":
		return actionPattern{glob: starStr, rest: true}, ""
	case !ok || vendor == "" || action == "":
		return actionPattern{}, "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
	case !all(vendor, func(c byte) bool { return isAlphanumeric(c) || c == '-' }):
		return actionPattern{}, "Vendor " + excerpt(vendor) + " is not valid"
	case !all(action, func(c byte) bool { return isAlphanumeric(c) || strings.IndexByte("*?-_.", c) >= 0 }):
		return actionPattern{}, "\"" + excerpt(s) + "\" is no action: it has letters, digits, * and ? after its vendor"
	}
	p, _ := compilePattern(strings.ToLower(s), true, false)
	a := actionPattern{glob: p.glob, vendor: strings.ToLower(vendor), prefix: p.glob}
	if i := strings.IndexAny(strings.ToLower(s), "*?"); i >= 0 {
		a.prefix = p.glob[:i]
		a.rest = p.glob[i:] == starStr
	}
	return a, ""
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// exact reports whether the pattern is one action.
func (a *actionPattern) exact() bool { return len(a.prefix) == len(a.glob) }

// match reports whether the pattern matches an action in lower case.
func (a *actionPattern) match(action []byte) bool {
	if len(action) < len(a.prefix) || string(action[:len(a.prefix)]) != a.prefix {
		return false
	}
	return a.rest || matchAction(a.glob[len(a.prefix):], action[len(a.prefix):])
}

// matchAction reports whether glob matches all of an action. Actions are short
// and glob may be long, so glob is walked once, and only the run since its last
// star again.
func matchAction(glob string, action []byte) bool {
	g, a := 0, 0
	lastStar, resume := -1, 0
	for a < len(action) {
		switch {
		case g < len(glob) && glob[g] == star:
			lastStar, resume = g, a
			g++
		case g < len(glob) && (glob[g] == anyOne || glob[g] == action[a]):
			g++
			a++
		case lastStar >= 0:
			resume++
			g, a = lastStar+1, resume
		default:
			return false
		}
	}
	for g < len(glob) && glob[g] == star {
		g++
	}
	return g == len(glob)
}
