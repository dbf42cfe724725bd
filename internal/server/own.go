package server

import (
	"encoding/json"
	"net/http"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms"
	"github.com/strongroom/strongroom/internal/kms/kmshttp"
	"github.com/strongroom/strongroom/internal/s3"
	"github.com/strongroom/strongroom/internal/s3/s3http"
	"github.com/strongroom/strongroom/internal/sts"
	"github.com/strongroom/strongroom/internal/sts/stshttp"
)

// newEdge joins the services to the edge.
func (s *Server) newEdge(g *gate.Gate, tokens *sts.Service) *edge {
	refused := func(eventSource string) func(identity.Caller, string, error) error {
		return func(c identity.Caller, op string, err error) error { return g.Refused(c, eventSource, op, err) }
	}
	return &edge{
		regions:  s.cfg.Regions,
		limits:   &s.cfg.limits,
		gate:     g,
		iam:      s.iam,
		kms:      kmshttp.New(kmshttp.Config{Service: s.kms, Logger: s.log, Refused: refused(kms.EventSource)}),
		tokens:   tokens,
		sts:      stshttp.New(tokens, s.log, refused(sts.EventSource)),
		s3:       s3http.New(s3http.Config{Service: s.s3, Logger: s.log, Refused: refused(s3.EventSource), Domains: s.cfg.S3Domains}),
		own:      s.ownPages(g),
		metrics:  s.metrics,
		refusals: &refusals{log: s.log, clock: s.cfg.Clock},
		clock:    s.cfg.Clock,
		log:      s.log,
	}
}

// ownPages serves /_/health and /_/metrics. No bucket name can begin with an
// underscore, so the prefix is free.
func (s *Server) ownPages(g *gate.Gate) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_/health", func(w http.ResponseWriter, _ *http.Request) {
		h := health{Status: "ok", Installation: s.installation.doc.ID, Generation: s.installation.doc.Generation}
		status := http.StatusOK
		if err := g.Ready(); err != nil {
			// Anyone may ask, so the reason stays in the log and with `doctor`.
			h.Status, status = "refusing work: the audit trail cannot be written", http.StatusServiceUnavailable
		}
		h.Failing = s.workers.failing()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(h) // the client is gone: nobody is left to tell
	})
	mux.Handle("GET /_/metrics", s.metrics.handler())
	return mux
}

// health is the answer of /_/health.
type health struct {
	Status  string   `json:"status"`
	Failing []string `json:"failing,omitempty"` // the server's own jobs whose last run failed
	// Installation and Generation are random ids that tell copies of one data
	// directory from others, and from each other.
	Installation string `json:"installation,omitempty"`
	Generation   string `json:"generation,omitempty"`
}
