package config

import (
	"crypto/ecdsa"
	"net/netip"
	"time"
)

// Config is the whole configuration. The meaning, unit, default and range of each field stand in the key table and
// in docs/configuration.md. It is made by Load and not changed afterwards.
type Config struct {
	Environment Environment
	File        string // the YAML file that was read, key config; empty: none
	MasterKeys  Secret
	MasterKey   Secret

	Log       Log
	Data      Data
	HTTP      HTTP
	DB        DB
	S3        S3
	Redis     Redis
	Mail      Mail
	Account   Account
	Retention Retention
	Transfer  Transfer
	Limits    Limits
	Storage   Storage
	Sweep     Sweep
	Scrub     Scrub
	Worker    Worker
	Render    Render

	// OTel holds the OTEL_* names as they were given; Traces reads them. Secrets, since the headers among them carry
	// credentials.
	OTel map[string]Secret

	entries []Entry
	given   map[string]string // by key: what gave it its value, as its operator knows it
}

// Environment decides defaults and what a start refuses.
type Environment string

// The two environments.
const (
	Production Environment = "production"
	Local      Environment = "local"
)

// Log says what is logged and how.
type Log struct {
	Level  string
	Format string
}

// Data is the folder of the embedded default.
type Data struct {
	Dir string
}

// HTTP is the server: its address, its limits and its deadlines.
type HTTP struct {
	Addr              string
	PublicURL         string
	MetricsAddr       string
	TrustedProxies    []netip.Prefix
	CORSOrigins       []string
	MaxStreams        int
	StreamWait        time.Duration
	MaxWaiting        int
	MaxConns          int
	IdleTimeout       time.Duration
	MinRate           ByteSize
	DrainTimeout      time.Duration
	DrainDelay        time.Duration
	KeepAlive         time.Duration
	MaxRequestLine    ByteSize
	MaxHeaderField    ByteSize
	MaxHeaderBytes    ByteSize
	MaxRequests       int
	MaxRequestsJitter int
}

// DB is the database; Config.Database says which one follows from it.
type DB struct {
	URL             Secret
	InternalURL     Secret
	UseInternal     bool
	LocalPath       string
	PingBeforeUse   bool
	MaxConnLifetime time.Duration
	AcquireTimeout  time.Duration
	ConnectTimeout  time.Duration
	ReadTimeout     time.Duration
	MaxConns        int
	AutoMigrate     bool
}

// S3 is the bucket; Config.UsesBucket and Config.S3Endpoint say what follows from it.
type S3 struct {
	Bucket         string
	Endpoint       string
	Region         string
	AccessKey      Secret
	SecretKey      Secret
	Pool           int
	Attempts       int
	ConnectTimeout time.Duration
	ReadTimeout    time.Duration
	PathStyle      bool
}

// Redis is the queue of many instances.
type Redis struct {
	URL Secret
}

// Mail is the way out for messages; Config.MailDriver and Config.SMTP say what follows from it.
type Mail struct {
	Driver            string
	Sender            string
	AdminEmail        string
	SMTPURL           Secret
	BrevoSMTPServer   string
	BrevoSMTPPort     int
	BrevoSMTPLogin    string
	BrevoSMTPPassword Secret
	BrevoAPIKey       Secret
	SendGridAPIKey    Secret
	WebhookSecret     Secret

	SendGridWebhookKey *ecdsa.PublicKey // nil: its events are not signed
}

// Account holds what a new account gets.
type Account struct {
	Quota ByteSize // 0: none
}

// Retention says how long transfers are kept.
type Retention struct {
	Unfinished time.Duration
	Complete   time.Duration
	WarnBefore time.Duration
	Undo       time.Duration
	Events     time.Duration // 0: for ever
	Mail       time.Duration // 0: for ever
}

// Transfer bounds one transfer in time.
type Transfer struct {
	MaxAge time.Duration
}

// Limits bounds one transfer in files.
type Limits struct {
	MaxFiles int
}

// Storage is about the disk of the embedded default.
type Storage struct {
	MinFree ByteSize
}

// Sweep is the periodic look for what waits or is left over.
type Sweep struct {
	Every time.Duration
	Grace time.Duration
}

// Scrub is the slow check of stored bytes.
type Scrub struct {
	BytesPerDay ByteSize // 0: off
	AgainAfter  time.Duration
}

// Worker is the handling of jobs.
type Worker struct {
	Concurrency int
	Queues      map[string]int // weight by queue
}

// Render holds what the platform says of itself. These are facts, read from the process's environment only.
type Render struct {
	Detected    bool
	ExternalURL string
	GitCommit   string
	GitBranch   string
	ServiceName string
	ServiceType string
	InstanceID  string
}
