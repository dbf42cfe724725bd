package kms_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// tagList makes tags of pairs of a key and a value.
func tagList(pairs ...string) (tags []kmsapi.Tag) {
	for i := 0; i < len(pairs); i += 2 {
		tags = append(tags, kmsapi.Tag{TagKey: &pairs[i], TagValue: &pairs[i+1]})
	}
	return tags
}

// manyTags makes n tags, k00 to k49 and so on, with one value.
func manyTags(n int, value string) (tags []kmsapi.Tag) {
	for i := range n {
		tags = append(tags, kmsapi.Tag{TagKey: new(fmt.Sprintf("k%02d", i)), TagValue: &value})
	}
	return tags
}

func (k *kit) tag(keyID string, tags []kmsapi.Tag) error {
	return k.TagResource(k.t.Context(), root(), &kmsapi.TagResourceRequest{KeyId: &keyID, Tags: tags})
}

func (k *kit) untag(keyID string, keys ...string) error {
	return k.UntagResource(k.t.Context(), root(), &kmsapi.UntagResourceRequest{KeyId: &keyID, TagKeys: append([]string{}, keys...)})
}

// tags returns all tags of a key as k=v, page by page.
func (k *kit) tags(keyID string, limit int32, between func()) (all []string) {
	k.t.Helper()
	for marker := (*string)(nil); ; {
		r, err := k.ListResourceTags(k.t.Context(), alice(), &kmsapi.ListResourceTagsRequest{KeyId: &keyID, Limit: &limit, Marker: marker})
		k.check(err)
		if r.Tags == nil || *r.Truncated != (r.NextMarker != nil) || len(r.Tags) > int(limit) {
			k.t.Errorf("page is %+v", r)
		}
		for _, t := range r.Tags {
			all = append(all, *t.TagKey+"="+*t.TagValue)
		}
		if marker = r.NextMarker; marker == nil {
			return all
		}
		if between != nil {
			between()
		}
	}
}

func TestTagResourceAndUntagResource(t *testing.T) {
	k := newKit(t)
	key := *k.createKey().KeyId
	want := func(step string, want ...string) {
		t.Helper()
		if got := k.tags(key, 50, nil); !slices.Equal(got, want) {
			t.Errorf("%s: the tags are %q, want %q", step, got, want)
		}
	}
	want("new")
	k.check(k.tag(key, tagList("b", "1", "a", "2", "é", "")))
	want("tagged", "a=2", "b=1", "é=")
	k.check(k.tag(key, tagList("b", "3", "B", "4")))
	want("overwritten", "B=4", "a=2", "b=3", "é=")
	k.check(k.untag(key, "a", "none", "é"))
	want("untagged", "B=4", "b=3")
	k.reopen()
	want("after a restart", "B=4", "b=3")
	k.check(k.untag(key))
	k.check(k.untag(key, "B", "b", "B"))
	want("all gone")
}

func TestTagResourceRefusals(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	long := func(n int) string { return strings.Repeat("é", n) }
	const member = "1 validation error detected: Value '%s' at 'tags.1.member.%s' failed to satisfy constraint: Member must have length less than or equal to %d"
	for _, c := range []struct {
		name string
		tags []kmsapi.Tag
		code awserr.Code
		text string
	}{
		{"too many", manyTags(51, "v"), kmsapi.TagException, "Too many tags"},
		{"reserved", tagList("aws:a", "v"), kmsapi.TagException, "Tags beginning with aws: are reserved"},
		{"reserved in capitals", tagList("AwS:a", "v"), kmsapi.TagException, "Tags beginning with aws: are reserved"},
		{"twice", tagList("a", "1", "b", "2", "a", "3"), kmsapi.TagException, "Duplicate tag keys"},
		{"long key", tagList(long(129), "v"), kmsapi.ValidationException, fmt.Sprintf(member, long(129), "tagKey", 128)},
		{"long value", tagList("a", long(257)), kmsapi.ValidationException, fmt.Sprintf(member, long(257), "tagValue", 256)},
		{"empty key", tagList("", "v"), kmsapi.ValidationException, "1 validation error detected: Value '' at 'tags.1.member.tagKey' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"no value", []kmsapi.Tag{{TagKey: new("a")}}, kmsapi.ValidationException, "1 validation error detected: Value null at 'tags.1.member.tagValue' failed to satisfy constraint: Member must not be null"},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantError(t, k.tag(*key.KeyId, c.tags), c.code, c.text)
			_, err := k.CreateKey(t.Context(), root(), &kmsapi.CreateKeyRequest{Tags: c.tags})
			wantError(t, err, c.code, c.text)
		})
	}
	k.check(k.tag(*key.KeyId, tagList(long(128), long(256), "awsome", "v")))
	k.check(k.tag(*key.KeyId, manyTags(48, "v")))
	wantError(t, k.tag(*key.KeyId, tagList("one", "too", "many", "tags")), kmsapi.TagException, "Too many tags")
	k.check(k.tag(*key.KeyId, tagList("k00", "another value"))) // which replaces one
	wantError(t, k.untag(*key.KeyId, "aws:a"), kmsapi.TagException, "Tags beginning with aws: are reserved")
	wantError(t, k.untag(*key.KeyId, long(129)), kmsapi.ValidationException, "1 validation error detected: Value '["+long(129)+"]' at 'tagKeys' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal to 1]")
	for op, err := range map[string]error{
		"TagResource":   k.TagResource(t.Context(), bob(), &kmsapi.TagResourceRequest{KeyId: key.KeyId, Tags: tagList("a", "b")}),
		"UntagResource": k.UntagResource(t.Context(), bob(), &kmsapi.UntagResourceRequest{KeyId: key.KeyId, TagKeys: []string{"a"}}),
		"ListResourceTags": func() error {
			_, err := k.ListResourceTags(t.Context(), bob(), &kmsapi.ListResourceTagsRequest{KeyId: key.KeyId})
			return err
		}(),
	} {
		wantError(t, err, gate.AccessDenied, "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: kms:"+op+" on resource: "+*key.Arn+" because no identity-based policy allows the kms:"+op+" action")
	}
}

