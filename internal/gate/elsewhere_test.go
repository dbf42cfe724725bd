package gate

import (
	"encoding/json"
	"testing"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
)

// What a call makes its service do in another region is recorded there: of the
// same caller and request, as another event, without what only the call itself
// has.
func TestRecordIn(t *testing.T) {
	g, _, _ := openGate(t)
	alice := fromNetwork(user(account, "alice"))
	alice.Endpoint = &identity.Endpoint{ID: "vpce-1"}
	c := g.Begin(alice, create)
	c.RequestParameters, c.ResponseElements, c.AdditionalEventData = json.RawMessage(`{"a":1}`), json.RawMessage(`{"b":1}`), json.RawMessage(`{"c":1}`)
	c.AddResource("arn:aws:kms:us-east-1:"+account+":key/k", account, "AWS::KMS::Key")
	arn := "arn:aws:kms:eu-west-1:" + account + ":key/k"
	var there, here map[string]any
	if err := json.Unmarshal(c.RecordIn("eu-west-1", Operation{EventSource: "kms.amazonaws.com", Name: "Other"}, json.RawMessage(`{"x":1}`), json.RawMessage(`{"y":1}`),
		audit.Resource{AccountID: account, Type: "AWS::KMS::Key", ARN: arn}), &there); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(recordOf(c, nil), &here); err != nil {
		t.Fatal(err)
	}
	for _, same := range []string{"requestID", "eventTime", "eventSource", "sourceIPAddress", "recipientAccountId"} {
		if there[same] == nil || there[same] != here[same] {
			t.Errorf("%s is %v, want %v", same, there[same], here[same])
		}
	}
	if there["eventID"] == here["eventID"] || there["eventID"] == "" {
		t.Errorf("eventID is %v, want one of its own", there["eventID"])
	}
	who := there["userIdentity"].(map[string]any)
	if who["arn"] != alice.ARN || who["invokedBy"] != "kms.amazonaws.com" {
		t.Errorf("userIdentity is %v", who)
	}
	if there["awsRegion"] != "eu-west-1" || there["eventName"] != "Other" || there["userAgent"] != audit.Internal ||
		there["tlsDetails"] != nil || there["vpcEndpointId"] != nil || there["additionalEventData"] != nil {
		t.Errorf("record is %v", there)
	}
	if b, _ := json.Marshal([]any{there["requestParameters"], there["responseElements"], there["resources"]}); string(b) !=
		`[{"x":1},{"y":1},[{"ARN":"`+arn+`","accountId":"`+account+`","type":"AWS::KMS::Key"}]]` {
		t.Errorf("record has %s", b)
	}
}

// aws:RequestedRegion is that of the request, where it has one.
func TestRegionOfRequest(t *testing.T) {
	doc, err := policy.Parse(policy.Identity, []byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*",
		"Condition":{"StringEquals":{"aws:RequestedRegion":"eu-west-1"}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	a := &Authority{Identity: []Named{{"test", doc}}}
	alice := fromNetwork(user(account, "alice"))
	alice.Region = "us-east-1"
	for region, want := range map[string]bool{"": false, "us-east-1": false, "eu-west-1": true} {
		if got := Decide(a, alice, Request{Action: "kms:CreateKey", Region: region}); got.Allowed != want {
			t.Errorf("in region %q: got allowed %t, want %t", region, got.Allowed, want)
		}
	}
}
