package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// inVPC declares an endpoint whose policy lets alice use KMS and S3 alone, one
// with no policy, a key that only the first endpoint's callers may decrypt
// with, and one that is for the network of the office.
const inVPC = `endpoints:
  - id: vpce-1a2b3c4d
    vpc: vpc-111bbb22
    listen: 127.0.0.1:0
    policy:
      Version: 2012-10-17
      Statement:
        Effect: Allow
        Principal: {AWS: "arn:aws:iam::111122223333:user/alice"}
        Action: ["kms:*", "s3:*"]
        Resource: "*"
  - {id: vpce-0f0f, vpc: vpc-222, listen: "localhost:0"}
accounts:
  - id: 111122223333
    users:
      - name: alice
        policies: [AdministratorAccess]
        accessKeys: [{id: AKIAALICEEXAMPLE0001, secret: a-secret-of-alice}]
      - name: bob
        policies: [AdministratorAccess]
        accessKeys: [{id: AKIABOBEXAMPLE000001, secret: a-secret-of-bob-0}]
    keys:
      - id: 1234abcd-12ab-34cd-56ef-1234567890ab
        aliases: [alias/vpc]
        policy:
          Version: 2012-10-17
          Statement:
            - {Effect: Allow, Principal: {AWS: "111122223333"}, Action: "kms:*", Resource: "*"}
            - Effect: Deny
              Principal: "*"
              Action: kms:Decrypt
              Resource: "*"
              Condition:
                StringNotEquals: {"aws:SourceVpce": vpce-1a2b3c4d}
                Bool: {"aws:ViaAWSService": false}
      - id: 1234abcd-12ab-34cd-56ef-1234567890ac
        aliases: [alias/office]
        policy:
          Version: 2012-10-17
          Statement:
            Effect: Allow
            Principal: {AWS: "111122223333"}
            Action: kms:*
            Resource: "*"
            Condition:
              IpAddress: {"aws:SourceIp": 127.0.0.0/8}
    buckets: [{name: vault}]
`

