package config

import (
	"math"
	"net"
	"net/netip"
	"strings"
)

// NameOf returns how the operator knows a key, for messages: the variable, flag or line of a file that gave it its
// value, else the variable that would most likely.
func (c *Config) NameOf(name string) string {
	if given := c.given[name]; given != "" {
		return given
	}
	for _, k := range new(Config).table() {
		if k.name == name {
			return k.usual()
		}
	}
	return name
}

// IsProduction reports whether the environment is production.
func (c *Config) IsProduction() bool { return c.Environment == Production }

// ListenAddr returns the host:port that serve listens on. Port 0 lets the system choose.
func (c *Config) ListenAddr() string { return c.HTTP.Addr }

// PublicURL returns the address that links begin with, without a slash at the end: the configured one, else the
// platform's, else that of the listener, whose real address the caller gives as host:port.
func (c *Config) PublicURL(listener string) string {
	for _, configured := range []string{c.HTTP.PublicURL, c.Render.ExternalURL} {
		if configured != "" {
			return strings.TrimRight(configured, "/")
		}
	}
	host, port, err := net.SplitHostPort(listener)
	if err != nil {
		return "http://" + listener
	}
	// Nobody can open the address that means every interface.
	if addr, err := netip.ParseAddr(host); host == "" || err == nil && addr.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// MetricsOnMainListener reports whether /metrics is served beside the pages.
func (c *Config) MetricsOnMainListener() bool {
	return c.HTTP.MetricsAddr == "" && !c.IsProduction()
}

// Bounds of a computed number of streams.
const (
	streamsUnlimited = 64
	streamsLeast     = 4
	streamsMost      = 256
	memoryOfRest     = 48 * MiB
	memoryOfStream   = MiB
)

// MaxStreams returns how many bodies may be in flight: the configured number, or what fits into a memory limit in
// bytes. Zero, a negative number or math.MaxInt64 (what debug.SetMemoryLimit answers) is no limit.
func (c *Config) MaxStreams(memoryLimit int64) int {
	if c.HTTP.MaxStreams > 0 {
		return c.HTTP.MaxStreams
	}
	if memoryLimit <= 0 || memoryLimit == math.MaxInt64 {
		return streamsUnlimited
	}
	fitting := (ByteSize(memoryLimit) - memoryOfRest) / memoryOfStream
	return int(min(max(fitting, streamsLeast), streamsMost))
}

// UsesBucket reports whether blobs go to a bucket, and not to files.
func (c *Config) UsesBucket() bool { return c.S3.Bucket != "" }

// UsesRedis reports whether jobs go through Redis, and not through this process.
func (c *Config) UsesRedis() bool { return c.Redis.URL.IsSet() }

// S3Endpoint returns the URL of the bucket's server: the configured one, else Wasabi's in the region.
func (c *Config) S3Endpoint() string {
	if c.S3.Endpoint != "" {
		return strings.TrimRight(c.S3.Endpoint, "/")
	}
	return "https://s3." + c.S3.Region + ".wasabisys.com"
}
