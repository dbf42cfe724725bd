// Package gocloud_test keeps secrets with gocloud.dev/secrets/awskms.
package gocloud_test

import (
	"net/url"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"gocloud.dev/gcerrors"
	"gocloud.dev/secrets"
	_ "gocloud.dev/secrets/awskms" // the scheme awskms

	"github.com/strongroom/strongroom/clienttests/strongroom"
)

// open returns the keeper of a URL for the key, with these parameters more.
func open(t *testing.T, keyID string, parameters url.Values) *secrets.Keeper {
	t.Helper()
	u := url.URL{Scheme: "awskms", Path: "/" + keyID, RawQuery: parameters.Encode()}
	k, err := secrets.OpenKeeper(t.Context(), "awskms:///"+keyID+"?"+u.RawQuery)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

func TestKeeper(t *testing.T) {
	endpoint := strongroom.Start(t)
	ctx := t.Context()
	client := strongroom.KMS(ctx, t)
	arn := strongroom.CreateKey(ctx, t, client, &kms.CreateKeyInput{})
	if _, err := client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/keeper"), TargetKeyId: &arn}); err != nil {
		t.Fatal(err)
	}

	where := func(more ...string) url.Values {
		v := url.Values{"region": {strongroom.Region}, "endpoint": {endpoint}}
		for i := 0; i < len(more); i += 2 {
			v.Set(more[i], more[i+1])
		}
		return v
	}
	byARN := open(t, arn, where("context_tenant", "a", "context_purpose", "demo"))
	byAlias := open(t, "alias/keeper", where("context_tenant", "a", "context_purpose", "demo"))
	sealed, err := byAlias.Encrypt(ctx, []byte("attack at dawn"))
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]*secrets.Keeper{"ARN": byARN, "alias": byAlias} {
		if got, err := k.Decrypt(ctx, sealed); err != nil || string(got) != "attack at dawn" {
			t.Errorf("by %s: got %q, %v, want the secret", name, got, err)
		}
	}

	// What the client makes of our errors.
	code := func(name string, err error, want gcerrors.ErrorCode) {
		t.Helper()
		if got := gcerrors.Code(err); got != want {
			t.Errorf("%s: got %v (%v), want %v", name, got, err, want)
		}
	}
	_, err = open(t, arn, where("context_tenant", "b", "context_purpose", "demo")).Decrypt(ctx, sealed)
	code("another context", err, gcerrors.InvalidArgument)
	_, err = open(t, arn, where()).Decrypt(ctx, sealed)
	code("no context", err, gcerrors.InvalidArgument)
	sealed[len(sealed)-1] ^= 1
	_, err = byARN.Decrypt(ctx, sealed)
	code("a flipped bit", err, gcerrors.InvalidArgument)
	_, err = open(t, "alias/nobody", where()).Encrypt(ctx, []byte("x"))
	code("no such alias", err, gcerrors.NotFound)
	if _, err := client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &arn}); err != nil {
		t.Fatal(err)
	}
	_, err = byARN.Encrypt(ctx, []byte("x"))
	code("a disabled key", err, gcerrors.PermissionDenied)
}
