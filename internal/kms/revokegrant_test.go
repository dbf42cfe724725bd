package kms_test

import (
	"sync"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

func TestRevokeGrant(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	g := k.grant(*key.KeyId, bob().ARN, opDecrypt, opRetire, opCreate)
	revoke := &kmsapi.RevokeGrantRequest{KeyId: key.Arn, GrantId: g.GrantId}
	if err := k.RevokeGrant(t.Context(), bob(), revoke); awserr.CodeOf(err) != gate.AccessDenied {
		t.Errorf("the grantee gets %v, want AccessDenied", err)
	}
	dry := *revoke
	dry.DryRun = new(true)
	wantError(t, k.RevokeGrant(t.Context(), root(), &dry), kmsapi.DryRunOperationException, "The request would have succeeded, but the DryRun option is set.")
	k.disable(*key.KeyId) // grants can be ended in every state of their key
	k.check(k.RevokeGrant(t.Context(), root(), revoke))
	r := k.last("RevokeGrant")
	wantParameters(t, r.RequestParameters, `{"grantId":"`+*g.GrantId+`","keyId":"`+*key.Arn+`"}`)
	wantParameters(t, r.ResponseElements, `{"keyId":"`+*key.Arn+`"}`)
	wantError(t, k.RevokeGrant(t.Context(), root(), revoke), kmsapi.NotFoundException, "Grant ID "+*g.GrantId+" not found")
	wantError(t, k.RevokeGrant(t.Context(), root(), &dry), kmsapi.NotFoundException, "Grant ID "+*g.GrantId+" not found")
	revoke.GrantId = new("g")
	wantError(t, k.RevokeGrant(t.Context(), root(), revoke), kmsapi.InvalidGrantIdException, "The grant ID g is not valid.")
}

// When RevokeGrant has returned, no call that begins later is allowed by the
// grant, however many are under way; and a grant works when CreateGrant has.
func TestRevokedMeansRevokedAtOnce(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	blob := k.encrypt(*key.KeyId, "p", nil)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					k.decrypts(bob(), blob, nil) // keeps the grants in memory
				}
			}
		})
	}
	for range 30 {
		g := k.grant(*key.KeyId, bob().ARN, opDecrypt)
		if !k.decrypts(bob(), blob, nil) {
			t.Error("a grant has no effect after CreateGrant")
		}
		k.check(k.RevokeGrant(t.Context(), root(), &kmsapi.RevokeGrantRequest{KeyId: key.KeyId, GrantId: g.GrantId}))
		if k.decrypts(bob(), blob, nil) {
			t.Error("a grant has an effect after RevokeGrant")
		}
	}
	close(stop)
	wg.Wait()
}
