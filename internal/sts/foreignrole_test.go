package sts

import (
	"testing"

	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/sts/stsapi"
)

// Of another account's roles a refusal tells nothing: not even a trust policy
// that denies the caller shows that there is a role.
func TestForeignRolesAreNotDisclosed(t *testing.T) {
	k := newKit(t)
	arn := func(name string) string { return "arn:aws:iam::" + stranger + ":role/" + name }
	for name, statement := range map[string]string{
		"Others":   `{"Effect":"Allow","Principal":{"AWS":"` + stranger + `"},"Action":"sts:AssumeRole"}`,
		"Denies":   `{"Effect":"Deny","Principal":{"AWS":"` + account + `"},"Action":"sts:AssumeRole"}`,
		"External": `{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"right"}}}`,
	} {
		d, err := policy.Parse(policy.Trust, []byte(`{"Version":"2012-10-17","Statement":`+statement+`}`))
		if err != nil {
			t.Fatal(err)
		}
		k.there.roles[arn(name)] = Role{ARN: arn(name), ID: "AROA" + name, AccountID: stranger, Trust: d}
	}
	for _, name := range []string{"Others", "Denies", "External", "Absent"} {
		_, err := k.AssumeRole(t.Context(), alice, &stsapi.AssumeRoleRequest{RoleArn: new(arn(name)), RoleSessionName: new("ab"), ExternalId: new("guess")})
		want := "AccessDenied: User: " + alice.ARN + " is not authorized to perform: sts:AssumeRole on resource: " + arn(name) +
			" because no role trust policy allows the sts:AssumeRole action"
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
}
