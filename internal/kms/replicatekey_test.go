package kms_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

// The answer is that of AWS (recorded): the replica is Creating, and has no
// material yet. When it is asked for, it is there.
func TestReplicateKey(t *testing.T) {
	k := newKit(t)
	r, err := k.CreateKey(t.Context(), root(), &kmsapi.CreateKeyRequest{MultiRegion: new(true), Description: new("d"), Tags: tagList("a", "b")})
	k.check(err)
	key := r.KeyMetadata
	k.now.Store(new(k.now.Load().Add(time.Hour)))
	a, err := k.ReplicateKey(t.Context(), alice(), &kmsapi.ReplicateKeyRequest{KeyId: key.Arn, ReplicaRegion: new(region2)})
	k.check(err)
	m := a.ReplicaKeyMetadata
	if *m.KeyId != *key.KeyId || *m.Arn != arnIn(region2, *key.KeyId) || *m.AWSAccountId != account || *m.Description != "" || *m.Enabled || *m.KeyState != "Creating" ||
		*m.KeySpec != "SYMMETRIC_DEFAULT" || *m.CustomerMasterKeySpec != "SYMMETRIC_DEFAULT" || *m.KeyUsage != "ENCRYPT_DECRYPT" || *m.Origin != "AWS_KMS" ||
		*m.KeyManager != "CUSTOMER" || m.CurrentKeyMaterialId != nil || len(m.EncryptionAlgorithms) != 1 || *m.MultiRegionConfiguration.MultiRegionKeyType != "REPLICA" {
		t.Errorf("metadata is %+v", m)
	}
	if !m.CreationDate.Equal(k.now.Load().Truncate(time.Millisecond)) {
		t.Errorf("CreationDate is %v, want that of the replica", m.CreationDate)
	}
	if *a.ReplicaPolicy != laidOut || a.ReplicaTags != nil {
		t.Errorf("answer has %s, %v", *a.ReplicaPolicy, a.ReplicaTags)
	}
	k.wantRelated(*key.KeyId, region, region2)
	for _, when := range []string{"at once", "after a restart"} {
		m := k.describeIn(region2, *key.KeyId)
		if *m.KeyState != "Enabled" || !*m.Enabled || *m.CurrentKeyMaterialId != *key.CurrentKeyMaterialId || *m.Description != "" {
			t.Errorf("%s the replica is %+v", when, m)
		}
		if _, err := k.Encrypt(t.Context(), rootIn(region2), encryptRequest(*key.KeyId, "p", nil)); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		k.reopen()
	}
}

