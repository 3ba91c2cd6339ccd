package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/jobs"
	"github.com/lenzeye/lenzeye/internal/transfer"
	"github.com/lenzeye/lenzeye/internal/web"
)

// metrics counts what the packages below tell through their Observe functions.
// The names are documented in docs/operations.md.
type metrics struct {
	registry *prometheus.Registry

	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	received prometheus.Counter
	sent     prometheus.Counter
	broken   *prometheus.CounterVec
	steps    *prometheus.HistogramVec
	failures *prometheus.CounterVec
	dropped  *prometheus.CounterVec
	damaged  prometheus.Counter
	scrubbed prometheus.Counter
	found    *prometheus.CounterVec

	strayMail *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lenzeye_http_requests_total", Help: "Answered requests."}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "lenzeye_http_request_seconds", Help: "Time to answer a request.",
			Buckets: []float64{.005, .05, .5, 5, 50, 500}}, []string{"route"}),
		received: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lenzeye_http_received_bytes_total", Help: "Bytes of request bodies that were read."}),
		sent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lenzeye_http_sent_bytes_total", Help: "Bytes of answers' bodies."}),
		broken: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lenzeye_http_broken_total", Help: "Answers with file content that ended early, by whose doing."},
			[]string{"route", "by"}),
		steps: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "lenzeye_step_seconds", Help: "Time of steps of the database, the blob store and jobs.",
			Buckets: []float64{.001, .01, .1, 1, 10, 100}}, []string{"part", "step"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lenzeye_step_failures_total", Help: "Steps that ended with an error."}, []string{"part", "step"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lenzeye_hints_dropped_total", Help: "Hints that a queue refused, full or out of reach; the sweep finds their rows."},
			[]string{"kind"}),
		damaged: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lenzeye_damaged_files_total", Help: "Stored files that were found damaged."}),
		scrubbed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lenzeye_scrub_bytes_total", Help: "Sealed bytes that the scrub read back."}),
		found: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lenzeye_reconcile_found_total", Help: "Differences between bucket and rows that walks met, each at every walk."},
			[]string{"kind"}),
		strayMail: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lenzeye_mail_events_unknown_total", Help: "Bounces that a mail service told of and that name no mail of ours."},
			[]string{"service"}),
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.requests, m.seconds, m.received, m.sent, m.broken, m.steps, m.failures, m.dropped,
		m.damaged, m.scrubbed, m.found, m.strayMail,
	)
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// serveMetrics answers /metrics, /healthz and /readyz on a listener of its own,
// if one is configured, until close.
func (p *parts) serveMetrics(probes *web.Probes) error {
	if p.cfg.HTTP.MetricsAddr == "" {
		return nil
	}
	l, err := net.Listen("tcp", p.cfg.HTTP.MetricsAddr)
	if err != nil {
		return userError{fmt.Errorf("%s: %w", p.cfg.NameOf("http.metrics_addr"), err)}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", p.metrics.handler())
	mux.Handle("GET /", probes.Handler())
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10,
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(l) // it ends when it is closed
	}()
	p.onClose(func() error {
		err := server.Close()
		<-ended
		return err
	})
	p.log.Info("metrics", "address", l.Addr().String())
	return nil
}

// web counts what internal/web tells.
func (m *metrics) web() web.Observe {
	return web.Observe{
		Request: func(r web.Request) {
			m.requests.WithLabelValues(r.Route, r.Method, strconv.Itoa(r.Status)).Inc()
			m.seconds.WithLabelValues(r.Route).Observe(r.Duration.Seconds())
			m.received.Add(float64(r.Received))
			m.sent.Add(float64(r.Sent))
		},
		Broken: func(route string, theirs bool) {
			by := "server"
			if theirs {
				by = "client"
			}
			m.broken.WithLabelValues(route, by).Inc()
		},
	}
}

