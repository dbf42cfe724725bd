package server

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
)

// sessionClock is a server's clock that a test can move.
type sessionClock struct{ ahead atomic.Int64 }

func (c *sessionClock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *sessionClock) forward(d time.Duration) { c.ahead.Add(int64(d)) }

// clientOf makes clients with temporary credentials.
func clientOf(endpoint string, c *ststypes.Credentials) clients {
	return clientWithToken(endpoint, *c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
}

func clientWithToken(endpoint, id, secretKey, token string) clients {
	cfg := aws.Config{
		Region: DefaultRegion, BaseEndpoint: &endpoint, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(id, secretKey, token),
		HTTPClient:  &http.Client{Transport: &http.Transport{}, Timeout: time.Minute},
	}
	return clients{
		kms: awskms.NewFromConfig(cfg),
		s3:  awss3.NewFromConfig(cfg, func(o *awss3.Options) { o.UsePathStyle = true }),
		sts: awssts.NewFromConfig(cfg),
	}
}

// refusedBy calls each service and returns the codes that they answer, "" for
// a call that succeeds.
func refusedBy(ctx context.Context, c clients) (kms, sts, s3 string) {
	_, err := c.kms.ListKeys(ctx, &awskms.ListKeysInput{})
	kms = codeOf(err)
	_, err = c.sts.GetCallerIdentity(ctx, &awssts.GetCallerIdentityInput{})
	sts = codeOf(err)
	_, err = c.s3.ListBuckets(ctx, &awss3.ListBucketsInput{})
	return kms, sts, codeOf(err)
}

func codeOf(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return err.Error()
}

func expectCodes(t *testing.T, what string, c clients, kms, sts, s3 string) {
	t.Helper()
	gotKMS, gotSTS, gotS3 := refusedBy(t.Context(), c)
	if gotKMS != kms || gotSTS != sts || gotS3 != s3 {
		t.Errorf("%s: got kms %q, sts %q, s3 %q, want %q, %q, %q", what, gotKMS, gotSTS, gotS3, kms, sts, s3)
	}
}

// rootSession asks for temporary credentials of the root user.
func rootSession(t *testing.T, c clients, seconds int32) *ststypes.Credentials {
	t.Helper()
	out, err := c.sts.GetSessionToken(t.Context(), &awssts.GetSessionTokenInput{DurationSeconds: &seconds})
	if err != nil {
		t.Fatal(err)
	}
	return out.Credentials
}

// TestSessionCredentials uses temporary credentials as the SDK does, in every
// service, and spoils them in every way.
func TestSessionCredentials(t *testing.T) {
	clock := new(sessionClock)
	dir := dataDirIn(t)
	s, stop := start(t, Config{DataDir: dir, Clock: clock.now})
	own := client(t, s.Endpoint(), dir, 1)
	session := rootSession(t, own, 900)
	if left := session.Expiration.Sub(clock.now()); left > 900*time.Second || left < 890*time.Second {
		t.Errorf("the credentials last %v, want 15 minutes", left)
	}
	good := clientOf(s.Endpoint(), session)
	expectCodes(t, "good", good, "", "", "")
	id, secretKey, token := *session.AccessKeyId, *session.SecretAccessKey, *session.SessionToken
	other := rootSession(t, own, 900)

	const unknown, invalid = "UnrecognizedClientException", "InvalidClientTokenId"
	with := func(id, secretKey, token string) clients { return clientWithToken(s.Endpoint(), id, secretKey, token) }
	expectCodes(t, "no token", with(id, secretKey, ""), unknown, invalid, "InvalidAccessKeyId")
	expectCodes(t, "token of another id", with(id, secretKey, *other.SessionToken), unknown, invalid, "InvalidToken")
	expectCodes(t, "id of another token", with(*other.AccessKeyId, secretKey, token), unknown, invalid, "InvalidToken")
	expectCodes(t, "not a token", with(id, secretKey, "token"), unknown, invalid, "InvalidToken")
	expectCodes(t, "wrong secret", with(id, *other.SecretAccessKey, token), "InvalidSignatureException", "SignatureDoesNotMatch", "SignatureDoesNotMatch")
	k, err := readCredentials(CredentialsFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	expectCodes(t, "token with a long-term key", with(k.ID, string(k.Secret.Expose()), token), unknown, invalid, "InvalidToken")

	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{0, 1, 16, 17, 28, 29, 68, 69, len(raw) - 17, len(raw) - 16, len(raw) - 1} { // of every region
		damaged := append([]byte(nil), raw...)
		damaged[at] ^= 1
		expectCodes(t, "damaged token", with(id, secretKey, base64.RawURLEncoding.EncodeToString(damaged)), unknown, invalid, "InvalidToken")
	}

	// A restart forgets nothing, for there is nothing to forget.
	stop()
	s, stop = start(t, Config{DataDir: dir, Clock: clock.now})
	expectCodes(t, "after a restart", clientOf(s.Endpoint(), session), "", "", "")

	// Rotated domain keys open what the old ones sealed.
	if err := errors.Join(s.custody.RequestAll(t.Context()), s.custody.Work(t.Context())); err != nil {
		t.Fatal(err)
	}
	expectCodes(t, "after a rotation", clientOf(s.Endpoint(), session), "", "", "")
	// Expired, from the cache and from a cold start; signed by the server's clock.
	clock.forward(16 * time.Minute)
	for range 2 {
		at := clock.now()
		for service, m := range map[string]message{
			"kms": kmsCall("ListKeys", "{}"), "sts": stsCall("Action=GetCallerIdentity&Version=2011-06-15"), "s3": {method: "GET", path: "/"},
		} {
			wire, _ := signer{id: id, secret: secretKey, token: token, region: DefaultRegion, service: service, at: at}.sign(m)
			a := exchange(t, dial(t, s.Endpoint()), wire, m.method)
			want := map[string]string{
				"kms": `{"__type":"ExpiredTokenException","message":"The security token included in the request is expired"}`,
				"sts": "<Code>ExpiredToken</Code><Message>The security token included in the request is expired</Message>",
				"s3":  "<Code>ExpiredToken</Code><Message>The provided token has expired.</Message>",
			}[service]
			status := map[string]int{"kms": 400, "sts": 403, "s3": 400}[service]
			if a.status != status || !strings.Contains(a.body, want) {
				t.Errorf("expired, %s: got %d %s, want %d %s", service, a.status, a.body, status, want)
			}
			// A replay some minutes later is refused for its age, whatever the token.
			old, _ := signer{id: id, secret: secretKey, token: token, region: DefaultRegion, service: service, at: at.Add(-16 * time.Minute)}.sign(m)
			if a := exchange(t, dial(t, s.Endpoint()), old, m.method); a.status < 400 || strings.Contains(a.body, "Expired") {
				t.Errorf("replayed, %s: got %d %s, want a refusal of its date", service, a.status, a.body)
			}
		}
		stop()
		s, stop = start(t, Config{DataDir: dir, Clock: clock.now})
	}
	stop()
}

// TestSessionPresigned: the token is part of a presigned URL.
func TestSessionPresigned(t *testing.T) {
	dir := dataDirIn(t)
	s, _ := start(t, Config{DataDir: dir})
	own := client(t, s.Endpoint(), dir, 1)
	session := rootSession(t, own, 900)
	c := clientOf(s.Endpoint(), session)
	if _, err := c.s3.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String("bucket")}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.s3.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("key"), Body: strings.NewReader("text")}); err != nil {
		t.Fatal(err)
	}
	signed, err := awss3.NewPresignClient(c.s3).PresignGetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String("key")})
	if err != nil {
		t.Fatal(err)
	}
	other := rootSession(t, own, 900)
	for _, tt := range []struct {
		name, url, want string
		status          int
	}{
		{"as it is", signed.URL, "text", 200},
		{"another token", strings.Replace(signed.URL, *session.SessionToken, *other.SessionToken, 1), "InvalidToken", 400},
		{"without token", strings.Replace(signed.URL, "X-Amz-Security-Token="+*session.SessionToken, "x=y", 1), "InvalidAccessKeyId", 403},
		{"another key", strings.Replace(signed.URL, "bucket/key", "bucket/other", 1), "SignatureDoesNotMatch", 403},
	} {
		resp, err := http.Get(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != tt.status || !strings.Contains(string(body), tt.want) {
			t.Errorf("%s: got %d %s, %v, want %d %s", tt.name, resp.StatusCode, body, err, tt.status, tt.want)
		}
	}
}