func TestReplicateKeyWithPolicyAndTags(t *testing.T) {
	k := newKit(t)
	id := *k.createPrimary().KeyId
	text := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"kms:*","Resource":"*"},{"Effect":"Allow","Principal":{"AWS":"` + bobARN + `"},"Action":"kms:Encrypt","Resource":"*"}]}`
	a, err := k.ReplicateKey(t.Context(), root(), &kmsapi.ReplicateKeyRequest{KeyId: &id, ReplicaRegion: new(region2), Policy: &text, Description: new("there"), Tags: tagList("b", "2", "a", "1")})
	k.check(err)
	if len(a.ReplicaTags) != 2 || *a.ReplicaKeyMetadata.Description != "there" || !strings.Contains(*a.ReplicaPolicy, bobARN) {
		t.Errorf("answer is %v, %s, %s", a.ReplicaTags, *a.ReplicaKeyMetadata.Description, *a.ReplicaPolicy)
	}
	p, err := k.GetKeyPolicy(t.Context(), rootIn(region2), &kmsapi.GetKeyPolicyRequest{KeyId: &id})
	k.check(err)
	if *p.Policy != *a.ReplicaPolicy {
		t.Errorf("the policy is %s, want %s", *p.Policy, *a.ReplicaPolicy)
	}
	tags, err := k.ListResourceTags(t.Context(), rootIn(region2), &kmsapi.ListResourceTagsRequest{KeyId: &id})
	k.check(err)
	if len(tags.Tags) != 2 || *tags.Tags[0].TagKey != "a" {
		t.Errorf("tags are %v", tags.Tags)
	}
	c := bob()
	if _, err := k.Encrypt(t.Context(), c, encryptRequest(id, "p", nil)); allowed(t, err) {
		t.Error("the policy of the replica holds for the primary key")
	}
	c.Region = region2
	if _, err := k.Encrypt(t.Context(), c, encryptRequest(id, "p", nil)); err != nil {
		t.Error(err)
	}
}

func TestReplicateKeyRefusals(t *testing.T) {
	k := newKit(t)
	primary, single := *k.createPrimary().KeyId, *k.createKey().KeyId
	k.replicate(primary, region2)
	const no, pattern = "eu-north-1", `1 validation error detected: Value 'Europe' at 'replicaRegion' failed to satisfy constraint: Member must satisfy regular expression pattern: ^([a-z]+-){2,3}\d+$`
	locked := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + bobARN + `"},"Action":"kms:*","Resource":"*"}]}`
	before := len(k.records())
	for _, c := range []struct {
		name string
		in   string // region of the call; "" is us-east-1
		req  kmsapi.ReplicateKeyRequest
		code awserr.Code
		text string
	}{
		{"no key", "", kmsapi.ReplicateKeyRequest{ReplicaRegion: new(region3)}, kmsapi.ValidationException, "1 validation error detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null"},
		{"no region", "", kmsapi.ReplicateKeyRequest{KeyId: &primary}, kmsapi.ValidationException, "1 validation error detected: Value null at 'replicaRegion' failed to satisfy constraint: Member must not be null"},
		{"no region's name", "", kmsapi.ReplicateKeyRequest{KeyId: &primary, ReplicaRegion: new("Europe")}, kmsapi.ValidationException, pattern},
		{"an alias", "", kmsapi.ReplicateKeyRequest{KeyId: new("alias/app"), ReplicaRegion: new(region3)}, kmsapi.NotFoundException, "Invalid keyId 'alias/app'"},
		{"absent", "", kmsapi.ReplicateKeyRequest{KeyId: new(absentID), ReplicaRegion: new(region3)}, kmsapi.NotFoundException, "Key '" + arnIn(region, absentID) + "' does not exist"},
		{"of another region", region3, kmsapi.ReplicateKeyRequest{KeyId: &primary, ReplicaRegion: new(region2)}, kmsapi.NotFoundException, "Key '" + arnIn(region3, primary) + "' does not exist"},
		{"ARN of another region", region2, kmsapi.ReplicateKeyRequest{KeyId: new(arnIn(region, primary)), ReplicaRegion: new(region3)}, kmsapi.NotFoundException, "Invalid arn us-east-1"},
		{"single-region key", "", kmsapi.ReplicateKeyRequest{KeyId: &single, ReplicaRegion: new(region3)}, kmsapi.UnsupportedOperationException, arnIn(region, single) + " is not a multi-region primary key."},
		{"a replica", region2, kmsapi.ReplicateKeyRequest{KeyId: &primary, ReplicaRegion: new(region3)}, kmsapi.UnsupportedOperationException, arnIn(region2, primary) + " is not a multi-region primary key."},
		{"a second time", "", kmsapi.ReplicateKeyRequest{KeyId: &primary, ReplicaRegion: new(region2)}, kmsapi.AlreadyExistsException, "Key '" + arnIn(region2, primary) + "' already exists"},
		{"its own region", "", kmsapi.ReplicateKeyRequest{KeyId: &primary, ReplicaRegion: new(region)}, kmsapi.AlreadyExistsException, "Key '" + arnIn(region, primary) + "' already exists"},
		{"a region that is not enabled", "", kmsapi.ReplicateKeyRequest{KeyId: &primary, ReplicaRegion: new(no)}, kmsapi.UnsupportedOperationException, "The region eu-north-1 is not enabled."},
		{"tags of AWS", "", kmsapi.ReplicateKeyRequest{KeyId: &primary, ReplicaRegion: new(region3), Tags: tagList("aws:a", "b")}, kmsapi.TagException, "Tags beginning with aws: are reserved"},
		{"no policy at all", "", kmsapi.ReplicateKeyRequest{KeyId: &primary, ReplicaRegion: new(region3), Policy: new("x")}, kmsapi.MalformedPolicyDocumentException, ""},
		{"policy that locks out", "", kmsapi.ReplicateKeyRequest{KeyId: &primary, ReplicaRegion: new(region3), Policy: &locked}, kmsapi.MalformedPolicyDocumentException, "The new key policy will not allow you to update the key policy in the future."},
		{"policy of nobody", "", kmsapi.ReplicateKeyRequest{KeyId: &primary, ReplicaRegion: new(region3), Policy: new(strings.ReplaceAll(locked, "user/bob", "user/nobody"))}, kmsapi.MalformedPolicyDocumentException, "Policy contains a statement with one or more invalid principals."},
	} {
		t.Run(c.name, func(t *testing.T) {
			who := root()
			if c.in != "" {
				who.Region = c.in
			}
			_, err := k.ReplicateKey(t.Context(), who, &c.req)
			wantError(t, err, c.code, c.text)
			if r := k.last("ReplicateKey"); r.ErrorCode != string(c.code) || r.ResponseElements != nil {
				t.Errorf("record is %s", r.raw)
			}
			before++
		})
	}
	if got := len(k.records()); got != before {
		t.Errorf("%d records, want %d: one for each refusal, in the region of the call", got, before)
	}
	k.wantRelated(primary, region, region2)
	if _, err := k.ReplicateKey(t.Context(), root(), &kmsapi.ReplicateKeyRequest{KeyId: &primary, ReplicaRegion: new(region3), Policy: &locked, BypassPolicyLockoutSafetyCheck: new(true)}); err != nil {
		t.Errorf("with bypass: %v", err)
	}
}

