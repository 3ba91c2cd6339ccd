package config

import (
	"errors"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
)

// Engine is a kind of database.
type Engine string

// The two engines.
const (
	PostgreSQL Engine = "postgresql"
	SQLite     Engine = "sqlite"
)

// Database is the database to open.
type Database struct {
	Engine   Engine
	URL      Secret // PostgreSQL: postgres://…, always with an sslmode
	Path     string // SQLite: the file
	Variable string // what its operator named it by, for messages: see NameOf
}

// Database returns which database follows from the settings.
func (c *Config) Database() Database {
	switch {
	case c.DB.UseInternal:
		return Database{Engine: PostgreSQL, URL: connectionURL(c.DB.InternalURL, "prefer"), Variable: c.NameOf("db.internal_url")}
	case c.DB.URL.IsSet():
		return Database{Engine: PostgreSQL, URL: connectionURL(c.DB.URL, "require"), Variable: c.NameOf("db.url")}
	case c.DB.LocalPath != "":
		return Database{Engine: SQLite, Path: c.DB.LocalPath, Variable: c.NameOf("db.local_path")}
	}
	return Database{Engine: SQLite, Path: filepath.Join(c.Data.Dir, "app.db"), Variable: c.NameOf("data.dir")}
}

// checkDatabaseURL accepts postgres:// and postgresql://, also with the driver's name that SQLAlchemy puts behind
// it. The parser's own errors quote the URL, password and all, so they are not passed on.
func checkDatabaseURL(value string) error {
	scheme, rest, ok := strings.Cut(value, "://")
	scheme, _, _ = strings.Cut(scheme, "+")
	if !ok || scheme != "postgres" && scheme != "postgresql" {
		return errors.New("it does not begin with postgres:// or postgresql://")
	}
	if _, err := url.Parse("postgres://" + rest); err != nil {
		return errors.New("it is not a URL; special characters of the password must be percent-encoded")
	}
	return nil
}

// connectionURL brings a checked URL into the form that PostgreSQL's libraries read, everything after the scheme
// untouched, and adds the sslmode that it lacks: disable for loopback, sockets and names without a dot, which lie
// in one machine or one private network, else remote.
func connectionURL(given Secret, remote string) Secret {
	_, rest, _ := strings.Cut(given.Reveal(), "://")
	plain := "postgres://" + rest
	u, err := url.Parse(plain)
	if err != nil || u.Query().Has("sslmode") {
		return NewSecret(plain)
	}
	mode := remote
	if isNearby(u) {
		mode = "disable"
	}
	separator := "?"
	if strings.Contains(plain, "?") {
		separator = "&"
	}
	return NewSecret(plain + separator + "sslmode=" + mode)
}

// isNearby reports whether every host of the URL, which may name several, is loopback, a socket or a name without
// a dot. A host in the query replaces the one before it, as in libpq.
func isNearby(u *url.URL) bool {
	hosts := strings.Split(u.Host, ",")
	if host := u.Query().Get("host"); host != "" {
		hosts = strings.Split(host, ",")
	}
	return !slices.ContainsFunc(hosts, func(host string) bool {
		addr, err := netip.ParseAddr(host)
		if err != nil {
			host = (&url.URL{Host: host}).Hostname()
			addr, err = netip.ParseAddr(host)
		}
		if err == nil {
			return !addr.IsLoopback()
		}
		return strings.Contains(host, ".") && !strings.HasPrefix(host, "/")
	})
}
