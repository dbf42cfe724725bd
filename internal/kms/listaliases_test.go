package kms_test

import (
	"slices"
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

func TestListAliases(t *testing.T) {
	k := newKit(t)
	a, b := k.createKey(), k.createKey()
	for name, key := range map[string]*kmsapi.KeyMetadata{"alias/1": a, "alias/2": b, "alias/3": a, "alias/4": b, "alias/5": a} {
		k.createAlias(name, *key.KeyId)
	}
	for _, c := range []struct {
		name string
		key  *string
		want []string
	}{
		{"all", nil, []string{"alias/1", "alias/2", "alias/3", "alias/4", "alias/5"}},
		{"of a key", a.KeyId, []string{"alias/1", "alias/3", "alias/5"}},
		{"of a key ARN", b.Arn, []string{"alias/2", "alias/4"}},
		{"of a key without any", k.createKey().KeyId, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for marker := (*string)(nil); ; {
				r, err := k.ListAliases(t.Context(), alice(), &kmsapi.ListAliasesRequest{KeyId: c.key, Limit: new(int32(2)), Marker: marker})
				if err != nil {
					t.Fatal(err)
				}
				if r.Aliases == nil {
					t.Error("Aliases is absent, want a list")
				}
				for _, e := range r.Aliases {
					if *e.AliasArn != "arn:aws:kms:us-east-1:111122223333:"+*e.AliasName || e.CreationDate == nil || e.LastUpdatedDate == nil {
						t.Errorf("entry is %+v", e)
					}
					if *e.TargetKeyId != *a.KeyId && *e.TargetKeyId != *b.KeyId {
						t.Errorf("TargetKeyId is %s, want a key id", *e.TargetKeyId)
					}
					got = append(got, *e.AliasName)
				}
				if marker = r.NextMarker; marker == nil {
					break
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("aliases are %v, want %v", got, c.want)
			}
		})
	}
}

// Pages are stable while aliases come, go and move.
func TestListAliasesWhileTheyComeAndGo(t *testing.T) {
	k := newKit(t)
	a, b := k.createKey(), k.createKey()
	for _, name := range []string{"alias/1", "alias/2", "alias/3", "alias/4", "alias/5"} {
		k.createAlias(name, *a.KeyId)
	}
	for _, key := range []*string{nil, a.KeyId} {
		var got []string
		var marker *string
		for page := 0; ; page++ {
			r, err := k.ListAliases(t.Context(), root(), &kmsapi.ListAliasesRequest{KeyId: key, Limit: new(int32(2)), Marker: marker})
			k.check(err)
			for _, e := range r.Aliases {
				got = append(got, *e.AliasName)
			}
			if page == 0 { // the marker names alias/2
				k.check(k.DeleteAlias(t.Context(), root(), &kmsapi.DeleteAliasRequest{AliasName: new("alias/2")}))
				k.check(k.updateAlias("alias/4", *b.KeyId))
				k.createAlias("alias/10", *a.KeyId)
				k.createAlias("alias/25", *a.KeyId)
			}
			if marker = r.NextMarker; marker == nil {
				break
			}
		}
		want := []string{"alias/1", "alias/2", "alias/25", "alias/3", "alias/4", "alias/5"}
		if key != nil {
			want = slices.DeleteFunc(want, func(name string) bool { return name == "alias/4" })
		}
		if !slices.Equal(got, want) {
			t.Errorf("aliases are %v, want %v", got, want)
		}
		for _, name := range []string{"alias/10", "alias/25"} {
			k.check(k.DeleteAlias(t.Context(), root(), &kmsapi.DeleteAliasRequest{AliasName: &name}))
		}
		k.createAlias("alias/2", *a.KeyId)
		k.check(k.updateAlias("alias/4", *a.KeyId))
	}
}

func TestListAliasesLimits(t *testing.T) {
	k := newKit(t)
	_, err := k.ListAliases(t.Context(), root(), &kmsapi.ListAliasesRequest{Limit: new(int32(101))})
	wantError(t, err, kmsapi.ValidationException, "1 validation error detected: Value '101' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 100")
	_, err = k.ListAliases(t.Context(), root(), &kmsapi.ListAliasesRequest{KeyId: new(absentID)})
	wantError(t, err, kmsapi.NotFoundException, "Key 'arn:aws:kms:us-east-1:111122223333:key/"+absentID+"' does not exist")
}
