package server

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/secret"
)

// This file is a client that sends any bytes, with a signer written from the
// IAM User Guide alone: the SDK would not send what these tests want to send.

const (
	wireKeyID  = "AKIAWIREEXAMPLE00001"
	wireSecret = "wire-secret-for-tests-only-0123456789abc"
	wireHost   = "strongroom.example:8650" // what clients call the server
)

// wireTime is the clock of servers whose answers must not depend on the day.
var wireTime = time.Date(2026, 11, 23, 11, 2, 3, 0, time.UTC)

// wireConfig is a server whose root credential and time are known.
func wireConfig(dir string) Config {
	return Config{
		DataDir: dir, RootAccessKeyID: wireKeyID, RootSecretAccessKey: secret.New([]byte(wireSecret)),
		Clock: func() time.Time { return wireTime },
	}
}

// signer signs as one access key, for one region and service.
type signer struct {
	id, secret, region, service, token string
	at                                 time.Time
}

func wireSigner(service string) signer {
	return signer{id: wireKeyID, secret: wireSecret, region: DefaultRegion, service: service, at: wireTime}
}

// field is a header as it goes over the wire.
type field struct{ name, value string }

// message is a request before it is signed.
type message struct {
	method, path string
	host         string  // empty: wireHost
	query        string  // as sent, sorted and encoded
	signed       []field // besides host, x-amz-date and, in S3, x-amz-content-sha256
	unsigned     []field // added after signing
	body         string
	hash         string // x-amz-content-sha256, or what stands in for it; empty: that of body
	length       string // Content-Length; empty: that of body, "-": none
	keepAlive    bool
}

func (m message) hostName() string {
	if m.host == "" {
		return wireHost
	}
	return m.host
}

func hexSum(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func mac(key []byte, s string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(s))
	return m.Sum(nil)
}

func (s signer) date() string { return s.at.UTC().Format("20060102T150405Z") }
func (s signer) scope() string {
	return s.date()[:8] + "/" + s.region + "/" + s.service + "/aws4_request"
}

// sum makes the signature of a string to sign.
func (s signer) sum(stringToSign string) string {
	key := []byte("AWS4" + s.secret)
	for _, part := range []string{s.date()[:8], s.region, s.service, "aws4_request"} {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, stringToSign))
}

func (s signer) signature(m message, headers []field, hash string) (signature, names string) {
	slices.SortStableFunc(headers, func(a, b field) int { return strings.Compare(strings.ToLower(a.name), strings.ToLower(b.name)) })
	var canonical strings.Builder
	var list []string
	for _, h := range headers {
		name := strings.ToLower(h.name)
		list = append(list, name)
		canonical.WriteString(name + ":" + strings.Join(strings.Fields(h.value), " ") + "\n")
	}
	names = strings.Join(list, ";")
	request := strings.Join([]string{m.method, m.path, m.query, canonical.String(), names, hash}, "\n")
	return s.sum("AWS4-HMAC-SHA256\n" + s.date() + "\n" + s.scope() + "\n" + hexSum(request)), names
}

// sign returns the request as it goes over the wire, and its signature.
func (s signer) sign(m message) (wire []byte, seed string) {
	hash := m.hash
	if hash == "" {
		hash = hexSum(m.body)
	}
	headers := append([]field{{"Host", m.hostName()}, {"X-Amz-Date", s.date()}}, m.signed...)
	if s.service == "s3" {
		headers = append(headers, field{"X-Amz-Content-Sha256", hash})
	}
	if s.token != "" {
		headers = append(headers, field{"X-Amz-Security-Token", s.token})
	}
	seed, names := s.signature(m, headers, hash)
	headers = append(headers, field{"Authorization", "AWS4-HMAC-SHA256 Credential=" + s.id + "/" + s.scope() + ", SignedHeaders=" + names + ", Signature=" + seed})
	return m.wire(headers), seed
}

// presign returns the path and query of a presigned request.
func (s signer) presign(m message, expires string) string {
	q := url.Values{
		"X-Amz-Algorithm": {"AWS4-HMAC-SHA256"}, "X-Amz-Credential": {s.id + "/" + s.scope()}, "X-Amz-Date": {s.date()},
		"X-Amz-Expires": {expires}, "X-Amz-SignedHeaders": {"host"},
	}
	m.query = q.Encode()
	signature, _ := s.signature(m, []field{{"Host", m.hostName()}}, "UNSIGNED-PAYLOAD")
	return m.query + "&X-Amz-Signature=" + signature
}

