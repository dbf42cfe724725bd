package server

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/awsquery"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/iam"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmshttp"
	"github.com/strongroom/strongroom/internal/s3"
	"github.com/strongroom/strongroom/internal/s3/s3http"
	"github.com/strongroom/strongroom/internal/sigv4"
	"github.com/strongroom/strongroom/internal/sts"
	"github.com/strongroom/strongroom/internal/uuid"
)

// maxQueryBody bounds the body of a Query request, in bytes. (The bounds of
// KMS's operations are in their table.)
const maxQueryBody = 64 << 10

// edge turns bytes into an authenticated caller and a service's request. It
// decides which service a request is for and who makes it, and nothing else.
type edge struct {
	regions []string
	limits  *limits
	gate    *gate.Gate
	iam     *iam.Service
	kms     *kmshttp.Handler
	tokens  *sts.Service // whose temporary credentials these are
	sts     *awsquery.Handler
	s3      *s3http.Handler

	endpoint *identity.Endpoint // through which requests come; nil: none

	own      http.Handler // everything under /_/
	metrics  *metrics
	refusals *refusals
	clock    func() time.Time
	log      *slog.Logger
}

// service is one of the AWS services, as named in credential scopes.
type service string

const (
	serviceKMS service = "kms"
	serviceSTS service = "sts"
	serviceS3  service = "s3"
	ownPages   service = "own" // not a scope: the label of /_/ in metrics
)

// ServeHTTP implements http.Handler. There is no http.ServeMux on the way: it
// would clean the path of an object key, and redirect.
func (e *edge) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	start := time.Now()
	w := &statusWriter{ResponseWriter: rw}
	if r.TLS != nil && r.ContentLength != 0 {
		w.unread = &unread{r, e.limits}
	}
	svc := ownPages
	var c identity.Caller
	e.metrics.inFlight.Inc()
	defer func() {
		e.metrics.inFlight.Dec()
		if p := recover(); p != nil {
			e.panicked(w, r, svc, c.RequestID, p)
		}
		e.metrics.observe(svc, w.status, time.Since(start))
	}()
	if strings.HasPrefix(r.URL.Path, "/_/") {
		e.own.ServeHTTP(w, r)
		return
	}
	sig, err := sigv4.Parse(r)
	svc = serviceOf(r, sig)
	c = request(r, svc)
	c.Endpoint = e.endpoint
	if wide := checkHeader(r); wide != nil {
		err = wide
	}
	if len(r.TransferEncoding) > 0 {
		// A length that came with it was passed over (RFC 9112 section 6.1): what
		// follows the body may be a request to this server and none to a proxy.
		w.Header().Set("Connection", "close")
	}
	switch svc {
	case serviceKMS:
		e.serveKMS(w, r, c, sig, err)
	case serviceSTS:
		e.serveSTS(w, r, c, sig, err)
	default:
		e.serveS3(w, r, c, sig, err)
	}
}

// serviceOf takes the service from the credential scope, then from what only
// the other protocols have; whatever is left is S3.
func serviceOf(r *http.Request, sig *sigv4.Signature) service {
	if sig != nil {
		switch s := service(sig.Service); s {
		case serviceKMS, serviceSTS, serviceS3:
			return s
		}
	}
	switch {
	case r.Header.Get("X-Amz-Target") != "":
		return serviceKMS
	case r.Method == http.MethodPost && r.URL.Path == "/" && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		return serviceSTS
	}
	return serviceS3
}

// request makes the part of a Caller that does not depend on who it is.
func request(r *http.Request, svc service) identity.Caller {
	c := identity.Caller{RequestID: newRequestID(svc), UserAgent: r.UserAgent(), Referer: r.Referer(), Host: r.Host, SourceIP: r.RemoteAddr}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		c.SourceIP = host
	}
	if r.TLS != nil {
		c.TLSVersion, c.TLSCipher = tlsDetails(r.TLS)
	}
	return c
}

// newRequestID makes a request id in the form of the service: 16 capital hex
// digits in S3, a UUID elsewhere.
func newRequestID(svc service) string {
	if svc != serviceS3 {
		return uuid.New()
	}
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return strings.ToUpper(hex.EncodeToString(b[:]))
}

// authenticate finds out who signed the request and completes c. PayloadHash
// is the hash of the body, or "" for S3, where it is in the request. The
// function it returns makes the HMACs of signed chunks.
func (e *edge) authenticate(r *http.Request, c *identity.Caller, sig *sigv4.Signature, svc service, payloadHash string) (func([]byte) [32]byte, error) {
	who, key, invalid := e.credential(sig)
	sign := key.SigV4(sig.Date, sig.Region, sig.Service)
	rules := sigv4.Rules{Service: string(svc), S3: svc == serviceS3, Regions: e.regions, Now: e.clock()}
	if svc == serviceSTS {
		rules.Regions = globalRegions(e.regions)
	}
	err := sig.Verify(r, rules, payloadHash, sign)
	switch {
	case err != nil && sigv4.KindOf(err) != sigv4.SignatureMismatch:
		return nil, err
	case invalid != nil:
		return nil, invalid
	case err != nil:
		return nil, err
	case sig.SessionToken != "" && who.Session == nil:
		return nil, errSessionToken
	}
	region := sig.Region
	who.RequestID, who.UserAgent, who.Host, who.SourceIP = c.RequestID, c.UserAgent, c.Host, c.SourceIP
	who.TLSVersion, who.TLSCipher, who.Endpoint = c.TLSVersion, c.TLSCipher, c.Endpoint
	who.Region, who.AuthMethod = strings.Clone(region), "AuthHeader"
	who.Signed, who.PayloadHash, who.Referer = sig.Time, sig.PayloadHash, c.Referer
	if sig.Presigned {
		who.AuthMethod = "QueryString"
	}
	*c = who
	known(r)
	return sign, nil
}

