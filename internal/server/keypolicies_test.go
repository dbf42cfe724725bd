package server

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
)

const declaredKey = "1234abcd-12ab-34cd-56ef-1234567890ab"

// keyPolicyFile is principals with a key in the first account.
func keyPolicyFile(policy string) string {
	return strings.Replace(principals, "  - id: \"111122223333\"\n", "    keys:\n      - id: "+declaredKey+"\n"+policy+"  - id: \"111122223333\"\n", 1)
}

// nowConfig is principalConfig for the SDK, which has its own clock.
func nowConfig(t testing.TB, dir, yaml string) Config {
	t.Helper()
	cfg := principalConfig(t, dir, yaml)
	cfg.Clock = nil
	return cfg
}

// answerOf is what came of a call: "yes", or the code of the error.
func answerOf(err error) string {
	if err == nil {
		return "yes"
	}
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return err.Error()
}

// Each row is a key policy in one of the many forms there are, put by an
// administrator through the SDK: who may encrypt and who may decrypt then.
// Alice is administrator by IAM, bob has no policy of his own; carol is
// administrator of another account.
func TestKeyPoliciesThroughTheSDK(t *testing.T) {
	t.Parallel()
	s, _ := start(t, nowConfig(t, dataDirIn(t), principals))
	as := func(id string) *awskms.Client { return clientFor(s.Endpoint(), id, sharedSecret, DefaultRegion, 1).kms }
	alice, bob, carol := as(aliceKey), as(bobKey), as(carolKey)
	ctx := t.Context()
	made, err := alice.CreateKey(ctx, &awskms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	key := made.KeyMetadata.Arn
	const own = `{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:root"},"Action":"kms:*","Resource":"*"}`
	const denied, bobARN, carolARN = "AccessDeniedException", "arn:aws:iam::000000000000:user/bob", "arn:aws:iam::111122223333:user/carol"
	statements := func(more string) string { return `{"Version":"2012-10-17","Statement":[` + own + more + `]}` }
	type who struct{ alice, bob, carol string } // may encrypt
	for _, tt := range []struct {
		name, policy string
		want         who
	}{
		{"default", statements(""), who{"yes", denied, denied}},
		{"one statement without a list", `{"Version":"2012-10-17","Statement":` + own + `}`, who{"yes", denied, denied}},
		{"old version, no version", `{"Statement":[` + own + `]}`, who{"yes", denied, denied}},
		{"account by its number", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["000000000000"]},"Action":["kms:*"],"Resource":["*"]}]}`, who{"yes", denied, denied}},
		{"user", statements(`,{"Effect":"Allow","Principal":{"AWS":"` + bobARN + `"},"Action":"kms:Encrypt","Resource":"*"}`), who{"yes", "yes", denied}},
		{"users of two accounts", statements(`,{"Effect":"Allow","Principal":{"AWS":["` + bobARN + `","` + carolARN + `"]},"Action":["kms:Encrypt","kms:DescribeKey"],"Resource":"*"}`), who{"yes", "yes", "yes"}},
		{"account of carol", statements(`,{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kms:Encrypt","Resource":"*"}`), who{"yes", denied, "yes"}},
		{"everyone", statements(`,{"Effect":"Allow","Principal":"*","Action":"kms:Encrypt","Resource":"*"}`), who{"yes", "yes", "yes"}},
		{"everyone of the account", statements(`,{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:Encrypt","Resource":"*","Condition":{"StringEquals":{"kms:CallerAccount":"000000000000"}}}`), who{"yes", "yes", denied}},
		{"action in other letters, with a wildcard", statements(`,{"Effect":"Allow","Principal":{"AWS":"` + bobARN + `"},"Action":"KMS:enc?yp*","Resource":"*"}`), who{"yes", "yes", denied}},
		{"all but an action", statements(`,{"Effect":"Allow","Principal":{"AWS":"` + bobARN + `"},"NotAction":"kms:Decrypt","Resource":"*"}`), who{"yes", "yes", denied}},
		{"all but this action", statements(`,{"Effect":"Allow","Principal":{"AWS":"` + bobARN + `"},"NotAction":"kms:Encrypt","Resource":"*"}`), who{"yes", denied, denied}},
		{"the key's own ARN", statements(`,{"Effect":"Allow","Principal":{"AWS":"` + bobARN + `"},"Action":"kms:Encrypt","Resource":"` + *key + `"}`), who{"yes", "yes", denied}},
		{"another key's ARN", statements(`,{"Effect":"Allow","Principal":{"AWS":"` + bobARN + `"},"Action":"kms:Encrypt","Resource":"` + *key + `0"}`), who{"yes", denied, denied}},
		{"no resource", statements(`,{"Effect":"Allow","Principal":{"AWS":"` + bobARN + `"},"Action":"kms:Encrypt"}`), who{"yes", denied, denied}},
		{"denied to all but one", statements(`,{"Effect":"Allow","Principal":"*","Action":"kms:Encrypt","Resource":"*"},{"Effect":"Deny","NotPrincipal":{"AWS":["000000000000","` + bobARN + `"]},"Action":"kms:Encrypt","Resource":"*"}`), who{denied, "yes", denied}},
		{"denied to everyone but through S3", statements(`,{"Effect":"Deny","Principal":"*","Action":"kms:Encrypt","Resource":"*","Condition":{"StringNotEqualsIfExists":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}}`), who{denied, denied, denied}},
		{"to a service, which nobody is", statements(`,{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"kms:Encrypt","Resource":"*"}`), who{"yes", denied, denied}},
		{"in an encryption context", statements(`,{"Effect":"Allow","Principal":{"AWS":"` + bobARN + `"},"Action":"kms:Encrypt","Resource":"*","Condition":{"StringEquals":{"kms:EncryptionContext:for":"${aws:username}"}}}`), who{"yes", "yes", denied}},
		{"the same in the old version, which has no variables", `{"Version":"2008-10-17","Statement":[` + own + `,{"Effect":"Allow","Principal":{"AWS":"` + bobARN + `"},"Action":"kms:Encrypt","Resource":"*","Condition":{"StringEquals":{"kms:EncryptionContext:for":"${aws:username}"}}}]}`, who{"yes", denied, denied}},
		{"from an address", statements(`,{"Effect":"Allow","Principal":{"AWS":"` + bobARN + `"},"Action":"kms:Encrypt","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":["127.0.0.0/8","::1/128"]}}}`), who{"yes", "yes", denied}},
		{"from another address", statements(`,{"Effect":"Allow","Principal":{"AWS":"` + bobARN + `"},"Action":"kms:Encrypt","Resource":"*","Condition":{"NotIpAddress":{"aws:SourceIp":"127.0.0.1/32"}}}`), who{"yes", denied, denied}},
		{"values that are no strings", statements(`,{"Effect":"Allow","Principal":{"AWS":"` + bobARN + `"},"Action":"kms:Encrypt","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":false,"kms:MultiRegion":[false]}}}`), who{"yes", "yes", denied}},
		{"letters of Latin-1", statements(`,{"Sid":"für Büro ½","Effect":"Allow","Principal":{"AWS":"` + bobARN + `"},"Action":"kms:Encrypt","Resource":"*"}`), who{"yes", "yes", denied}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := alice.PutKeyPolicy(ctx, &awskms.PutKeyPolicyInput{KeyId: key, Policy: &tt.policy}); err != nil {
				t.Fatal(err)
			}
			r, err := alice.GetKeyPolicy(ctx, &awskms.GetKeyPolicyInput{KeyId: key})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := compactJSON(t, *r.Policy), compactJSON(t, tt.policy); got != want {
				t.Errorf("got the policy %s, want %s", got, want)
			}
			got := who{}
			for to, c := range map[*string]*awskms.Client{&got.alice: alice, &got.bob: bob, &got.carol: carol} {
				_, err := c.Encrypt(ctx, &awskms.EncryptInput{KeyId: key, Plaintext: []byte("p"), EncryptionContext: map[string]string{"for": "bob"}})
				*to = answerOf(err)
			}
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
	for _, tt := range []struct{ name, policy, text string }{
		{"a user that is not there", statements(`,{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:user/nobody"},"Action":"kms:Encrypt","Resource":"*"}`), "Policy contains a statement with one or more invalid principals."},
		{"a lockout", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + bobARN + `"},"Action":"kms:*","Resource":"*"}]}`, "The new key policy will not allow you to update the key policy in the future."},
		{"no JSON", `Allow`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := alice.PutKeyPolicy(ctx, &awskms.PutKeyPolicyInput{KeyId: key, Policy: &tt.policy})
			e, ok := errors.AsType[*kmstypes.MalformedPolicyDocumentException](err)
			if !ok || aws.ToString(e.Message) != tt.text {
				t.Errorf("error is %v, want %q", err, tt.text)
			}
		})
	}
}

