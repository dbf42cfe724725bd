package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/strongroom/strongroom/internal/audit"
)

// metrics counts what the server does, for /_/metrics. Labels come from small
// fixed sets (services, operations, codes, kinds of failure), never from what
// a caller sends. Every counter is made here, in one list, and registered here.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	refused  *prometheus.CounterVec
	inFlight prometheus.Gauge
	answered map[service]observer // what most requests are counted by
	panics   prometheus.Counter
	refusals *prometheus.CounterVec

	workerFailures *prometheus.CounterVec
	workerSuccess  *prometheus.GaugeVec

	connections *connectionMetrics
	tls         *tlsMetrics
}

func newMetrics(trail *audit.Log, f failures) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strongroom_requests_total", Help: "Requests answered, by service and HTTP status.",
		}, []string{"service", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "strongroom_request_seconds", Help: "Time from the end of the request's headers to the end of the answer.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 10),
		}, []string{"service"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strongroom_unauthenticated_total", Help: "Requests refused before a caller was known, by reason.",
		}, []string{"reason"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "strongroom_requests_in_flight", Help: "Requests being answered now.",
		}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "strongroom_panics_total", Help: "Requests that ended in a panic of the server; each is a bug.",
		}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strongroom_call_failures_total", Help: "Calls of authenticated callers that ended in an error, by event source and AWS error code.",
		}, []string{"source", "code"}),
		workerFailures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strongroom_worker_failures_total", Help: "Failed runs of the server's own jobs, by job; each is in the log.",
		}, []string{"worker"}),
		workerSuccess: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "strongroom_worker_last_success_seconds", Help: "When each of the server's own jobs last ended well, in Unix seconds.",
		}, []string{"worker"}),
	}
	m.connections, m.tls = newConnectionMetrics(m.registry), newTLSMetrics(m.registry)
	m.answered = map[service]observer{}
	for _, svc := range []service{serviceKMS, serviceSTS, serviceS3, ownPages} {
		m.answered[svc] = observer{m.requests.WithLabelValues(string(svc), "200"), m.seconds.WithLabelValues(string(svc))}
	}
	m.registry.MustRegister(m.requests, m.seconds, m.refused, m.inFlight, m.panics, m.refusals, f.total, m.workerFailures, m.workerSuccess,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "strongroom_audit_records_total", Help: "Audit records written since start.",
		}, func() float64 { return float64(trail.Stats().Records) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "strongroom_audit_bytes_total", Help: "Bytes of audit trail written since start.",
		}, func() float64 { return float64(trail.Stats().Bytes) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "strongroom_audit_writable", Help: "1 while the audit trail can be written, 0 while the server refuses work because it cannot.",
		}, func() float64 {
			if trail.Err() != nil {
				return 0
			}
			return 1
		}),
	)
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// observer counts the requests of one service that were answered with 200. The
// look-up of labels costs more than the counting.
type observer struct {
	ok      prometheus.Counter
	seconds prometheus.Observer
}

// observe counts one answered request.
func (m *metrics) observe(svc service, status int, took time.Duration) {
	o, known := m.answered[svc]
	if !known || status != http.StatusOK {
		m.requests.WithLabelValues(string(svc), strconv.Itoa(status)).Inc()
		m.seconds.WithLabelValues(string(svc)).Observe(took.Seconds())
		return
	}
	o.ok.Inc()
	o.seconds.Observe(took.Seconds())
}