// TestVPCEndpoints goes through the front door and through two endpoints, with
// the SDK.
func TestVPCEndpoints(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	file := filepath.Join(t.TempDir(), "bootstrap.yaml")
	if err := os.WriteFile(file, []byte(inVPC), 0o600); err != nil {
		t.Fatal(err)
	}
	s, stop := start(t, Config{DataDir: dir, BootstrapFile: file})
	ctx := t.Context()
	vpce, open := s.EndpointURL("vpce-1a2b3c4d"), s.EndpointURL("vpce-0f0f")
	if vpce == "" || open == "" || vpce == open || vpce == s.Endpoint() || s.EndpointURL("vpce-none") != "" {
		t.Fatalf("the endpoints are at %q and %q", vpce, open)
	}
	alice := func(endpoint string) clients {
		return clientFor(endpoint, "AKIAALICEEXAMPLE0001", "a-secret-of-alice", DefaultRegion, 1)
	}
	bob := func(endpoint string) clients {
		return clientFor(endpoint, "AKIABOBEXAMPLE000001", "a-secret-of-bob-0", DefaultRegion, 1)
	}
	sealed, err := alice(vpce).kms.Encrypt(ctx, &awskms.EncryptInput{KeyId: aws.String("alias/vpc"), Plaintext: []byte("hush")})
	if err != nil {
		t.Fatal(err)
	}
	put, err := alice(vpce).s3.PutObject(ctx, &awss3.PutObjectInput{
		Bucket: aws.String("vault"), Key: aws.String("k"), Body: bytes.NewReader([]byte("hush")),
		ServerSideEncryption: s3types.ServerSideEncryptionAwsKms, SSEKMSKeyId: aws.String("alias/vpc"),
	})
	if err != nil {
		t.Fatal(put, err)
	}

	decrypt := func(c clients) error {
		out, err := c.kms.Decrypt(ctx, &awskms.DecryptInput{KeyId: aws.String("alias/vpc"), CiphertextBlob: sealed.CiphertextBlob})
		if err == nil && string(out.Plaintext) != "hush" {
			return errors.New("another plaintext")
		}
		return err
	}
	get := func(c clients) error {
		out, err := c.s3.GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String("vault"), Key: aws.String("k")})
		if err != nil {
			return err
		}
		defer out.Body.Close()
		_, err = io.Copy(io.Discard, out.Body)
		return err
	}
	office := func(c clients) error {
		_, err := c.kms.DescribeKey(ctx, &awskms.DescribeKeyInput{KeyId: aws.String("alias/office")})
		return err
	}
	const (
		noEndpoint = "because no VPC endpoint policy allows the"
		noResource = "because no resource-based policy allows the"
		byResource = "with an explicit deny in a resource-based policy"
	)
	for _, tt := range []struct {
		name     string
		do       func(clients) error
		who      func(string) clients
		endpoint string
		want     string // of the message; empty: allowed
	}{
		{"decrypt through the endpoint that the key policy asks for", decrypt, alice, vpce, ""},
		{"decrypt through the front door", decrypt, alice, s.Endpoint(), byResource},
		{"decrypt through another endpoint", decrypt, alice, open, byResource},
		{"bob is not in the endpoint's policy", decrypt, bob, vpce, noEndpoint},
		{"nor for S3", get, bob, vpce, noEndpoint},
		{"S3 decrypts for alice, not through her endpoint", get, alice, vpce, ""},
		{"and for bob through the front door", get, bob, s.Endpoint(), ""},
		{"an endpoint without a policy lets everybody in", get, bob, open, ""},
		{"the front door has aws:SourceIp", office, alice, s.Endpoint(), ""},
		{"an endpoint has not", office, alice, vpce, noResource},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.do(tt.who(tt.endpoint))
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			e, ok := errors.AsType[smithy.APIError](err)
			if !ok || !strings.Contains(e.ErrorMessage(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	stop()

	// What came through an endpoint says so in the trail, and S3's use of the key does not.
	through := map[string]int{}
	for _, record := range records(t, dir) {
		var r struct {
			EventName, VPCEndpointID string
			UserIdentity             struct{ InvokedBy string }
		}
		if err := json.Unmarshal([]byte(record), &r); err != nil {
			t.Fatal(err)
		}
		if r.UserIdentity.InvokedBy != "" && r.VPCEndpointID != "" {
			t.Errorf("a call of S3 came through %s", r.VPCEndpointID)
		}
		through[r.EventName+" "+r.VPCEndpointID]++
	}
	for what, want := range map[string]int{
		"Encrypt vpce-1a2b3c4d": 1, "PutObject vpce-1a2b3c4d": 1, "Decrypt vpce-1a2b3c4d": 2, "Decrypt vpce-0f0f": 1, "DescribeKey vpce-1a2b3c4d": 1, "DescribeKey ": 1,
	} {
		if through[what] != want {
			t.Errorf("%q is %d times in the trail, want %d: %v", what, through[what], want, through)
		}
	}
}

func TestEndpointsAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, file, want string }{
		{"no id", "endpoints: [{vpc: vpc-1, listen: '127.0.0.1:0'}]", `endpoint id ""`},
		{"bad id", "endpoints: [{id: my endpoint, vpc: vpc-1, listen: '127.0.0.1:0'}]", `[1:18] endpoint id "my endpoint"`},
		{"no VPC", "endpoints: [{id: vpce-1, listen: '127.0.0.1:0'}]", `endpoint vpce-1, VPC ""`},
		{"no address", "endpoints: [{id: vpce-1, vpc: vpc-1}]", `endpoint vpce-1, listen address ""`},
		{"public without TLS", "endpoints: [{id: vpce-1, vpc: vpc-1, listen: '0.0.0.0:0'}]", "can be reached from other machines"},
		{"twice", "endpoints: [{id: vpce-1, vpc: vpc-1, listen: '127.0.0.1:0'}, {id: vpce-1, vpc: vpc-1, listen: '127.0.0.1:0'}]", "declared twice"},
		{"two policies", "endpoints: [{id: vpce-1, vpc: vpc-1, listen: '127.0.0.1:0', policy: '{}', policyFile: x}]", "not both"},
		{"policy without principal", `endpoints: [{id: vpce-1, vpc: vpc-1, listen: '127.0.0.1:0', policy: {Version: 2012-10-17, Statement: {Effect: Allow, Action: "*", Resource: "*"}}}]`, "[1:102] the statement has no Principal"},
		{"unknown key", "endpoints: [{id: vpce-1, vpc: vpc-1, listen: '127.0.0.1:0', subnet: x}]", "subnet"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "bootstrap.yaml")
			if err := os.WriteFile(file, []byte("accounts: []\n"+tt.file+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := New(t.Context(), Config{DataDir: dataDirIn(t), Listen: "127.0.0.1:0", BootstrapFile: file})
			if err == nil {
				_ = s.Close()
			}
			if want := strings.Replace(tt.want, "[1:", "[2:", 1); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q in it", err, want)
			}
		})
	}
	// Of the configuration itself.
	one := VPCEndpoint{ID: "vpce-1", VPC: "vpc-1", Listen: "127.0.0.1:0"}
	bad := one
	bad.Policy = []byte("{")
	for _, endpoints := range [][]VPCEndpoint{{one, one}, {bad}, {{ID: "vpce-1", VPC: "vpc-1", Listen: "0.0.0.0:0"}}} {
		cfg := Config{Endpoints: endpoints}
		if err := cfg.complete(); err == nil {
			t.Errorf("%v was taken", endpoints)
		}
	}
}

// TestEndpointInUse: an endpoint that cannot be opened stops the start, and
// leaves nothing open.
func TestEndpointInUse(t *testing.T) {
	t.Parallel()
	first, _ := start(t, Config{DataDir: dataDirIn(t)})
	dir := dataDirIn(t)
	cfg := Config{DataDir: dir, Listen: "127.0.0.1:0", Endpoints: []VPCEndpoint{
		{ID: "vpce-1", VPC: "vpc-1", Listen: "127.0.0.1:0"},
		{ID: "vpce-2", VPC: "vpc-1", Listen: strings.TrimPrefix(first.Endpoint(), "http://")},
	}}
	if s, err := New(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "endpoint vpce-2: address") {
		t.Errorf("got %v, %v", s, err)
	}
	cfg.Endpoints = cfg.Endpoints[:1]
	s, stop := start(t, cfg)
	if s.EndpointURL("vpce-1") == "" {
		t.Error("the endpoint is not there")
	}
	stop()
}
