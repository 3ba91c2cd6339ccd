package config

import (
	"slices"
	"time"
)

// Bounds that many keys share. The least wait is short so that tests can make time pass quickly.
const (
	shortest = 100 * time.Millisecond
	day      = 24 * time.Hour
	longest  = 3650 * day
	anyCount = 1_000_000_000
)

// table returns every key, bound to the fields of c, in the order of the documentation.
func (c *Config) table() []key {
	return slices.Concat(
		c.generalKeys(), c.httpAddressKeys(), c.httpStreamKeys(), c.httpLimitKeys(), c.databaseKeys(),
		c.bucketKeys(), c.queueKeys(), c.mailKeys(), c.brevoKeys(), c.retentionKeys(), c.upkeepKeys(), c.renderKeys(),
	)
}

func (c *Config) generalKeys() []key {
	return []key{
		{
			name: "environment", def: "local", bind: oneOf(&c.Environment, Production, Local),
			doc: "Decides defaults, and what a start refuses. Unset, a set RENDER means production. Not from an env file, since it chooses that file.",
		},
		{
			name: "config", bind: text(&c.File, "a path", nil),
			doc: "The YAML file to read. Without it none is read. Not from a YAML or env file.",
		},
		{
			name: "master_keys", aliases: named("MASTER_KEYS"), bind: secret(&c.MasterKeys, "version:hex, more after commas", nil),
			doc: "The master keys, 2:<64 hex digits>,1:<64 hex digits>. The first seals, all open. `app keys generate` makes one. Production needs it; in the local environment the first start makes master.keys in data.dir.",
		},
		{
			name: "master_key", aliases: named("MASTER_KEY"), bind: secret(&c.MasterKey, "64 hex digits", nil),
			doc: "One master key, as version 1. Not together with master_keys.",
		},
		{
			name: "log.level", def: "info", bind: oneOf(&c.Log.Level, "debug", "info", "warn", "error"),
			doc: "The least level that is logged.",
		},
		{
			name: "log.format", def: "auto", bind: oneOf(&c.Log.Format, "auto", "text", "json"),
			doc: "auto is text on a terminal and JSON elsewhere.",
		},
		{
			name: "data.dir", def: "data", bind: text(&c.Data.Dir, "a path", nil),
			doc: "The folder of the embedded default: app.db, its locks, master.keys, blobs, mail. Production with PostgreSQL and a bucket writes nothing there.",
		},
	}
}

func (c *Config) httpAddressKeys() []key {
	h := &c.HTTP
	return []key{
		{
			name: "http.addr", aliases: []alias{{name: "PORT", convert: portAddr}}, def: "127.0.0.1:8080",
			bind: text(&h.Addr, "host:port", checkAddr),
			doc:  "The address that serve listens on. PORT sets the port: at 127.0.0.1 in the local environment, at 0.0.0.0 in production and on Render.",
		},
		{
			name: "http.public_url", bind: text(&h.PublicURL, "http:// or https:// and a host", checkSite),
			doc: "The address in links and mails. Unset, it is RENDER_EXTERNAL_URL, else in the local environment the listener's address; production needs it.",
		},
		{
			name: "http.metrics_addr", bind: text(&h.MetricsAddr, "host:port", checkAddr),
			doc: "A listener of its own for /metrics, /healthz and /readyz, of serve or of a worker. Unset, a worker has none, and serve has /metrics on its main listener in the local environment and nowhere in production.",
		},
		{
			name: "http.trusted_proxies", bind: list(&h.TrustedProxies, "addresses or networks such as 10.0.0.0/8", parseProxy),
			doc: "The proxies whose X-Forwarded-For, X-Request-Id and traceparent are believed. Unset, the client address is the connection's.",
		},
		{
			name: "http.cors_origins", bind: list(&h.CORSOrigins, "origins such as https://studio.example, or *", parseOrigin),
			doc: "The origins whose pages may call the interface. Never with credentials.",
		},
	}
}

func (c *Config) httpStreamKeys() []key {
	h := &c.HTTP
	return []key{
		{
			name: "http.max_streams", unit: "bodies", def: "0", bind: integer(&h.MaxStreams, 0, 65_536),
			doc: "Bodies in flight at once. 0 computes it: (memory limit − 48 MiB) / 1 MiB, at least 4 and at most 256; 64 without a memory limit. From 2 on a slow body gives way to others; a single one does not.",
		},
		{
			name: "http.stream_wait", def: "10s", bind: duration(&h.StreamWait, 0, 10*time.Minute),
			doc: "How long a request waits for its turn when all streams are taken, before 503.",
		},
		{
			name: "http.max_waiting", unit: "requests", def: "256", bind: integer(&h.MaxWaiting, 0, 65_536),
			doc: "Requests that may wait for a stream; more get 503 at once.",
		},
		{
			name: "http.max_conns", unit: "connections", def: "2000", bind: integer(&h.MaxConns, 8, 1_000_000),
			doc: "Open connections, with a share kept for those without a body.",
		},
		{
			name: "http.idle_timeout", def: "120s", bind: duration(&h.IdleTimeout, shortest, day),
			doc: "A body or an answer that moves no byte for so long ends. Nothing limits a transfer as a whole.",
		},
		{
			name: "http.min_rate", unit: "bytes a second", def: "1KiB", bind: size(&h.MinRate, 0, GiB),
			doc: "A body or an answer that moves less over the length of http.idle_timeout ends. 0 only asks that something moves in that time: a byte of a body, 4 KiB of an answer.",
		},
		{
			name: "http.drain_timeout", def: "30s", bind: duration(&h.DrainTimeout, 0, time.Hour),
			doc: "How long parts in flight may take to finish after SIGTERM. Jobs in serve get as long once more, so the platform's own limit must be longer than http.drain_delay, twice this and 10 s together.",
		},
		{
			name: "http.drain_delay", def: "0s", bind: duration(&h.DrainDelay, 0, time.Hour),
			doc: "How long serve goes on taking every request after SIGTERM, with /readyz at 503 already, so that a load balancer sees it first. http.drain_timeout begins after it.",
		},
		{
			name: "http.keep_alive", def: "120s", bind: duration(&h.KeepAlive, shortest, day),
			doc: "How long a connection without a request stays open. It must be longer than the proxy's own time.",
		},
	}
}

func (c *Config) httpLimitKeys() []key {
	h := &c.HTTP
	return []key{
		{
			name: "http.max_request_line", unit: "bytes", def: "4KiB", bind: size(&h.MaxRequestLine, 256, 32*KiB),
			doc: "The longest request line; a longer one gets 414.",
		},
		{
			name: "http.max_header_field", unit: "bytes", def: "8190", bind: size(&h.MaxHeaderField, 256, 32*KiB),
			doc: "The longest header field, name and value; a longer one gets 431.",
		},
		{
			name: "http.max_header_bytes", unit: "bytes", def: "32KiB", bind: size(&h.MaxHeaderBytes, KiB, 60*KiB),
			doc: "All header fields together; more get 431.",
		},
		{
			name: "http.max_requests", unit: "requests", def: "0", bind: integer(&h.MaxRequests, 0, anyCount),
			doc: "After so many requests serve drains and exits with 0, for the platform to start it anew. 0 is never.",
		},
		{
			name: "http.max_requests_jitter", unit: "requests", def: "0", bind: integer(&h.MaxRequestsJitter, 0, anyCount),
			doc: "A random number up to this is added to or taken from http.max_requests, so that instances do not end together.",
		},
	}
}
