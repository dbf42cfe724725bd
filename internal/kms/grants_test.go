package kms_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

// manyGrants gives strangers n grants on a key, and bob one, behind the back of
// the service: making them one by one would take minutes.
func (k *kit) manyGrants(keyID string, n int) {
	k.t.Helper()
	key := kmsdb.KeyRef{Account: account, Region: region, ID: keyID}
	put := func(tx *store.Tx, n int, grantee string) error {
		g := kmsdb.Grant{
			Account: account, Region: region, KeyID: keyID, ID: fmt.Sprintf("%064x", n), IssuingAccount: account,
			Grantee: kmsdb.Party{ID: grantee, ARN: bob().ARN}, Operations: []kmsapi.GrantOperation{opDecrypt}, CreationDate: *k.now.Load(),
		}
		doc, err := json.Marshal(&g)
		if err != nil {
			return err
		}
		row := store.Row{Key: g.Ref().Row(), Ref: key.Row() + "/" + grantee, Doc: doc}
		store.Seal(k.rowMAC, store.KMSGrants, &row)
		row.Rev++
		return tx.PutUnlogged(store.KMSGrants, row)
	}
	k.check(k.store.Update(k.t.Context(), func(tx *store.Tx) error {
		for i := range n - 1 {
			if err := put(tx, i, fmt.Sprintf("AIDASTRANGER%06d", i)); err != nil {
				return err
			}
		}
		return put(tx, n, bob().PrincipalID)
	}))
}

// A hundred thousand grants on a key (a tenth of that unless
// STRONGROOM_TEST_LONG is set) cost a look-up: what bob may do is found by the
// index, and no grant of anybody else is read.
func TestManyGrants(t *testing.T) {
	k := newKit(t)
	one, many := k.createKey(), k.createKey()
	n := 10_000
	if os.Getenv("STRONGROOM_TEST_LONG") == "1" {
		n = 100_000
	}
	k.manyGrants(*one.KeyId, 1)
	k.manyGrants(*many.KeyId, n)
	blob := k.encrypt(*many.KeyId, "p", nil)
	if !k.decrypts(bob(), blob, nil) {
		t.Error("bob may not decrypt by his grant")
	}
	// Of both keys the same is read: each row costs dozens of allocations.
	read := func(keyID string) float64 {
		key := kmsdb.KeyRef{Account: account, Region: region, ID: keyID}
		return testing.AllocsPerRun(20, func() {
			grants, _, bad, err := k.db().Granted(t.Context(), key, bob().PrincipalID, "", 1000)
			if len(grants) != 1 || bad != nil || err != nil {
				t.Errorf("got %d grants, %v, %v, want 1", len(grants), bad, err)
			}
		})
	}
	if a, b := read(*one.KeyId), read(*many.KeyId); b > a+10 {
		t.Errorf("to find one grant of %d takes %.0f allocations, of one %.0f", n, b, a)
	}
	// And the database goes by its index to what it returns.
	db, err := sql.Open("sqlite", k.dbPath())
	k.check(err)
	defer func() { k.check(db.Close()) }()
	rows, err := db.QueryContext(t.Context(), `EXPLAIN QUERY PLAN SELECT key, rev, doc, mac, ref, sum FROM kms_grants WHERE ref = ? AND key > ? ORDER BY key LIMIT ?`, "r", "", 1000)
	k.check(err)
	var plan []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		k.check(rows.Scan(&id, &parent, &unused, &detail))
		plan = append(plan, detail)
	}
	k.check(rows.Close())
	if len(plan) != 1 || !strings.HasPrefix(plan[0], "SEARCH kms_grants USING INDEX kms_grants_ref (ref=? AND key>?)") {
		t.Errorf("plan is %q, want a search by the index alone", plan)
	}
}

// BenchmarkGrants measures Decrypt by a grant: the number of grants on the key
// is not to be seen, neither when the grants are remembered (warm) nor when they
// are read (cold). A ratio far from 1 between keys with 1 and 100,000 is a fault.
func BenchmarkGrants(b *testing.B) {
	for _, n := range []int{1, 100_000} {
		k := newKit(b)
		key := k.createKey()
		blob := k.encrypt(*key.KeyId, "p", nil)
		k.manyGrants(*key.KeyId, n)
		b.Run(fmt.Sprintf("warm/grants=%d", n), func(b *testing.B) {
			for range b.N {
				if !k.decrypts(bob(), blob, nil) {
					b.Fatal("denied")
				}
			}
		})
		b.Run(fmt.Sprintf("cold/grants=%d", n), func(b *testing.B) {
			ref := kmsdb.KeyRef{Account: account, Region: region, ID: *key.KeyId}
			for range b.N {
				if grants, _, _, err := k.db().Granted(b.Context(), ref, bob().PrincipalID, "", 1000); len(grants) != 1 || err != nil {
					b.Fatalf("got %d grants, %v", len(grants), err)
				}
			}
		})
	}
}

