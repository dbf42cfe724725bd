package server

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// refusal is what a protocol answers: status, code, and the whole message.
type refusal struct {
	status        int
	code, message string
}

const (
	textBadToken    = "The security token included in the request is invalid."
	textBadSign     = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
	textBadSignS3   = "The request signature we calculated does not match the signature you provided. Check your key and signing method."
	textNoV2        = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
	textOneAuth     = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified"
	textNotSigned   = "There were headers present in the request which were not signed"
	textS3Malformed = "The authorization header is malformed; "
)

// edgeCase is one way to come without a valid signature.
type edgeCase struct {
	name string
	// wire makes the request of a protocol out of a good one.
	wire           func(s signer, m message) []byte
	json, query    refusal
	s3             refusal
	reason         string   // label of the metric
	skip           string   // a protocol the case does not exist in
	protocolFields []string // further elements of S3's error body
}

// changed signs a request after a change to the signer or to the message.
func changed(change func(*signer, *message)) func(signer, message) []byte {
	return func(s signer, m message) []byte {
		change(&s, &m)
		wire, _ := s.sign(m)
		return wire
	}
}

// authorized sends headers of its own instead of a signature.
func authorized(headers ...field) func(signer, message) []byte {
	return func(s signer, m message) []byte {
		return m.wire(append(append([]field{{"Host", wireHost}}, m.signed...), headers...))
	}
}

// presigned sends a signature in the query, made a while ago.
func presigned(age time.Duration, expires string) func(signer, message) []byte {
	return func(s signer, m message) []byte {
		s.at = s.at.Add(-age)
		m.query = s.presign(m, expires)
		return m.wire([]field{{"Host", wireHost}})
	}
}

