package kms_test

import (
	"slices"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// listGrants lists as root, page by page.
func (k *kit) listGrants(req *kmsapi.ListGrantsRequest) (all []kmsapi.GrantListEntry) {
	k.t.Helper()
	for {
		r, err := k.ListGrants(k.t.Context(), root(), req)
		k.check(err)
		if r.Grants == nil || *r.Truncated != (r.NextMarker != nil) {
			k.t.Fatalf("page is %+v", r)
		}
		all = append(all, r.Grants...)
		if r.NextMarker == nil {
			return all
		}
		req.Marker = r.NextMarker
	}
}

func TestListGrants(t *testing.T) {
	k := newKit(t)
	key, second := k.createKey(), k.createKey()
	k.grant(*second.KeyId, bob().ARN, opDecrypt)
	var bobs, all []string
	for range 3 {
		bobs = append(bobs, *k.grant(*key.KeyId, bob().ARN, opDecrypt).GrantId)
		all = append(all, *k.grant(*key.KeyId, session("s1").ARN, opDecrypt).GrantId)
	}
	all = append(all, bobs...)
	slices.Sort(all)
	slices.Sort(bobs)
	for _, tt := range []struct {
		name        string
		id, grantee *string
		want        []string
	}{
		{"all", nil, nil, all},
		{"of a grantee", nil, new(bob().ARN), bobs},
		{"of a grantee, by id", nil, new(roleID + ":s1"), slices.DeleteFunc(slices.Clone(all), func(id string) bool { return slices.Contains(bobs, id) })},
		{"of a grantee without any", nil, new(alice().ARN), nil},
		{"by id", &bobs[1], nil, bobs[1:2]},
		{"by id and grantee", &bobs[1], new(bob().ARN), bobs[1:2]},
		{"by id, of another grantee", &bobs[1], new(alice().ARN), nil},
		{"by an id that is not there", new(all[0][:60] + "0000"), nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, e := range k.listGrants(&kmsapi.ListGrantsRequest{KeyId: key.Arn, Limit: new(int32(2)), GrantId: tt.id, GranteePrincipal: tt.grantee}) {
				if *e.KeyId != *key.Arn {
					t.Errorf("KeyId is %s, want %s", *e.KeyId, *key.Arn)
				}
				got = append(got, *e.GrantId)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestListGrantsEntry(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	context := map[string]string{"a": "1"}
	req := grantRequest(*key.KeyId, appRole, opDecrypt, opEncrypt, opDecrypt)
	req.RetiringPrincipal, req.Name, req.Constraints = new(session("s1").ARN), new("app"), &kmsapi.GrantConstraints{EncryptionContextEquals: context}
	id := *k.grantBy(root(), req).GrantId
	e := k.listGrants(&kmsapi.ListGrantsRequest{KeyId: key.KeyId})[0]
	if *e.GrantId != id || *e.Name != "app" || *e.GranteePrincipal != appRole || *e.RetiringPrincipal != session("s1").ARN ||
		*e.IssuingAccount != root().ARN || !slices.Equal(e.Operations, []kmsapi.GrantOperation{opDecrypt, opEncrypt}) ||
		e.Constraints.EncryptionContextEquals["a"] != "1" || e.Constraints.EncryptionContextSubset != nil ||
		e.CreationDate.Format("15:04:05.000") != "11:02:03.987" {
		t.Errorf("entry is %+v", e)
	}
	second := k.createKey()
	k.grant(*second.KeyId, root().ARN, opDecrypt)
	e = k.listGrants(&kmsapi.ListGrantsRequest{KeyId: second.KeyId})[0]
	if *e.Name != "" || e.RetiringPrincipal != nil || e.Constraints != nil || *e.GranteePrincipal != root().ARN {
		t.Errorf("entry of a bare grant is %+v", e)
	}
	// A principal that is gone shows as its id, and its namesake has nothing.
	delete(k.people, appRole)
	delete(k.people, "arn:aws:sts::"+account+":assumed-role/App")
	e = k.listGrants(&kmsapi.ListGrantsRequest{KeyId: key.KeyId})[0]
	if *e.GranteePrincipal != roleID || *e.RetiringPrincipal != roleID+":s1" {
		t.Errorf("the principals are %s and %s, want their ids", *e.GranteePrincipal, *e.RetiringPrincipal)
	}
	k.people[appRole] = "AROANEWNEWNEWNEW"
	blob := k.encrypt(*key.KeyId, "p", context)
	namesake := session("s1")
	namesake.Session.RoleID = "AROANEWNEWNEWNEW"
	if k.decrypts(namesake, blob, context) {
		t.Error("a role has the grant of the one that was there before")
	}
}

func TestListGrantsRefusals(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	for _, tt := range []struct {
		name string
		req  kmsapi.ListGrantsRequest
		code awserr.Code
		text string
	}{
		{"a limit", kmsapi.ListGrantsRequest{Limit: new(int32(101))}, kmsapi.ValidationException,
			"1 validation error detected: Value '101' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 100"},
		{"a marker", kmsapi.ListGrantsRequest{Marker: new("AAAA")}, kmsapi.InvalidMarkerException, "The marker is not valid."},
		{"an id", kmsapi.ListGrantsRequest{GrantId: new("g")}, kmsapi.InvalidGrantIdException, "The grant ID g is not valid."},
		{"a grantee", kmsapi.ListGrantsRequest{GranteePrincipal: new("eve")}, kmsapi.InvalidArnException, "ARN does not refer to a valid principal: eve"},
		{"a key", kmsapi.ListGrantsRequest{KeyId: new(absentID)}, kmsapi.NotFoundException, "Key 'arn:aws:kms:us-east-1:111122223333:key/" + absentID + "' does not exist"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.req.KeyId == nil {
				tt.req.KeyId = key.KeyId
			}
			_, err := k.ListGrants(t.Context(), root(), &tt.req)
			wantError(t, err, tt.code, tt.text)
		})
	}
	// No grant allows it.
	k.grant(*key.KeyId, bob().ARN, opDescribe, opCreate, opRetire)
	_, err := k.ListGrants(t.Context(), bob(), &kmsapi.ListGrantsRequest{KeyId: key.KeyId})
	if awserr.CodeOf(err) != gate.AccessDenied {
		t.Errorf("error is %v, want AccessDenied", err)
	}
}

func TestListRetirableGrants(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	abroad := caller(account, region2)
	var want []string
	for i := range 5 {
		req := grantRequest(*key.KeyId, bob().ARN, opDecrypt)
		if req.RetiringPrincipal = new(appRole); i == 4 {
			req.RetiringPrincipal = new(session("s1").ARN)
		}
		if r := k.grantBy(root(), req); i < 4 {
			want = append(want, *r.GrantId)
		}
	}
	k.grant(*key.KeyId, bob().ARN, opDecrypt)
	slices.Sort(want)
	list := func(limit int32) (got []string) {
		req := &kmsapi.ListRetirableGrantsRequest{RetiringPrincipal: new(appRole), Limit: &limit}
		for {
			r, err := k.ListRetirableGrants(t.Context(), alice(), req)
			k.check(err)
			for _, e := range r.Grants {
				if *e.RetiringPrincipal != appRole || *e.KeyId != *key.Arn {
					t.Errorf("entry is %+v", e)
				}
				got = append(got, *e.GrantId)
			}
			if req.Marker = r.NextMarker; req.Marker == nil {
				return got
			}
		}
	}
	if got := list(3); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	k.check(k.RevokeGrant(t.Context(), root(), &kmsapi.RevokeGrantRequest{KeyId: key.KeyId, GrantId: &want[1]}))
	if got := list(100); !slices.Equal(got, slices.Delete(want, 1, 2)) {
		t.Errorf("after RevokeGrant: got %v", got)
	}
	r, err := k.ListRetirableGrants(t.Context(), abroad, &kmsapi.ListRetirableGrantsRequest{RetiringPrincipal: new(appRole)})
	k.check(err)
	if len(r.Grants) != 0 {
		t.Errorf("another region has %v", r.Grants)
	}
	_, err = k.ListRetirableGrants(t.Context(), bob(), &kmsapi.ListRetirableGrantsRequest{RetiringPrincipal: new(appRole)})
	wantError(t, err, gate.AccessDenied, "User: "+bob().ARN+" is not authorized to perform: kms:ListRetirableGrants on resource: "+appRole+" because no identity-based policy allows the kms:ListRetirableGrants action")
	if _, err = k.ListRetirableGrants(t.Context(), root(), &kmsapi.ListRetirableGrantsRequest{RetiringPrincipal: new(carol().ARN)}); awserr.CodeOf(err) != gate.AccessDenied {
		t.Errorf("of another account's principal: %v, want AccessDenied", err)
	}
	_, err = k.ListRetirableGrants(t.Context(), root(), &kmsapi.ListRetirableGrantsRequest{RetiringPrincipal: new("arn:aws:iam::111122223333:user/eve")})
	wantError(t, err, kmsapi.InvalidArnException, "ARN does not refer to a valid principal: arn:aws:iam::111122223333:user/eve")
}
