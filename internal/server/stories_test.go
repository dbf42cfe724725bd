package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// This file is the stage of the stories: tests with many actors in three
// accounts, who call a real server through the AWS SDK, step by step. Every
// refusal is told in AWS's words, and every refusal is explained.

// The accounts of the stories.
const (
	bank  = "111111111111" // has the keys
	shop  = "222222222222" // uses them
	alien = "333333333333" // should not
)

// story is a server with actors.
type story struct {
	*testing.T
	s     *Server
	clock *sessionClock
	dir   string
}

// accessKeys stands in a bootstrap file for the access key of an actor: <ada>.
var accessKeys = regexp.MustCompile(`<(\w+)>`)

// cast makes a bootstrap file of what a story writes.
func cast(yaml string) string {
	return accessKeys.ReplaceAllStringFunc(yaml, func(name string) string {
		return "[{id: " + accessKeyOf(strings.Trim(name, "<>")) + ", secret: " + sharedSecret + "}]"
	})
}

func accessKeyOf(name string) string {
	return "AKIA" + strings.Repeat("0", 16-len(name)) + strings.ToUpper(name)
}

// tell starts a server with the actors of a bootstrap file.
func tell(t *testing.T, yaml string) *story {
	t.Helper()
	st := &story{T: t, clock: new(sessionClock), dir: dataDirIn(t)}
	cfg := principalConfig(t, st.dir, cast(yaml))
	cfg.Clock = st.clock.now
	cfg.Regions = []string{DefaultRegion, "eu-west-1"}
	st.s, _ = start(t, cfg)
	return st
}

// declare puts a bootstrap file in place while the server runs.
func (st *story) declare(yaml string) {
	st.Helper()
	st.s.cfg.BootstrapFile = writeBootstrap(st, cast(yaml))
	if err := st.s.applyBootstrap(st.Context()); err != nil {
		st.Fatal(err)
	}
}

// actor is somebody with credentials.
type actor struct {
	clients
	st  *story
	arn string
}

// user is an actor with the access key of a user.
func (st *story) user(account, name string) *actor {
	return st.actor("arn:aws:iam::"+account+":user/"+name, accessKeyOf(name), sharedSecret, "")
}

// root is an actor with an access key of the account's root user.
func (st *story) root(account, name string) *actor {
	return st.actor("arn:aws:iam::"+account+":root", accessKeyOf(name), sharedSecret, "")
}

// storySigner signs by the clock of the story.
type storySigner struct {
	*v4.Signer
	clock *sessionClock
}

// SignHTTP implements the HTTPSignerV4 of each service.
func (s storySigner) SignHTTP(ctx context.Context, c aws.Credentials, r *http.Request, hash, service, region string, _ time.Time, options ...func(*v4.SignerOptions)) error {
	return s.Signer.SignHTTP(ctx, c, r, hash, service, region, s.clock.now(), options...)
}

func (st *story) actor(arn, id, secretKey, token string) *actor {
	endpoint := st.s.Endpoint()
	transport := &http.Transport{MaxIdleConnsPerHost: 4}
	st.Cleanup(transport.CloseIdleConnections)
	cfg := aws.Config{
		Region: DefaultRegion, BaseEndpoint: &endpoint, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(id, secretKey, token),
		HTTPClient:  &http.Client{Transport: transport, Timeout: time.Minute},
	}
	plain := storySigner{v4.NewSigner(), st.clock}
	s3 := storySigner{v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }), st.clock}
	return &actor{st: st, arn: arn, clients: clients{
		kms: awskms.NewFromConfig(cfg, func(o *awskms.Options) { o.HTTPSignerV4 = plain }),
		s3:  awss3.NewFromConfig(cfg, func(o *awss3.Options) { o.UsePathStyle, o.HTTPSignerV4 = true, s3 }),
		sts: awssts.NewFromConfig(cfg, func(o *awssts.Options) { o.HTTPSignerV4 = plain }),
	}}
}

// What actors do. Each returns the error of the SDK.

func (a *actor) createKey(policy string) (arn string, err error) {
	in := &awskms.CreateKeyInput{}
	if policy != "" {
		in.Policy = &policy
	}
	out, err := a.kms.CreateKey(a.st.Context(), in)
	if err != nil {
		return "", err
	}
	return *out.KeyMetadata.Arn, nil
}

func (a *actor) putKeyPolicy(key, policy string) error {
	_, err := a.kms.PutKeyPolicy(a.st.Context(), &awskms.PutKeyPolicyInput{KeyId: &key, Policy: &policy})
	return err
}