// Who has the database but not the keys makes no grant wider: the row is refused
// and named, and the grants beside it stay good.
func TestTamperedGrants(t *testing.T) {
	for name, fn := range map[string]func(t *testing.T, r *store.Row){
		"operations": func(t *testing.T, r *store.Row) { edit(t, r, "Operations", []string{"Decrypt", "Encrypt"}) },
		"constraint": func(t *testing.T, r *store.Row) { edit(t, r, "Constraint", "") },
		"grantee": func(t *testing.T, r *store.Row) {
			edit(t, r, "Grantee", map[string]string{"ID": bob().PrincipalID, "ARN": bob().ARN})
			r.Key = strings.Replace(r.Key, aliceID, bob().PrincipalID, 1)
			r.Ref = strings.Replace(r.Ref, aliceID, bob().PrincipalID, 1)
		},
		"reference": func(t *testing.T, r *store.Row) { r.Ref = strings.Replace(r.Ref, aliceID, bob().PrincipalID, 1) },
		"seal": func(t *testing.T, r *store.Row) {
			r.MAC, r.Ref = nil, strings.Replace(r.Ref, aliceID, bob().PrincipalID, 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			key := k.createKey()
			context := map[string]string{"tenant": "t1"}
			grantee := bob().ARN
			if name == "grantee" || name == "reference" || name == "seal" {
				grantee = alice().ARN
			}
			req := grantRequest(*key.KeyId, grantee, opDecrypt)
			req.Constraints = &kmsapi.GrantConstraints{EncryptionContextEquals: context}
			g := k.grantBy(root(), req)
			good := grantRequest(*key.KeyId, bob().ARN, opDescribe)
			k.grantBy(root(), good)
			row := (&kmsdb.GrantRef{Key: kmsdb.KeyRef{Account: account, Region: region, ID: *key.KeyId}, ID: *g.GrantId, Grantee: k.people[grantee]}).Row()
			blob := k.encrypt(*key.KeyId, "p", nil)
			k.tamper(store.KMSGrants, row, func(r *store.Row) { fn(t, r); row = r.Key })
			decrypt := &kmsapi.DecryptRequest{CiphertextBlob: blob, KeyId: key.KeyId}
			_, err := k.Decrypt(t.Context(), bob(), decrypt)
			wantError(t, err, kmsapi.KMSInternalException, internalText)
			if log := k.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, row) {
				t.Errorf("log is %q, want the row %s named", log, row)
			}
			_, err = k.DescribeKey(t.Context(), bob(), &kmsapi.DescribeKeyRequest{KeyId: key.KeyId})
			k.check(err)
			if r := k.last("DescribeKey"); r.ErrorCode != "" {
				t.Errorf("record is %s", r.raw)
			}
			_, err = k.ListGrants(t.Context(), root(), &kmsapi.ListGrantsRequest{KeyId: key.KeyId})
			wantError(t, err, kmsapi.KMSInternalException, internalText)
		})
	}
}

// A bit that rotted takes its grant with it and no other.
func TestRottenGrant(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	blob := k.encrypt(*key.KeyId, "p", nil)
	g := k.grant(*key.KeyId, bob().ARN, opDecrypt)
	k.grant(*key.KeyId, bob().ARN, opDescribe)
	k.rot("kms_grants", account+"/"+region+"/"+*key.KeyId+"/"+*g.GrantId+"/"+bob().PrincipalID)
	_, err := k.Decrypt(t.Context(), bob(), &kmsapi.DecryptRequest{CiphertextBlob: blob})
	wantError(t, err, kmsapi.KMSInternalException, internalText)
	_, err = k.DescribeKey(t.Context(), bob(), &kmsapi.DescribeKeyRequest{KeyId: key.KeyId})
	k.check(err)
}

