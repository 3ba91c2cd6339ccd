package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/lenzeye/lenzeye/internal/config"
)

const (
	firstRetry = 500 * time.Millisecond // doubles until the timeout of the batch
	mostAnswer = 64 << 10               // bytes of a collector's answer that are read
)

// collector sends spans by OTLP over HTTP. OpenTelemetry's own client does the
// same and brings gRPC along, 2 MB of program and as much memory in every process.
type collector struct {
	url     string
	host    string
	headers map[string]config.Secret
	timeout time.Duration
	gzip    bool
	http    *http.Client
	stopped chan struct{}
}

var _ otlptrace.Client = (*collector)(nil)

func newCollector(c config.Traces) (*collector, error) {
	u, err := url.Parse(c.Endpoint)
	if err != nil {
		return nil, errors.New("the endpoint of traces is not a URL")
	}
	secured, err := collectorTLS(c)
	if err != nil {
		return nil, err
	}
	return &collector{
		url: c.Endpoint, host: u.Host, headers: c.Headers, timeout: c.Timeout, gzip: c.Gzip, stopped: make(chan struct{}),
		http: &http.Client{
			Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, TLSClientConfig: secured, TLSHandshakeTimeout: c.Timeout,
				MaxConnsPerHost: 2, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// collectorTLS is nil where the system's roots do.
func collectorTLS(c config.Traces) (*tls.Config, error) {
	if c.CA == "" && c.ClientCert == "" {
		return nil, nil
	}
	secured := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CERTIFICATE: %w", err)
		}
		secured.RootCAs = x509.NewCertPool()
		if !secured.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CERTIFICATE: %s holds no certificate", c.CA)
		}
	}
	if c.ClientCert != "" {
		own, err := tls.LoadX509KeyPair(c.ClientCert, c.ClientKey)
		if err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: %w", err)
		}
		secured.Certificates = []tls.Certificate{own}
	}
	return secured, nil
}

// Start needs nothing: the first batch connects.
func (c *collector) Start(context.Context) error { return nil }

// Stop ends what is under way.
func (c *collector) Stop(context.Context) error {
	close(c.stopped)
	c.http.CloseIdleConnections()
	return nil
}

// UploadTraces sends one batch, again while the collector asks for that or is out
// of reach, within the timeout.
func (c *collector) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	body, err := c.encode(spans)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	for pause := firstRetry; ; pause *= 2 {
		again, err := c.send(ctx, body)
		if err == nil || !again {
			return err
		}
		if deadline, _ := ctx.Deadline(); time.Until(deadline) < pause {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-c.stopped:
			timer.Stop()
			return err
		}
	}
}

// encode writes a batch. TracesData has the bytes of the request's own type, which
// cannot be had without gRPC.
func (c *collector) encode(spans []*tracepb.ResourceSpans) ([]byte, error) {
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return nil, fmt.Errorf("write spans: %w", err)
	}
	if !c.gzip {
		return body, nil
	}
	var small bytes.Buffer
	w := gzip.NewWriter(&small)
	if _, err := w.Write(body); err != nil {
		return nil, fmt.Errorf("compress spans: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compress spans: %w", err)
	}
	return small.Bytes(), nil
}

// send makes one try. again says that another may do.
func (c *collector) send(ctx context.Context, body []byte) (again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return false, errors.New("the endpoint of traces is not a URL")
	}
	for name, value := range c.headers {
		req.Header.Set(name, value.Reveal())
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	if c.gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	res, err := c.http.Do(req)
	if err != nil {
		_, stranger := errors.AsType[*tls.CertificateVerificationError](err)
		return !stranger, fmt.Errorf("send spans: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, mostAnswer)) // so that the connection is used again
	switch {
	case res.StatusCode/100 == 2:
		return false, nil
	case res.StatusCode == http.StatusTooManyRequests, res.StatusCode == http.StatusBadGateway,
		res.StatusCode == http.StatusServiceUnavailable, res.StatusCode == http.StatusGatewayTimeout:
		return true, fmt.Errorf("send spans: the collector answers %s", res.Status)
	default:
		return false, fmt.Errorf("send spans: the collector answers %s", res.Status)
	}
}
