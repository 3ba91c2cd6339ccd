package config

import "time"

const postgresForm = "postgres:// or postgresql://, a host or socket, and a database"

func (c *Config) databaseKeys() []key {
	d := &c.DB
	return []key{
		{
			name: "db.url", aliases: named("DATABASE_URL"), bind: secret(&d.URL, postgresForm, checkDatabaseURL),
			doc: "PostgreSQL. Unset, SQLite is used; production needs it. sslmode in the URL rules; without it, disable for loopback, sockets and names without a dot, else require. postgresql+psycopg2:// is read as postgresql://.",
		},
		{
			name: "db.internal_url", aliases: named("INTERNAL_DATABASE_URL"), bind: secret(&d.InternalURL, postgresForm, checkDatabaseURL),
			doc: "The database's address inside the platform's network, used when db.use_internal is true. TLS is not demanded.",
		},
		{
			name: "db.use_internal", aliases: named("USE_INTERNAL_DB"), def: "false", bind: boolean(&d.UseInternal),
			doc: "Use db.internal_url in place of db.url.",
		},
		{
			name: "db.local_path", aliases: named("LOCAL_DB_PATH"), bind: text(&d.LocalPath, "a path", nil),
			doc: "The SQLite file. Unset, app.db in data.dir.",
		},
		{
			name: "db.ping_before_use", def: "true", bind: boolean(&d.PingBeforeUse),
			doc: "Try a pooled PostgreSQL connection before it is used.",
		},
		{
			name: "db.max_conn_lifetime", def: "180s", bind: duration(&d.MaxConnLifetime, time.Second, day),
			doc: "After so long a PostgreSQL connection is replaced.",
		},
		{
			name: "db.acquire_timeout", def: "30s", bind: duration(&d.AcquireTimeout, shortest, time.Hour),
			doc: "How long a request waits for a connection of the pool.",
		},
		{
			name: "db.connect_timeout", def: "10s", bind: duration(&d.ConnectTimeout, shortest, time.Hour),
			doc: "How long making a connection may take.",
		},
		{
			name: "db.read_timeout", def: "30s", bind: duration(&d.ReadTimeout, shortest, time.Hour),
			doc: "How long PostgreSQL may be silent while it is waited for. Then the connection ends, and with it what waited.",
		},
		{
			name: "db.max_conns", unit: "connections", def: "10", bind: integer(&d.MaxConns, 2, 1000),
			doc: "PostgreSQL connections of one process. All processes together must stay below the server's limit.",
		},
		{
			name: "db.auto_migrate", def: "false", defLocal: "true", bind: boolean(&d.AutoMigrate),
			doc: "Migrate at start. Where false, serve and worker refuse a database that is behind.",
		},
	}
}

func (c *Config) bucketKeys() []key {
	s := &c.S3
	return []key{
		{
			name: "s3.bucket", aliases: named("WASABI_BUCKET_NAME"), bind: text(&s.Bucket, "3 to 63 of a-z 0-9 . -", checkBucket),
			doc: "The bucket. Unset, blobs are files in data.dir; production needs it.",
		},
		{
			name: "s3.endpoint", aliases: named("WASABI_ENDPOINT_URL"), bind: text(&s.Endpoint, "http:// or https:// and a host", checkSite),
			doc: "The bucket's server. Unset, Wasabi's in s3.region.",
		},
		{
			name: "s3.region", aliases: named("WASABI_REGION"), def: "ap-southeast-1", bind: text(&s.Region, "a-z 0-9 -", checkRegion),
			doc: "The bucket's region.",
		},
		{
			name: "s3.access_key", aliases: named("WASABI_ACCESS_KEY"), bind: secret(&s.AccessKey, "", nil),
			doc: "The access key's id. Needed with s3.bucket.",
		},
		{
			name: "s3.secret_key", aliases: named("WASABI_SECRET_KEY"), bind: secret(&s.SecretKey, "", nil),
			doc: "The access key's secret. Needed with s3.bucket.",
		},
		{
			name: "s3.pool", unit: "connections", def: "50", bind: integer(&s.Pool, 1, 10_000),
			doc: "Connections for calls. Streamed parts have connections of their own, as many as http.max_streams.",
		},
		{
			name: "s3.attempts", unit: "attempts", def: "3", bind: integer(&s.Attempts, 1, 10),
			doc: "Attempts of a call, with adaptive waits between them. A streamed part has one; its sender repeats it.",
		},
		{
			name: "s3.connect_timeout", def: "10s", bind: duration(&s.ConnectTimeout, shortest, time.Hour),
			doc: "How long making a connection may take.",
		},
		{
			name: "s3.read_timeout", def: "60s", bind: duration(&s.ReadTimeout, shortest, time.Hour),
			doc: "How long an answer may go without moving a byte.",
		},
		{
			name: "s3.path_style", def: "true", bind: boolean(&s.PathStyle),
			doc: "Name the bucket in the path and not in the host's name.",
		},
	}
}

func (c *Config) queueKeys() []key {
	return []key{
		{
			name: "redis.url", aliases: named("REDIS_URL"), bind: secret(&c.Redis.URL, "redis://, rediss://, redis-socket:// or redis-sentinel://", checkRedisURL),
			doc: "The queue of several processes. Unset, jobs run inside serve. The server must not evict (noeviction).",
		},
		{
			name: "worker.concurrency", unit: "jobs", def: "8", bind: integer(&c.Worker.Concurrency, 1, 1000),
			doc: "Jobs that one process does at once.",
		},
		{
			name: "worker.queues", def: "critical=6,default=3,low=1", bind: weights(&c.Worker.Queues, "critical", "default", "low"),
			doc: "The queues that a worker takes from, and how often. A queue that no worker takes from waits for ever.",
		},
	}
}
