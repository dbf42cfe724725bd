package server

import (
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/store"
)

// bucketPolicyFixture has a bucket whose policy names a user that the file
// declares later, in another account.
const bucketPolicyFixture = `accounts:
  - id: 111122223333
    accessKeys: [{id: AKIABUCKETROOT000001, secret: secret-of-all-users-in-this-test}]
    buckets:
      - name: declared
        policy:
          Version: 2012-10-17
          Statement:
            - Sid: Theirs
              Effect: Allow
              Principal: {AWS: "arn:aws:iam::444455556666:user/app"}
              Action: [s3:GetObject, s3:PutObject]
              Resource: arn:aws:s3:::declared/*
              Condition: {Bool: {"aws:SecureTransport": true}}
  - id: 444455556666
    users: [{name: app}]
`

func TestBootstrapBucketPolicy(t *testing.T) {
	dir := dataDirIn(t)
	s, stop := start(t, principalConfig(t, dir, bucketPolicyFixture))
	ask := func() string {
		return askAs(t, s.Endpoint(), "AKIABUCKETROOT000001", "s3", message{method: "GET", path: "/declared", query: "policy="}).body
	}
	if got, want := ask(), `"Principal":{"AWS":"arn:aws:iam::444455556666:user/app"},"Action":["s3:GetObject","s3:PutObject"]`; !strings.Contains(got, want) {
		t.Errorf("got %s, want %s in it", got, want)
	}
	row, err := s.store.Get(t.Context(), store.BucketPolicies, "declared")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.applyBootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again, err := s.store.Get(t.Context(), store.BucketPolicies, "declared"); err != nil || again.Rev != row.Rev {
		t.Errorf("got revision %d, %v after the same file, want %d still", again.Rev, err, row.Rev)
	}
	s.cfg.BootstrapFile = writeBootstrap(t, strings.Replace(bucketPolicyFixture, "s3:PutObject", "s3:DeleteObject", 1))
	if err := s.applyBootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := ask(); !strings.Contains(got, "s3:DeleteObject") {
		t.Errorf("got %s, want the policy of the changed file", got)
	}
	s.cfg.BootstrapFile = writeBootstrap(t, "accounts:\n  - id: 111122223333\n    buckets: [{name: declared}]\n")
	if err := s.applyBootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := ask(); !strings.Contains(got, "s3:DeleteObject") {
		t.Errorf("got %s of a file that names no policy, want what was there", got)
	}
	stop()
	puts := 0
	for _, r := range records(t, dir) {
		if strings.Contains(r, `"eventName":"PutBucketPolicy"`) {
			puts++
		}
	}
	if puts != 2 {
		t.Errorf("got %d records of PutBucketPolicy, want 2", puts)
	}
}

func TestBootstrapBucketPolicyErrors(t *testing.T) {
	for _, tt := range []struct{ name, old, new, where, want string }{
		{"another bucket", "arn:aws:s3:::declared/*", "arn:aws:s3:::other/*", "[5:15]", "Policy has invalid resource"},
		{"action there is not", "s3:PutObject", "s3:PutObjects", "[5:15]", "Policy has invalid action"},
		{"nobody", "user/app", "user/nobody", "[11:32]", "Invalid principal"},
		{"effect", "Allow", "allow", "[10:23]", "Effect"},
		{"two policies", "      - name: declared\n", "      - name: declared\n        policyFile: x\n", "[5:15]", "not both"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := bootstrapError(t, dataDirIn(t), strings.Replace(bucketPolicyFixture, tt.old, tt.new, 1))
			if !strings.Contains(got, tt.where) || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q at %s", got, tt.want, tt.where)
			}
		})
	}
}
