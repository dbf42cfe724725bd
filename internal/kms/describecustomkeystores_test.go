package kms_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

func TestDescribeCustomKeyStoresOfNone(t *testing.T) {
	k := newKit(t)
	r, err := k.DescribeCustomKeyStores(t.Context(), root(), &kmsapi.DescribeCustomKeyStoresRequest{})
	k.check(err)
	if r.CustomKeyStores == nil || len(r.CustomKeyStores) != 0 || *r.Truncated || r.NextMarker != nil {
		t.Errorf("got %+v, want an empty list that is the end", r)
	}
	if rec := k.last("DescribeCustomKeyStores"); !rec.ReadOnly || rec.RequestParameters != nil {
		t.Errorf("record is %s, want a read of nothing in particular", rec.raw)
	}
}

func TestDescribeCustomKeyStoresPages(t *testing.T) {
	k := newKit(t)
	var want []string
	for i := range 5 {
		want = append(want, k.createStore(externalStore(fmt.Sprint("s", i), fmt.Sprintf("https://xks%d.example.com", i), "/kms/xks/v1")))
	}
	slices.Sort(want)
	_, err := k.CreateCustomKeyStore(t.Context(), caller(other, region), hsmStore(t, "s", testCluster))
	k.check(err)
	for limit := int32(1); limit <= 6; limit++ {
		var got []string
		for marker := (*string)(nil); ; {
			r, err := k.DescribeCustomKeyStores(t.Context(), root(), &kmsapi.DescribeCustomKeyStoresRequest{Limit: &limit, Marker: marker})
			k.check(err)
			for _, e := range r.CustomKeyStores {
				got = append(got, *e.CustomKeyStoreId)
			}
			if *r.Truncated != (r.NextMarker != nil) || len(r.CustomKeyStores) > int(limit) {
				t.Fatalf("page of at most %d is %+v", limit, r)
			}
			if marker = r.NextMarker; marker == nil {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("by %d: got %q, want %q", limit, got, want)
		}
	}
	_, err = k.DescribeCustomKeyStores(t.Context(), root(), &kmsapi.DescribeCustomKeyStoresRequest{Marker: new("1abc")})
	wantError(t, err, kmsapi.InvalidMarkerException, "The marker is not valid.")
}

func TestDescribeCustomKeyStoresByIDOrName(t *testing.T) {
	k := newKit(t)
	id := k.createStore(hsmStore(t, "one", testCluster))
	k.createStore(externalStore("two", "https://xks.example.com", "/kms/xks/v1"))
	r, err := k.DescribeCustomKeyStores(t.Context(), root(), &kmsapi.DescribeCustomKeyStoresRequest{CustomKeyStoreName: new("one")})
	k.check(err)
	if len(r.CustomKeyStores) != 1 || *r.CustomKeyStores[0].CustomKeyStoreId != id || *r.Truncated {
		t.Errorf("got %+v, want the one store of the name", r)
	}
	wantParameters(t, k.last("DescribeCustomKeyStores").RequestParameters, `{"customKeyStoreName":"one"}`)
	if e := k.describeStore(id); *e.CustomKeyStoreName != "one" {
		t.Errorf("got %s of id %s, want one", *e.CustomKeyStoreName, id)
	}
	for _, req := range []kmsapi.DescribeCustomKeyStoresRequest{
		{CustomKeyStoreName: new("three")}, {CustomKeyStoreId: new("cks-1234567890abcdef0")}, {CustomKeyStoreId: new("../" + id)},
	} {
		_, err := k.DescribeCustomKeyStores(t.Context(), root(), &req)
		wantError(t, err, kmsapi.CustomKeyStoreNotFoundException, "")
	}
	_, err = k.DescribeCustomKeyStores(t.Context(), caller(other, region), &kmsapi.DescribeCustomKeyStoresRequest{CustomKeyStoreId: &id})
	wantError(t, err, kmsapi.CustomKeyStoreNotFoundException, "")
	_, err = k.DescribeCustomKeyStores(t.Context(), root(), &kmsapi.DescribeCustomKeyStoresRequest{CustomKeyStoreId: &id, CustomKeyStoreName: new("one")})
	wantError(t, err, kmsapi.ValidationException, "You can specify CustomKeyStoreId or CustomKeyStoreName, but not both.")
}
