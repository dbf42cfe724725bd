package server

import (
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/iam"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/sigv4"
	"github.com/strongroom/strongroom/internal/sts"
)

// credential returns who a signature claims to be of, without the facts of the
// request, and the key that verifies it. With an error it returns a key that
// fits no secret, so that the same work can be done either way.
//
// An access key id of the form of temporary ones is looked up as any other when
// no token comes with it: then it is one that somebody has chosen, or unknown.
func (e *edge) credential(sig *sigv4.Signature) (identity.Caller, *hsm.AccessKey, error) {
	if sig.SessionToken == "" || !sts.IsSessionKey(sig.KeyID) {
		cred, err := e.iam.Credential(sig.KeyID)
		return cred.Caller, cred.Key, err
	}
	cred, err := e.tokens.Credential(sig.KeyID, sig.SessionToken)
	if err != nil {
		none, _ := e.iam.Credential("") // nobody's, always
		return identity.Caller{}, none.Key, err
	}
	return cred.Caller, cred.Key, nil
}

// stsPrincipals is what STS knows of the principals.
type stsPrincipals struct{ *iam.Service }

// Role implements [sts.Principals].
func (p stsPrincipals) Role(arn string) (sts.Role, bool) {
	r, ok := p.Service.Role(arn)
	return sts.Role{ARN: r.ARN, ID: r.ID, AccountID: r.Account, Trust: r.Trust, MaxSession: r.MaxSession, Tags: r.Tags}, ok
}

// HasPolicy implements [sts.Principals].
func (p stsPrincipals) HasPolicy(account, arn string) bool {
	_, ok := p.ManagedPolicy(account, arn)
	return ok
}

// AccessKeyAccount implements [sts.Principals].
func (p stsPrincipals) AccessKeyAccount(id string) (string, bool) {
	cred, err := p.Credential(id)
	return cred.Caller.AccountID, err == nil
}
