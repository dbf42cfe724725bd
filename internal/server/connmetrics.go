package server

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// connectionMetrics counts what happens to connections.
type connectionMetrics struct {
	refused        *prometheus.CounterVec
	timeouts       *prometheus.CounterVec
	waits          prometheus.Counter
	acceptFailures prometheus.Counter

	count func() (idle, busy int) // asked when the metrics are
	open  *prometheus.Desc
}

// tlsMetrics counts what happens to certificates and handshakes.
type tlsMetrics struct {
	expiry     *prometheus.GaugeVec
	failures   prometheus.Counter
	handshakes prometheus.Counter
}

func newConnectionMetrics(r *prometheus.Registry) *connectionMetrics {
	m := &connectionMetrics{
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strongroom_connections_refused_total", Help: "Connections that the server closed before their time, by reason.",
		}, []string{"reason"}),
		timeouts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strongroom_timeouts_total", Help: "Connections closed because the client was too slow, by what it was slow with: handshake, header, body, answer; or because it was idle.",
		}, []string{"kind"}),
		waits: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "strongroom_connections_waited_total", Help: "New connections that had to wait because all were busy.",
		}),
		acceptFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "strongroom_accept_failures_total", Help: "Attempts to take a new connection that found no file descriptor for it.",
		}),
		count: func() (idle, busy int) { return 0, 0 },
		open:  prometheus.NewDesc("strongroom_connections", "Connections open now: idle, or busy with a request.", []string{"state"}, nil),
	}
	r.MustRegister(m, m.refused, m.timeouts, m.waits, m.acceptFailures)
	return m
}

// Describe implements prometheus.Collector.
func (m *connectionMetrics) Describe(c chan<- *prometheus.Desc) { c <- m.open }

// Collect implements prometheus.Collector.
func (m *connectionMetrics) Collect(c chan<- prometheus.Metric) {
	idle, busy := m.count()
	c <- prometheus.MustNewConstMetric(m.open, prometheus.GaugeValue, float64(idle), "idle")
	c <- prometheus.MustNewConstMetric(m.open, prometheus.GaugeValue, float64(busy), "busy")
}

func newTLSMetrics(r *prometheus.Registry) *tlsMetrics {
	m := &tlsMetrics{
		expiry: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "strongroom_tls_certificate_expiry_seconds", Help: "When the certificate in use ends, in Unix seconds, by whose it is: server or ca.",
		}, []string{"certificate"}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "strongroom_tls_reload_failures_total", Help: "Certificates that could not be taken into use; the one before stayed.",
		}),
		handshakes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "strongroom_tls_handshake_failures_total", Help: "TLS handshakes that failed.",
		}),
	}
	r.MustRegister(m.expiry, m.failures, m.handshakes)
	return m
}

// httpLog takes what net/http logs. Any client can make it log, so it passes
// on a bounded number of lines.
type httpLog struct {
	lines      *refusals
	handshakes prometheus.Counter
}

// Write implements io.Writer.
func (l *httpLog) Write(p []byte) (int, error) {
	line := strings.TrimSpace(string(p))
	if strings.HasPrefix(line, "http: TLS handshake error") {
		l.handshakes.Inc()
	}
	if log, ok := l.lines.logger(); ok {
		log.Warn("connection failed", "error", line) // the line holds an address, so it is an attribute
	}
	return len(p), nil
}
