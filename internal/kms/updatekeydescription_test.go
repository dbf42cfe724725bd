package kms_test

import (
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

func TestUpdateKeyDescription(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	for _, text := range []string{"for tests", strings.Repeat("é", 8192), ""} {
		k.check(k.UpdateKeyDescription(t.Context(), alice(), &kmsapi.UpdateKeyDescriptionRequest{KeyId: key.KeyId, Description: &text}))
		if got := *k.describe(*key.KeyId).Description; got != text {
			t.Errorf("the description is %q, want %q", got, text)
		}
	}
	k.check(k.UpdateKeyDescription(t.Context(), alice(), &kmsapi.UpdateKeyDescriptionRequest{KeyId: key.Arn, Description: new("d")}))
	r := k.last("UpdateKeyDescription")
	wantParameters(t, r.RequestParameters, `{"description":"d","keyId":"`+*key.Arn+`"}`)
	wantParameters(t, r.ResponseElements, `{"keyId":"`+*key.Arn+`"}`)
	if r.ReadOnly || len(r.Resources) != 1 || r.Resources[0].ARN != *key.Arn {
		t.Errorf("record is %s, want a write on the key", r.raw)
	}
	err := k.UpdateKeyDescription(t.Context(), root(), &kmsapi.UpdateKeyDescriptionRequest{KeyId: key.KeyId})
	wantError(t, err, kmsapi.ValidationException, "1 validation error detected: Value null at 'description' failed to satisfy constraint: Member must not be null")
	err = k.UpdateKeyDescription(t.Context(), bob(), &kmsapi.UpdateKeyDescriptionRequest{KeyId: key.KeyId, Description: new("")})
	wantError(t, err, gate.AccessDenied, "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: kms:UpdateKeyDescription on resource: "+*key.Arn+" because no identity-based policy allows the kms:UpdateKeyDescription action")
}
