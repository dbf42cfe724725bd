package gate

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/identity"
)

// A call that succeeds on another account's resource is recorded in both
// accounts; one that does not, in the caller's alone.
func TestShare(t *testing.T) {
	alice := fromNetwork(user(account, "alice"))
	for _, tt := range []struct {
		name   string
		caller identity.Caller
		run    func(c *Call) error
		want   []string // recipients of the records
	}{
		{"success", alice, func(c *Call) error { c.Share(foreign); return nil }, []string{account, foreign}},
		{"twice the same", alice, func(c *Call) error { c.Share(foreign); c.Share(foreign); return nil }, []string{account, foreign}},
		{"two others", alice, func(c *Call) error { c.Share(foreign); c.Share("999999999999"); return nil }, []string{account, foreign, "999999999999"}},
		{"the caller's own", alice, func(c *Call) error { c.Share(account); return nil }, []string{account}},
		{"failure", alice, func(c *Call) error { c.Share(foreign); return awserr.Bare("DisabledException") }, []string{account}},
		{"denied", alice, func(c *Call) error { c.Share(foreign); return awserr.Bare(AccessDenied) }, []string{account}},
		{"by a service", alice.Via("s3"), func(c *Call) error { c.Share(foreign); return nil }, []string{account, foreign}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g, _, dir := openGate(t)
			c := g.Begin(tt.caller, create)
			c.ResponseElements = json.RawMessage(`{"a":"b"}`)
			err := tt.run(c)
			if got := c.Finish(err); !errors.Is(got, err) {
				t.Fatalf("Finish returned %v, want %v", got, err)
			}
			rs := records(t, dir)
			if len(rs) != len(tt.want) {
				t.Fatalf("there are %d records, want %d", len(rs), len(tt.want))
			}
			shared := rs[0]["sharedEventID"]
			if (shared != nil) != (len(rs) > 1) {
				t.Errorf("sharedEventID is %v in %d records", shared, len(rs))
			}
			ids := map[any]bool{}
			for i, r := range rs {
				ids[r["eventID"]] = true
				if r["recipientAccountId"] != tt.want[i] || r["sharedEventID"] != shared || r["eventTime"] != rs[0]["eventTime"] || r["requestID"] != rs[0]["requestID"] {
					t.Errorf("record %d is %v", i, r)
				}
				who := r["userIdentity"].(map[string]any)
				if i > 0 && (who["type"] != "AWSAccount" || who["principalId"] != "AIDAalice" || who["accountId"] != account ||
					who["arn"] != nil || who["userName"] != nil || who["accessKeyId"] != nil || who["sessionContext"] != nil) {
					t.Errorf("the owner is told that the caller is %v", who)
				}
				if i > 0 && who["invokedBy"] != rs[0]["userIdentity"].(map[string]any)["invokedBy"] {
					t.Errorf("the owner is told that it was invoked by %v", who["invokedBy"])
				}
			}
			if len(ids) != len(rs) {
				t.Error("an event id comes twice")
			}
		})
	}
}

// TestShareTellsOwnersOfTheirOwn: of a call between two accounts each is told of
// its own resource.
func TestShareTellsOwnersOfTheirOwn(t *testing.T) {
	const third = "999999999999"
	g, _, dir := openGate(t)
	c := g.Begin(fromNetwork(user(account, "alice")), create)
	for _, owner := range []string{foreign, third} {
		c.AddResource("arn:aws:kms:us-east-1:"+owner+":key/k", owner, "AWS::KMS::Key")
		c.Share(owner)
	}
	if err := c.Finish(nil); err != nil {
		t.Fatal(err)
	}
	for _, r := range records(t, dir) {
		want := []string{foreign, third}
		if to := r["recipientAccountId"].(string); to != account {
			want = []string{to}
		}
		var got []string
		for _, x := range r["resources"].([]any) {
			got = append(got, x.(map[string]any)["accountId"].(string))
		}
		if !slices.Equal(got, want) {
			t.Errorf("account %v is told of %v, want %v", r["recipientAccountId"], got, want)
		}
	}
}