func TestCreateKeyTags(t *testing.T) {
	k := newKit(t)
	r, err := k.CreateKey(t.Context(), alice(), &kmsapi.CreateKeyRequest{Tags: tagList("b", "1", "a", "2")})
	k.check(err)
	rec := k.last("CreateKey")
	wantParameters(t, rec.RequestParameters, `{"bypassPolicyLockoutSafetyCheck":false,"customerMasterKeySpec":"SYMMETRIC_DEFAULT","description":"","keySpec":"SYMMETRIC_DEFAULT","keyUsage":"ENCRYPT_DECRYPT","origin":"AWS_KMS","tags":[{"tagKey":"b","tagValue":"1"},{"tagKey":"a","tagValue":"2"}]}`)
	if got, want := k.tags(*r.KeyMetadata.KeyId, 50, nil), []string{"a=2", "b=1"}; !slices.Equal(got, want) {
		t.Errorf("the tags are %q, want %q", got, want)
	}
	// The largest key that can be is kept in the cache like any other.
	r, err = k.CreateKey(t.Context(), alice(), &kmsapi.CreateKeyRequest{Tags: manyTags(50, strings.Repeat("é", 256))})
	k.check(err)
	k.encrypt(*r.KeyMetadata.KeyId, "p", nil)
}

// Pages of tags are stable while tags come and go: what stays is listed once.
func TestListResourceTagsPages(t *testing.T) {
	k := newKit(t)
	key := *k.createKey().KeyId
	k.check(k.tag(key, manyTags(50, "v")))
	var want []string
	for i := range 50 {
		want = append(want, fmt.Sprintf("k%02d=v", i))
	}
	for _, limit := range []int32{1, 7, 49, 50} {
		if got := k.tags(key, limit, nil); !slices.Equal(got, want) {
			t.Errorf("by %d the tags are %q, want all fifty", limit, got)
		}
	}
	r, err := k.ListResourceTags(t.Context(), root(), &kmsapi.ListResourceTagsRequest{KeyId: &key})
	k.check(err)
	if len(r.Tags) != 50 || *r.Truncated {
		t.Errorf("without a limit there are %d tags, truncated %t", len(r.Tags), *r.Truncated)
	}
	_, err = k.ListResourceTags(t.Context(), root(), &kmsapi.ListResourceTagsRequest{KeyId: &key, Limit: new(int32(51))})
	wantError(t, err, kmsapi.ValidationException, "1 validation error detected: Value '51' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 50")
	other := *k.createKey().KeyId
	k.check(k.tag(other, manyTags(2, "v")))
	r, err = k.ListResourceTags(t.Context(), root(), &kmsapi.ListResourceTagsRequest{KeyId: &other, Limit: new(int32(1))})
	k.check(err)
	_, err = k.ListResourceTags(t.Context(), root(), &kmsapi.ListResourceTagsRequest{KeyId: &key, Marker: r.NextMarker})
	wantError(t, err, kmsapi.InvalidMarkerException, "The marker is not valid.")
	// The tag that a marker names goes, and one comes before it and one after.
	n := 0
	got := k.tags(key, 10, func() {
		if n++; n == 1 {
			k.check(k.untag(key, "k09", "k30"))
			k.check(k.tag(key, tagList("k08a", "new", "k30a", "new")))
		}
	})
	want = slices.DeleteFunc(want, func(s string) bool { return s == "k30=v" })
	i, _ := slices.BinarySearch(want, "k30a")
	if want = slices.Insert(want, i, "k30a=new"); !slices.Equal(got, want) {
		t.Errorf("the tags are %q, want %q", got, want)
	}
}

func TestTagResourceRecords(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.check(k.tag(*key.KeyId, tagList("b", "1", "a", "2")))
	r := k.last("TagResource")
	wantParameters(t, r.RequestParameters, `{"keyId":"`+*key.KeyId+`","tags":[{"tagKey":"b","tagValue":"1"},{"tagKey":"a","tagValue":"2"}]}`)
	wantParameters(t, r.ResponseElements, `{"keyId":"`+*key.Arn+`"}`)
	before := len(k.records())
	for range 2 { // a call that changes nothing has a record too
		k.check(k.untag(*key.KeyId, "a", "b"))
		r = k.last("UntagResource")
		wantParameters(t, r.RequestParameters, `{"keyId":"`+*key.KeyId+`","tagKeys":["a","b"]}`)
		wantParameters(t, r.ResponseElements, `{"keyId":"`+*key.Arn+`"}`)
		if r.ReadOnly || len(r.Resources) != 1 || r.Resources[0].ARN != *key.Arn {
			t.Errorf("record is %s, want a write on the key", r.raw)
		}
	}
	if got := len(k.records()) - before; got != 2 {
		t.Errorf("two calls made %d records", got)
	}
	k.tags(*key.KeyId, 5, nil)
	r = k.last("ListResourceTags")
	wantParameters(t, r.RequestParameters, `{"keyId":"`+*key.KeyId+`","limit":5}`)
	if !r.ReadOnly || len(r.Resources) != 1 {
		t.Errorf("record is %s, want a read of the key", r.raw)
	}
}
