package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	sharedOwner = DefaultAccount
	sharedGuest = "444455556666"
)

// TestKillBetweenSharedRecords ends the server with kill -9 while a guest changes
// what another account owns: after the commit, before the first of the two
// records is in the trail, between them, and before the answer. After the next
// start each account has its record, once.
func TestKillBetweenSharedRecords(t *testing.T) {
	dir := dataDirIn(t)
	s, stop := start(t, Config{DataDir: dir, BootstrapFile: writeBootstrap(t, `accounts:
  - id: "`+sharedOwner+`"
    users:
      - {name: ada, policies: [AdministratorAccess], accessKeys: [{id: AKIAADAEXAMPLE000001, secret: a-secret-of-ada}]}
  - id: "`+sharedGuest+`"
    users:
      - {name: gina, policies: [AdministratorAccess], accessKeys: [{id: AKIAGINAEXAMPLE00001, secret: a-secret-of-gina}]}
`)})
	ada := clientFor(s.Endpoint(), "AKIAADAEXAMPLE000001", "a-secret-of-ada", DefaultRegion, 1)
	const guest = `{"Effect":"Allow","Principal":{"AWS":"` + sharedGuest + `"},"Action":"%s","Resource":"%s"}`
	key, err := ada.kms.CreateKey(t.Context(), &awskms.CreateKeyInput{Policy: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + sharedOwner + `"},"Action":"kms:*","Resource":"*"},` + fmt.Sprintf(guest, "kms:CreateGrant", "*") + `]}`)})
	if err != nil {
		t.Fatal(err)
	}
	bucket := aws.String("shared")
	_, err = ada.s3.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: bucket})
	_, policyErr := ada.s3.PutBucketPolicy(t.Context(), &awss3.PutBucketPolicyInput{Bucket: bucket, Policy: aws.String(
		`{"Version":"2012-10-17","Statement":[` + fmt.Sprintf(guest, "s3:PutObject", "arn:aws:s3:::shared/*") + `]}`)})
	// S3's own key is made in a commit of its own.
	_, putErr := ada.s3.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: bucket, Key: aws.String("first"), Body: strings.NewReader("x")})
	if err := errors.Join(err, policyErr, putErr); err != nil {
		t.Fatal(err)
	}
	stop()

	changes := map[string]func(clients) error{
		"CreateGrant": func(gina clients) error {
			_, err := gina.kms.CreateGrant(t.Context(), &awskms.CreateGrantInput{
				KeyId: key.KeyMetadata.Arn, GranteePrincipal: aws.String("arn:aws:iam::" + sharedGuest + ":user/gina"),
				Operations: []kmstypes.GrantOperation{kmstypes.GrantOperationDecrypt},
			})
			return err
		},
		"PutObject": func(gina clients) error {
			_, err := gina.s3.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: bucket, Key: aws.String("k"), Body: strings.NewReader("x")})
			return err
		},
	}
	for name, change := range changes {
		for _, at := range []struct {
			point   string
			n       int
			records int // in the trail by then
		}{{"store.commit.after", 1, 0}, {"audit.write", 1, 0}, {"audit.write", 2, 1}, {"store.answer", 1, 2}} {
			t.Run(fmt.Sprintf("%s %s %d", name, at.point, at.n), func(t *testing.T) {
				eventName := `"eventName":"` + name + `"`
				met := false
				for try := 0; try < 10 && !met; try++ { // a worker may meet the point first
					before := len(records(t, dir))
					c, said := tryChild(t, dir, []string{killEnv + "="})
					if c.endpoint == "" {
						t.Fatalf("the server did not start: %s", said)
					}
					gina := clientFor(c.endpoint, "AKIAGINAEXAMPLE00001", "a-secret-of-gina", DefaultRegion, 1)
					died := c.arm(t, at.point, at.n)
					answered := change(gina) == nil
					select {
					case <-died:
					case <-time.After(30 * time.Second):
						t.Fatal("the point was not reached")
					}
					left := strings.Count(strings.Join(records(t, dir)[before:], "\n"), eventName)
					startChild(t, dir).stop(t)
					made := records(t, dir)[before:]
					if happened := strings.Contains(strings.Join(made, "\n"), eventName); happened || answered {
						wantShared(t, name, made)
						met = happened && left == at.records && !answered
					}
				}
				if !met {
					t.Errorf("the server never died in the call, with %d records in the trail", at.records)
				}
				if _, err := VerifyAudit(t.Context(), dir); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// wantShared checks that the records that have an eventName are two of one call:
// the guest's and the owner's.
func wantShared(t *testing.T, eventName string, records []string) {
	t.Helper()
	type record struct {
		EventName, EventID, RequestID, SharedEventID, RecipientAccountID, ErrorCode string
		UserIdentity                                                                struct{ Type, ARN, AccountID string }
	}
	to := map[string]record{}
	for _, text := range records {
		var r record
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		if r.EventName != eventName {
			continue
		}
		if _, ok := to[r.RecipientAccountID]; ok {
			t.Errorf("account %s has two records", r.RecipientAccountID)
		}
		to[r.RecipientAccountID] = r
	}
	own, copied := to[sharedGuest], to[sharedOwner]
	if len(to) != 2 || own.SharedEventID == "" || own.SharedEventID != copied.SharedEventID || own.RequestID != copied.RequestID || own.EventID == copied.EventID ||
		own.ErrorCode != "" || own.UserIdentity.ARN == "" || copied.UserIdentity.Type != "AWSAccount" || copied.UserIdentity.ARN != "" || copied.UserIdentity.AccountID != sharedGuest {
		t.Errorf("the records are %+v", to)
	}
}
