package kms_test

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

// rootIn is root with its client set to another region.
func rootIn(r string) identity.Caller { return caller(account, r) }

func arnIn(r, keyID string) string { return "arn:aws:kms:" + r + ":" + account + ":key/" + keyID }

// createPrimary makes a multi-region key in us-east-1.
func (k *kit) createPrimary() *kmsapi.KeyMetadata {
	k.t.Helper()
	r, err := k.CreateKey(k.t.Context(), root(), &kmsapi.CreateKeyRequest{MultiRegion: new(true)})
	k.check(err)
	return r.KeyMetadata
}

func (k *kit) replicate(keyID string, regions ...string) {
	k.t.Helper()
	for _, r := range regions {
		_, err := k.ReplicateKey(k.t.Context(), root(), &kmsapi.ReplicateKeyRequest{KeyId: &keyID, ReplicaRegion: &r})
		k.check(err)
	}
}

func (k *kit) describeIn(r, keyID string) *kmsapi.KeyMetadata {
	k.t.Helper()
	d, err := k.DescribeKey(k.t.Context(), rootIn(r), &kmsapi.DescribeKeyRequest{KeyId: &keyID})
	k.check(err)
	return d.KeyMetadata
}

func (k *kit) scheduleIn(r, keyID string, days int32) *kmsapi.ScheduleKeyDeletionResponse {
	k.t.Helper()
	a, err := k.ScheduleKeyDeletion(k.t.Context(), rootIn(r), &kmsapi.ScheduleKeyDeletionRequest{KeyId: &keyID, PendingWindowInDays: &days})
	k.check(err)
	return a
}

// wantRelated checks that the keys of an id are just these, the primary key
// first, that each names all, and that the records agree.
func (k *kit) wantRelated(keyID string, regions ...string) {
	k.t.Helper()
	replicas := slices.Sorted(slices.Values(regions[1:]))
	for i, r := range regions {
		m := k.describeIn(r, keyID)
		want := &kmsapi.MultiRegionConfiguration{
			MultiRegionKeyType: new(kmsapi.MultiRegionKeyTypeReplica),
			PrimaryKey:         &kmsapi.MultiRegionKey{Arn: new(arnIn(regions[0], keyID)), Region: &regions[0]},
			ReplicaKeys:        []kmsapi.MultiRegionKey{},
		}
		if i == 0 {
			want.MultiRegionKeyType = new(kmsapi.MultiRegionKeyTypePrimary)
		}
		for _, replica := range replicas {
			want.ReplicaKeys = append(want.ReplicaKeys, kmsapi.MultiRegionKey{Arn: new(arnIn(replica, keyID)), Region: &replica})
		}
		if !*m.MultiRegion || !reflect.DeepEqual(m.MultiRegionConfiguration, want) || *m.Arn != arnIn(r, keyID) {
			k.t.Errorf("in %s the key is %s of %s, its primary key %s, replicas in %v", r, *m.Arn,
				*m.MultiRegionConfiguration.MultiRegionKeyType, *m.MultiRegionConfiguration.PrimaryKey.Arn, m.MultiRegionConfiguration.ReplicaKeys)
		}
	}
	for _, r := range []string{region, region2, region3} {
		if slices.Contains(regions, r) {
			continue
		}
		_, err := k.DescribeKey(k.t.Context(), rootIn(r), &kmsapi.DescribeKeyRequest{KeyId: &keyID})
		wantError(k.t, err, kmsapi.NotFoundException, "Key '"+arnIn(r, keyID)+"' does not exist")
	}
	if _, err := k.db().ExamineRelated(k.t.Context()); err != nil {
		k.t.Error(err)
	}
}

func (k *kit) decryptIn(c identity.Caller, blob []byte, keyID *string) (*kmsapi.DecryptResponse, error) {
	return k.Decrypt(k.t.Context(), c, &kmsapi.DecryptRequest{CiphertextBlob: blob, KeyId: keyID})
}

