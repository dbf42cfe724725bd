package s3http_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/iam"
	"github.com/strongroom/strongroom/internal/identity"
)

// asksForOwner is a policy that asks whose a bucket is, so that the record of a
// denial would have it among the condition keys.
const asksForOwner = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceAccount":"999999999999","s3:ResourceAccount":"999999999999"}}}}`

// TestDeniedIsNotToldOfOwner: the record of a call that was denied does not tell
// the caller's account whose the bucket is; nor does any where nothing of the
// bucket could be done. What is allowed is told to both.
func TestDeniedIsNotToldOfOwner(t *testing.T) {
	k := newKit(t)
	k.check(k.iam.PutUser(t.Context(), iam.User{
		Account: other, Name: "aladm", PolicyARNs: []string{identity.AdministratorAccess}, Inline: map[string]string{"owner": asksForOwner},
	}))
	k.createBucket()
	k.put("k", []byte("x"))
	alien := k.client("AKIAALADM", region)
	_, err := alien.CreateBucket(t.Context(), &client.CreateBucketInput{Bucket: aws.String("theirs")})
	k.check(err)
	both := []string{other, account}
	for _, tt := range []struct {
		name string
		policy,
		operation string
		call    func() error
		refused bool
		to      []string // recipients of the records
	}{
		{"GetObject", "", "GetObject", func() error { return get("k")(t.Context(), k, alien) }, true, []string{other}},
		{"PutObject", "", "PutObject", func() error { return put("k", nil)(t.Context(), k, alien) }, true, []string{other}},
		{"ListObjectsV2", "", "ListObjects", func() error { return list(nil)(t.Context(), k, alien) }, true, []string{other}},
		{"source of a copy", "", "CopyObject", func() error {
			_, err := alien.CopyObject(t.Context(), &client.CopyObjectInput{Bucket: aws.String("theirs"), Key: aws.String("k"), CopySource: aws.String("bucket/k")})
			return err
		}, true, []string{other}},
		{"every key of DeleteObjects", "", "DeleteObjects", func() error {
			_, err := alien.DeleteObjects(t.Context(), &client.DeleteObjectsInput{Bucket: aws.String(bucket), Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: aws.String("k")}}}})
			return err
		}, false, []string{other}},
		{"the second of two decisions", allowing(other, right{"s3:GetObject", "arn:aws:s3:::bucket/*"}), "GetObject",
			func() error { return get("absent")(t.Context(), k, alien) }, true, []string{other}},
		{"allowed", allowing(other, right{"s3:GetObject", "arn:aws:s3:::bucket/*"}), "GetObject",
			func() error { return get("k")(t.Context(), k, alien) }, false, both},
		{"a key of DeleteObjects", allowing(other, right{"s3:DeleteObject", "arn:aws:s3:::bucket/gone"}), "DeleteObjects", func() error {
			_, err := alien.DeleteObjects(t.Context(), &client.DeleteObjectsInput{Bucket: aws.String(bucket), Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: aws.String("k")}, {Key: aws.String("gone")}}}})
			return err
		}, false, both},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.policy != "" {
				k.setPolicy(tt.policy)
			}
			before := len(k.rawRecords())
			if err := tt.call(); refused(err) != tt.refused || !tt.refused && err != nil {
				t.Fatalf("got %v, want a refusal: %v", err, tt.refused)
			}
			var to []string
			for _, text := range k.rawRecords()[before:] {
				var r struct {
					EventName, RecipientAccountID string
					Resources                     []struct{ ARN, AccountID string }
				}
				k.check(json.Unmarshal([]byte(text), &r))
				if !strings.HasPrefix(r.EventName, tt.operation) {
					continue
				}
				if !slices.Contains(to, r.RecipientAccountID) { // a GET has two for each
					to = append(to, r.RecipientAccountID)
				}
				if len(tt.to) == 1 && strings.Contains(text, account) {
					t.Errorf("the caller is told whose the bucket is: %s", text)
				}
				told := false
				for _, x := range r.Resources {
					told = told || x.ARN == "arn:aws:s3:::bucket" && x.AccountID == account
				}
				if len(tt.to) == 2 && !told {
					t.Errorf("account %s is not told whose the bucket is: %s", r.RecipientAccountID, text)
				}
			}
			if !slices.Equal(to, tt.to) {
				t.Errorf("there are records for %v, want %v", to, tt.to)
			}
		})
	}
}

// rawRecords returns every record of the trail.
func (k *kit) rawRecords() (all []string) {
	k.t.Helper()
	for e, err := range audit.Entries(k.dir + "/audit") {
		k.check(err)
		all = append(all, string(e.Record))
	}
	return all
}