// encryptionContext makes one of pairs.
func encryptionContext(pairs []string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

func (a *actor) encrypt(key string, pairs ...string) (blob []byte, err error) {
	out, err := a.kms.Encrypt(a.st.Context(), &awskms.EncryptInput{KeyId: &key, Plaintext: []byte("hello"), EncryptionContext: encryptionContext(pairs)})
	if err != nil {
		return nil, err
	}
	return out.CiphertextBlob, nil
}

// decrypt names the key, unless that is "": a refusal then names it too.
func (a *actor) decrypt(key string, blob []byte, pairs ...string) error {
	in := &awskms.DecryptInput{CiphertextBlob: blob, EncryptionContext: encryptionContext(pairs)}
	if key != "" {
		in.KeyId = &key
	}
	out, err := a.kms.Decrypt(a.st.Context(), in)
	if err == nil && string(out.Plaintext) != "hello" {
		a.st.Errorf("%s got the wrong plaintext", a.arn)
	}
	return err
}

func (a *actor) dataKey(key string, pairs ...string) (blob []byte, err error) {
	out, err := a.kms.GenerateDataKey(a.st.Context(), &awskms.GenerateDataKeyInput{
		KeyId: &key, KeySpec: kmstypes.DataKeySpecAes256, EncryptionContext: encryptionContext(pairs),
	})
	if err != nil {
		return nil, err
	}
	return out.CiphertextBlob, nil
}

func (a *actor) describe(key string) error {
	_, err := a.kms.DescribeKey(a.st.Context(), &awskms.DescribeKeyInput{KeyId: &key})
	return err
}

func (a *actor) disable(key string) error {
	_, err := a.kms.DisableKey(a.st.Context(), &awskms.DisableKeyInput{KeyId: &key})
	return err
}

// grant makes a grant for the principal who.
func (a *actor) grant(key, who string, constraint map[string]string, operations ...kmstypes.GrantOperation) (id string, err error) {
	in := &awskms.CreateGrantInput{KeyId: &key, GranteePrincipal: &who, Operations: operations}
	if constraint != nil {
		in.Constraints = &kmstypes.GrantConstraints{EncryptionContextSubset: constraint}
	}
	out, err := a.kms.CreateGrant(a.st.Context(), in)
	if err != nil {
		return "", err
	}
	return *out.GrantId, nil
}

func (a *actor) revoke(key, grant string) error {
	_, err := a.kms.RevokeGrant(a.st.Context(), &awskms.RevokeGrantInput{KeyId: &key, GrantId: &grant})
	return err
}

func (a *actor) put(bucket, key, kmsKey string) error {
	in := &awss3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader("hello")}
	if kmsKey != "" {
		in.ServerSideEncryption, in.SSEKMSKeyId = "aws:kms", &kmsKey
	}
	_, err := a.s3.PutObject(a.st.Context(), in)
	return err
}

func (a *actor) get(bucket, key string) error {
	out, err := a.s3.GetObject(a.st.Context(), &awss3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err == nil {
		err = out.Body.Close()
	}
	return err
}

func (a *actor) putBucketPolicy(bucket, policy string) error {
	_, err := a.s3.PutBucketPolicy(a.st.Context(), &awss3.PutBucketPolicyInput{Bucket: &bucket, Policy: &policy})
	return err
}

// assume tries to be a session of a role.
func (a *actor) assume(role, session string, more ...func(*awssts.AssumeRoleInput)) (*actor, error) {
	in := &awssts.AssumeRoleInput{RoleArn: &role, RoleSessionName: &session}
	for _, m := range more {
		m(in)
	}
	out, err := a.sts.AssumeRole(a.st.Context(), in)
	if err != nil {
		return nil, err
	}
	c := out.Credentials
	return a.st.actor(*out.AssumedRoleUser.Arn, *c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken), nil
}

// become is assume that must succeed.
func (a *actor) become(role, session string, more ...func(*awssts.AssumeRoleInput)) *actor {
	a.st.Helper()
	s, err := a.assume(role, session, more...)
	if err != nil {
		a.st.Fatalf("%s does not become %s: %v", a.arn, role, err)
	}
	return s
}

// does says that a step must succeed.
func (st *story) does(err error) {
	st.Helper()
	if err != nil {
		st.Fatalf("got %v, want it to succeed", err)
	}
}

// made is does for a step that makes something.
func made[T any](st *story) func(v T, err error) T {
	st.Helper()
	return func(v T, err error) T {
		st.Helper()
		st.does(err)
		return v
	}
}

// refusedCall is a call that was refused.
type refusedCall struct {
	st        *story
	requestID string
	message   string
	asked     *Question // for explained, where the record does not say it
}

// refused says that a step must be refused in these words, in AWS's code for it.
func (st *story) refused(err error, want string) refusedCall {
	st.Helper()
	return st.fails(err, want, "AccessDeniedException", "AccessDenied")
}

// fails says that a step must fail with one of codes, in these words.
func (st *story) fails(err error, want string, codes ...string) refusedCall {
	st.Helper()
	r := refusedCall{st: st, message: want}
	if err == nil {
		st.Errorf("it succeeds, want it refused: %s", want)
		return r
	}
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		st.Fatalf("got %v, want an error of the service", err)
	}
	known := false
	for _, code := range codes {
		known = known || e.ErrorCode() == code
	}
	if !known || e.ErrorMessage() != want {
		st.Errorf("got  %s: %s\nwant %s: %s", e.ErrorCode(), e.ErrorMessage(), codes[0], want)
	}
	if answer, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		r.requestID = answer.ServiceRequestID()
	}
	if r.requestID == "" {
		st.Errorf("the refusal has no request id: %v", err)
	}
	return r
}

