package gate

import (
	"cmp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
)

// A global is a condition key that is not a service's own, and that the caller
// and the request answer. Source: IAM User Guide, "AWS global condition context
// keys", which says for each when a request has it.
type global uint8

const (
	notGlobal global = iota
	principalARN
	principalAccount
	principalType
	principalOrgID
	principalOrgPaths
	principalIsAWSService
	principalServiceName
	principalServiceNamesList
	userID
	userName
	sourceIdentity
	tokenIssueTime
	multiFactorAuthPresent
	multiFactorAuthAge
	sourceIP
	vpcSourceIP
	sourceVPC
	sourceVPCE
	secureTransport
	currentTime
	epochTime
	requestedRegion
	userAgent
	resourceAccount
	resourceOrgID
	resourceOrgPaths
	calledVia
	calledViaFirst
	calledViaLast
	viaAWSService
	globalCount
)

// globalNamed returns the global key of a name in lower case.
func globalNamed(name string) global {
	switch name {
	case "aws:principalarn":
		return principalARN
	case "aws:principalaccount":
		return principalAccount
	case "aws:principaltype":
		return principalType
	case "aws:principalorgid":
		return principalOrgID
	case "aws:principalorgpaths":
		return principalOrgPaths
	case "aws:principalisawsservice":
		return principalIsAWSService
	case "aws:principalservicename":
		return principalServiceName
	case "aws:principalservicenameslist":
		return principalServiceNamesList
	case "aws:userid":
		return userID
	case "aws:username":
		return userName
	case "aws:sourceidentity":
		return sourceIdentity
	case "aws:tokenissuetime":
		return tokenIssueTime
	case "aws:multifactorauthpresent":
		return multiFactorAuthPresent
	case "aws:multifactorauthage":
		return multiFactorAuthAge
	case "aws:sourceip":
		return sourceIP
	case "aws:vpcsourceip":
		return vpcSourceIP
	case "aws:sourcevpc":
		return sourceVPC
	case "aws:sourcevpce":
		return sourceVPCE
	case "aws:securetransport":
		return secureTransport
	case "aws:currenttime":
		return currentTime
	case "aws:epochtime":
		return epochTime
	case "aws:requestedregion":
		return requestedRegion
	case "aws:useragent":
		return userAgent
	case "aws:resourceaccount":
		return resourceAccount
	case "aws:resourceorgid":
		return resourceOrgID
	case "aws:resourceorgpaths":
		return resourceOrgPaths
	case "aws:calledvia":
		return calledVia
	case "aws:calledviafirst":
		return calledViaFirst
	case "aws:calledvialast":
		return calledViaLast
	case "aws:viaawsservice":
		return viaAWSService
	}
	return notGlobal
}

const principalTag = "aws:principaltag/"

// globals holds the values of global keys that were asked for, each worked out
// once in a decision, so that an answer can be a slice of it.
type globals struct {
	values  [globalCount]string // empty: the request has not the key
	known   uint64              // bit set of the globals in values
	tags    [4]tag              // of the principal, as many as fit
	tagged  int
	instant time.Time
}

// Lookup implements policy.Context. The strings of the value are good until
// the next request is asked about.
func (e *evaluation) Lookup(name string) (policy.Value, bool) {
	v, ok := e.lookup(name)
	if e.noted != nil {
		e.noted.add(name, v, ok, e.inPolicy)
	}
	return v, ok
}

func (e *evaluation) lookup(name string) (policy.Value, bool) {
	if e.request.Assume != nil {
		if v, ok := e.request.Assume.Lookup(name); ok {
			return v, true
		}
	}
	if k := globalNamed(name); k != notGlobal {
		return e.global(k)
	}
	if key, ok := strings.CutPrefix(name, principalTag); ok {
		return e.principalTag(key)
	}
	if e.inPolicy && e.request.PolicyContext != nil {
		return e.request.PolicyContext.Lookup(name)
	}
	if e.request.Context != nil {
		return e.request.Context.Lookup(name)
	}
	return policy.Value{}, false
}

func (e *evaluation) global(k global) (policy.Value, bool) {
	g := &e.globals
	if g.known&(1<<k) == 0 {
		g.values[k] = e.globalValue(k)
		g.known |= 1 << k
	}
	if g.values[k] == "" {
		return policy.Value{}, false
	}
	return policy.Value{Strings: g.values[k : k+1 : k+1], Multi: k.multi()}, true
}

// multi reports whether the key is multivalued.
func (k global) multi() bool {
	switch k {
	case calledVia, principalServiceNamesList, principalOrgPaths, resourceOrgPaths:
		return true
	}
	return false
}

