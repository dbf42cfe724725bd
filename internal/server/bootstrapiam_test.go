package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/policy"
)

// twoAccounts declares roles that name each other across accounts, and policies
// in every form that the file takes.
const twoAccounts = `accounts:
  - id: 111122223333
    organization: o-exampleorgid
    serviceControlPolicies:
      - name: FullAWSAccess
        level: root
      - name: kms-and-s3
        document:
          Version: 2012-10-17
          Statement: {Effect: Allow, Action: ["kms:*", "s3:*", "sts:*"], Resource: "*"}
    policies:
      - name: reader
        path: /app/
        description: reads
        tags: {team: a}
        document: '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}]}'
    groups:
      - name: readers
        policies: [reader, AWSKeyManagementServicePowerUser]
    users:
      - name: alice
        path: /staff/
        groups: [readers]
        boundary: PowerUserAccess
        tags: {Team: "007"}
        inlinePolicies:
          - name: own
            document:
              Version: 2012-10-17
              Statement:
                - Sid: Mine
                  Effect: Allow
                  Action: kms:Encrypt
                  Resource: "*"
                  Condition:
                    Bool: {"aws:SecureTransport": false}
                    NumericLessThan:
                      aws:MultiFactorAuthAge: 3600
        accessKeys: [{id: AKIAALICEEXAMPLE0001, secret: a-secret-of-alice}]
    roles:
      - name: deploy
        path: /ops/
        maxSessionDuration: 7200
        policies: ["arn:aws:iam::111122223333:policy/app/reader"]
        trustPolicy:
          Version: 2012-10-17
          Statement:
            - Effect: Allow
              Principal:
                AWS: ["arn:aws:iam::111122223333:user/staff/alice", "arn:aws:iam::444455556666:role/deploy", 444455556666]
              Action: sts:AssumeRole
            - Effect: Allow
              Principal: {AWS: "arn:aws:iam::111122223333:role/ops/deploy"}
              Action: sts:TagSession
  - id: 444455556666
    managementAccount: true
    roles:
      - name: deploy
        trustPolicy: {Version: 2012-10-17, Statement: {Effect: Allow, Principal: {AWS: "arn:aws:sts::111122223333:assumed-role/deploy/s1"}, Action: "sts:AssumeRole"}}
`