// may is AWS's refusal of an action on a resource, and why.
func (a *actor) may(action, resource, why string) string {
	return "User: " + a.arn + " is not authorized to perform: " + action + " on resource: " + resource + " " + why
}

// What follows on the resource in a refusal: which kind of policy allows nothing,
// or denies.
func noPolicy(kind, action string) string {
	return "because no " + kind + " allows the " + action + " action"
}

func explicitDeny(kind string) string { return "with an explicit deny in " + kind }

const (
	byIdentity = "identity-based policy"
	byResource = "resource-based policy"
	bySession  = "session policy"
	byBoundary = "permissions boundary"
	byControl  = "service control policy"
	byTrust    = "role trust policy"
)

// undisclosed is the refusal of an action on another account's key, of which
// nothing must be told.
func (a *actor) undisclosed(action string) string {
	return "User: " + a.arn + " is not authorized to perform: " + action + " on this resource because the resource does not exist in this Region, " +
		"no resource-based policies allow access, or a resource-based policy explicitly denies access"
}

// blobUndisclosed is the refusal of a Decrypt that names no key.
const blobUndisclosed = "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access."

// key and bucket policies of the stories.

func documentOf(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

// allow is a statement of a policy of a resource; more has further elements.
func allow(principal, actions string, more ...string) string {
	return statementOf("Allow", principal, actions, "*", more...)
}

func deny(principal, actions string, more ...string) string {
	return statementOf("Deny", principal, actions, "*", more...)
}

func statementOf(effect, principal, actions, resource string, more ...string) string {
	s := fmt.Sprintf(`{"Effect":"%s","Principal":{"AWS":"%s"},"Action":["%s"],"Resource":"%s"`,
		effect, principal, strings.Join(strings.Fields(actions), `","`), resource)
	for _, m := range more {
		s += "," + m
	}
	return s + "}"
}

// when is a Condition element.
func when(operator, key, value string) string {
	return fmt.Sprintf(`"Condition":{"%s":{"%s":"%s"}}`, operator, key, value)
}

// atOnce does a step that takes a right away while somebody uses the right all
// the time, and says that nobody's call that begins after the step has answered
// succeeds.
func (st *story) atOnce(use func() error, away func() error) {
	st.Helper()
	var gone atomic.Bool
	result := make(chan error, 1)
	used := make(chan struct{}, 1)
	go func() {
		after := 0
		for succeeded := 0; after < 20; {
			was := gone.Load()
			err := use()
			switch {
			case was && err == nil:
				result <- errors.New("a call that began after the right was taken away has succeeded")
				return
			case was:
				after++
			case err == nil:
				succeeded++
				select {
				case used <- struct{}{}:
				default:
				}
			case succeeded == 0:
				result <- fmt.Errorf("the right is not there from the beginning: %w", err)
				return
			}
		}
		result <- nil
	}()
	select {
	case <-used:
	case err := <-result:
		st.Fatal(err)
	}
	err := away()
	gone.Store(true)
	if useErr := <-result; useErr != nil {
		st.Error(useErr)
	}
	st.does(err)
}
