package kms_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

func TestDescribeKey(t *testing.T) {
	k := newKit(t)
	want := k.createKey()
	k.disable(*want.KeyId)
	got, err := k.DescribeKey(t.Context(), alice(), &kmsapi.DescribeKeyRequest{KeyId: want.Arn})
	if err != nil {
		t.Fatal(err)
	}
	m := got.KeyMetadata
	if *m.Arn != *want.Arn || !m.CreationDate.Equal(*want.CreationDate) || *m.CurrentKeyMaterialId != *want.CurrentKeyMaterialId {
		t.Errorf("metadata is %+v, want that of CreateKey", m)
	}
	if *m.KeyState != kmsapi.KeyStateDisabled || *m.Enabled {
		t.Errorf("state is %s, enabled %t, want Disabled", *m.KeyState, *m.Enabled)
	}
	r := k.last("DescribeKey")
	wantParameters(t, r.RequestParameters, `{"keyId":"`+*want.Arn+`"}`)
	if !r.ReadOnly || r.ResponseElements != nil {
		t.Errorf("record is %s, want a read without responseElements", r.raw)
	}
}

// A predefined alias without a key gets its key by being asked about, but only
// by who may ask.
func TestDescribeKeyMakesTheManagedKey(t *testing.T) {
	k := newKit(t)
	_, err := k.DescribeKey(t.Context(), bob(), &kmsapi.DescribeKeyRequest{KeyId: new("alias/aws/s3")})
	if !errors.Is(err, gate.AccessDenied) || !strings.HasSuffix(err.Error(), " because no identity-based policy allows the kms:DescribeKey action") {
		t.Errorf("error is %v, want a denial", err)
	}
	if aliases, err := k.db().Aliases(t.Context(), account, region, zeroRef, "", 1); err != nil || len(aliases) != 0 {
		t.Fatalf("aliases are %v, %v, want none", aliases, err)
	}
	first, err := k.DescribeKey(t.Context(), alice(), &kmsapi.DescribeKeyRequest{KeyId: new("alias/aws/s3")})
	k.check(err)
	m := first.KeyMetadata
	if *m.KeyManager != kmsapi.KeyManagerTypeAws || *m.Description != "Default key that protects my S3 objects when no other key is defined" {
		t.Errorf("key is of %s, %q", *m.KeyManager, *m.Description)
	}
	again, err := k.DescribeKey(t.Context(), root(), &kmsapi.DescribeKeyRequest{KeyId: new("arn:aws:kms:us-east-1:111122223333:alias/aws/s3")})
	k.check(err)
	if *again.KeyMetadata.KeyId != *m.KeyId {
		t.Error("asked again, the alias has another key")
	}
}
