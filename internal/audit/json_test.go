package audit

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// testRecord is a record as GenerateDataKey makes it.
func testRecord() *Record {
	return &Record{
		UserIdentity: UserIdentity{
			Type: "IAMUser", PrincipalID: "AIDAEXAMPLE", ARN: "arn:aws:iam::111122223333:user/alice",
			AccountID: "111122223333", AccessKeyID: "AKIAEXAMPLE", UserName: "alice",
		},
		EventTime:           time.Date(2026, 11, 23, 12, 2, 3, 999, time.FixedZone("CET", 3600)),
		EventSource:         "kms.amazonaws.com",
		EventName:           "GenerateDataKey",
		AWSRegion:           "us-east-1",
		SourceIPAddress:     "192.0.2.1",
		UserAgent:           "aws-sdk-go-v2/1.47.7 os/linux lang/go#1.26.8 md/GOOS#linux md/GOARCH#amd64 api/kms#1.62.4",
		RequestParameters:   json.RawMessage(`{"keyId":"alias/app","keySpec":"AES_256","encryptionContext":{"tenant":"t1"}}`),
		AdditionalEventData: json.RawMessage(`{"keyMaterialId":"00aa"}`),
		RequestID:           "11111111-2222-4333-8444-555555555555",
		EventID:             "66666666-7777-4888-8999-aaaaaaaaaaaa",
		ReadOnly:            true,
		Resources: []Resource{{
			AccountID: "111122223333", Type: "AWS::KMS::Key",
			ARN: "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
		}},
		RecipientAccountID: "111122223333",
		TLSDetails: &TLSDetails{
			TLSVersion: "TLSv1.3", CipherSuite: "TLS_AES_128_GCM_SHA256", ClientProvidedHostHeader: "kms.example.internal",
		},
	}
}

