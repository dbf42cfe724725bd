package s3http_test

import (
	"encoding/json"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strongroom/strongroom/internal/store"
)

func (k *kit) policy() (string, error) {
	out, err := k.GetBucketPolicy(k.t.Context(), &client.GetBucketPolicyInput{Bucket: aws.String(bucket)})
	if err != nil {
		return "", err
	}
	return *out.Policy, nil
}

// TestPolicyOfABucket follows a policy from its making to its end.
func TestPolicyOfABucket(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	k.put("k", []byte("x"))
	noone := k.client("AKIANOONE", region)
	read := func() error { return get("k")(t.Context(), k, noone) }

	_, err := k.policy()
	wantCode(t, err, "NoSuchBucketPolicy", 404)
	if err := read(); !refused(err) {
		t.Errorf("before: got %v, want a refusal", err)
	}
	text := `{ "Version":"2012-10-17",  "Id":"x", "Statement":[{"Sid":"a b","Effect":"Allow","Principal":{"AWS":"` + callers["AKIANOONE"].ARN + `"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}]}`
	k.setPolicy(text)
	k.check(read())
	got, err := k.policy()
	k.check(err)
	if got != text {
		t.Errorf("got %s back, want %s", got, text)
	}
	row := k.row(store.BucketPolicies, bucket)
	var doc struct{ Policy []byte }
	k.check(json.Unmarshal(row.Doc, &doc))
	if stored := string(doc.Policy); strings.Contains(stored, "user/noone") || !strings.Contains(stored, k.callers["AKIANOONE"].PrincipalID) {
		t.Errorf("%s is stored, want the unique id of the user in it and not the name", stored)
	}
	resp := k.raw("GET", "/bucket?policy", nil, "")
	body, err := io.ReadAll(resp.Body)
	k.check(err)
	if string(body) != text || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %s of %s, want the policy as JSON", body, resp.Header.Get("Content-Type"))
	}
	if resp := k.raw("PUT", "/bucket?policy", map[string]string{"X-Amz-Confirm-Remove-Self-Bucket-Access": "true"}, text); resp.StatusCode != 204 {
		t.Errorf("got status %d of PutBucketPolicy, want 204", resp.StatusCode)
	}
	if resp := k.raw("PUT", "/bucket?policy", map[string]string{"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, text); resp.StatusCode != 400 {
		t.Errorf("got status %d of a policy with the digest of another, want 400", resp.StatusCode)
	}

	for range 2 { // the second time there is none
		_, err = k.DeleteBucketPolicy(t.Context(), &client.DeleteBucketPolicyInput{Bucket: aws.String(bucket)})
		k.check(err)
		if err := read(); !refused(err) {
			t.Errorf("afterwards: got %v, want a refusal", err)
		}
	}
	_, err = k.policy()
	wantCode(t, err, "NoSuchBucketPolicy", 404)

	// A later bucket of the name has nothing of it.
	k.setPolicy(text)
	_, err = k.DeleteObject(t.Context(), &client.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")})
	k.check(err)
	_, err = k.DeleteBucket(t.Context(), &client.DeleteBucketInput{Bucket: aws.String(bucket)})
	k.check(err)
	if _, err := k.store.Get(t.Context(), store.BucketPolicies, bucket); err == nil {
		t.Error("the policy outlived its bucket")
	}
	k.createBucket()
	k.put("k", []byte("y"))
	if err := read(); !refused(err) {
		t.Errorf("of a later bucket: got %v, want a refusal", err)
	}

	puts := k.records("PutBucketPolicy")
	if len(puts) != 4 {
		t.Fatalf("got %d records of PutBucketPolicy, want 4", len(puts))
	}
	params, _ := puts[0]["requestParameters"].(map[string]any)
	recorded, _ := params["bucketPolicy"].(map[string]any)
	if params["bucketName"] != bucket || recorded["Id"] != "x" {
		t.Errorf("got request parameters %v, want the bucket and its policy", params)
	}
}

// TestPolicyLockout: nobody can take the bucket's policy out of the hands of the
// root user of its account (API Reference, "PutBucketPolicy").
func TestPolicyLockout(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	k.setPolicy(`{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::bucket","arn:aws:s3:::bucket/*"]}}`)
	for who, want := range map[string]bool{"AKIAROOT": true, "AKIAADMIN": false} {
		c := k.client(who, region)
		if err := put("k", nil)(t.Context(), k, c); !refused(err) {
			t.Errorf("%s: PutObject: got %v, want a refusal", who, err)
		}
		_, err := c.GetBucketPolicy(t.Context(), &client.GetBucketPolicyInput{Bucket: aws.String(bucket)})
		if refused(err) == want || want && err != nil {
			t.Errorf("%s: GetBucketPolicy: got %v", who, err)
		}
		_, err = c.PutBucketPolicy(t.Context(), &client.PutBucketPolicyInput{Bucket: aws.String(bucket), Policy: aws.String(`{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::bucket","arn:aws:s3:::bucket/*"]}}`)})
		if refused(err) == want || want && err != nil {
			t.Errorf("%s: PutBucketPolicy: got %v", who, err)
		}
	}
	_, err := k.client("AKIAADMIN", region).DeleteBucketPolicy(t.Context(), &client.DeleteBucketPolicyInput{Bucket: aws.String(bucket)})
	wantCode(t, err, "AccessDenied", 403)
	_, err = k.DeleteBucketPolicy(t.Context(), &client.DeleteBucketPolicyInput{Bucket: aws.String(bucket)})
	k.check(err)
	k.put("k", []byte("x"))
}

// TestForeignBuckets: across accounts both sides must allow (IAM User Guide,
// "Cross-account policy evaluation logic"), and the policy itself is for the
// owner's account alone.
func TestForeignBuckets(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	k.put("k", []byte("x"))
	all := func(principal string) string {
		return `{"Statement":{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":"s3:*","Resource":["arn:aws:s3:::bucket","arn:aws:s3:::bucket/*"]}}`
	}
	for _, tt := range []struct {
		name, who, policy string
		want              bool
	}{
		{"allowed by neither", "AKIAALIEN", "", false},
		{"allowed by its own account", "AKIAALADM", "", false},
		{"allowed by the bucket, to its account", "AKIAALIEN", all(other), false},
		{"allowed by the bucket, by name", "AKIAALIEN", all(callers["AKIAALIEN"].ARN), false},
		{"allowed by the bucket, to everyone", "AKIAALIEN", all("*"), false},
		{"allowed by both, to its account", "AKIAALADM", all(other), true},
		{"allowed by both, by name", "AKIAALADM", all(callers["AKIAALADM"].ARN), true},
		{"allowed by both, to everyone", "AKIAALADM", all("*"), true},
		{"allowed to another of its account", "AKIAALADM", all(callers["AKIAALIEN"].ARN), false},
		{"root, allowed by the bucket", "AKIAOTHER", all(other), true},
		{"root, not allowed by the bucket", "AKIAOTHER", all(account), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.policy == "" {
				_, err := k.DeleteBucketPolicy(t.Context(), &client.DeleteBucketPolicyInput{Bucket: aws.String(bucket)})
				k.check(err)
			} else {
				k.setPolicy(tt.policy)
			}
			c := k.client(tt.who, region)
			for name, do := range map[string]attempt{"GetObject": get("k"), "PutObject": put("theirs", nil), "ListObjectsV2": list(nil)} {
				if err := do(t.Context(), k, c); refused(err) == tt.want || tt.want && err != nil {
					t.Errorf("%s: got %v, want it to pass: %v", name, err, tt.want)
				}
			}
			_, err := c.GetBucketPolicy(t.Context(), &client.GetBucketPolicyInput{Bucket: aws.String(bucket)})
			if tt.want {
				wantCode(t, err, "MethodNotAllowed", 405)
			} else {
				wantCode(t, err, "AccessDenied", 403)
			}
			_, err = c.PutBucketPolicy(t.Context(), &client.PutBucketPolicyInput{Bucket: aws.String(bucket), Policy: aws.String(all("*"))})
			if tt.want {
				wantCode(t, err, "MethodNotAllowed", 405)
			}
		})
	}
	// What others wrote is the owner's: buckets have no ACLs.
	k.wantGet("theirs", []byte("x"))

	// A success is in both trails, of which the owner's tells less of the caller.
	k.setPolicy(all(other))
	k.check(put("recorded", nil)(t.Context(), k, k.client("AKIAALADM", region)))
	records := k.records("PutObject")
	last := records[len(records)-2:]
	if last[0]["sharedEventID"] == nil || last[0]["sharedEventID"] != last[1]["sharedEventID"] {
		t.Errorf("got %v and %v, want two records of one event", last[0], last[1])
	}
	who, _ := last[1]["userIdentity"].(map[string]any)
	if last[1]["recipientAccountId"] != account || who["type"] != "AWSAccount" || who["accountId"] != other || who["arn"] != nil {
		t.Errorf("got %v, want what the owner of the bucket may know", last[1])
	}
}