var edgeCases = []edgeCase{
	{
		name: "no credentials", wire: authorized(), reason: "no signature",
		json:  refusal{400, "MissingAuthenticationTokenException", "Missing Authentication Token"},
		query: refusal{403, "MissingAuthenticationToken", "Missing Authentication Token"},
		s3:    refusal{403, "AccessDenied", "Access Denied"},
	},
	{
		name: "nothing behind the algorithm", wire: authorized(field{"Authorization", "AWS4-HMAC-SHA256"}), reason: "malformed",
		json:  refusal{400, "IncompleteSignatureException", "not a valid key=value pair (missing equal-sign) in Authorization header."},
		query: refusal{400, "IncompleteSignature", "not a valid key=value pair (missing equal-sign) in Authorization header."},
		s3:    refusal{400, "AuthorizationHeaderMalformed", textS3Malformed + "the authorization header requires three components: Credential, SignedHeaders, and Signature."},
	},
	{
		name: "credential alone", wire: authorized(field{"Authorization", "AWS4-HMAC-SHA256 Credential=x/20261123/us-east-1/kms/aws4_request"}), reason: "malformed",
		json:  refusal{400, "IncompleteSignatureException", "Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter."},
		query: refusal{400, "IncompleteSignature", "Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter."},
		s3:    refusal{400, "AuthorizationHeaderMalformed", textS3Malformed + "the authorization header requires three components: Credential, SignedHeaders, and Signature."},
	},
	{
		name: "basic authentication", wire: authorized(field{"Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}), reason: "malformed",
		json:  refusal{400, "IncompleteSignatureException", "Authorization header requires 'AWS4-HMAC-SHA256' as its algorithm."},
		query: refusal{400, "IncompleteSignature", "Authorization header requires 'AWS4-HMAC-SHA256' as its algorithm."},
		s3:    refusal{400, "AuthorizationHeaderMalformed", textS3Malformed + "the authorization type is not supported."},
	},
	{
		name: "unknown key", wire: changed(func(s *signer, _ *message) { s.id = "AKIANOBODYEXAMPLE001" }), reason: "unknown access key",
		json:  refusal{400, "UnrecognizedClientException", textBadToken},
		query: refusal{403, "InvalidClientTokenId", textBadToken},
		s3:    refusal{403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."},
	},
	{
		name: "wrong secret", wire: changed(func(s *signer, _ *message) { s.secret += "x" }), reason: "signature mismatch",
		json:  refusal{400, "InvalidSignatureException", textBadSign},
		query: refusal{403, "SignatureDoesNotMatch", textBadSign},
		s3:    refusal{403, "SignatureDoesNotMatch", textBadSignS3},
		protocolFields: []string{
			"<AWSAccessKeyId>" + wireKeyID, "<StringToSign>AWS4-HMAC-SHA256", "<SignatureProvided>", "<StringToSignBytes>41 57 53",
			"<CanonicalRequest>GET", "<CanonicalRequestBytes>47 45 54",
		},
	},
	{
		name: "wrong region", wire: changed(func(s *signer, _ *message) { s.region = "mars-north-1" }), reason: "wrong region",
		json:           refusal{400, "InvalidSignatureException", "Credential should be scoped to a valid region."},
		query:          refusal{403, "SignatureDoesNotMatch", "Credential should be scoped to a valid region."},
		s3:             refusal{400, "AuthorizationHeaderMalformed", textS3Malformed + "the region 'mars-north-1' is wrong; expecting 'us-east-1'"},
		protocolFields: []string{"<Region>us-east-1</Region>"},
	},
	{
		name: "region that exists and is not enabled", wire: changed(func(s *signer, _ *message) { s.region = "eu-west-1" }), reason: "wrong region",
		json:  refusal{400, "InvalidSignatureException", "Credential should be scoped to a valid region."},
		query: refusal{403, "SignatureDoesNotMatch", "Credential should be scoped to a valid region."},
		s3:    refusal{400, "AuthorizationHeaderMalformed", textS3Malformed + "the region 'eu-west-1' is wrong; expecting 'us-east-1'"},
	},
	{
		name: "wrong service", wire: changed(func(s *signer, _ *message) { s.service = "ec2" }), reason: "wrong service",
		json:  refusal{400, "InvalidSignatureException", "Credential should be scoped to correct service: 'kms'."},
		query: refusal{403, "SignatureDoesNotMatch", "Credential should be scoped to correct service: 'sts'."},
		s3:    refusal{400, "AuthorizationHeaderMalformed", textS3Malformed + `incorrect service "ec2". This endpoint belongs to "s3".`},
	},
	{
		name: "skew past", wire: changed(func(s *signer, _ *message) { s.at = s.at.Add(-16 * time.Minute) }), reason: "skewed",
		json: refusal{400, "InvalidSignatureException",
			"Signature expired: 20261123T104603Z is now earlier than 20261123T105703Z (20261123T110203Z - 5 min.)"},
		query: refusal{403, "SignatureDoesNotMatch",
			"Signature expired: 20261123T104603Z is now earlier than 20261123T105703Z (20261123T110203Z - 5 min.)"},
		s3: refusal{403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."},
		protocolFields: []string{
			"<RequestTime>20261123T104603Z</RequestTime>", "<ServerTime>2026-11-23T11:02:03Z</ServerTime>",
			"<MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds>",
		},
	},
	{
		name: "skew future", wire: changed(func(s *signer, _ *message) { s.at = s.at.Add(16 * time.Minute) }), reason: "skewed",
		json: refusal{400, "InvalidSignatureException",
			"Signature not yet current: 20261123T111803Z is still later than 20261123T110703Z (20261123T110203Z + 5 min.)"},
		query: refusal{403, "SignatureDoesNotMatch",
			"Signature not yet current: 20261123T111803Z is still later than 20261123T110703Z (20261123T110203Z + 5 min.)"},
		s3: refusal{403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."},
	},
	{
		name: "signature version 2 in the header", wire: authorized(field{"Authorization", "AWS " + wireKeyID + ":ZnJvbSBhIGJ5Z29uZSBlcmE="}), reason: "signature version 2",
		json:  refusal{400, "IncompleteSignatureException", textNoV2},
		query: refusal{400, "IncompleteSignature", textNoV2},
		s3:    refusal{400, "InvalidRequest", textNoV2},
	},
	{
		name: "signature version 2 in the query", reason: "signature version 2",
		wire: func(_ signer, m message) []byte {
			m.query = "AWSAccessKeyId=" + wireKeyID + "&Expires=1795432000&Signature=ZnJvbSBhIGJ5Z29uZSBlcmE%3D"
			return m.wire(append([]field{{"Host", wireHost}}, m.signed...))
		},
		json:  refusal{400, "IncompleteSignatureException", textNoV2},
		query: refusal{400, "IncompleteSignature", textNoV2},
		s3:    refusal{400, "InvalidRequest", textNoV2},
	},
	{
		name: "signature version 4a", wire: authorized(field{"Authorization", "AWS4-ECDSA-P256-SHA256 Credential=x, SignedHeaders=host, Signature=00"}), reason: "signature version 4a",
		json:  refusal{400, "IncompleteSignatureException", textNoV2},
		query: refusal{400, "IncompleteSignature", textNoV2},
		s3:    refusal{400, "InvalidRequest", textNoV2},
	},
	{
		name: "presigned and expired", wire: presigned(time.Hour, "60"), reason: "expired", skip: "json query",
		s3:             refusal{403, "AccessDenied", "Request has expired"},
		protocolFields: []string{"<X-Amz-Expires>60</X-Amz-Expires>", "<Expires>2026-11-23T10:03:03Z</Expires>", "<ServerTime>2026-11-23T11:02:03Z</ServerTime>"},
	},
	{
		name: "presigned for eight days", wire: presigned(0, "691200"), reason: "malformed", skip: "json query",
		s3: refusal{400, "AuthorizationQueryParametersError", "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds"},
	},
	{
		name: "presigned tomorrow", wire: presigned(-24*time.Hour, "60"), reason: "not yet valid", skip: "json query",
		s3: refusal{403, "AccessDenied", "Request is not yet valid"},
	},
	{
		name: "presigned and signed", reason: "ambiguous", skip: "json query",
		wire: func(s signer, m message) []byte {
			m.query = s.presign(m, "60")
			wire, _ := s.sign(m)
			return wire
		},
		s3: refusal{400, "InvalidArgument", textOneAuth},
	},
	{
		name: "unsigned x-amz header", reason: "unsigned headers",
		wire:           changed(func(_ *signer, m *message) { m.unsigned = []field{{"X-Amz-Meta-Added", "by somebody on the way"}} }),
		json:           refusal{400, "InvalidSignatureException", "'x-amz-meta-added' must be a 'SignedHeader' in the AWS Authorization."},
		query:          refusal{403, "SignatureDoesNotMatch", "'x-amz-meta-added' must be a 'SignedHeader' in the AWS Authorization."},
		s3:             refusal{403, "AccessDenied", textNotSigned},
		protocolFields: []string{"<HeadersNotSigned>x-amz-meta-added</HeadersNotSigned>"},
	},
	{
		name: "repeated Authorization", reason: "ambiguous",
		wire:  changed(func(_ *signer, m *message) { m.unsigned = []field{{"Authorization", "AWS4-HMAC-SHA256 x"}} }),
		json:  refusal{400, "IncompleteSignatureException", textOneAuth},
		query: refusal{400, "IncompleteSignature", textOneAuth},
		s3:    refusal{400, "InvalidArgument", textOneAuth},
	},
	{
		name: "session token", wire: changed(func(s *signer, _ *message) { s.token = "token-of-nobody" }), reason: "session token",
		json:  refusal{400, "UnrecognizedClientException", textBadToken},
		query: refusal{403, "InvalidClientTokenId", textBadToken},
		s3:    refusal{400, "InvalidToken", "The provided token is malformed or otherwise invalid."},
	},
	{
		name: "no date", reason: "missing date",
		wire: func(s signer, m message) []byte {
			wire, _ := s.sign(m)
			return []byte(strings.Replace(string(wire), "X-Amz-Date: ", "X-Other: ", 1))
		},
		json:  refusal{400, "IncompleteSignatureException", "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."},
		query: refusal{400, "IncompleteSignature", "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."},
		s3:    refusal{403, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header"},
	},
	{
		name: "another day in the scope", reason: "date mismatch",
		wire: func(s signer, m message) []byte {
			wire, _ := s.sign(m)
			return []byte(strings.Replace(string(wire), "/20261123/", "/20261122/", 1))
		},
		json: refusal{400, "InvalidSignatureException",
			"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20261122' != '20261123', from '20261123T110203Z'."},
		query: refusal{403, "SignatureDoesNotMatch",
			"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20261122' != '20261123', from '20261123T110203Z'."},
		s3: refusal{400, "AuthorizationHeaderMalformed", textS3Malformed + `Invalid credential date "20261122". This date is not the same as X-Amz-Date: "20261123".`},
	},
	{
		name: "body changed after signing", reason: "signature mismatch", skip: "s3", // TestBadBodies
		wire: func(s signer, m message) []byte {
			wire, _ := s.sign(m)
			return append(wire[:len(wire)-1], ' ')
		},
		json:  refusal{400, "InvalidSignatureException", textBadSign},
		query: refusal{403, "SignatureDoesNotMatch", textBadSign},
	},
	{
		name: "path changed after signing", reason: "signature mismatch", skip: "json query",
		wire: func(s signer, m message) []byte {
			wire, _ := s.sign(m)
			return []byte(strings.Replace(string(wire), "/bucket/key", "/bucket/Key", 1))
		},
		s3: refusal{403, "SignatureDoesNotMatch", textBadSignS3},
	},
	{
		name: "no payload hash", reason: "missing payload hash", skip: "json query",
		wire: func(s signer, m message) []byte {
			wire, _ := s.sign(m)
			lines := strings.Split(string(wire), "\r\n")
			for i, l := range lines {
				if strings.HasPrefix(l, "X-Amz-Content-Sha256") {
					lines[i] = "X-Other: x"
				}
			}
			return []byte(strings.Join(lines, "\r\n"))
		},
		s3: refusal{400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256"},
	},
}

// TestEdge sends every kind of request that has no caller, in every protocol.
func TestEdge(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	var log safeBuffer
	cfg := wireConfig(dir)
	cfg.Logger = log.logger()
	s, stop := start(t, cfg)
	base := map[string]message{
		"json":  kmsCall("ListKeys", "{}"),
		"query": stsCall("Action=GetCallerIdentity&Version=2011-06-15"),
		"s3":    {method: "GET", path: "/bucket/key", signed: []field{{"X-Amz-Meta-Customer", "customer-words"}}},
	}
	services := map[string]string{"json": "kms", "query": "sts", "s3": "s3"}
	before := len(records(t, dir))
	count := map[string]float64{}
	for _, tt := range edgeCases {
		for _, protocol := range []string{"json", "query", "s3"} {
			if strings.Contains(tt.skip, protocol) {
				continue
			}
			want := map[string]refusal{"json": tt.json, "query": tt.query, "s3": tt.s3}[protocol]
			t.Run(tt.name+"/"+protocol, func(t *testing.T) {
				count[tt.reason]++
				a := send(t, s.Endpoint(), tt.wire(wireSigner(services[protocol]), base[protocol]))
				code, message := a.problem()
				if got := (refusal{a.status, code, message}); got != want {
					t.Errorf("got  %+v\nwant %+v\nin %s%s", got, want, a.raw, a.body)
				}
				if protocol == "s3" {
					for _, f := range tt.protocolFields {
						if !strings.Contains(a.body, f) {
							t.Errorf("got %s, want %q in it", a.body, f)
						}
					}
				}
				checkIDs(t, protocol, a)
			})
		}
	}
	for reason, want := range count {
		if got := metric(t, s.Endpoint(), `strongroom_unauthenticated_total{reason="`+reason+`"}`); got != want {
			t.Errorf("%s: got %v refusals in the metrics, want %v", reason, got, want)
		}
	}
	stop()
	if got := len(records(t, dir)); got != before {
		t.Errorf("got %d records for requests without a caller, want none", got-before)
	}
	// The clock stands still, so all came in one second.
	if got := strings.Count(string(log.Bytes()), "request refused: no caller"); got != burst {
		t.Errorf("got %d lines of log, want %d", got, burst)
	}
	for _, s := range []string{wireSecret, "customer-words", "content-sha256", "token-of-nobody", "Signature=", "StringToSign", "GET\n", `GET\n`} {
		if strings.Contains(string(log.Bytes()), s) {
			t.Errorf("the log holds %q:\n%s", s, log.Bytes())
		}
	}
}

// checkIDs looks at the headers that every answer of a protocol has.
func checkIDs(t *testing.T, protocol string, a answer) {
	t.Helper()
	id, form := a.header.Get("X-Amzn-Requestid"), uuidForm
	if protocol == "s3" {
		id, form = a.header.Get("X-Amz-Request-Id"), s3IDForm
	}
	if !form.MatchString(id) {
		t.Errorf("got request id %q in\n%s", id, a.raw)
	}
	if protocol != "json" && !strings.Contains(a.body, "<RequestId>"+id+"</RequestId>") {
		t.Errorf("got %s, want the request id of the header in it", a.body)
	}
	want := map[string]string{"json": "application/x-amz-json-1.1", "query": "text/xml", "s3": "application/xml"}[protocol]
	if got := a.header.Get("Content-Type"); got != want {
		t.Errorf("got content type %q, want %q", got, want)
	}
	if _, err := http.ParseTime(a.header.Get("Date")); err != nil {
		t.Errorf("got date %q: %v", a.header.Get("Date"), err)
	}
}

// TestGlobalRegion signs for us-east-1 on a server that does not have it: only
// the global service takes it.
func TestGlobalRegion(t *testing.T) {
	t.Parallel()
	cfg := wireConfig(dataDirIn(t))
	cfg.Regions = []string{"eu-central-1"}
	s, _ := start(t, cfg)
	for _, tt := range []struct {
		service string
		m       message
		status  int
		code    string
	}{
		{"sts", stsCall("Action=GetCallerIdentity&Version=2011-06-15"), 200, ""},
		{"kms", kmsCall("ListKeys", "{}"), 400, "InvalidSignatureException"},
		{"s3", message{method: "GET", path: "/"}, 400, "AuthorizationHeaderMalformed"},
	} {
		t.Run(tt.service, func(t *testing.T) {
			a := ask(t, s.Endpoint(), tt.service, tt.m)
			if code, _ := a.problem(); a.status != tt.status || code != tt.code {
				t.Errorf("us-east-1: got %d %s, want %d %s", a.status, code, tt.status, tt.code)
			}
			own := wireSigner(tt.service)
			own.region = "eu-central-1"
			wire, _ := own.sign(tt.m)
			if a := send(t, s.Endpoint(), wire); a.status != 200 {
				t.Errorf("eu-central-1: got %d %s, want 200", a.status, a.body)
			}
		})
	}
	if got := metric(t, s.Endpoint(), `strongroom_unauthenticated_total{reason="wrong region"}`); got != 2 {
		t.Errorf("got %v refusals in the metrics, want 2", got)
	}
}

// TestRefusalsAreLoggedAgain moves the clock on: the next second has room for
// lines again, and says how many were kept back.
func TestRefusalsAreLoggedAgain(t *testing.T) {
	t.Parallel()
	var log safeBuffer
	now := newTestClock(wireTime)
	cfg := wireConfig(dataDirIn(t))
	cfg.Logger, cfg.Clock = log.logger(), now.now
	s, _ := start(t, cfg)
	const n = burst + 7
	for range n {
		send(t, s.Endpoint(), message{method: "GET", path: "/bucket"}.wire([]field{{"Host", wireHost}}))
	}
	now.set(wireTime.Add(time.Second))
	send(t, s.Endpoint(), message{method: "GET", path: "/bucket"}.wire([]field{{"Host", wireHost}}))
	if got := string(log.Bytes()); strings.Count(got, "no caller") != burst+1 || !strings.Contains(got, "suppressed=7") {
		t.Errorf("got log\n%s\nwant %d lines and suppressed=7", got, burst+1)
	}
	if got := metric(t, s.Endpoint(), `strongroom_unauthenticated_total{reason="no signature"}`); got != n+1 {
		t.Errorf("got %v in the metrics, want %d", got, n+1)
	}
}
