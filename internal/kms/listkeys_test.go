package kms_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

func TestListKeysOfNone(t *testing.T) {
	k := newKit(t)
	r, err := k.ListKeys(t.Context(), root(), &kmsapi.ListKeysRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Keys == nil || len(r.Keys) != 0 || *r.Truncated || r.NextMarker != nil {
		t.Errorf("answer is %+v, want an empty list that is the end", r)
	}
}

func TestListKeysPages(t *testing.T) {
	k := newKit(t)
	var want []string
	for range 7 {
		want = append(want, *k.createKey().KeyId)
	}
	slices.Sort(want)
	_, err := k.NewServiceDataKey(t.Context(), account, region) // is in no listing
	k.check(err)
	_, err = k.CreateKey(t.Context(), caller(account, region2), &kmsapi.CreateKeyRequest{})
	k.check(err)
	_, err = k.CreateKey(t.Context(), caller(other, region), &kmsapi.CreateKeyRequest{})
	k.check(err)
	for limit := int32(1); limit <= 8; limit++ {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			var got []string
			var marker *string
			for {
				r, err := k.ListKeys(t.Context(), alice(), &kmsapi.ListKeysRequest{Limit: &limit, Marker: marker})
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range r.Keys {
					if want := "arn:aws:kms:us-east-1:111122223333:key/" + *e.KeyId; *e.KeyArn != want {
						t.Errorf("KeyArn is %s, want %s", *e.KeyArn, want)
					}
					got = append(got, *e.KeyId)
				}
				if *r.Truncated != (r.NextMarker != nil) {
					t.Fatalf("Truncated is %t, NextMarker %v", *r.Truncated, r.NextMarker)
				}
				if marker = r.NextMarker; marker == nil {
					break
				}
				if len(r.Keys) != int(limit) {
					t.Errorf("a page has %d keys, want %d", len(r.Keys), limit)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("keys are %v, want %v", got, want)
			}
		})
	}
}

// Pages are stable while keys come and go: what stays is listed once, also when
// the key that a marker names is gone.
func TestListKeysWhileTheyComeAndGo(t *testing.T) {
	k := newKit(t)
	var stay []string
	for range 6 {
		stay = append(stay, *k.createKey().KeyId)
	}
	slices.Sort(stay)
	goes := stay[1] // the last of the first page
	k.schedule(goes, 7)
	k.later(7 * day)
	var got []string
	var marker *string
	for page := 0; ; page++ {
		r, err := k.ListKeys(t.Context(), root(), &kmsapi.ListKeysRequest{Limit: new(int32(2)), Marker: marker})
		k.check(err)
		for _, e := range r.Keys {
			got = append(got, *e.KeyId)
		}
		if page == 0 {
			k.destroyDue(1)
			k.createKey()
		}
		if marker = r.NextMarker; marker == nil {
			break
		}
	}
	if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
		t.Errorf("keys are %v, want each once and in order", got)
	}
	for _, id := range stay {
		if !slices.Contains(got, id) {
			t.Errorf("%s is missing in %v", id, got)
		}
	}
}

// A marker is good for the list that gave it and no other.
func TestMarkers(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.createKey()
	r, err := k.ListKeys(t.Context(), root(), &kmsapi.ListKeysRequest{Limit: new(int32(1))})
	k.check(err)
	marker := *r.NextMarker
	if marker[0] != '1' { // never a hyphen: a command line would take it for an option
		t.Errorf("marker %q does not begin with a 1", marker)
	}
	for name, call := range map[string]func() error{
		"made up": func() error {
			_, err := k.ListKeys(t.Context(), root(), &kmsapi.ListKeysRequest{Marker: new("AAAA")})
			return err
		},
		"damaged": func() error {
			_, err := k.ListKeys(t.Context(), root(), &kmsapi.ListKeysRequest{Marker: new(marker[:len(marker)-2] + "..")})
			return err
		},
		"without its first letter": func() error {
			_, err := k.ListKeys(t.Context(), root(), &kmsapi.ListKeysRequest{Marker: new(marker[1:])})
			return err
		},
		"not base64": func() error {
			_, err := k.ListKeys(t.Context(), root(), &kmsapi.ListKeysRequest{Marker: new(marker + "=")})
			return err
		},
		"another account's": func() error {
			_, err := k.ListKeys(t.Context(), caller(other, region), &kmsapi.ListKeysRequest{Marker: &marker})
			return err
		},
		"another region's": func() error {
			_, err := k.ListKeys(t.Context(), caller(account, region2), &kmsapi.ListKeysRequest{Marker: &marker})
			return err
		},
		"another operation's": func() error {
			_, err := k.ListAliases(t.Context(), root(), &kmsapi.ListAliasesRequest{Marker: &marker})
			return err
		},
		"another filter's": func() error {
			_, err := k.ListAliases(t.Context(), root(), &kmsapi.ListAliasesRequest{KeyId: key.KeyId, Marker: &marker})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, call(), kmsapi.InvalidMarkerException, "The marker is not valid.")
		})
	}
}

func TestListKeysDenied(t *testing.T) {
	k := newKit(t)
	_, err := k.ListKeys(t.Context(), bob(), &kmsapi.ListKeysRequest{})
	wantError(t, err, gate.AccessDenied, "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: kms:ListKeys on resource: * because no identity-based policy allows the kms:ListKeys action")
}

func TestListKeysLimits(t *testing.T) {
	k := newKit(t)
	_, err := k.ListKeys(t.Context(), root(), &kmsapi.ListKeysRequest{Limit: new(int32(1001))})
	wantError(t, err, kmsapi.ValidationException, "1 validation error detected: Value '1001' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 1000")
}

func TestListKeysRecord(t *testing.T) {
	k := newKit(t)
	_, err := k.ListKeys(t.Context(), root(), &kmsapi.ListKeysRequest{Limit: new(int32(5))})
	k.check(err)
	r := k.last("ListKeys")
	wantParameters(t, r.RequestParameters, `{"limit":5}`)
	if !r.ReadOnly || r.Resources != nil {
		t.Errorf("record is %s, want a read of no resource", r.raw)
	}
}