func TestCreateMultiRegionKey(t *testing.T) {
	k := newKit(t)
	m := k.createPrimary()
	if !regexp.MustCompile(`^mrk-[0-9a-f]{32}$`).MatchString(*m.KeyId) || !*m.MultiRegion || *m.KeyState != "Enabled" || *m.Arn != arnIn(region, *m.KeyId) {
		t.Errorf("metadata is %s %t %s %s", *m.KeyId, *m.MultiRegion, *m.KeyState, *m.Arn)
	}
	k.wantRelated(*m.KeyId, region)
	r := k.last("DescribeKey")
	for _, e := range k.records() {
		if e.EventName == "CreateKey" {
			r = e
		}
	}
	if want := `"multiRegion":true,"multiRegionConfiguration":{"multiRegionKeyType":"PRIMARY","primaryKey":{"arn":"` + *m.Arn + `","region":"us-east-1"},"replicaKeys":[]}`; !strings.Contains(r.raw, want) {
		t.Errorf("record is %s, want in it %s", r.raw, want)
	}
}

// A blob of one region opens in every region that has the key, with the id that
// is the same in all, with the region's own key ARN, and without either.
func TestBlobsOfRelatedKeys(t *testing.T) {
	k := newKit(t)
	key := k.createPrimary()
	before := k.encrypt(*key.KeyId, "p", nil)
	k.replicate(*key.KeyId, region2)
	d, err := k.GenerateDataKey(t.Context(), rootIn(region2), &kmsapi.GenerateDataKeyRequest{KeyId: key.KeyId, KeySpec: new(kmsapi.DataKeySpecAes256)})
	k.check(err)
	k.reopen()
	for name, c := range map[string]struct {
		blob []byte
		want string
	}{
		"from before there was a replica": {before, "p"},
		"of the primary key":              {k.encrypt(*key.KeyId, "p", nil), "p"},
		"of the replica":                  {d.CiphertextBlob, string(d.Plaintext.Expose())},
	} {
		for _, r := range []string{region, region2} {
			for _, id := range []*string{nil, key.KeyId, new(arnIn(r, *key.KeyId))} {
				got, err := k.decryptIn(rootIn(r), c.blob, id)
				if err != nil || string(got.Plaintext.Expose()) != c.want || *got.KeyId != arnIn(r, *key.KeyId) || *got.KeyMaterialId != *key.CurrentKeyMaterialId {
					t.Errorf("%s, in %s: %v, %v", name, r, got, err)
					continue
				}
				if e := k.last("Decrypt"); e.AWSRegion != r || len(e.Resources) != 1 || e.Resources[0].ARN != arnIn(r, *key.KeyId) {
					t.Errorf("%s, in %s: record is %s", name, r, e.raw)
				}
			}
		}
		const absent = "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access."
		_, err := k.decryptIn(rootIn(region3), c.blob, nil)
		wantError(t, err, gate.AccessDenied, absent)
	}
	_, err = k.decryptIn(rootIn(region2), before, key.Arn)
	wantError(t, err, kmsapi.NotFoundException, "Invalid arn us-east-1")
	re, err := k.ReEncrypt(t.Context(), rootIn(region2), &kmsapi.ReEncryptRequest{CiphertextBlob: before, DestinationKeyId: key.KeyId})
	if err != nil || *re.SourceKeyId != arnIn(region2, *key.KeyId) || *re.KeyId != *re.SourceKeyId {
		t.Errorf("ReEncrypt: %v, %v", re, err)
	}
}

// A single-region key and its blobs are not there elsewhere.
func TestSingleRegionKeyElsewhere(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	blob := k.encrypt(*key.KeyId, "p", nil)
	_, err := k.decryptIn(rootIn(region2), blob, nil)
	wantError(t, err, gate.AccessDenied, "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.")
	_, err = k.DescribeKey(t.Context(), rootIn(region2), &kmsapi.DescribeKeyRequest{KeyId: key.Arn})
	wantError(t, err, kmsapi.NotFoundException, "Invalid arn us-east-1")
	_, err = k.DescribeKey(t.Context(), rootIn(region2), &kmsapi.DescribeKeyRequest{KeyId: key.KeyId})
	wantError(t, err, kmsapi.NotFoundException, "Key '"+arnIn(region2, *key.KeyId)+"' does not exist")
}