// TestCopyAcrossAccounts: a copy takes the right to read in one account and the
// right to write in another.
func TestCopyAcrossAccounts(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	k.put("k", []byte("x"))
	alien := k.client("AKIAALADM", region)
	_, err := alien.CreateBucket(t.Context(), &client.CreateBucketInput{Bucket: aws.String("theirs")})
	k.check(err)
	in := &client.CopyObjectInput{Bucket: aws.String("theirs"), Key: aws.String("k"), CopySource: aws.String("bucket/k")}
	_, err = alien.CopyObject(t.Context(), in)
	wantCode(t, err, "AccessDenied", 403)
	k.setPolicy(allowing(callers["AKIAALADM"].ARN, right{"s3:GetObject", "arn:aws:s3:::bucket/k"}))
	_, err = alien.CopyObject(t.Context(), in)
	k.check(err)
	_, err = k.CopyObject(t.Context(), in) // by the owner of the source
	wantCode(t, err, "AccessDenied", 403)
}

// TestPolicyChangedByHand: a policy that somebody wrote into the database is
// refused and named, and so is one that was taken away or put back.
func TestPolicyChangedByHand(t *testing.T) {
	const deny = `{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}}`
	const allow = `{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}}`
	for _, tt := range []struct {
		name   string
		tamper func(k *kit, policies, buckets store.Row)
	}{
		{"the policy widened", func(k *kit, p, _ store.Row) {
			now := k.row(store.BucketPolicies, bucket)
			now.Doc = []byte(strings.Replace(string(now.Doc), `"policy":"`, `"policy":"e30=`, 1))
			k.putRow(store.BucketPolicies, now)
		}},
		{"the policy taken away", func(k *kit, _, _ store.Row) {
			k.check(k.store.Update(t.Context(), func(tx *store.Tx) error {
				row, err := tx.Get(store.BucketPolicies, bucket)
				if err != nil {
					return err
				}
				return tx.Delete(store.BucketPolicies, bucket, row.Rev)
			}))
		}},
		{"an older policy put back", func(k *kit, p, _ store.Row) { k.putRow(store.BucketPolicies, p) }},
		{"an older row of the bucket put back", func(k *kit, _, b store.Row) { k.putRow(store.Buckets, b) }},
		{"the bucket's row changed to name none", func(k *kit, _, _ store.Row) {
			now := k.row(store.Buckets, bucket)
			var doc map[string]any
			k.check(json.Unmarshal(now.Doc, &doc))
			delete(doc, "policy")
			now.Doc, _ = json.Marshal(doc)
			k.putRow(store.Buckets, now)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newKit(t)
			k.createBucket()
			k.put("k", []byte("x"))
			k.setPolicy(allow)
			policies, buckets := k.row(store.BucketPolicies, bucket), k.row(store.Buckets, bucket)
			k.setPolicy(deny)
			tt.tamper(k, policies, buckets)
			if _, err := k.get("k"); err == nil {
				t.Fatal("the object was read")
			} else {
				wantCode(t, err, "InternalError", 500)
			}
			if log := k.log.String(); !strings.Contains(log, bucket) {
				t.Errorf("the log names nothing: %s", log)
			}
		})
	}
}

