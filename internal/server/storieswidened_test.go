package server

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

const widenedCast = `accounts:
  - id: "111111111111"
    policies: [{name: some, document: '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:ListKeys","Resource":"*"}}'}]
    groups: [{name: a, policies: [some]}, {name: clerks, inlinePolicies: [{name: g, document: '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:ListKeys","Resource":"*"}}'}]}]
    users:
      - {name: ada, policies: [AdministratorAccess], accessKeys: <ada>}
      - {name: ben, groups: [clerks], policies: [some], inlinePolicies: [{name: i, document: '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:ListKeys","Resource":"*"}}'}], accessKeys: <ben>}
    roles:
      - {name: a, trustPolicy: {Version: 2012-10-17, Statement: {Effect: Allow, Principal: {AWS: "111111111111"}, Action: "sts:AssumeRole"}}}
      - {name: vault, policies: [AdministratorAccess], trustPolicy: {Version: 2012-10-17, Statement: {Effect: Allow, Principal: {AWS: "arn:aws:iam::111111111111:user/ada"}, Action: "sts:AssumeRole"}}}
  - id: "222222222222"
    serviceControlPolicies: [{name: limit, document: '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:ListKeys","Resource":"*"}}'}]
    users: [{name: dora, policies: [AdministratorAccess], accessKeys: <dora>}]
`