// Related keys keep to themselves what they do not share.
func TestIndependentProperties(t *testing.T) {
	k := newKit(t)
	id := k.createPrimary().KeyId
	k.replicate(*id, region2)
	there := rootIn(region2)
	k.check(k.UpdateKeyDescription(t.Context(), there, &kmsapi.UpdateKeyDescriptionRequest{KeyId: id, Description: new("there")}))
	k.check(k.TagResource(t.Context(), there, &kmsapi.TagResourceRequest{KeyId: id, Tags: tagList("a", "b")}))
	k.check(k.PutKeyPolicy(t.Context(), there, &kmsapi.PutKeyPolicyRequest{KeyId: id, Policy: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"kms:*","Resource":"*"}]}`)}))
	k.check(k.CreateAlias(t.Context(), there, &kmsapi.CreateAliasRequest{AliasName: new("alias/app"), TargetKeyId: id}))
	_, err := k.CreateGrant(t.Context(), there, &kmsapi.CreateGrantRequest{KeyId: id, GranteePrincipal: new(bobARN), Operations: []kmsapi.GrantOperation{kmsapi.GrantOperationEncrypt}})
	k.check(err)
	bobThere := bob()
	bobThere.Region = region2
	if _, err := k.Encrypt(t.Context(), bobThere, encryptRequest(*id, "p", nil)); err != nil {
		t.Errorf("by the grant: %v", err)
	}
	k.check(k.DisableKey(t.Context(), there, &kmsapi.DisableKeyRequest{KeyId: id}))

	m := k.describe(*id)
	if *m.Description != "" || *m.KeyState != "Enabled" {
		t.Errorf("the primary key is %s, %q", *m.KeyState, *m.Description)
	}
	tags, err := k.ListResourceTags(t.Context(), root(), &kmsapi.ListResourceTagsRequest{KeyId: id})
	k.check(err)
	if len(tags.Tags) != 0 {
		t.Errorf("the primary key has tags %v", tags.Tags)
	}
	p, err := k.GetKeyPolicy(t.Context(), root(), &kmsapi.GetKeyPolicyRequest{KeyId: id})
	k.check(err)
	if *p.Policy != laidOut {
		t.Errorf("the primary key has the policy %s", *p.Policy)
	}
	_, err = k.DescribeKey(t.Context(), root(), &kmsapi.DescribeKeyRequest{KeyId: new("alias/app")})
	wantError(t, err, kmsapi.NotFoundException, "Alias arn:aws:kms:us-east-1:111122223333:alias/app is not found.")
	if _, err := k.Encrypt(t.Context(), bob(), encryptRequest(*id, "p", nil)); allowed(t, err) {
		t.Error("a grant on the replica holds for the primary key")
	}
	k.encrypt(*id, "p", nil)
	for r, want := range map[string]int{region: 1, region2: 1, region3: 0} {
		keys, err := k.ListKeys(t.Context(), rootIn(r), &kmsapi.ListKeysRequest{})
		k.check(err)
		if len(keys.Keys) != want {
			t.Errorf("%d keys are listed in %s, want %d", len(keys.Keys), r, want)
		}
	}
}

// A primary key waits for its replicas: its own waiting period begins when the
// last of them is destroyed.
func TestDeletionOfRelatedKeys(t *testing.T) {
	k := newKit(t)
	key := k.createPrimary()
	id := *key.KeyId
	k.replicate(id, region2, region3)
	blob := k.encrypt(id, "p", nil)
	a := k.schedule(id, 10)
	if a.DeletionDate != nil || *a.KeyState != "PendingReplicaDeletion" || *a.PendingWindowInDays != 10 || *a.KeyId != *key.Arn {
		t.Errorf("answer is %v %s %d", a.DeletionDate, *a.KeyState, *a.PendingWindowInDays)
	}
	wantParameters(t, k.last("ScheduleKeyDeletion").ResponseElements, `{"keyId":"`+*key.Arn+`","keyState":"PendingReplicaDeletion","pendingWindowInDays":10}`)
	m := k.describe(id)
	if *m.KeyState != "PendingReplicaDeletion" || m.DeletionDate != nil || *m.PendingDeletionWindowInDays != 10 || *m.Enabled {
		t.Errorf("the primary key is %s, %v", *m.KeyState, m.DeletionDate)
	}
	_, err := k.Encrypt(t.Context(), root(), encryptRequest(id, "p", nil))
	wantError(t, err, kmsapi.KMSInvalidStateException, *key.Arn+" is pending deletion.")
	if d, err := k.decryptIn(rootIn(region2), blob, nil); err != nil || string(d.Plaintext.Expose()) != "p" {
		t.Errorf("the replica: %v, %v", d, err)
	}
	k.later(400 * day)
	k.destroyDue(0)

	if a := k.scheduleIn(region2, id, 7); *a.KeyState != "PendingDeletion" || a.DeletionDate == nil {
		t.Errorf("answer is %s %v", *a.KeyState, a.DeletionDate)
	}
	k.scheduleIn(region3, id, 8)
	k.later(7 * day)
	before := k.token(key)
	k.destroyDue(1)
	k.wantRelated(id, region, region3)
	if m := k.describe(id); *m.KeyState != "PendingReplicaDeletion" {
		t.Errorf("with a replica left the primary key is %s", *m.KeyState)
	}
	k.later(day)
	k.destroyDue(1)
	r := k.last("DeleteKey")
	if r.AWSRegion != region3 || r.Resources[0].ARN != arnIn(region3, id) {
		t.Errorf("record is %s", r.raw)
	}
	k.wantRelated(id, region)
	due := k.now.Load().Truncate(time.Millisecond).Add(10 * day)
	if m := k.describe(id); *m.KeyState != "PendingDeletion" || !m.DeletionDate.Equal(due) || m.PendingDeletionWindowInDays != nil {
		t.Errorf("without replicas the primary key is %s, %v; want PendingDeletion, %v", *m.KeyState, m.DeletionDate, due)
	}
	if !k.inFiles(before) {
		t.Error("the material of the primary key is gone with that of its replicas")
	}
	k.later(10 * day)
	k.destroyDue(1)
	_, err = k.DescribeKey(t.Context(), root(), &kmsapi.DescribeKeyRequest{KeyId: &id})
	wantError(t, err, kmsapi.NotFoundException, "Key '"+*key.Arn+"' does not exist")
}

// A replica that was destroyed comes back by another ReplicateKey, and opens
// what was encrypted in its region.
func TestReplicaComesBack(t *testing.T) {
	k := newKit(t)
	id := *k.createPrimary().KeyId
	k.replicate(id, region2)
	r, err := k.Encrypt(t.Context(), rootIn(region2), encryptRequest(id, "p", nil))
	k.check(err)
	k.scheduleIn(region2, id, 7)
	k.later(7 * day)
	k.destroyDue(1)
	k.wantRelated(id, region)
	if got := decrypted(t, k, r.CiphertextBlob, nil); got != "p" {
		t.Errorf("the primary key opens it to %q", got)
	}
	k.replicate(id, region2)
	k.wantRelated(id, region, region2)
	if d, err := k.decryptIn(rootIn(region2), r.CiphertextBlob, nil); err != nil || string(d.Plaintext.Expose()) != "p" {
		t.Errorf("%v, %v", d, err)
	}
}

func TestCancelDeletionOfPrimary(t *testing.T) {
	k := newKit(t)
	id := *k.createPrimary().KeyId
	k.replicate(id, region2)
	k.schedule(id, 7)
	_, err := k.CancelKeyDeletion(t.Context(), root(), &kmsapi.CancelKeyDeletionRequest{KeyId: &id})
	k.check(err)
	if m := k.describe(id); *m.KeyState != "Disabled" || m.DeletionDate != nil || m.PendingDeletionWindowInDays != nil {
		t.Errorf("the key is %s, %v, %v", *m.KeyState, m.DeletionDate, m.PendingDeletionWindowInDays)
	}
	k.scheduleIn(region2, id, 7)
	k.later(7 * day)
	k.destroyDue(1)
	if m := k.describe(id); *m.KeyState != "Disabled" {
		t.Errorf("after the end of its replica the key is %s, want it Disabled still", *m.KeyState)
	}
	k.wantRelated(id, region)
}

// A related record that was tampered with keeps no replica alive.
func TestReplicaIsDestroyedBesideDamage(t *testing.T) {
	k := newKit(t)
	id := *k.createPrimary().KeyId
	k.replicate(id, region2)
	k.scheduleIn(region2, id, 7)
	k.later(7 * day)
	k.tamper(store.KMSKeys, account+"/"+region+"/"+id, func(r *store.Row) { r.MAC[0] ^= 1 })
	k.destroyDue(1)
	if log := k.log.String(); !strings.Contains(log, "a related key cannot be told that a replica is destroyed") || !strings.Contains(log, account+"/"+region+"/"+id) {
		t.Errorf("log is %s", log)
	}
}

// S3 has its data keys under the key of its own region, and they open under the
// related key of another.
func TestDataKeysOfRelatedKeys(t *testing.T) {
	k := newKit(t)
	id := *k.createPrimary().KeyId
	k.replicate(id, region2)
	there, err := k.NewDataKey(t.Context(), rootIn(region2), id, tenant)
	k.check(err)
	if there.KeyARN != arnIn(region2, id) {
		t.Errorf("the key is %s", there.KeyARN)
	}
	for _, r := range []string{region, region2} {
		_, err := k.OpenDataKey(t.Context(), rootIn(r), arnIn(r, id), there.Blob, tenant)
		k.check(err)
	}
	// An examination finds the material of a replica that is gone with its
	// primary key, and no longer when that is gone too.
	k.scheduleIn(region2, id, 7)
	k.later(7 * day)
	k.destroyDue(1)
	e := kms.NewExaminer(k.store, k.module, k.rowMAC, k.headerMAC)
	if _, err := e.DataKey(t.Context(), account, region2, false, there.Blob, tenant); err != nil {
		t.Error(err)
	}
	k.schedule(id, 7)
	k.later(7 * day)
	k.destroyDue(1)
	e = kms.NewExaminer(k.store, k.module, k.rowMAC, k.headerMAC)
	if _, err := e.DataKey(t.Context(), account, region2, false, there.Blob, tenant); err != kms.ErrKeyGone {
		t.Errorf("error is %v, want ErrKeyGone", err)
	}
}

// Related keys that do not agree are found, whatever it is that they do not
// agree on.
func TestExamineRelated(t *testing.T) {
	k := newKit(t)
	id := *k.createPrimary().KeyId
	k.createKey()
	k.replicate(id, region2)
	e := kms.NewExaminer(k.store, k.module, k.rowMAC, k.headerMAC)
	if n, err := e.Related(t.Context()); n != 2 || err != nil {
		t.Fatalf("got %d keys, %v; want 2", n, err)
	}
	for want, spoil := range map[string]func(key *kmsdb.Key){
		"has another primary key than":               func(key *kmsdb.Key) { key.PrimaryRegion, key.ReplicaRegions = region2, []string{region} },
		"has another list of replicas than":          func(key *kmsdb.Key) { key.ReplicaRegions = []string{region2, region3} },
		"has another rotation than":                  func(key *kmsdb.Key) { key.Rotation.PeriodDays = 90 },
		"has another key material than":              func(key *kmsdb.Key) { key.Current = strings.Repeat("0", 64) },
		"has another key spec, usage or origin than": func(key *kmsdb.Key) { key.Origin = kmsapi.OriginTypeExternal },
	} {
		var good kmsdb.Key
		k.change(id, func(key *kmsdb.Key) { good = *key; spoil(key) })
		_, err := e.Related(t.Context())
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		if _, err := e.Keys(t.Context()); err == nil {
			t.Errorf("%s: the examination of all keys finds nothing", want)
		}
		k.change(id, func(key *kmsdb.Key) {
			key.PrimaryRegion, key.ReplicaRegions, key.Rotation, key.Current, key.Origin = good.PrimaryRegion, good.ReplicaRegions, good.Rotation, good.Current, good.Origin
		})
	}
	k.check(k.store.Update(t.Context(), func(tx *store.Tx) error { return tx.DeleteUnlogged(store.KMSKeys, account+"/"+region2+"/"+id) }))
	if _, err := e.Related(t.Context()); !strings.Contains(fmt.Sprint(err), "which is not there") {
		t.Errorf("got %v", err)
	}
	k.change(id, func(key *kmsdb.Key) { key.PrimaryRegion, key.ReplicaRegions = region2, nil })
	if _, err := e.Related(t.Context()); !strings.Contains(fmt.Sprint(err), "is none of those that it names") {
		t.Errorf("got %v", err)
	}
}