// Grants go with their key, those of a key that is there stay, and nothing of
// them is left: a key with the same id would begin without any.
func TestGrantsGoWithTheirKey(t *testing.T) {
	k := newKit(t)
	key, second := k.createKey(), k.createKey()
	for _, id := range []*string{key.KeyId, second.KeyId} {
		req := grantRequest(*id, bob().ARN, opDecrypt)
		req.Name, req.RetiringPrincipal = new("app"), new(appRole)
		k.grantBy(root(), req)
	}
	_, err := k.ScheduleKeyDeletion(t.Context(), root(), &kmsapi.ScheduleKeyDeletionRequest{KeyId: key.KeyId, PendingWindowInDays: new(int32(7))})
	k.check(err)
	if _, err := k.CreateGrant(t.Context(), root(), grantRequest(*key.KeyId, bob().ARN, opDecrypt)); err == nil {
		t.Error("a key that is pending deletion takes a grant")
	}
	if got := k.listGrants(&kmsapi.ListGrantsRequest{KeyId: key.KeyId}); len(got) != 1 {
		t.Errorf("there are %d grants while the key waits, want 1", len(got))
	}
	k.now.Store(new(k.now.Load().Add(8 * 24 * time.Hour)))
	k.reopen() // the clock was moved: the service distrusts that
	if n, err := k.DestroyDue(t.Context()); n != 1 || err != nil {
		t.Fatalf("%d keys were destroyed, %v, want 1", n, err)
	}
	for _, table := range []store.Table{store.KMSGrants, store.KMSGrantRetirers, store.Meta} {
		rows, err := k.store.List(t.Context(), table, store.Query{Limit: 100})
		k.check(err)
		for _, r := range rows {
			if strings.Contains(r.Key, *key.KeyId) {
				t.Errorf("row %s/%s is left", table, r.Key)
			}
		}
	}
	if got := k.listGrants(&kmsapi.ListGrantsRequest{KeyId: second.KeyId}); len(got) != 1 {
		t.Errorf("there are %d grants on the other key, want 1", len(got))
	}
}

// A Deny beats every grant, and a grant to an account gives what an identity
// policy allows, with its conditions.
func TestGrantsAndPolicies(t *testing.T) {
	k := newKit(t)
	dave := bob()
	dave.ARN, dave.PrincipalID = "arn:aws:iam::"+account+":user/dave", "AIDADAVE"
	k.people[dave.ARN] = dave.PrincipalID
	eve := carol()
	eve.ARN, eve.PrincipalID = "arn:aws:iam::"+other+":user/eve", "AIDAEVE"
	k.rights.give(dave.ARN, `{"Effect":"Deny","Action":["kms:Decrypt","kms:RetireGrant"],"Resource":"*"}`)
	k.rights.give(eve.ARN, `{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:EncryptionContext:tenant":"t1"}}}`)
	key := k.createKey()
	t1, t2 := map[string]string{"tenant": "t1"}, map[string]string{"tenant": "t2"}
	a, b := k.encrypt(*key.KeyId, "p", t1), k.encrypt(*key.KeyId, "p", t2)
	retired := grantRequest(*key.KeyId, dave.ARN, opDecrypt, opDescribe, opRetire)
	retired.RetiringPrincipal = &dave.ARN
	g := k.grantBy(root(), retired)
	if k.decrypts(dave, a, t1) {
		t.Error("a grant beats a Deny")
	}
	_, err := k.DescribeKey(t.Context(), dave, &kmsapi.DescribeKeyRequest{KeyId: key.KeyId})
	k.check(err)
	err = k.RetireGrant(t.Context(), dave, &kmsapi.RetireGrantRequest{GrantToken: g.GrantToken})
	wantError(t, err, gate.AccessDenied, "User: "+dave.ARN+" is not authorized to perform: kms:RetireGrant on resource: "+*key.Arn+" with an explicit deny in an identity-based policy")
	k.check(k.RetireGrant(t.Context(), alice(), &kmsapi.RetireGrantRequest{GrantToken: g.GrantToken}))

	if k.decrypts(eve, a, t1) {
		t.Error("eve may without a grant")
	}
	k.grant(*key.KeyId, identity.RootARN(other), opDecrypt)
	if !k.decrypts(eve, a, t1) {
		t.Error("eve may not, by her account's grant and a policy")
	}
	if k.decrypts(eve, b, t2) {
		t.Error("eve may what her policy's condition leaves out")
	}
	if k.decrypts(carol(), a, t1) {
		t.Error("carol may without a policy")
	}
}
