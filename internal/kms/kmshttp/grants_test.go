package kmshttp_test

import (
	"errors"
	"testing"

	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/strongroom/strongroom/internal/identity"
)

// The life of grants through the real SDK.
func TestGrantsBySDK(t *testing.T) {
	c := newClient(t)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	created, err := c.CreateKey(ctx, &awskms.CreateKeyInput{})
	must(err)
	key, root := created.KeyMetadata, identity.RootARN(account)
	var grants []*awskms.CreateGrantOutput
	for range 3 {
		g, err := c.CreateGrant(ctx, &awskms.CreateGrantInput{
			KeyId: key.KeyId, GranteePrincipal: &root, RetiringPrincipal: &root,
			Operations:  []types.GrantOperation{types.GrantOperationEncrypt, types.GrantOperationDecrypt},
			Constraints: &types.GrantConstraints{EncryptionContextSubset: map[string]string{"tenant": "t1"}},
		})
		must(err)
		grants = append(grants, g)
	}
	listed := 0
	for pages := awskms.NewListGrantsPaginator(c, &awskms.ListGrantsInput{KeyId: key.KeyId, Limit: new(int32(2))}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		must(err)
		for _, g := range page.Grants {
			if *g.KeyId != *key.Arn || *g.Name != "" || *g.IssuingAccount != root || g.CreationDate.IsZero() || len(g.Operations) != 2 ||
				g.Constraints.EncryptionContextSubset["tenant"] != "t1" || g.Constraints.EncryptionContextEquals != nil {
				t.Errorf("entry is %+v", g)
			}
			listed++
		}
	}
	retirable := 0
	for pages := awskms.NewListRetirableGrantsPaginator(c, &awskms.ListRetirableGrantsInput{RetiringPrincipal: &root, Limit: new(int32(2))}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		must(err)
		retirable += len(page.Grants)
	}
	if listed != 3 || retirable != 3 {
		t.Errorf("%d are listed and %d retirable, want 3", listed, retirable)
	}
	_, err = c.Encrypt(ctx, &awskms.EncryptInput{KeyId: key.KeyId, Plaintext: []byte("p"), GrantTokens: []string{*grants[0].GrantToken}})
	must(err)
	_, err = c.Encrypt(ctx, &awskms.EncryptInput{KeyId: key.KeyId, Plaintext: []byte("p"), GrantTokens: []string{"bad"}})
	if e, ok := errors.AsType[*types.InvalidGrantTokenException](err); !ok {
		t.Errorf("error is %v, want %T", err, e)
	}
	_, err = c.RetireGrant(ctx, &awskms.RetireGrantInput{GrantToken: grants[0].GrantToken})
	must(err)
	_, err = c.RetireGrant(ctx, &awskms.RetireGrantInput{KeyId: key.Arn, GrantId: grants[1].GrantId})
	must(err)
	_, err = c.RevokeGrant(ctx, &awskms.RevokeGrantInput{KeyId: key.KeyId, GrantId: grants[2].GrantId})
	must(err)
	_, err = c.RevokeGrant(ctx, &awskms.RevokeGrantInput{KeyId: key.KeyId, GrantId: grants[2].GrantId})
	if e, ok := errors.AsType[*types.NotFoundException](err); !ok {
		t.Errorf("error is %v, want %T", err, e)
	}
	_, err = c.RevokeGrant(ctx, &awskms.RevokeGrantInput{KeyId: key.KeyId, GrantId: new("g")})
	if e, ok := errors.AsType[*types.InvalidGrantIdException](err); !ok {
		t.Errorf("error is %v, want %T", err, e)
	}
	_, err = c.CreateGrant(ctx, &awskms.CreateGrantInput{
		KeyId: key.KeyId, GranteePrincipal: new("arn:aws:iam::" + account + ":user/nobody"), Operations: []types.GrantOperation{types.GrantOperationDecrypt},
	})
	if e, ok := errors.AsType[*types.InvalidArnException](err); !ok {
		t.Errorf("error is %v, want %T", err, e)
	}
	left, err := c.ListGrants(ctx, &awskms.ListGrantsInput{KeyId: key.KeyId})
	must(err)
	if len(left.Grants) != 0 {
		t.Errorf("%d grants are left", len(left.Grants))
	}
}