// The states that a primary key can be replicated in.
func TestReplicateKeyStates(t *testing.T) {
	for state, text := range map[kmsapi.KeyState]string{
		kmsapi.KeyStateEnabled: "", kmsapi.KeyStatePendingImport: "", kmsapi.KeyStateDisabled: " is disabled.",
		kmsapi.KeyStatePendingDeletion: " is pending deletion.", kmsapi.KeyStatePendingReplicaDeletion: " is pending deletion.",
		kmsapi.KeyStateCreating: " is creating.", kmsapi.KeyStateUpdating: " is updating.", kmsapi.KeyStateUnavailable: " is unavailable.",
	} {
		t.Run(string(state), func(t *testing.T) {
			k := newKit(t)
			id := *k.createPrimary().KeyId
			k.change(id, func(key *kmsdb.Key) { key.State = state })
			_, err := k.ReplicateKey(t.Context(), root(), &kmsapi.ReplicateKeyRequest{KeyId: &id, ReplicaRegion: new(region2)})
			switch {
			case text == "" && err != nil:
				t.Error(err)
			case text == " is disabled.":
				wantError(t, err, kmsapi.DisabledException, arnIn(region, id)+text)
			case text != "":
				wantError(t, err, kmsapi.KMSInvalidStateException, arnIn(region, id)+text)
			}
		})
	}
}

// The replica of a key with imported material has none, until it is imported
// there too; it knows which it is to be.
func TestReplicateKeyOfImportedMaterial(t *testing.T) {
	k := newKit(t)
	key := k.createPrimary()
	k.change(*key.KeyId, func(key *kmsdb.Key) {
		key.Origin, key.Materials[0].Imported, key.Materials[0].Description = kmsapi.OriginTypeExternal, true, "d"
	})
	k.replicate(*key.KeyId, region2)
	if m := k.describeIn(region2, *key.KeyId); *m.KeyState != "PendingImport" || *m.Enabled || *m.Origin != "EXTERNAL" || *m.CurrentKeyMaterialId != *key.CurrentKeyMaterialId {
		t.Errorf("the replica is %+v", m)
	}
	ref := kmsdb.KeyRef{Account: account, Region: region2, ID: *key.KeyId}
	stored, err := k.db().Key(t.Context(), ref)
	k.check(err)
	if len(stored.Materials) != 1 || !stored.Materials[0].Absent || stored.Materials[0].Imported || stored.Materials[0].Description != "" {
		t.Errorf("its material is %+v", stored.Materials)
	}
	if _, err := k.store.Get(t.Context(), store.KMSKeyTokens, ref.Row()+"/"+*key.CurrentKeyMaterialId); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a token: %v, want none", err)
	}
	k.wantRelated(*key.KeyId, region, region2)
}

