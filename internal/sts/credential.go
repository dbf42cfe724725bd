package sts

import (
	"encoding/base64"
	"errors"
	"strings"

	"github.com/strongroom/strongroom/internal/arn"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/identity"
)

// What is wrong with temporary credentials.
var (
	// ErrToken says that a token is none, is damaged, or was issued with another
	// access key id. Which, nobody can tell.
	ErrToken = errors.New("sts: invalid session token")
	// ErrExpired says that a token was valid until its time.
	ErrExpired = errors.New("sts: expired session token")
	// ErrPrincipal says that the role, user or account of a session is no more.
	ErrPrincipal = errors.New("sts: the principal of the session is gone")
)

// Credential is what temporary credentials stand for. It is immutable.
type Credential struct {
	// Caller has the principal's fields; those of the request are empty.
	Caller identity.Caller
	// Key makes the signatures that the holder of the secret makes.
	Key *hsm.AccessKey
}

// session is an opened token.
type session struct {
	claims *claims
	key    *hsm.AccessKey
	// of is the ARN of the principal, at the time, that cred was made for.
	of   string
	cred *Credential
}

// encoding is how a token is spelled: no character needs an escape in a URL.
// Strict: one token has one spelling.
var encoding = base64.RawURLEncoding.Strict()

// Credential opens the token that came with an access key id. The errors are
// ErrToken, ErrExpired and ErrPrincipal.
func (s *Service) Credential(id, token string) (*Credential, error) {
	k := keyOf(id, token)
	o := s.cache.get(k)
	if o == nil {
		raw, err := encoding.DecodeString(token)
		if err != nil || encoding.EncodedLen(len(raw)) != len(token) { // the decoder passes over line breaks
			return nil, ErrToken
		}
		b, key, err := s.cfg.Key.Open(id, raw)
		if err != nil {
			return nil, ErrToken
		}
		c, ok := parseClaims(b)
		if !ok { // it is authentic: a later release wrote it
			return nil, ErrToken
		}
		o = &session{claims: c, key: key}
	}
	if !s.cfg.Clock().Before(o.claims.expires) {
		return nil, ErrExpired
	}
	of, ok := s.principal(o.claims)
	if !ok {
		return nil, ErrPrincipal
	}
	if o.cred == nil || o.of != of {
		// The id may be part of a whole request: keep a copy.
		o = &session{claims: o.claims, key: o.key, of: of, cred: &Credential{o.claims.caller(strings.Clone(id), of), o.key}}
		s.cache.put(k, o)
	}
	return o.cred, nil
}

// principal returns the ARN that the principal of a session has now, and
// whether there is one.
func (s *Service) principal(c *claims) (string, bool) {
	if c.kind == ofRoot {
		return identity.RootARN(c.account), s.cfg.Principals.HasAccount(c.account)
	}
	return s.cfg.Principals.ARN(c.id)
}

// caller makes the Caller of a session whose principal has the ARN of.
func (c *claims) caller(id, of string) identity.Caller {
	who := identity.Caller{
		AccountID: c.account, AccessKeyID: id, ARN: of,
		Session: &identity.Session{Issued: c.issued, Expires: c.expires},
	}
	switch c.kind {
	case ofRoot:
		who.Type, who.PrincipalID = identity.Root, c.account
	case ofUser:
		who.Type, who.PrincipalID, who.UserName = identity.IAMUser, c.id, lastName(of)
	case ofRole:
		who.Type, who.PrincipalID = identity.AssumedRole, c.id+":"+c.name
		who.ARN = sessionARN(c.account, of, c.name)
		who.Session = &identity.Session{
			RoleARN: of, RoleID: c.id, Name: c.name, SourceIdentity: c.sourceIdentity,
			Issued: c.issued, Expires: c.expires, Chained: c.chained,
			Policies: c.policies, PolicyARNs: c.policyARNs, Tags: c.tags, TransitiveTagKeys: c.transitive,
		}
	}
	return who
}

// sessionARN returns the ARN of a session of a role, in which the role's path
// is left out.
func sessionARN(account, roleARN, name string) string {
	return arn.New("sts", "", account, "assumed-role/"+lastName(roleARN)+"/"+name).String()
}

// lastName returns the name of a user or role, without its path.
func lastName(of string) string { return of[strings.LastIndexByte(of, '/')+1:] }
