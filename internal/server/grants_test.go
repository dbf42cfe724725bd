package server

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/strongroom/strongroom/internal/iam"
	"github.com/strongroom/strongroom/internal/store"
)

const grantsBootstrap = `accounts:
  - id: 111122223333
    users:
      - name: alice
        policies: [AdministratorAccess]
        accessKeys: [{id: AKIAALICEEXAMPLE0001, secret: a-secret-of-alice-is-forty-characters-xx}]
    roles:
      - name: app
        path: /svc/
        trustPolicy:
          Version: 2012-10-17
          Statement: {Effect: Allow, Principal: {AWS: "arn:aws:iam::111122223333:user/alice"}, Action: "sts:AssumeRole"}
`

// A role that was granted a key's use has it in every session; a role of the
// same name, made when that one was deleted, has nothing.
func TestGrantToARole(t *testing.T) {
	s, stop := start(t, Config{DataDir: dataDirIn(t), Account: "111122223333", BootstrapFile: writeBootstrap(t, grantsBootstrap)})
	defer stop()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	alice := clientFor(s.Endpoint(), "AKIAALICEEXAMPLE0001", "a-secret-of-alice-is-forty-characters-xx", "us-east-1", 1)
	const role = "arn:aws:iam::111122223333:role/svc/app"
	assume := func() clients {
		t.Helper()
		r, err := alice.sts.AssumeRole(ctx, &awssts.AssumeRoleInput{RoleArn: aws.String(role), RoleSessionName: aws.String("s1")})
		must(err)
		return clientOf(s.Endpoint(), r.Credentials)
	}
	key, err := alice.kms.CreateKey(ctx, &awskms.CreateKeyInput{})
	must(err)
	id := key.KeyMetadata.KeyId
	blob, err := alice.kms.Encrypt(ctx, &awskms.EncryptInput{KeyId: id, Plaintext: []byte("p")})
	must(err)
	decrypt := func(c clients) string {
		_, err := c.kms.Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: blob.CiphertextBlob})
		return codeOf(err)
	}
	app := assume()
	if got := decrypt(app); got != "AccessDeniedException" {
		t.Errorf("without a grant: %q, want AccessDeniedException", got)
	}
	g, err := alice.kms.CreateGrant(ctx, &awskms.CreateGrantInput{
		KeyId: id, GranteePrincipal: aws.String(role), Operations: []kmstypes.GrantOperation{kmstypes.GrantOperationDecrypt},
	})
	must(err)
	if got := decrypt(app); got != "" {
		t.Errorf("with a grant: %q", got)
	}
	must(s.store.Update(ctx, func(tx *store.Tx) error { return s.iam.DeleteRoleIn(tx, "111122223333", "app") }))
	must(s.store.Update(ctx, func(tx *store.Tx) error {
		return s.iam.PutRoleIn(tx, iam.NewRole{
			Account: "111122223333", Name: "app", Path: "/svc/",
			Trust: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/alice"},"Action":"sts:AssumeRole"}}`,
		})
	}))
	if got := decrypt(app); got == "" {
		t.Error("a session of a role that was deleted decrypts")
	}
	if got := decrypt(assume()); got != "AccessDeniedException" {
		t.Errorf("a role of the same name: %q, want AccessDeniedException", got)
	}
	list, err := alice.kms.ListGrants(ctx, &awskms.ListGrantsInput{KeyId: id})
	must(err)
	if len(list.Grants) != 1 || *list.Grants[0].GrantId != *g.GrantId || len(*list.Grants[0].GranteePrincipal) < 16 || (*list.Grants[0].GranteePrincipal)[:4] != "AROA" {
		t.Errorf("grants are %+v, want one whose grantee is an id", list.Grants)
	}
}
