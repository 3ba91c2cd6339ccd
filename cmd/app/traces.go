package main

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/lenzeye/lenzeye/internal/config"
	"github.com/lenzeye/lenzeye/internal/jobs"
	"github.com/lenzeye/lenzeye/internal/web"
)

// flushTimeout bounds how long an end waits for a collector to take the last spans.
const flushTimeout = 3 * time.Second

// traces makes spans of what the packages below tell through their Observe
// functions, as metrics counts it. A nil one makes none: without an endpoint there
// is no SDK, no goroutine and no memory.
//
// Spans hold patterns of routes, names of steps and numbers. Names, paths, tokens,
// keys and texts of errors stay out of them: they leave for somebody else's disk.
type traces struct {
	tracer trace.Tracer
}

// openTraces begins to send traces if a collector is configured, until close.
func (p *parts) openTraces(ctx context.Context, r role) error {
	c := p.cfg.Traces()
	if c.Endpoint == "" || !r.serves && !r.works {
		return nil
	}
	to, err := newCollector(c)
	if err != nil {
		return userError{err}
	}
	exporter, err := otlptrace.New(ctx, to)
	if err != nil {
		return err
	}
	about, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(aboutProcess(c, r)...))
	if err != nil {
		return err
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithResource(about), sdktrace.WithSampler(sampler(c)),
		sdktrace.WithBatcher(&quietExporter{SpanExporter: exporter, log: p.log},
			sdktrace.WithBatchTimeout(c.Delay), sdktrace.WithExportTimeout(c.SendTimeout),
			sdktrace.WithMaxQueueSize(c.MaxQueue), sdktrace.WithMaxExportBatchSize(c.MaxBatchSize)),
	)
	p.traces = &traces{tracer: provider.Tracer("github.com/lenzeye/lenzeye")}
	p.onClose(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil { // no reason to end badly
			p.log.Warn("the last traces were not sent", "error", withoutURL(err))
		}
		return nil
	})
	p.log.Info("traces", "collector", to.host, "sampler", c.Sampler)
	return nil
}

// aboutProcess says who sends, with what the operator added.
func aboutProcess(c config.Traces, r role) []attribute.KeyValue {
	does := "worker"
	if r.serves {
		does = "serve"
	}
	about := []attribute.KeyValue{
		attribute.String("service.version", readBuild(nil).Version), attribute.String("lenzeye.command", does),
	}
	for name, value := range c.Attributes {
		about = append(about, attribute.String(name, value))
	}
	return append(about, attribute.String("service.name", c.Service)) // the last of a name counts
}

func sampler(c config.Traces) sdktrace.Sampler {
	switch c.Sampler {
	case "always_on":
		return sdktrace.AlwaysSample()
	case "always_off":
		return sdktrace.NeverSample()
	case "traceidratio":
		return sdktrace.TraceIDRatioBased(c.Ratio)
	case "parentbased_always_off":
		return sdktrace.ParentBased(sdktrace.NeverSample())
	case "parentbased_traceidratio":
		return sdktrace.ParentBased(sdktrace.TraceIDRatioBased(c.Ratio))
	default:
		return sdktrace.ParentBased(sdktrace.AlwaysSample())
	}
}

// step makes a span of a step that has ended, below the one of its context. What
// belongs to no request, job or chore is none.
func (t *traces) step(ctx context.Context, part, step string, d time.Duration, err error) {
	if t == nil || !trace.SpanContextFromContext(ctx).IsSampled() {
		return
	}
	end := time.Now()
	_, span := t.tracer.Start(ctx, part+" "+step, trace.WithTimestamp(end.Add(-d)), trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("lenzeye.part", part), attribute.String("lenzeye.step", step)))
	mark(span, err)
	span.End(trace.WithTimestamp(end))
}

// mark says of a span that it failed and in which way, without the error's text.
func mark(span trace.Span, err error) {
	if err == nil {
		return
	}
	how := "failed"
	switch {
	case errors.Is(err, context.Canceled):
		how = "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		how = "timeout"
	}
	span.SetStatus(codes.Error, "")
	span.SetAttributes(attribute.String("error.type", how))
}

// request begins the span of a request.
func (t *traces) request(ctx context.Context, a web.Arrival) (context.Context, func(web.Request)) {
	ctx = continued(ctx, a.Traceparent)
	ctx, span := t.tracer.Start(ctx, a.Method+" "+a.Route, trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("http.request.method", a.Method), attribute.String("http.route", a.Route)))
	return ctx, func(r web.Request) {
		span.SetAttributes(attribute.String("lenzeye.request_id", r.ID), attribute.Int("http.response.status_code", r.Status),
			attribute.Int64("http.request.body.size", r.Received), attribute.Int64("http.response.body.size", r.Sent))
		if r.Failed || r.Status >= 500 {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// queue gives the functions that internal/jobs calls.
func (t *traces) queue() jobs.Trace {
	if t == nil {
		return jobs.Trace{}
	}
	return jobs.Trace{Carry: carry, Begin: t.run}
}

// run begins the span of a job or chore. A job goes on with the trace of the
// request that hinted at it; what a sweep found is a part of the sweep's trace.
func (t *traces) run(ctx context.Context, kind, carried string) (context.Context, func(error)) {
	as := trace.SpanKindInternal
	if carried != "" {
		as = trace.SpanKindConsumer
	}
	ctx, span := t.tracer.Start(continued(ctx, carried), "job "+kind, trace.WithSpanKind(as),
		trace.WithAttributes(attribute.String("lenzeye.part", "job"), attribute.String("lenzeye.step", kind)))
	return ctx, func(err error) {
		mark(span, err)
		span.End()
	}
}

const traceparent = "traceparent"

// carry gives the ids of a context's span as W3C writes them.
func carry(ctx context.Context) string {
	ids := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, ids)
	return ids[traceparent]
}

// continued is ctx with the trace that ids name, or as it was.
func continued(ctx context.Context, ids string) context.Context {
	if ids == "" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{traceparent: ids})
}

// quietExporter keeps a collector that does not take spans from filling the log:
// once a minute it says how many are lost.
type quietExporter struct {
	sdktrace.SpanExporter
	log *slog.Logger

	mu   sync.Mutex
	lost int
	said time.Time
}

// ExportSpans sends spans, or loses them.
func (e *quietExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if err == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lost += len(spans)
	if now := time.Now(); now.Sub(e.said) >= time.Minute {
		e.log.Warn("the collector does not take traces", "spans_lost", e.lost, "error", withoutURL(err))
		e.lost, e.said = 0, now
	}
	return nil
}

// withoutURL leaves out where it was asked, which may hold a password.
func withoutURL(err error) error {
	if asked, ok := errors.AsType[*url.Error](err); ok {
		return asked.Err
	}
	return err
}