// TestStoryWidenedByHand: somebody who can write the database, and knows its
// checksums, gives ben more than he has. It has no effect in the server that
// runs; the job that reads everything and doctor name the row; the next start is
// refused for a principal's row, and whatever needs the row for another one's.
func TestStoryWidenedByHand(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	cfg := principalConfig(t, dir, cast(widenedCast))
	clock := new(sessionClock)
	cfg.Clock = clock.now
	cfg.Listen = "127.0.0.1:0"
	var log *safeBuffer
	run := func(t *testing.T) (*story, func()) {
		log = new(safeBuffer)
		cfg.Logger = log.logger()
		s, stop := start(t, cfg)
		return &story{T: t, s: s, clock: clock, dir: dir}, stop
	}

	st, stop := run(t)
	ada := st.user(bank, "ada")
	ben, dora := "arn:aws:iam::111111111111:user/ben", "arn:aws:iam::222222222222:user/dora"
	for range 2 { // something stands before each row: see newHouse
		_ = made[string](st)(ada.createKey(documentOf(allow(bank, "kms:*"), allow(ben, "kms:ListGrants"))))
	}
	bucket := "ledger"
	for _, b := range []string{"a-bucket", bucket} {
		_, err := ada.s3.CreateBucket(st.Context(), &awss3.CreateBucketInput{Bucket: &b})
		st.does(err)
		st.does(ada.putBucketPolicy(b, documentOf(statementOf("Allow", dora, "s3:GetObject", "arn:aws:s3:::"+b+"/b/*"))))
	}
	st.does(ada.put(bucket, "page", ""))
	listed := made[*awskms.ListKeysOutput](st)(ada.kms.ListKeys(st.Context(), &awskms.ListKeysInput{}))
	key := *listed.Keys[1].KeyArn // in the order of their rows
	keyRow := bank + "/us-east-1/" + *listed.Keys[1].KeyId
	_ = made[string](st)(ada.grant(*listed.Keys[0].KeyArn, ben, nil, kmstypes.GrantOperationDescribeKey))
	grant := made[string](st)(ada.grant(key, ben, nil, kmstypes.GrantOperationDescribeKey))
	stop()
	var grantRow string
	if err := openRaw(t, dir).QueryRow("SELECT key FROM kms_grants WHERE key LIKE ?", keyRow+"/%").Scan(&grantRow); err != nil {
		t.Fatal(err)
	}

	encrypt := func(st *story) error { _, err := st.user(bank, "ben").encrypt(key); return err }
	for _, tt := range []struct {
		name, table, row string
		change           func(*rawRow)
		use              func(st *story) error // what the change was to allow
		again            func(st *story) error // reads the row again in a server that runs; nil: nothing does
		starts           bool
	}{
		{"key policy", "kms_keys", keyRow, replaced(`kms:ListGrants`, `kms:*`), encrypt, func(st *story) error {
			return discard(st.user(bank, "ada").kms.TagResource(st.Context(), &awskms.TagResourceInput{KeyId: &key, Tags: []kmstypes.Tag{{TagKey: new("a"), TagValue: new("b")}}}))
		}, true},
		{"grant", "kms_grants", grantRow, replaced(`"DescribeKey"`, `"Encrypt"`), encrypt, func(st *story) error { return st.user(bank, "ada").revoke(key, grant) }, true},
		{"bucket policy", "bucket_policies", bucket, widenBucket, func(st *story) error { return st.user(shop, "dora").get(bucket, "page") }, nil, true},
		{"inline policy", "users", bank + "/ben", replaced("kms:ListKeys", "kms:*"), encrypt, nil, false},
		{"managed policy", "policies", bank + "/some", replaced("kms:ListKeys", "kms:*"), encrypt, nil, false},
		{"policy of a group", "groups", bank + "/clerks", replaced("kms:ListKeys", "kms:*"), encrypt, nil, false},
		{"trust policy", "roles", bank + "/vault", replaced("AIDA", "AROA"), func(st *story) error {
			return discard(st.user(bank, "ben").assume("arn:aws:iam::111111111111:role/vault", "s1"))
		}, nil, false},
		{"service control policy", "accounts", shop, replaced("kms:ListKeys", "kms:*"), func(st *story) error {
			return discard(st.user(shop, "dora").createKey(""))
		}, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st, stop := run(t)
			if err := tt.use(st); err == nil {
				t.Fatal("it is allowed without the change")
			}
			was := readRaw(t, openRaw(t, dir), tt.table, tt.row)
			change(t, dir, tt.table, tt.row, true, tt.change)
			defer change(t, dir, tt.table, tt.row, true, func(r *rawRow) { *r = was })
			want := tt.table + "/" + tt.row + " was changed outside the server"

			// In the server that runs.
			if err := tt.use(st); err == nil {
				t.Error("the change has an effect in a server that runs")
			}
			if tt.again != nil {
				if err := tt.again(st); err == nil || !strings.Contains(string(log.Bytes()), tt.row) {
					t.Errorf("reading the row again: got %v, want a failure and the row named in the log", err)
				}
			}
			if err := st.s.checkIntegrity(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("integrity: got %v, want %q", err, want)
			}
			named := false
			for _, f := range Doctor(t.Context(), cfg) {
				named = named || f.Subject == "authority" && f.Err != nil && strings.Contains(f.Err.Error(), want)
			}
			if !named {
				t.Errorf("doctor does not say %q", want)
			}
			stop()

			// At the next start.
			plain := cfg
			plain.BootstrapFile = "" // which would put right what it declares
			if !tt.starts {
				s, err := New(t.Context(), plain)
				if err == nil {
					_ = s.Close()
				}
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("starting: got %v, want %q", err, want)
				}
				return
			}
			fresh := new(safeBuffer)
			plain.Logger = fresh.logger()
			s, stop := start(t, plain)
			defer stop()
			after := &story{T: t, s: s, clock: clock, dir: dir}
			if err := tt.use(after); codeOf(err) != "KMSInternalException" && codeOf(err) != "InternalError" {
				t.Errorf("after a start: got %v, want an internal error", err)
			}
			if !strings.Contains(string(fresh.Bytes()), "row="+tt.row) && !strings.Contains(string(fresh.Bytes()), tt.table+"/"+tt.row) {
				t.Errorf("the log does not name %s/%s:\n%s", tt.table, tt.row, fresh.Bytes())
			}
		})
	}
}

// widenBucket makes the policy of a bucket, base64 in its row, allow all objects.
func widenBucket(r *rawRow) {
	var doc map[string]any
	if err := json.Unmarshal(r.doc, &doc); err != nil {
		panic(err)
	}
	text, err := base64.StdEncoding.DecodeString(doc["policy"].(string))
	if err != nil {
		panic(err)
	}
	doc["policy"] = []byte(strings.Replace(string(text), "/b/*", "/*", 1))
	if r.doc, err = json.Marshal(doc); err != nil {
		panic(err)
	}
}
