package server

import (
	"encoding/json"
	"testing"
)

// TestRefusedRequestsAreRecorded sends what a stolen credential might be tried
// with: authenticated requests that no operation sees. Each has one record.
func TestRefusedRequestsAreRecorded(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	s, _ := start(t, wireConfig(dir))
	putBucket(t, s.Endpoint(), "refused")
	operation := func(name string) []field {
		return []field{{"X-Amz-Target", name}, {"Content-Type", "application/x-amz-json-1.1"}}
	}
	for _, tt := range []struct {
		name, service string
		m             message
		event, code   string
	}{
		{"operation that is not served", "kms", kmsCall("MeltKey", `{"KeyId":"x"}`), "MeltKey", "UnknownOperationException"},
		{"malformed JSON", "kms", kmsCall("Encrypt", `{"KeyId":`), "Encrypt", "SerializationException"},
		{"wrong type", "kms", kmsCall("Encrypt", `{"KeyId":5}`), "Encrypt", "SerializationException"},
		{"another service's target", "kms", message{method: "POST", path: "/", signed: operation("Nope.Encrypt"), body: "{}"}, "Unknown", "UnknownOperationException"},
		{"no name of an operation", "kms", kmsCall(`"},{"eventName":"x`, "{}"), "Unknown", "UnknownOperationException"},
		{"not POST", "kms", message{method: "PUT", path: "/", signed: operation("TrentService.ListKeys"), body: "{}"}, "Unknown", "UnknownOperationException"},
		{"not /", "kms", message{method: "POST", path: "/keys", signed: operation("TrentService.ListKeys"), body: "{}"}, "Unknown", "UnknownOperationException"},
		{"unknown action", "sts", stsCall("Action=GetFederationToken&Version=2011-06-15"), "GetFederationToken", "InvalidAction"},
		{"no action", "sts", stsCall("Version=2011-06-15"), "Unknown", "MissingAction"},
		{"sub-resource that is not served", "s3", message{method: "PUT", path: "/refused", query: "website=", body: "{}"}, "Unknown", "NotImplemented"},
		{"method that is not served", "s3", message{method: "PATCH", path: "/refused"}, "Unknown", "MethodNotAllowed"},
		{"header that is not served", "s3", message{method: "PUT", path: "/refused/k", signed: []field{{"X-Amz-Website-Redirect-Location", "/"}}, body: "x"}, "PutObject", "NotImplemented"},
		{"parameter that does not bind", "s3", message{method: "GET", path: "/refused", query: "max-keys=many"}, "ListObjects", "InvalidArgument"},
		{"malformed XML", "s3", message{method: "POST", path: "/refused/k", query: "uploadId=x", body: "<a"}, "CompleteMultipartUpload", "MalformedXML"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(records(t, dir))
			a := ask(t, s.Endpoint(), tt.service, tt.m)
			if code, _ := a.problem(); a.status < 400 || code != tt.code {
				t.Errorf("got %d %s %q, want %s", a.status, code, a.body, tt.code)
			}
			all := records(t, dir)
			if len(all) != before+1 {
				t.Fatalf("got %d new records, want 1", len(all)-before)
			}
			var r struct {
				EventName, ErrorCode string
				UserIdentity         struct{ AccessKeyID string }
			}
			if err := json.Unmarshal([]byte(all[before]), &r); err != nil {
				t.Fatal(err)
			}
			if r.EventName != tt.event || r.ErrorCode != tt.code || r.UserIdentity.AccessKeyID != wireKeyID {
				t.Errorf("got record %+v, want event %s, code %s, key %s", r, tt.event, tt.code, wireKeyID)
			}
		})
	}
}