// TestWhoseIsTold: the caller's record says whose a resource is when the call may
// use it, when it is the caller's own account's, or when its ARN says so anyhow.
func TestWhoseIsTold(t *testing.T) {
	const bucket, key = "arn:aws:s3:::bucket", "arn:aws:kms:us-east-1:" + foreign + ":key/k"
	denial := awserr.New(AccessDenied, "no")
	for _, tt := range []struct {
		name, arn, owner string
		shared           bool
		err              error
		want             bool
	}{
		{"a bucket of one's own", bucket, account, false, nil, true},
		{"a bucket of one's own, denied", bucket, account, false, denial, true},
		{"a bucket that may be used", bucket, foreign, true, nil, true},
		{"a bucket that may be used, and a failure", bucket, foreign, true, awserr.Bare("NoSuchKey"), true},
		{"a bucket that may be used, and a denial", bucket, foreign, true, denial, false},
		{"a bucket of which nothing was decided", bucket, foreign, false, nil, false},
		{"a bucket, denied", bucket, foreign, false, denial, false},
		{"a key, denied", key, foreign, false, denial, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g, _, dir := openGate(t)
			c := g.Begin(fromNetwork(user(account, "alice")), put)
			c.AddResource(tt.arn, tt.owner, "AWS::S3::Bucket")
			if tt.shared {
				c.Share(tt.owner)
			}
			if err := c.Finish(tt.err); err != tt.err {
				t.Fatal(err)
			}
			rs := records(t, dir)
			if got := rs[0]["resources"].([]any)[0].(map[string]any)["accountId"]; (got != nil) != tt.want || tt.want && got != tt.owner {
				t.Errorf("the owner is %v, want it told: %v", got, tt.want)
			}
			if len(rs) > 1 && rs[1]["resources"].([]any)[0].(map[string]any)["accountId"] != foreign {
				t.Errorf("the owner's record is %v", rs[1])
			}
		})
	}
}

// The records of a change are in its transaction, the owners' too.
func TestShareCommitted(t *testing.T) {
	g, trail, dir := openGate(t)
	c := g.Begin(user(account, "alice"), create)
	c.Share(foreign)
	for i, r := range c.Records() {
		if err := trail.AppendChange(int64(i+1), r); err != nil {
			t.Fatal(err)
		}
	}
	c.Committed()
	if err := c.Finish(nil); err != nil {
		t.Fatal(err)
	}
	rs := records(t, dir)
	if len(rs) != 2 || rs[0]["sharedEventID"] == nil || rs[0]["sharedEventID"] != rs[1]["sharedEventID"] || rs[0]["eventID"] == rs[1]["eventID"] || rs[1]["recipientAccountId"] != foreign {
		t.Errorf("the records are %v", rs)
	}
}

// Without the owner's record there is no answer, unless it is in a transaction.
func TestShareWithoutTrail(t *testing.T) {
	g, trail, _ := openGate(t)
	if err := trail.Close(); err != nil {
		t.Fatal(err)
	}
	for _, committed := range []bool{false, true} {
		c := g.Begin(user(account, "alice"), create)
		c.Share(foreign)
		if committed {
			c.Committed()
		}
		if err := c.Finish(nil); errors.Is(err, ErrTrail) == committed {
			t.Errorf("committed is %v: Finish returned %v", committed, err)
		}
	}
}

// Who asks for the event of an account is told the id of its record.
func TestEvent(t *testing.T) {
	g, _, dir := openGate(t)
	c := g.Begin(fromNetwork(user(account, "alice")), create)
	if at, id := c.Event(account); !at.IsZero() || id != "" {
		t.Errorf("before the record: got %v and %q, want nothing", at, id)
	}
	c.Share(foreign)
	if err := c.Finish(nil); err != nil {
		t.Fatal(err)
	}
	for _, r := range records(t, dir) {
		at, id := c.Event(r["recipientAccountId"].(string))
		if id != r["eventID"] || at.UTC().Format(time.RFC3339) != r["eventTime"] {
			t.Errorf("got %q at %v, want %v at %v", id, at, r["eventID"], r["eventTime"])
		}
	}
	if _, id := c.Event("999999999999"); id != "" {
		t.Errorf("got event %s of an account that has no record", id)
	}
}