// wire writes the request with these headers.
func (m message) wire(headers []field) []byte {
	target := m.path
	if m.query != "" {
		target += "?" + m.query
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", m.method, target)
	headers = append(headers, m.unsigned...)
	switch {
	case m.length == "" && (m.body != "" || m.method == "PUT" || m.method == "POST"):
		headers = append(headers, field{"Content-Length", strconv.Itoa(len(m.body))})
	case m.length != "" && m.length != "-":
		headers = append(headers, field{"Content-Length", m.length})
	}
	if !m.keepAlive {
		headers = append(headers, field{"Connection", "close"})
	}
	for _, h := range headers {
		fmt.Fprintf(&b, "%s: %s\r\n", h.name, h.value)
	}
	b.WriteString("\r\n" + m.body)
	return b.Bytes()
}

// chunks encodes a payload as aws-chunked with signatures that follow seed,
// a chunk per element.
func (s signer) chunks(seed string, chunks ...string) string {
	var b strings.Builder
	for _, c := range append(chunks, "") {
		seed = s.sum("AWS4-HMAC-SHA256-PAYLOAD\n" + s.date() + "\n" + s.scope() + "\n" + seed + "\n" + hexSum("") + "\n" + hexSum(c))
		fmt.Fprintf(&b, "%x;chunk-signature=%s\r\n%s\r\n", len(c), seed, c)
	}
	return b.String()
}

// answer is a response as it came over the wire.
type answer struct {
	status int
	header http.Header
	raw    string // status line and headers
	body   string
}

// send sends bytes over a new connection and reads the answer to its end.
func send(t testing.TB, endpoint string, wire []byte) answer {
	t.Helper()
	return exchange(t, dial(t, endpoint), wire, "")
}

// dial connects with a deadline that no test should meet.
func dial(t testing.TB, endpoint string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(endpoint, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// exchange writes wire, while it reads one answer.
func exchange(t testing.TB, conn *net.TCPConn, wire []byte, method string) answer {
	t.Helper()
	go func() { _, _ = conn.Write(wire) }() // the server may refuse before it has read all
	return readAnswer(t, bufio.NewReader(conn), method)
}

// cut sends bytes that lack their end, and closes the client's side.
func cut(t testing.TB, endpoint string, wire []byte) answer {
	t.Helper()
	conn := dial(t, endpoint)
	if _, err := conn.Write(wire); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	return readAnswer(t, bufio.NewReader(conn), "")
}

func readAnswer(t testing.TB, r *bufio.Reader, method string) answer {
	t.Helper()
	var raw bytes.Buffer
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("reading the answer: %v after %q", err, raw.String())
		}
		raw.WriteString(line)
		if line == "\r\n" {
			break
		}
	}
	resp, err := http.ReadResponse(bufio.NewReader(io.MultiReader(bytes.NewReader(raw.Bytes()), r)), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("reading the answer's body: %v after %q%q", err, raw.String(), body)
	}
	return answer{status: resp.StatusCode, header: resp.Header, raw: raw.String(), body: string(body)}
}

// problem takes code and message out of an error body of any of the protocols.
func (a answer) problem() (code, message string) {
	if strings.HasPrefix(a.body, "{") {
		var m map[string]string
		if json.Unmarshal([]byte(a.body), &m) == nil {
			return m["__type"], m["message"] + m["Message"]
		}
	}
	element := func(name string) string {
		_, rest, _ := strings.Cut(a.body, "<"+name+">")
		text, _, _ := strings.Cut(rest, "</"+name+">")
		return unescapeXML.Replace(text)
	}
	return element("Code"), element("Message")
}

var unescapeXML = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&quot;", `"`, "&#34;", `"`, "&#39;", "'", "&apos;", "'", "&amp;", "&")

// kmsCall and stsCall are requests of those two services.
func kmsCall(operation, body string) message {
	return message{
		method: "POST", path: "/", body: body,
		signed: []field{{"X-Amz-Target", "TrentService." + operation}, {"Content-Type", "application/x-amz-json-1.1"}},
	}
}

func stsCall(body string) message {
	return message{
		method: "POST", path: "/", body: body,
		signed: []field{{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}},
	}
}

// ask signs m for a service with the known credential and sends it.
func ask(t testing.TB, endpoint, service string, m message) answer {
	t.Helper()
	wire, _ := wireSigner(service).sign(m)
	return exchange(t, dial(t, endpoint), wire, m.method)
}

// mustAsk is ask for a request that must succeed.
func mustAsk(t testing.TB, endpoint, service string, m message) answer {
	t.Helper()
	a := ask(t, endpoint, service, m)
	if a.status/100 != 2 {
		t.Fatalf("%s %s: got %s%s", m.method, m.path, a.raw, a.body)
	}
	return a
}

// putBucket and putKey are what most tests begin with.
func putBucket(t testing.TB, endpoint, name string) {
	t.Helper()
	mustAsk(t, endpoint, "s3", message{method: "PUT", path: "/" + name})
}

func putKey(t testing.TB, endpoint, path, body string) {
	t.Helper()
	mustAsk(t, endpoint, "s3", message{method: "PUT", path: path, body: body})
}

// createKey makes a KMS key and returns its id.
func createKey(t testing.TB, endpoint string) string {
	t.Helper()
	var out struct{ KeyMetadata struct{ KeyId string } }
	if err := json.Unmarshal([]byte(mustAsk(t, endpoint, "kms", kmsCall("CreateKey", "{}")).body), &out); err != nil {
		t.Fatal(err)
	}
	return out.KeyMetadata.KeyId
}

// records returns every record of the trail, raw.
func records(t testing.TB, dir string) []string {
	t.Helper()
	var all []string
	for e, err := range audit.Entries(AuditDir(dir)) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(e.Record))
	}
	return all
}

// eventually polls cond, which looks at what another goroutine does.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(50 * time.Second); !cond(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// metric returns the value of a series of /_/metrics, such as
// name{label="x"}; 0 when it is not there.
func metric(t testing.TB, endpoint, series string) float64 {
	t.Helper()
	return metricFrom(t, http.DefaultClient, endpoint, series)
}

// metricFrom is metric through a client that trusts the server.
func metricFrom(t testing.TB, c *http.Client, endpoint, series string) float64 {
	t.Helper()
	resp, err := c.Get(endpoint + "/_/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(body), "\n") {
		if rest, ok := strings.CutPrefix(line, series+" "); ok {
			v, err := strconv.ParseFloat(rest, 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	return 0
}
