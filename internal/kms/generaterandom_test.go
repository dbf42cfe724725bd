package kms_test

import (
	"bytes"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

func TestGenerateRandom(t *testing.T) {
	k := newKit(t)
	for _, n := range []int32{1, 32, 1024} {
		a, err := k.GenerateRandom(t.Context(), alice(), &kmsapi.GenerateRandomRequest{NumberOfBytes: &n})
		k.check(err)
		b, err := k.GenerateRandom(t.Context(), alice(), &kmsapi.GenerateRandomRequest{NumberOfBytes: &n})
		k.check(err)
		if a.Plaintext.Len() != int(n) || b.Plaintext.Len() != int(n) {
			t.Errorf("got %d and %d bytes, want %d", a.Plaintext.Len(), b.Plaintext.Len(), n)
		}
		if n > 1 && bytes.Equal(a.Plaintext.Expose(), b.Plaintext.Expose()) {
			t.Errorf("got the same %d bytes twice", n)
		}
	}
	if r := k.last("GenerateRandom"); !r.ReadOnly || r.RequestParameters != nil || r.ResponseElements != nil || r.Resources != nil {
		t.Errorf("record is %s, want a read of nothing", r.raw)
	}
}

func TestGenerateRandomRefusals(t *testing.T) {
	k := newKit(t)
	const tooSmall = "1 validation error detected: Value '0' at 'numberOfBytes' failed to satisfy constraint: Member must have value greater than or equal to 1"
	const tooLarge = "1 validation error detected: Value '1025' at 'numberOfBytes' failed to satisfy constraint: Member must have value less than or equal to 1024"
	for _, c := range []struct {
		name string
		req  kmsapi.GenerateRandomRequest
		code awserr.Code
		text string
	}{
		{"no length", kmsapi.GenerateRandomRequest{}, kmsapi.ValidationException, "NumberOfBytes is required."},
		{"none", kmsapi.GenerateRandomRequest{NumberOfBytes: new(int32(0))}, kmsapi.ValidationException, tooSmall},
		{"too many", kmsapi.GenerateRandomRequest{NumberOfBytes: new(int32(1025))}, kmsapi.ValidationException, tooLarge},
		{"enclave", kmsapi.GenerateRandomRequest{NumberOfBytes: new(int32(1)), Recipient: &kmsapi.RecipientInfo{}}, kmsapi.UnsupportedOperationException, "The Recipient parameter is not supported yet."},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := k.GenerateRandom(t.Context(), root(), &c.req)
			wantError(t, err, c.code, c.text)
		})
	}
	_, err := k.GenerateRandom(t.Context(), bob(), &kmsapi.GenerateRandomRequest{NumberOfBytes: new(int32(1))})
	wantError(t, err, gate.AccessDenied, "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: kms:GenerateRandom on resource: * because no identity-based policy allows the kms:GenerateRandom action")
}