// Two records tell of the call: in the region of the primary key, and, by KMS in
// the caller's name, the creation in that of the replica. A third one tells of
// the other replicas, whose lists have changed.
func TestReplicateKeyRecords(t *testing.T) {
	k := newKit(t)
	id := *k.createPrimary().KeyId
	before := len(k.records())
	_, err := k.ReplicateKey(t.Context(), alice(), &kmsapi.ReplicateKeyRequest{KeyId: &id, ReplicaRegion: new(region2), Tags: tagList("a", "b")})
	k.check(err)
	rs := k.records()[before:]
	if len(rs) != 2 || rs[0].EventName != "ReplicateKey" || rs[1].EventName != "CreateKey" {
		t.Fatalf("records are %+v", rs)
	}
	here, there := rs[0], rs[1]
	wantParameters(t, here.RequestParameters, `{"bypassPolicyLockoutSafetyCheck":false,"description":"","keyId":"`+id+`","replicaRegion":"eu-west-1","tags":[{"tagKey":"a","tagValue":"b"}]}`)
	if here.AWSRegion != region || len(here.Resources) != 1 || here.Resources[0].ARN != arnIn(region, id) || here.UserIdentity["invokedBy"] != nil {
		t.Errorf("record is %s", here.raw)
	}
	for _, want := range []string{
		`"responseElements":{"replicaKeyMetadata":{"aWSAccountId":"111122223333","keyId":"` + id + `","arn":"` + arnIn(region2, id) + `",`, `"keyState":"Creating"`, `"enabled":false`,
		`"multiRegionConfiguration":{"multiRegionKeyType":"REPLICA","primaryKey":{"arn":"` + arnIn(region, id) + `","region":"us-east-1"},"replicaKeys":[{"arn":"` + arnIn(region2, id) + `","region":"eu-west-1"}]}`,
		`"replicaPolicy":"{\n`, `"replicaTags":[{"tagKey":"a","tagValue":"b"}]`,
	} {
		if !strings.Contains(here.raw, want) {
			t.Errorf("record is %s, want in it %s", here.raw, want)
		}
	}
	if strings.Contains(here.raw+there.raw, "currentKeyMaterialId") {
		t.Error("a record has the material of a key that is being made")
	}
	if there.AWSRegion != region2 || there.RequestID != here.RequestID || there.EventID == here.EventID || there.UserIdentity["userName"] != "alice" || there.UserIdentity["invokedBy"] != "kms.amazonaws.com" ||
		there.UserAgent != "AWS Internal" || len(there.Resources) != 1 || there.Resources[0].ARN != arnIn(region2, id) || there.RequestParameters["multiRegion"] != true {
		t.Errorf("record is %s", there.raw)
	}
	before += 2
	k.replicate(id, region3)
	rs = k.records()[before:]
	if len(rs) != 3 || rs[2].EventName != "SynchronizeMultiRegionKey" || rs[2].AWSRegion != region || len(rs[2].Resources) != 1 || rs[2].Resources[0].ARN != arnIn(region, id) {
		t.Fatalf("records are %+v", rs)
	}
	wantParameters(t, rs[2].UserIdentity, `{"accountId":"111122223333","invokedBy":"AWS Internal"}`)
	wantParameters(t, rs[2].ResponseElements, `{"keyId":"`+arnIn(region, id)+`"}`)
	k.wantRelated(id, region, region2, region3)
}