func compactJSON(t testing.TB, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A key policy in the bootstrap file: as a mapping, as JSON, in a file of its
// own; it wins at every start, and names principals of the same file.
func TestBootstrapKeyPolicy(t *testing.T) {
	t.Parallel()
	const statement = `{"Effect":"Allow","Principal":{"AWS":["000000000000","arn:aws:iam::000000000000:user/bob"]},"Action":"kms:*","Resource":"*"}`
	const want = `{"Statement":[` + statement + `],"Version":"2012-10-17"}`
	file := filepath.Join(t.TempDir(), "policy.json")
	if err := os.WriteFile(file, []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := dataDirIn(t)
	id := declaredKey
	for _, tt := range []struct{ name, yaml, policy string }{
		{"mapping", `        policy:
          Version: 2012-10-17
          Statement:
            - Effect: Allow
              Principal:
                AWS:
                  - "000000000000"
                  - arn:aws:iam::000000000000:user/bob
              Action: kms:*
              Resource: "*"
`, want},
		{"left out: as it was", "", want},
		{"default in JSON", `        policy: '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"000000000000"},"Action":"kms:*","Resource":"*"}]}'` + "\n",
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"000000000000"},"Action":"kms:*","Resource":"*"}]}`},
		{"file", "        policyFile: " + file + "\n", want},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, stop := start(t, nowConfig(t, dir, keyPolicyFile(tt.yaml)))
			defer stop()
			alice := clientFor(s.Endpoint(), aliceKey, sharedSecret, DefaultRegion, 1).kms
			r, err := alice.GetKeyPolicy(t.Context(), &awskms.GetKeyPolicyInput{KeyId: &id})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := compactJSON(t, *r.Policy), compactJSON(t, tt.policy); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			bob := clientFor(s.Endpoint(), bobKey, sharedSecret, DefaultRegion, 1).kms
			_, err = bob.DescribeKey(t.Context(), &awskms.DescribeKeyInput{KeyId: &id})
			if got, want := answerOf(err) == "yes", strings.Contains(tt.policy, "user/bob"); got != want {
				t.Errorf("bob: error is %v, want allowed: %v", err, want)
			}
		})
	}
}

// A mistake in a policy of the file stops the server, with its place.
func TestBootstrapKeyPolicyMistakes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, yaml, want string }{
		{"no principal", "        policy: {Version: 2012-10-17, Statement: {Effect: Allow, Action: \"kms:*\", Resource: \"*\"}}\n", "[11:50] the statement has no Principal"},
		{"no JSON", "        policy: 'x'\n", "[11:17] in the document, line 1, column 1: "},
		{"unknown user", "        policy: {Version: 2012-10-17, Statement: {Effect: Allow, Principal: {AWS: \"arn:aws:iam::000000000000:user/dora\"}, Action: \"kms:*\", Resource: \"*\"}}\n", "user/dora"},
		{"no such file", "        policyFile: /nonexistent\n", "no such file"},
		{"both", "        policy: '{}'\n        policyFile: x\n", "not both"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(t.Context(), principalConfig(t, dataDirIn(t), keyPolicyFile(tt.yaml)))
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "[") {
				t.Errorf("error is %v, want %q with its place", err, tt.want)
			}
		})
	}
}