func TestBootstrapPrincipals(t *testing.T) {
	dir := dataDirIn(t)
	s, _ := start(t, principalConfig(t, dir, twoAccounts))
	seq := func() int64 {
		t.Helper()
		n, err := s.store.LastSeq(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	const role = "arn:aws:iam::111122223333:role/ops/deploy"
	r, ok := s.iam.Role(role)
	foreign, ok2 := s.iam.Role("arn:aws:iam::444455556666:role/deploy")
	if !ok || !ok2 || r.Trust == nil || foreign.Trust == nil {
		t.Fatalf("got %+v, %+v", r, foreign)
	}
	alice, _ := s.iam.UniqueID("arn:aws:iam::111122223333:user/staff/alice")
	for doc, want := range map[*policy.Document][]string{r.Trust: {alice, foreign.ID, r.ID}, foreign.Trust: {r.ID + ":s1"}} {
		for _, id := range want {
			if text := string(doc.Text()); id == "" || !strings.Contains(text, id) || strings.Contains(text, ":role/") {
				t.Errorf("a trust policy is stored as %s, want it to name %q", text, id)
			}
		}
	}
	c, ok := s.iam.UserByID(alice)
	if !ok {
		t.Fatal("there is no alice")
	}
	a, err := s.iam.Authority(c)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Identity) != 3 || len(a.Boundary) != 1 || len(a.ServiceControl) != 2 || a.OrgID != "o-exampleorgid" || a.Tags["Team"] != "007" {
		t.Errorf("got %+v", a)
	}
	if got, want := string(a.Identity[0].Text()), `"Condition":{"Bool":{"aws:SecureTransport":"false"},"NumericLessThan":{"aws:MultiFactorAuthAge":"3600"}}`; !strings.Contains(got, want) {
		t.Errorf("got %s, want %s in it", got, want)
	}
	before := seq()
	if err := s.applyBootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := seq(); got != before {
		t.Errorf("applying the file again left %d changes", got-before)
	}

	// What is absent is gone, and what comes back has another id.
	apply := func(yaml string) {
		t.Helper()
		s.cfg.BootstrapFile = writeBootstrap(t, yaml)
		if err := s.applyBootstrap(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	apply("accounts:\n  - id: 111122223333\n    roles: [{name: deploy, absent: true}]\n    users: [{name: alice, absent: true}]\n" +
		"    groups: [{name: readers, absent: true}]\n    policies: [{name: reader, absent: true}]\n")
	if _, ok := s.iam.Role(role); ok {
		t.Error("the role is still there")
	}
	if a, err := s.iam.Authority(c); err == nil {
		t.Errorf("got %+v for a user that was removed", a)
	}
	apply(twoAccounts)
	if again, _ := s.iam.Role(role); again.ID == "" || again.ID == r.ID {
		t.Errorf("got the id %q, want another than %q", again.ID, r.ID)
	}
	apply("accounts:\n  - id: 111122223333\n    serviceControlPolicies: []\n")
	if c, ok = s.iam.UserByID(mustID(t, s, "arn:aws:iam::111122223333:user/staff/alice")); !ok {
		t.Fatal("alice did not come back")
	}
	if a, err := s.iam.Authority(c); err != nil || a.ServiceControl != nil || a.OrgID == "" {
		t.Errorf("got %+v, %v, want no service control policies and the organization as it was", a, err)
	}
}

func mustID(t *testing.T, s *Server, arn string) string {
	t.Helper()
	id, ok := s.iam.UniqueID(arn)
	if !ok {
		t.Fatalf("there is no %s", arn)
	}
	return id
}

// TestBootstrapPolicyErrors: each says in one line what is wrong, and where.
func TestBootstrapPolicyErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.json")
	if err := os.WriteFile(file, []byte("{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [{\"Effect\": \"allow\"}]\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	account := func(rest string) string { return "accounts:\n  - id: 111122223333\n" + rest }
	const doc = "        document:\n          Version: 2012-10-17\n          Statement:\n"
	policies := func(rest string) string { return account("    policies:\n      - name: p\n" + rest) }
	role := func(trust string) string {
		return account("    roles:\n      - name: r\n        trustPolicy:\n          Version: 2012-10-17\n          Statement:\n" + trust)
	}
	for _, tt := range []struct{ name, yaml, where, want string }{
		{"no action", policies(doc + "            - Effect: Allow\n              Resource: \"*\"\n"), "[8:", "must contain actions"},
		{"bad action", policies(doc + "            - Effect: Allow\n              Resource: \"*\"\n              Action:\n                - kms:Decrypt\n                - Decrypt\n"), "[12:19]", "prefaced by a vendor"},
		{"bad operator", policies(doc + "            - {Effect: Allow, Resource: \"*\", Action: \"*\", Condition: {StringLikes: {aws:username: a}}}\n"), "[8:", "StringLikes"},
		{"JSON text", policies("        document: '{\"Version\":\"2012-10-17\"}'\n"), "[5:19]", "no Statement"},
		{"a file", policies("        documentFile: " + file + "\n"), "[5:23]", file + ", line 3, column 28"},
		{"no such file", policies("        documentFile: /nonexistent\n"), "[5:23]", "no such file"},
		{"both", policies("        document: '{}'\n        documentFile: x\n"), "[4:15]", "not both"},
		{"neither", policies(""), "[4:15]", "no document"},
		{"empty value", policies(doc + "            - Effect:\n              Action: \"*\"\n"), "[8:", "nothing empty"},
		{"merged", policies("        document: {<<: {a: b}}\n"), "[5:", "write it out"},
		{"alias", account("    policies:\n      - name: &n p\n        document: {Version: *n}\n"), "[", ""},
		{"key twice", policies("        document: {Version: 2012-10-17, Version: 2012-10-17}\n"), "[5:", "Version"},
		{"absent and more", policies("        absent: true\n        path: /x/\n"), "[4:15]", "absent"},
		{"policy twice", policies("        document: '{}'\n      - name: p\n"), "[", ""},
		{"a colon without quotes in a list", account("    users: [{name: a, policies: [arn:aws:iam::aws:policy/PowerUserAccess]}]\n"), "[3:", "a single value"},
		{"unknown AWS policy", account("    users: [{name: a, policies: [\"arn:aws:iam::aws:policy/ReadOnlyAccess\"]}]\n"), "[3:", "AmazonS3ReadOnlyAccess"},
		{"policy of another account", account("    users: [{name: a, policies: [\"arn:aws:iam::444455556666:policy/x\"]}]\n"), "[3:", "not attachable"},
		{"unknown group", account("    users: [{name: a, groups: [g]}]\n"), "[3:", "cannot be found"},
		{"trust of nobody", role("            - Effect: Allow\n              Principal: {AWS: \"arn:aws:iam::111122223333:user/nobody\"}\n              Action: sts:AssumeRole\n"), "[9:32]", "Invalid principal"},
		{"trust of no account", role("            - Effect: Allow\n              Principal: {AWS: 999999999999}\n              Action: sts:AssumeRole\n"), "[9:32]", "Invalid principal"},
		{"trust with a resource", role("            - Effect: Allow\n              Principal: {AWS: 111122223333}\n              Action: sts:AssumeRole\n              Resource: \"*\"\n"), "[11:", "prohibited field Resource"},
		{"role without trust", account("    roles: [{name: r}]\n"), "[3:", "no trustPolicy"},
		{"short session", account("    roles: [{name: r, maxSessionDuration: 60, trustPolicy: {Version: 2012-10-17, Statement: {Effect: Allow, Principal: {AWS: 111122223333}, Action: \"sts:AssumeRole\"}}}]\n"), "[3:", "3600 to 43200"},
		{"control policy unknown", account("    serviceControlPolicies: [{name: x}]\n"), "[2:9]", "FullAWSAccess"},
		{"control policy with principal", account("    serviceControlPolicies: [{name: x, document: {Version: 2012-10-17, Statement: {Effect: Deny, Principal: \"*\", Action: \"*\", Resource: \"*\"}}}]\n"), "[3:", "principal"},
		{"organization", account("    organization: acme\n"), "[2:9]", "small letters"},
		{"path", account("    users: [{name: a, path: staff}]\n"), "[3:", "begins and ends with a slash"},
		{"tags", account("    users: [{name: a, tags: {Team: a, team: b}}]\n"), "[3:", "differ in case"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := bootstrapError(t, dataDirIn(t), tt.yaml)
			if !strings.Contains(got, "bootstrap.yaml: "+tt.where) || !strings.Contains(got, tt.want) || strings.Contains(got, "\n") {
				t.Errorf("got %q, want one line with %q and %q", got, tt.where, tt.want)
			}
		})
	}
}

// TestChangedPrincipals: a document of a principal that is changed by hand to
// allow more stops the next start and is named; while the server runs it is
// without effect, and the job that reads everything tells of it.
func TestChangedPrincipals(t *testing.T) {
	dir := dataDirIn(t)
	_, stop := start(t, principalConfig(t, dir, twoAccounts))
	stop()
	cfg := wireConfig(dir)
	cfg.Listen = "127.0.0.1:0"
	for _, tt := range []struct {
		name, table, key string
		change           func(*rawRow)
	}{
		{"managed policy", "policies", "111122223333/reader", replaced("kms:Decrypt", "kms:*")},
		{"group", "groups", "111122223333/readers", replaced("AWSKeyManagementServicePowerUser", "AdministratorAccess")},
		{"boundary", "users", "111122223333/alice", replaced("PowerUserAccess", "AdministratorAccess")},
		{"trust policy", "roles", "444455556666/deploy", replaced(":s1", ":s2")},
		{"service control policy", "accounts", "111122223333", replaced("kms:*", "iam:*")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, stop := start(t, cfg)
			if err := s.checkIntegrity(t.Context()); err != nil {
				t.Fatal(err)
			}
			was := readRaw(t, openRaw(t, dir), tt.table, tt.key)
			change(t, dir, tt.table, tt.key, true, tt.change)
			want := tt.table + "/" + tt.key + " was changed outside the server"
			if err := s.checkIntegrity(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("integrity: got %v, want %q", err, want)
			}
			stop()
			if s, err := New(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("starting: got %v, want %q", err, want)
				if err == nil {
					_ = s.Close()
				}
			}
			change(t, dir, tt.table, tt.key, true, func(r *rawRow) { *r = was })
		})
	}
}

// TestBootstrapGuide: the examples of the guide that need no other file can be
// put in place.
func TestBootstrapGuide(t *testing.T) {
	guide, err := os.ReadFile("../../docs/bootstrap.md")
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for i, part := range strings.Split(string(guide), "```yaml\n")[1:] {
		example, _, ok := strings.Cut(part, "```")
		if !ok {
			t.Fatalf("example %d does not end", i)
		}
		if strings.Contains(example, "File: /") {
			continue
		}
		tried++
		s, _ := start(t, principalConfig(t, dataDirIn(t), example))
		const role = "arn:aws:iam::111122223333:role/deploy"
		if _, ok := s.iam.Role(role); ok != strings.Contains(example, "name: deploy") {
			t.Errorf("example %d: got role deploy %v", i, ok)
		}
	}
	if tried == 0 {
		t.Error("the guide has no example to try")
	}
}
