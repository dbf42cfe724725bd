package awsquery_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/awsquery"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/sts/stsapi"
)

func newHandler(logger *slog.Logger, fail error) *awsquery.Handler {
	return awsquery.New(awsquery.Config{
		Version: "2011-06-15", Namespace: "https://sts.amazonaws.com/doc/2011-06-15/", Internal: stsapi.InternalFailure,
		Status: map[awserr.Code]int{stsapi.AccessDenied: 403}, Logger: logger,
		Ops: []awsquery.Op{awsquery.Bind("GetCallerIdentity", func(_ context.Context, c identity.Caller, _ *stsapi.GetCallerIdentityRequest) (*stsapi.GetCallerIdentityResponse, error) {
			if fail != nil {
				return nil, fail
			}
			return &stsapi.GetCallerIdentityResponse{UserId: new("AIDA"), Account: new("111122223333"), Arn: new(c.ARN)}, nil
		})},
	})
}

func TestSDK(t *testing.T) {
	h := newHandler(nil, nil)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			t.Error(err)
		}
		h.Serve(w, r, identity.Caller{RequestID: "req-1", ARN: "arn:aws:iam::111122223333:user/a&b"}, form)
	}))
	t.Cleanup(srv.Close)
	client := sts.New(sts.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(srv.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "example", ""),
	})
	out, err := client.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	if *out.Account != "111122223333" || *out.Arn != "arn:aws:iam::111122223333:user/a&b" || *out.UserId != "AIDA" {
		t.Errorf("got %+v", out)
	}
}

// TestAnswers checks what goes over the wire, byte by byte.
func TestAnswers(t *testing.T) {
	const failure = `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error>`
	for _, tt := range []struct {
		name, form string
		fail       error
		status     int
		want       string
	}{
		{"answer", "Action=GetCallerIdentity&Version=2011-06-15", nil, 200,
			`<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><UserId>AIDA</UserId><Account>111122223333</Account><Arn>arn</Arn></GetCallerIdentityResult>` +
				`<ResponseMetadata><RequestId>req-1</RequestId></ResponseMetadata></GetCallerIdentityResponse>`},
		{"unknown action", "Action=X%3C&Version=2011-06-15", nil, 400,
			failure + `<Type>Sender</Type><Code>InvalidAction</Code><Message>Could not find operation X&lt; for version 2011-06-15</Message></Error><RequestId>req-1</RequestId></ErrorResponse>`},
		{"unknown version", "Action=GetCallerIdentity&Version=2010-05-08", nil, 400,
			failure + `<Type>Sender</Type><Code>InvalidAction</Code><Message>Could not find operation GetCallerIdentity for version 2010-05-08</Message></Error><RequestId>req-1</RequestId></ErrorResponse>`},
		{"no action", "", nil, 400,
			failure + `<Type>Sender</Type><Code>MissingAction</Code><Message>Missing Action</Message></Error><RequestId>req-1</RequestId></ErrorResponse>`},
		{"refusal", "Action=GetCallerIdentity&Version=2011-06-15", awserr.New(stsapi.AccessDenied, "no"), 403,
			failure + `<Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error><RequestId>req-1</RequestId></ErrorResponse>`},
		{"fault", "Action=GetCallerIdentity&Version=2011-06-15", errors.New("inner matter"), 500,
			failure + `<Type>Receiver</Type><Code>InternalFailure</Code><Message>An internal error occurred. The request can be retried.</Message></Error><RequestId>req-1</RequestId></ErrorResponse>`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			form, err := url.ParseQuery(tt.form)
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			newHandler(slog.New(slog.NewTextHandler(&log, nil)), tt.fail).
				Serve(w, httptest.NewRequest("POST", "/", nil), identity.Caller{RequestID: "req-1", ARN: "arn"}, form)
			if w.Code != tt.status || w.Body.String() != tt.want {
				t.Errorf("got  %d %s\nwant %d %s", w.Code, w.Body, tt.status, tt.want)
			}
			if got, want := w.Result().Header.Get("Content-Type"), "text/xml"; got != want {
				t.Errorf("got Content-Type %q, want %q", got, want)
			}
			if got, want := strings.Contains(log.String(), "inner matter"), tt.status == 500; got != want {
				t.Errorf("got log %q", log.String())
			}
		})
	}
}