// globalRegions are the regions that a global service accepts in a scope:
// us-east-1 beside the enabled ones.
func globalRegions(enabled []string) []string {
	for _, r := range enabled {
		if r == DefaultRegion {
			return enabled
		}
	}
	return append(append([]string(nil), enabled...), DefaultRegion)
}

func (e *edge) serveKMS(w http.ResponseWriter, r *http.Request, c identity.Caller, sig *sigv4.Signature, err error) {
	body := bodies.Get().(*[]byte)
	defer releaseBody(body)
	op := e.kms.Operation(r.Header.Get("X-Amz-Target"))
	if r.Method != http.MethodPost || r.URL.Path != "/" {
		op = "" // operations are POST / and nothing else
	}
	if err == nil {
		err = e.authenticateBody(w, r, &c, sig, serviceKMS, e.kms.MaxBody(op), body)
	}
	if err != nil {
		e.refuse(w, r, serviceKMS, c, err)
		e.kms.WriteError(w, c.RequestID, jsonAuthError(err))
		return
	}
	e.kms.Serve(w, r, c, op, *body)
}

func (e *edge) serveSTS(w http.ResponseWriter, r *http.Request, c identity.Caller, sig *sigv4.Signature, err error) {
	body := bodies.Get().(*[]byte)
	defer releaseBody(body)
	if err == nil {
		err = e.authenticateBody(w, r, &c, sig, serviceSTS, maxQueryBody, body)
	}
	if err != nil {
		e.refuse(w, r, serviceSTS, c, err)
		e.sts.WriteError(w, c.RequestID, queryAuthError(err))
		return
	}
	form, err := url.ParseQuery(string(*body))
	if err == nil && r.Method == http.MethodGet {
		form, err = url.ParseQuery(r.URL.RawQuery)
	}
	if err != nil {
		err = awserr.New("MalformedInput", "The request is not a valid form: %v", err)
		e.sts.WriteError(w, c.RequestID, e.gate.Refused(c, sts.EventSource, "", err))
		return
	}
	e.sts.Serve(w, r, c, form)
}

func (e *edge) serveS3(w http.ResponseWriter, r *http.Request, c identity.Caller, sig *sigv4.Signature, err error) {
	var sign func([]byte) [32]byte
	if err == nil {
		sign, err = e.authenticate(r, &c, sig, serviceS3, "")
	}
	if err != nil {
		e.refuse(w, r, serviceS3, c, err)
		e.s3.WriteError(w, r, c.RequestID, s3RequestError(err, sig))
		return
	}
	body, err := sigv4.NewBody(newTimedBody(w, r, e.limits), sig, r.Header, r.ContentLength, sign)
	if err != nil {
		// The caller is known by now: the refusal is one for the trail.
		err = e.gate.Refused(c, s3.EventSource, "", s3RequestError(err, sig))
		e.s3.WriteError(w, r, c.RequestID, err)
		return
	}
	sigv4.StripTransferCoding(r.Header)
	// The trailer is there when the body has been read, so it is asked for then.
	trailer := func(name string) string { return body.Trailer().Get(name) }
	e.s3.Serve(w, r, c, s3Body{body}, trailer, body.DecodedLength())
}

// authenticateBody reads a body that fits into memory and authenticates the
// request with its hash.
func (e *edge) authenticateBody(w http.ResponseWriter, r *http.Request, c *identity.Caller, sig *sigv4.Signature, svc service, limit int64, body *[]byte) error {
	if r.ContentLength > limit {
		return errTooLarge
	}
	if r.ContentLength != 0 {
		if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(e.limits.body)); err != nil {
			return fmt.Errorf("%w: %w", errBodyCut, err) // the connection is gone
		}
		var err error
		if *body, err = readAll((*body)[:0], http.MaxBytesReader(w, r.Body, limit)); err != nil {
			if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
				return errTooLarge
			}
			return fmt.Errorf("%w: %w", errBodyCut, err)
		}
	}
	sum := sha256.Sum256(*body)
	var hash [64]byte
	hex.Encode(hash[:], sum[:])
	_, err := e.authenticate(r, c, sig, svc, string(hash[:]))
	return err
}

// bodies holds requests while they are served.
var bodies = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

// releaseBody gives a buffer back, unless it grew large, without the plaintext
// it may have held.
func releaseBody(b *[]byte) {
	clear((*b)[:cap(*b)])
	if cap(*b) > 64<<10 {
		return
	}
	*b = (*b)[:0]
	bodies.Put(b)
}

// readAll is io.ReadAll into a buffer that is used again.
func readAll(b []byte, r io.Reader) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

// s3Body is an S3 payload whose errors carry S3's codes.
type s3Body struct{ *sigv4.Body }

func (b s3Body) Read(p []byte) (int, error) {
	n, err := b.Body.Read(p)
	switch {
	case err == nil, err == io.EOF:
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = awserr.Wrap(err, "RequestTimeout", "Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed.")
	default:
		err = s3AuthError(err)
	}
	return n, err
}

// statusWriter remembers the status for the metrics.
type statusWriter struct {
	http.ResponseWriter
	status int
	unread *unread // nil: nothing to take before a refusal
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 || w.status < 200 {
		w.status = status
	}
	if w.unread != nil && status >= 400 {
		w.unread.discard(w)
		w.unread = nil
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