// principalTag returns the value of a tag of the principal, whose key is in
// lower case. Everybody who compares tag keys does it by strings.ToLower: under
// strings.EqualFold some letters are the same that are two there (ſ and s), and
// a tag that was taken for another one would answer in the place of that one.
func (e *evaluation) principalTag(key string) (policy.Value, bool) {
	g := &e.globals
	for i := range g.tagged {
		if g.tags[i].key == key {
			return g.tags[i].answer()
		}
	}
	var t *tag
	if g.tagged < len(g.tags) {
		t = &g.tags[g.tagged]
		g.tagged++
	} else {
		t = new(tag)
	}
	*t = tag{key: key}
	for k, v := range e.authority.Tags {
		if lowers(k, key) {
			t.value[0], t.has = v, true
			break
		}
	}
	return t.answer()
}

// lowers reports whether strings.ToLower(s) is lower, without making it where
// that is plain.
func lowers(s, lower string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= utf8.RuneSelf:
			return strings.ToLower(s) == lower
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		if i >= len(lower) || lower[i] != c {
			return false
		}
	}
	return len(s) == len(lower)
}

// tag is a tag that was asked for, and whether the principal has it.
type tag struct {
	key   string // as in the name of the condition key
	value [1]string
	has   bool
}

func (t *tag) answer() (policy.Value, bool) {
	if !t.has {
		return policy.Value{}, false
	}
	return policy.Value{Strings: t.value[:]}, true
}

// globalValue works out the value of a key, empty when the request has it not.
func (e *evaluation) globalValue(k global) string {
	c := e.caller
	isService := c.Type == identity.AWSService
	direct := c.ViaService == "" // what the service that calls for the caller came through is no one's affair
	switch k {
	case principalARN:
		switch {
		case c.Type == identity.AssumedRole && c.Session != nil:
			return c.Session.RoleARN // not that of the session
		case !isService:
			return c.ARN
		}
	case principalAccount:
		if !isService {
			return c.AccountID
		}
	case principalType:
		switch c.Type {
		case identity.Root:
			return "Account"
		case identity.IAMUser:
			return "User"
		case identity.AssumedRole, identity.Anonymous:
			return string(c.Type)
		}
	case principalOrgID:
		return e.authority.OrgID
	case principalOrgPaths:
		return e.authority.OrgPath
	case principalIsAWSService:
		return strconv.FormatBool(isService)
	case principalServiceName, principalServiceNamesList:
		return c.ServicePrincipal()
	case userID:
		if c.Type == identity.Anonymous {
			return "anonymous"
		}
		return c.PrincipalID
	case userName:
		if c.Type == identity.IAMUser {
			return c.UserName
		}
	case sourceVPC, sourceVPCE:
		if c.Endpoint != nil && direct {
			if k == sourceVPC {
				return c.Endpoint.VPC
			}
			return c.Endpoint.ID
		}
	case vpcSourceIP:
		if c.Endpoint != nil && direct {
			return c.SourceIP
		}
	case sourceIP:
		if c.Endpoint == nil && !isService {
			return c.SourceIP
		}
	case secureTransport:
		return strconv.FormatBool(c.SecureTransport())
	case currentTime:
		return e.now().UTC().Format(time.RFC3339)
	case epochTime:
		return strconv.FormatInt(e.now().Unix(), 10)
	case requestedRegion:
		return cmp.Or(e.request.Region, c.Region)
	case userAgent:
		return c.UserAgent
	case resourceAccount:
		return e.account
	case resourceOrgPaths:
		if e.account == c.AccountID {
			return e.authority.OrgPath
		}
	case resourceOrgID:
		if e.account == c.AccountID {
			return e.authority.OrgID
		}
	case calledVia, calledViaFirst, calledViaLast:
		if !isService && !direct {
			return serviceName(c.ViaService)
		}
	case viaAWSService:
		return strconv.FormatBool(!isService && !direct)
	default:
		return e.sessionValue(k)
	}
	return ""
}

// sessionValue works out the value of a key that only temporary credentials
// have: with long-term ones aws:MultiFactorAuthPresent is not false but absent.
func (e *evaluation) sessionValue(k global) string {
	s := e.caller.Session
	if s == nil {
		return ""
	}
	switch k {
	case sourceIdentity:
		return s.SourceIdentity
	case tokenIssueTime:
		return s.Issued.UTC().Format(time.RFC3339)
	case multiFactorAuthPresent:
		return strconv.FormatBool(s.MFA)
	case multiFactorAuthAge:
		if s.MFA {
			return strconv.FormatInt(int64(e.now().Sub(s.Issued)/time.Second), 10)
		}
	}
	return ""
}

// now returns the time of the request, the same for every document.
func (e *evaluation) now() time.Time {
	if !e.request.Time.IsZero() {
		return e.request.Time
	}
	if e.globals.instant.IsZero() {
		e.globals.instant = e.clock()
	}
	return e.globals.instant
}