// The caller needs kms:ReplicateKey on the primary key, kms:CreateKey in the
// replica's region, and with tags kms:TagResource there.
func TestReplicateKeyPermissions(t *testing.T) {
	allow := func(action, resource, condition string) string {
		return `{"Effect":"Allow","Action":"` + action + `","Resource":"` + resource + `"` + condition + `}`
	}
	in := func(r string) string { return `,"Condition":{"StringEquals":{"aws:RequestedRegion":"` + r + `"}}` }
	k := newKit(t)
	for _, c := range []struct {
		name    string
		rights  []string
		missing string // action that is refused; "" is none
		on      string
	}{
		{"nothing", nil, "kms:ReplicateKey", "us-east-1 key"},
		{"not the creation", []string{allow("kms:ReplicateKey", "*", "")}, "kms:CreateKey", "*"},
		{"the creation here alone", []string{allow("kms:ReplicateKey", "*", ""), allow("kms:CreateKey", "*", in(region))}, "kms:CreateKey", "*"},
		{"not the tags", []string{allow("kms:ReplicateKey", "*", in(region)), allow("kms:CreateKey", "*", in(region2))}, "kms:TagResource", "eu-west-1 key"},
		{"tags of the primary key", []string{allow("kms:ReplicateKey", "*", ""), allow("kms:CreateKey", "*", ""), allow("kms:TagResource", "arn:aws:kms:us-east-1:*:key/*", "")}, "kms:TagResource", "eu-west-1 key"},
		{"all", []string{allow("kms:ReplicateKey", "arn:aws:kms:us-east-1:*:key/*", in(region)), allow("kms:CreateKey", "*", in(region2)), allow("kms:TagResource", "arn:aws:kms:eu-west-1:*:key/*", in(region2))}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := *k.createPrimary().KeyId
			k.rights.give(bobARN, strings.Join(c.rights, ","))
			_, err := k.ReplicateKey(t.Context(), bob(), &kmsapi.ReplicateKeyRequest{KeyId: &id, ReplicaRegion: new(region2), Tags: tagList("a", "b"), BypassPolicyLockoutSafetyCheck: new(true)})
			if c.missing == "" {
				k.check(err)
				return
			}
			on := strings.NewReplacer("us-east-1 key", arnIn(region, id), "eu-west-1 key", arnIn(region2, id)).Replace(c.on)
			wantError(t, err, gate.AccessDenied, "User: "+bobARN+" is not authorized to perform: "+c.missing+" on resource: "+on+" because no identity-based policy allows the "+c.missing+" action")
			if r := k.last("ReplicateKey"); r.ErrorCode != "AccessDenied" || r.AWSRegion != region || !strings.Contains(r.raw, `"action":"`+c.missing+`"`) {
				t.Errorf("record is %s", r.raw)
			}
		})
	}
}

// Of many at once one makes the replica, and it is whole whatever happens to the
// primary key meanwhile.
func TestConcurrentReplicateKey(t *testing.T) {
	k := newKit(t)
	for range 5 {
		id := *k.createPrimary().KeyId
		var made, exists atomic.Int32
		var wg sync.WaitGroup
		for range 4 {
			for _, r := range []string{region2, region3} {
				wg.Go(func() {
					_, err := k.ReplicateKey(t.Context(), root(), &kmsapi.ReplicateKeyRequest{KeyId: &id, ReplicaRegion: &r})
					switch {
					case err == nil:
						made.Add(1)
					case errors.Is(err, kmsapi.AlreadyExistsException):
						exists.Add(1)
					default:
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		if made.Load() != 2 || exists.Load() != 6 {
			t.Errorf("%d were made and %d existed, want 2 and 6", made.Load(), exists.Load())
		}
		k.wantRelated(id, region, region2, region3)
	}
}

// An error undoes all of it: the primary key knows of no replica, and there is
// none.
func TestReplicateKeyIsAllOrNothing(t *testing.T) {
	k := newKit(t)
	key := k.createPrimary()
	k.check(k.store.Update(t.Context(), func(tx *store.Tx) error {
		return tx.DeleteUnlogged(store.KMSKeyTokens, account+"/"+region+"/"+*key.KeyId+"/"+*key.CurrentKeyMaterialId)
	}))
	_, err := k.ReplicateKey(t.Context(), root(), &kmsapi.ReplicateKeyRequest{KeyId: key.KeyId, ReplicaRegion: new(region2)})
	wantError(t, err, kmsapi.KMSInternalException, "An internal error occurred. The request can be retried.")
	k.wantRelated(*key.KeyId, region)
	for _, table := range []store.Table{store.KMSKeys, store.KMSKeyTokens} {
		rows, err := k.store.List(t.Context(), table, store.Query{Prefix: account + "/" + region2 + "/", Limit: 10})
		k.check(err)
		if len(rows) != 0 {
			t.Errorf("%s has %d rows in the replica's region", table, len(rows))
		}
	}
}