// observe gives the function that a part calls after each of its steps.
func (p *parts) observe(part string) func(ctx context.Context, step string, d time.Duration, err error) {
	return func(ctx context.Context, step string, d time.Duration, err error) {
		p.metrics.step(part, step, d, err)
		p.traces.step(ctx, part, step, d, err)
	}
}

// observeWeb gives the functions that internal/web calls.
func (p *parts) observeWeb() web.Observe {
	o := p.metrics.web()
	if p.traces != nil {
		o.Begin = p.traces.request
	}
	return o
}

// gauge adds a number that is read when somebody asks.
func (m *metrics) gauge(name, help string, value func() int) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
		func() float64 { return float64(value()) }))
}

// watchStore adds the room of a store that knows it.
func (m *metrics) watchStore(ctx context.Context, s *blob.Store) {
	if _, known := s.FreeBytes(ctx); !known {
		return
	}
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "lenzeye_storage_free_bytes", Help: "Bytes that parts may still take on the disk of the stored files.",
	}, func() float64 {
		free, _ := s.FreeBytes(context.Background()) // of the disk, at once
		return float64(free)
	}))
}

// watchProbes adds what /readyz says.
func (m *metrics) watchProbes(probes *web.Probes) {
	m.registry.MustRegister(readyParts{probes: probes, desc: prometheus.NewDesc(
		"lenzeye_ready", "Whether a part that is needed answers, 1 or 0.", []string{"part"}, nil)})
}

// readyParts is a collector that looks when somebody asks.
type readyParts struct {
	probes *web.Probes
	desc   *prometheus.Desc
}

// Describe gives the one metric.
func (r readyParts) Describe(to chan<- *prometheus.Desc) { to <- r.desc }

// Collect asks all parts, or takes the answers of a moment ago.
func (r readyParts) Collect(to chan<- prometheus.Metric) {
	for part, ok := range r.probes.Parts(context.Background()) { // it has a limit of its own
		value := 0.0
		if ok {
			value = 1
		}
		to <- prometheus.MustNewConstMetric(r.desc, prometheus.GaugeValue, value, part)
	}
}

// watchQueue adds the gauges of a queue.
func (m *metrics) watchQueue(q *jobs.Queue) {
	m.gauge("lenzeye_jobs_waiting", "Hints that wait.", func() int { return q.Stats().Waiting })
	m.gauge("lenzeye_jobs_running", "Handlers that run.", func() int { return q.Stats().Running })
}

// watch adds the gauges of a server.
func (m *metrics) watch(s *web.Server) {
	m.gauge("lenzeye_streams", "Parts' bodies in flight.", func() int { return s.Stats().Streams })
	m.gauge("lenzeye_streams_waiting", "Parts' bodies that wait for their turn.", func() int { return s.Stats().StreamsWaiting })
	m.gauge("lenzeye_downloads", "Answers with file content in flight.", func() int { return s.Stats().Downloads })
	m.gauge("lenzeye_downloads_waiting", "Requests for file content that wait.", func() int { return s.Stats().DownloadsWaiting })
	m.gauge("lenzeye_connections", "Open connections.", func() int { return s.Stats().Conns })
}

// upkeep gives the functions that internal/transfer calls.
func (m *metrics) upkeep() transfer.Observe {
	return transfer.Observe{
		Damaged:  m.damaged.Inc,
		Scrubbed: func(n int64) { m.scrubbed.Add(float64(n)) },
		Found:    func(kind transfer.Finding) { m.found.WithLabelValues(string(kind)).Inc() },
	}
}

func (m *metrics) job(kind string, d time.Duration, err error) {
	if errors.Is(err, jobs.ErrFull) || errors.Is(err, jobs.ErrUnreachable) {
		m.dropped.WithLabelValues(kind).Inc()
		return
	}
	m.step("job", kind, d, err)
}

func (m *metrics) step(part, step string, d time.Duration, err error) {
	m.steps.WithLabelValues(part, step).Observe(d.Seconds())
	if err != nil {
		m.failures.WithLabelValues(part, step).Inc()
	}
}