// TestGetSessionToken: durations, what the credentials may not do, and what
// does not exist here.
func TestGetSessionToken(t *testing.T) {
	dir := dataDirIn(t)
	s, _ := start(t, Config{DataDir: dir})
	own := client(t, s.Endpoint(), dir, 1)
	session := clientOf(s.Endpoint(), rootSession(t, own, 900))

	out, err := own.sts.GetSessionToken(t.Context(), &awssts.GetSessionTokenInput{DurationSeconds: aws.Int32(129600)})
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(*out.Credentials.Expiration); left > time.Hour || left < 59*time.Minute {
		t.Errorf("root's credentials last %v, want an hour", left)
	}
	info, err := own.sts.GetAccessKeyInfo(t.Context(), &awssts.GetAccessKeyInfoInput{AccessKeyId: out.Credentials.AccessKeyId})
	if err != nil || *info.Account != DefaultAccount {
		t.Errorf("got %+v, %v, want account %s", info, err, DefaultAccount)
	}
	for _, tt := range []struct {
		name    string
		by      clients
		in      awssts.GetSessionTokenInput
		code    string
		message string
	}{
		{"too short", own, awssts.GetSessionTokenInput{DurationSeconds: aws.Int32(899)}, "ValidationError", "1 validation error detected: Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"},
		{"too long", own, awssts.GetSessionTokenInput{DurationSeconds: aws.Int32(129601)}, "ValidationError", "1 validation error detected: Value '129601' at 'durationSeconds' failed to satisfy constraint: Member must have value less than or equal to 129600"},
		{"MFA", own, awssts.GetSessionTokenInput{SerialNumber: aws.String("arn:aws:iam::000000000000:mfa/x"), TokenCode: aws.String("123456")}, "AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code."},
		{"MFA without code", own, awssts.GetSessionTokenInput{SerialNumber: aws.String("arn:aws:iam::000000000000:mfa/x")}, "AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code."},
		{"by a session", session, awssts.GetSessionTokenInput{}, "AccessDenied", "Cannot call GetSessionToken with session credentials"},
	} {
		_, err := tt.by.sts.GetSessionToken(t.Context(), &tt.in)
		if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != tt.code || e.ErrorMessage() != tt.message {
			t.Errorf("%s: got %v, want %s %s", tt.name, err, tt.code, tt.message)
		}
	}
	if _, err := session.sts.GetAccessKeyInfo(t.Context(), &awssts.GetAccessKeyInfoInput{AccessKeyId: out.Credentials.AccessKeyId}); codeOf(err) != "InvalidClientTokenId" {
		t.Errorf("GetAccessKeyInfo by a session of GetSessionToken: got %v, want InvalidClientTokenId", err)
	}
	if _, err := own.sts.GetAccessKeyInfo(t.Context(), &awssts.GetAccessKeyInfoInput{AccessKeyId: aws.String("AKIAQQQQQQQQQQQQQQQQ")}); codeOf(err) != "ValidationError" {
		t.Errorf("GetAccessKeyInfo of an unknown key: got %v, want ValidationError", err)
	}
}