func TestAppendJSON(t *testing.T) {
	for _, tt := range []struct {
		name   string
		record *Record
		want   string
	}{
		{"all that a data key has", testRecord(), `{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","principalId":"AIDAEXAMPLE",` +
			`"arn":"arn:aws:iam::111122223333:user/alice","accountId":"111122223333","accessKeyId":"AKIAEXAMPLE","userName":"alice"},` +
			`"eventTime":"2026-11-23T11:02:03Z","eventSource":"kms.amazonaws.com","eventName":"GenerateDataKey","awsRegion":"us-east-1",` +
			`"sourceIPAddress":"192.0.2.1","userAgent":"aws-sdk-go-v2/1.47.7 os/linux lang/go#1.26.8 md/GOOS#linux md/GOARCH#amd64 api/kms#1.62.4",` +
			`"requestParameters":{"keyId":"alias/app","keySpec":"AES_256","encryptionContext":{"tenant":"t1"}},"responseElements":null,` +
			`"additionalEventData":{"keyMaterialId":"00aa"},"requestID":"11111111-2222-4333-8444-555555555555",` +
			`"eventID":"66666666-7777-4888-8999-aaaaaaaaaaaa","readOnly":true,"resources":[{"accountId":"111122223333",` +
			`"type":"AWS::KMS::Key","ARN":"arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"}],` +
			`"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","eventCategory":"Management",` +
			`"tlsDetails":{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"kms.example.internal"}}`},
		{"an event of KMS itself", &Record{
			UserIdentity: UserIdentity{AccountID: "111122223333", InvokedBy: Internal},
			EventTime:    time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), EventSource: "kms.amazonaws.com", EventName: "DeleteKey",
			AWSRegion: "us-east-1", SourceIPAddress: Internal, UserAgent: Internal, EventID: "e", EventType: ServiceEvent,
			RecipientAccountID: "111122223333", ServiceEventDetails: json.RawMessage(`{"keyId":"k"}`),
		}, `{"eventVersion":"1.11","userIdentity":{"accountId":"111122223333","invokedBy":"AWS Internal"},` +
			`"eventTime":"2026-11-23T00:00:00Z","eventSource":"kms.amazonaws.com","eventName":"DeleteKey","awsRegion":"us-east-1",` +
			`"sourceIPAddress":"AWS Internal","userAgent":"AWS Internal","requestParameters":null,"responseElements":null,` +
			`"eventID":"e","readOnly":false,"eventType":"AwsServiceEvent","managementEvent":true,"recipientAccountId":"111122223333",` +
			`"serviceEventDetails":{"keyId":"k"},"eventCategory":"Management"}`},
		{"nothing set", &Record{}, `{"eventVersion":"1.11","userIdentity":{},"eventTime":"0001-01-01T00:00:00Z","eventSource":"",` +
			`"eventName":"","awsRegion":"","sourceIPAddress":"","userAgent":"","requestParameters":null,"responseElements":null,` +
			`"eventID":"","readOnly":false,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"","eventCategory":"Management"}`},
		{"data, addendum, resource without an account", &Record{
			EventCategory: Data, APIVersion: "2006-03-01", SharedEventID: "s", Resources: []Resource{{Type: "AWS::S3::Object", ARN: "a"}, {"1", "b", "c"}},
			Addendum: &Addendum{Reason: "UPDATED_DATA", OriginalEventID: "e"},
		}, `{"eventVersion":"1.11","userIdentity":{},"eventTime":"0001-01-01T00:00:00Z","eventSource":"",` +
			`"eventName":"","awsRegion":"","sourceIPAddress":"","userAgent":"","requestParameters":null,"responseElements":null,` +
			`"eventID":"","readOnly":false,"resources":[{"type":"AWS::S3::Object","ARN":"a"},{"accountId":"1","type":"b","ARN":"c"}],` +
			`"eventType":"AwsApiCall","apiVersion":"2006-03-01","managementEvent":false,"recipientAccountId":"","sharedEventID":"s",` +
			`"eventCategory":"Data","addendum":{"reason":"UPDATED_DATA","originalEventID":"e"}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := string(tt.record.AppendJSON([]byte("x")))
			if got != "x"+tt.want {
				t.Errorf("got  %s\nwant x%s", got, tt.want)
			}
			if !json.Valid([]byte(got[1:])) {
				t.Error("the record is not JSON")
			}
		})
	}
}

// TestLimits gives every field far more than fits.
func TestLimits(t *testing.T) {
	long := strings.Repeat("\x01", 1<<20)
	raw := json.RawMessage(`"` + strings.Repeat("a", 200<<10) + `"`)
	r := &Record{
		UserIdentity: UserIdentity{long, long, long, long, long, long, &SessionContext{&SessionIssuer{long, long, long, long, long}, time.Time{}, false, long}, long},
		EventSource:  long, EventName: long, AWSRegion: long, SourceIPAddress: long, UserAgent: long,
		ErrorCode: long, ErrorMessage: long, RequestParameters: raw, ResponseElements: raw,
		AdditionalEventData: raw, ServiceEventDetails: raw, RequestID: long, EventID: long, APIVersion: long,
		EventType: long, RecipientAccountID: long, SharedEventID: long, EventCategory: long,
		Addendum: &Addendum{long, long, long, long}, TLSDetails: &TLSDetails{long, long, long},
	}
	for range 100 {
		r.Resources = append(r.Resources, Resource{AccountID: long, Type: long, ARN: long})
	}
	got := r.AppendJSON(nil)
	// The raw values were replaced; had each been as long as it may be, the
	// record would be longer by this.
	if most := len(got) + 3*maxParameters + maxAdditional; !json.Valid(got) || most > MaxRecord {
		t.Errorf("got %d bytes, at most %d", len(got), most)
	}
	var m struct {
		UserAgent           string
		RequestParameters   map[string]any
		AdditionalEventData map[string]any
	}
	if err := json.Unmarshal(got, &m); err != nil {
		t.Fatal(err)
	}
	if len(m.UserAgent) != 1024 {
		t.Errorf("got a user agent of %d bytes, want 1024", len(m.UserAgent))
	}
	if got := m.RequestParameters; got["omitted"] != true || got["originalSize"] != float64(len(raw)) || got["reason"] != "requestParameters too large" {
		t.Errorf("got requestParameters %v", got)
	}
	if got := m.AdditionalEventData; got["omitted"] != true {
		t.Errorf("got additionalEventData %v", got)
	}
}

func TestLimitIsInclusive(t *testing.T) {
	fits := json.RawMessage(`"` + strings.Repeat("a", maxAdditional-2) + `"`)
	if got := raw(nil, "n", fits, maxAdditional, false); !bytes.HasSuffix(got, fits) {
		t.Error("a value of exactly the limit must stay")
	}
	for cut, want := range map[string]string{
		strings.Repeat("a", 10):                  "aaaaaaaaaa",
		strings.Repeat("a", 11):                  "aaaaaaaaaa",
		"aaaaaaaaa\u00e9":                        "aaaaaaaaa",        // é starts at 9, ends at 11
		"aaaaaaaa\u00e9b":                        "aaaaaaaa\u00e9",   // é ends at 10
		"aaaaaaa\U0001f511":                      "aaaaaaa",          // four bytes, one too many
		"aaaaaa\U0001f511b":                      "aaaaaa\U0001f511", // four bytes that fit
		"aaaaaaaaa\xff\xff":                      "aaaaaaaaa\ufffd",
		"aaaaaaaaaa" + strings.Repeat("\x80", 9): "aaaaaaaaaa",
	} {
		var got string
		if err := json.Unmarshal(appendString(nil, cut, 10), &got); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", cut, got, err, want)
		}
	}
}

// FuzzString: whatever the string, the JSON is valid and gives it back, apart
// from what is not UTF-8.
func FuzzString(f *testing.F) {
	for _, s := range []string{"", "plain", `quote " backslash \ slash /`, "\x00\x1f\t\r\n\b\f", "\xff\xc3", "é\u2028\U0001f511", strings.Repeat("é", 600)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := appendString(nil, s, maxText)
		var got string
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		want := strings.ToValidUTF8(s, "\ufffd")
		if len(s) <= maxText && utf8.ValidString(s) && got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if !utf8.Valid(b) || bytes.IndexByte(b, 0) >= 0 {
			t.Errorf("%q is not UTF-8, or holds a zero byte", b)
		}
	})
}