// TestPolicyRaces: when PutBucketPolicy has answered, no request that begins is
// decided by the policy that was.
func TestPolicyRaces(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	k.put("k", []byte("x"))
	noone := k.client("AKIANOONE", region)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					if err := get("k")(t.Context(), k, noone); err != nil && !refused(err) {
						t.Errorf("got %v, want success or a refusal", err)
						return
					}
				}
			}
		})
	}
	right := right{"s3:GetObject", "arn:aws:s3:::bucket/k"}
	for i := range 20 {
		k.setPolicy(allowing(callers["AKIANOONE"].ARN, right))
		if err := get("k")(t.Context(), k, noone); err != nil {
			t.Errorf("%d, allowed: got %v", i, err)
		}
		if i%2 == 0 {
			_, err := k.DeleteBucketPolicy(t.Context(), &client.DeleteBucketPolicyInput{Bucket: aws.String(bucket)})
			k.check(err)
		} else {
			k.setPolicy(`{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}}`)
		}
		if err := get("k")(t.Context(), k, noone); !refused(err) {
			t.Errorf("%d, not allowed: got %v", i, err)
		}
	}
	close(stop)
	wg.Wait()
}

// TestMissingKeys: who may not list is told that a missing key is denied (API
// Reference, "GetObject"; s3-tests, test_head_object_404_with_policy_prefix).
func TestMissingKeys(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	k.setPolicy(`{"Statement":[
		{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"},
		{"Effect":"Allow","Principal":"*","Action":"s3:ListBucket","Resource":"arn:aws:s3:::bucket","Condition":{"StringLike":{"s3:prefix":"public/*"}}}]}`)
	noone := k.client("AKIANOONE", region)
	_, err := noone.GetObject(t.Context(), &client.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("public/none")})
	wantCode(t, err, "NoSuchKey", 404)
	_, err = noone.GetObject(t.Context(), &client.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("private/none")})
	wantCode(t, err, "AccessDenied", 403)
	if err != nil && !strings.Contains(err.Error(), "is not authorized to perform: s3:ListBucket on resource: ") {
		t.Errorf("got %v, want AWS's text about s3:ListBucket", err)
	}
	_, err = noone.HeadObject(t.Context(), &client.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String("public/none")})
	wantCode(t, err, "NotFound", 404)
	_, err = noone.HeadObject(t.Context(), &client.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String("private/none")})
	wantCode(t, err, "Forbidden", 403)
}

// TestKMSAsTheCaller: what the key policy says of S3's call for somebody counts,
// and a refusal is told in the words of KMS (User Guide, "Troubleshoot access
// denied errors: encryption").
func TestKMSAsTheCaller(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	key := k.createKey()
	k.setPolicy(allowing(callers["AKIANOONE"].ARN, right{"s3:PutObject", "arn:aws:s3:::bucket/*"}, right{"s3:GetObject", "arn:aws:s3:::bucket/*"}))
	noone := k.client("AKIANOONE", region)
	_, err := noone.PutObject(t.Context(), &client.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), Body: strings.NewReader("x"),
		ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &key})
	wantCode(t, err, "AccessDenied", 403)
	if err != nil && !strings.Contains(err.Error(), "User: "+callers["AKIANOONE"].ARN+" is not authorized to perform: kms:GenerateDataKey on resource: "+key+" because no ") {
		t.Errorf("got %v, want the reason of KMS", err)
	}
}
