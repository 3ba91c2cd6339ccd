package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Options are what a Client needs; the zero value is sane.
type Options struct {
	HTTP      *http.Client // NewHTTP() if nil; it is never changed
	UserAgent string       // "lenzeye" if empty

	// Patience is how long one call may fail again and again before it is given
	// up, 5 minutes if 0; time in which bytes flow does not count. Until the server has answered for the first time it is
	// at most FirstPatience, 10 seconds if 0: an address may be wrong.
	Patience, FirstPatience time.Duration
	// Idle ends a request that moves no byte for so long, 2 minutes if 0.
	Idle time.Duration
	// Retrying is told of every wait; several goroutines call it.
	Retrying func(what string, err error, wait time.Duration)
	Now      func() time.Time
}

// Client talks to one server. It is safe for concurrent use.
type Client struct {
	base     string // without a slash at the end
	o        Options
	http     *http.Client
	answered atomic.Bool
}

// ErrAddress is what the errors of New, ParseLink and ParseShare are.
var ErrAddress = errors.New("not an address of this kind")

// New makes a client of the server at base, like https://send.example.com.
func New(base string, o Options) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("%q: %w: it has to begin with http:// or https://", base, ErrAddress)
	}
	if o.HTTP == nil {
		o.HTTP = NewHTTP()
	}
	if o.UserAgent == "" {
		o.UserAgent = "lenzeye"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	for d, standard := range map[*time.Duration]time.Duration{
		&o.Patience: 5 * time.Minute, &o.FirstPatience: 10 * time.Second, &o.Idle: 2 * time.Minute,
	} {
		if *d == 0 {
			*d = standard
		}
	}
	own := *o.HTTP
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{base: strings.TrimRight(base, "/"), o: o, http: &own}, nil
}

// NewHTTP makes an HTTP client for large bodies: a connection for each part,
// because the streams of one HTTP/2 connection share its one window, and no
// limit on the whole of a request.
func NewHTTP() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost, t.ReadBufferSize, t.WriteBufferSize = 64, 64<<10, 64<<10
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	return &http.Client{Transport: t}
}

// Link is an upload link, taken apart.
type Link struct {
	Base, Slug string
	// TransferID and UploadToken are there when the address names a transfer that
	// was begun elsewhere.
	TransferID, UploadToken string
}

// ParseLink reads the address of an upload link as people get it:
// https://host/u/slug, with #t=<transfer>.<upload token> to go on with one.
func ParseLink(address string) (Link, error) {
	base, slug, fragment, err := takeApart(address, "/u/")
	if err != nil {
		return Link{}, err
	}
	l := Link{Base: base, Slug: slug}
	if begun, ok := strings.CutPrefix(fragment, "t="); ok {
		l.TransferID, l.UploadToken, ok = strings.Cut(begun, ".")
		if !ok || l.TransferID == "" || l.UploadToken == "" {
			return Link{}, fmt.Errorf("%w: what follows # is no transfer", ErrAddress)
		}
	}
	return l, nil
}

// ParseShare reads the address of a download link, https://host/d/token.
func ParseShare(address string) (base, token string, err error) {
	base, token, _, err = takeApart(address, "/d/")
	return base, token, err
}

// takeApart divides an address before and after the marker of its kind. Its
// errors do not repeat the address, which may hold a secret.
func takeApart(address, marker string) (base, name, fragment string, err error) {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return "", "", "", fmt.Errorf("%w: it has to begin with http:// or https://", ErrAddress)
	}
	at := strings.LastIndex(u.Path, marker)
	if at < 0 {
		return "", "", "", fmt.Errorf("%w: it has to look like %s://%s%s…", ErrAddress, u.Scheme, u.Host, marker)
	}
	name = strings.TrimRight(u.Path[at+len(marker):], "/")
	if name == "" || strings.Contains(name, "/") {
		return "", "", "", fmt.Errorf("%w: one name is due after %s", ErrAddress, marker)
	}
	return u.Scheme + "://" + u.Host + u.Path[:at], name, u.Fragment, nil
}
