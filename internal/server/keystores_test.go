package server

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/strongroom/strongroom/internal/store"
)

// The credential of a custom key store moves along when domain keys are rotated,
// over a restart too, and the examination of the directory opens it.
func TestKeyStoreCredentialsAreRewrapped(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	cfg := Config{DataDir: dir}
	s, stop := start(t, cfg)
	c := client(t, s.Endpoint(), dir, 1)
	const proxySecret = "DXjSUawnel2fr6SKC7G25CNxTyWKE5PF9XX6H/u9pSo="
	credential := &kmstypes.XksProxyAuthenticationCredentialType{AccessKeyId: aws.String("ABCDE2345672ABCDE234"), RawSecretAccessKey: aws.String(proxySecret)}
	made, err := c.kms.CreateCustomKeyStore(t.Context(), &awskms.CreateCustomKeyStoreInput{
		CustomKeyStoreName: aws.String("outside"), CustomKeyStoreType: kmstypes.CustomKeyStoreTypeExternalKeyStore,
		XksProxyUriEndpoint: aws.String("https://xks.example.com"), XksProxyUriPath: aws.String("/kms/xks/v1"),
		XksProxyConnectivity: kmstypes.XksProxyConnectivityTypePublicEndpoint, XksProxyAuthenticationCredential: credential,
	})
	if err != nil {
		t.Fatal(err)
	}
	token := func() string {
		t.Helper()
		rows, err := s.store.List(t.Context(), store.KMSKeyStoreTokens, store.Query{Limit: 10})
		if err != nil || len(rows) != 1 {
			t.Fatalf("got %d tokens and %v, want one", len(rows), err)
		}
		return string(rows[0].Doc)
	}
	before := token()
	if err := errors.Join(s.custody.RequestAll(t.Context()), s.custody.Work(t.Context())); err != nil {
		t.Fatal(err)
	}
	if token() == before {
		t.Error("the token is the same after the rotation")
	}
	stop()
	s, stop = start(t, cfg)
	c = client(t, s.Endpoint(), dir, 1)
	// The same credential once more is compared with the one that is kept.
	_, err = c.kms.UpdateCustomKeyStore(t.Context(), &awskms.UpdateCustomKeyStoreInput{CustomKeyStoreId: made.CustomKeyStoreId, XksProxyAuthenticationCredential: credential})
	if err != nil {
		t.Error(err)
	}
	stop()
	if _, err := KeysStatus(t.Context(), cfg, true); err != nil {
		t.Error(err)
	}
	if err := cfg.complete(); err != nil {
		t.Fatal(err)
	}
	if _, err := checkAuthority(t.Context(), cfg); err != nil {
		t.Error(err)
	}
}
