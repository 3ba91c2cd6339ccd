package main

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"html"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/testenv"
)

// mailService stands in for Brevo and SendGrid: a proxy through which the
// program reaches them, which answers for them.
type mailService struct {
	proxy    *httptest.Server
	certFile string
	posts    chan posted
}

type posted struct {
	host, path string
	header     http.Header
	body       []byte
}

func newMailService(t *testing.T, hosts ...string) *mailService {
	t.Helper()
	m := &mailService{certFile: filepath.Join(t.TempDir(), "cert.pem"), posts: make(chan posted, 100)}
	certificate := certificateOf(t, m.certFile, hosts...)
	m.proxy = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		m.answer(tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{certificate}}), r.Host)
	}))
	t.Cleanup(m.proxy.Close)
	return m
}

// answer takes every message on one connection.
func (m *mailService) answer(conn net.Conn, host string) {
	in := bufio.NewReader(conn)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		m.posts <- posted{host, r.URL.Path, r.Header, body}
		_, _ = io.WriteString(conn, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
	}
}

func certificateOf(t *testing.T, file string, hosts ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: hosts, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serving starts a server that sends its mail through the service, with two
// messages that wait, and gives the variables of its data.
func (m *mailService) serving(t *testing.T, settings ...string) (*solo, []string) {
	t.Helper()
	settings = append(settings, "SENDER_EMAIL=Studio Anna <anna@studio.example>", "APP_SWEEP_EVERY=1s",
		"HTTPS_PROXY="+m.proxy.URL, "SSL_CERT_FILE="+m.certFile)
	s, _ := newProcess(t, settings...)
	env := append([]string{"APP_ENVIRONMENT=local", "APP_DATA_DIR=" + s.dir, "APP_STORAGE_MIN_FREE=0"}, settings...)
	if code, _, stderr := call(t, env, "seed"); code != exitOK {
		t.Fatalf("seed: exit %d, %s", code, stderr)
	}
	return s, env
}

func (m *mailService) next(t *testing.T) posted {
	t.Helper()
	select {
	case p := <-m.posts:
		return p
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was sent")
		panic("unreachable")
	}
}

// The program hands its mail to the service whose key is set, with that key.
func TestMailWayOutFollowsTheSettings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ setting, host, path, header, value string }{
		"brevo":    {"APP_MAIL_BREVO_API_KEY=k1", "api.brevo.com:443", "/v3/smtp/email", "Api-Key", "k1"},
		"sendgrid": {"APP_MAIL_SENDGRID_API_KEY=k2", "api.sendgrid.com:443", "/v3/mail/send", "Authorization", "Bearer k2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := newMailService(t, "api.brevo.com", "api.sendgrid.com")
			service.serving(t, c.setting)
			var to []string
			for range 2 {
				p := service.next(t)
				if p.host != c.host || p.path != c.path || p.header.Get(c.header) != c.value {
					t.Errorf("to %s%s with %v", p.host, p.path, p.header)
				}
				for _, address := range []string{"anna@example.com", "studio@example.com"} {
					if bytes.Contains(p.body, []byte(`"email":"`+address+`"`)) {
						to = append(to, address)
					}
				}
				if to[len(to)-1] == "anna@example.com" {
					isReceipt(t, p.body)
				}
			}
			if len(to) != 2 || to[0] == to[1] {
				t.Errorf("to %v", to)
			}
		})
	}
}

// isReceipt holds the sender's message to the seed's files: how many, how much
// and which, in text and in HTML.
func isReceipt(t *testing.T, body []byte) {
	t.Helper()
	var message struct {
		Text    string                   `json:"textContent"`
		HTML    string                   `json:"htmlContent"`
		Content []struct{ Value string } `json:"content"`
	}
	if err := json.Unmarshal(body, &message); err != nil {
		t.Fatal(err)
	}
	said := []string{message.Text, message.HTML}
	if len(message.Content) == 2 {
		said = []string{message.Content[0].Value, message.Content[1].Value}
	}
	var bytes int
	for _, content := range demoFiles() {
		bytes += len(content)
	}
	for _, text := range said {
		says(t, text, fmt.Sprintf("%d files, %.1f kB", len(demoFiles()), float64(bytes)/1000))
		for path := range demoFiles() {
			says(t, text, html.EscapeString(path))
		}
	}
}

// A message that the service took and could not deliver is shown to the studio
// and to the operator, when the service says so with the secret.
func TestMailThatBounces(t *testing.T) {
	t.Parallel()
	const secret = "a-secret-of-twenty-and-more"
	for name, c := range map[string]struct{ key, body string }{
		"brevo":    {"APP_MAIL_BREVO_API_KEY=k", `{"event": "hard_bounce", "reason": "no such user", "X-Mailin-custom": "ID"}`},
		"sendgrid": {"APP_MAIL_SENDGRID_API_KEY=k", `[{"event": "delivered", "mail_id": "ID"}, {"event": "bounce", "reason": "no such user", "mail_id": "ID"}]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := newMailService(t, "api.brevo.com", "api.sendgrid.com")
			s, env := service.serving(t, c.key, "APP_MAIL_WEBHOOK_SECRET="+secret)
			id := handedOver(t, service.next(t).body)
			path, body := "/api/v1/mail/events/"+name, strings.ReplaceAll(c.body, "ID", id)
			if r := s.asks("POST", path, secret+"x", body); r.StatusCode != http.StatusUnauthorized {
				t.Errorf("with another secret: %d", r.StatusCode)
			}
			if r := s.asks("POST", "/api/v1/mail/events/other", secret, body); r.StatusCode != http.StatusNotFound {
				t.Errorf("of another service: %d", r.StatusCode)
			}
			if r := s.asks("POST", path, secret, "{"); r.StatusCode != http.StatusBadRequest {
				t.Errorf("what is no event: %d %s", r.StatusCode, r.body)
			}
			if r := s.asks("POST", path, secret, strings.Repeat(" ", 1<<20)+body); r.StatusCode != http.StatusRequestEntityTooLarge {
				t.Errorf("too much: %d", r.StatusCode)
			}
			s.tellsOfBounce(t, path, secret, body)
			if r := s.asks("POST", path, secret, body); r.StatusCode != http.StatusNoContent {
				t.Errorf("the same again: %d %s", r.StatusCode, r.body)
			}
			if n := bytes.Count(s.eventsOf(), []byte("mail_bounced")); n != 1 {
				t.Errorf("%d events, want 1", n)
			}
			if _, out, _ := call(t, env, "jobs", "list"); !strings.Contains(out, "bounced") || !strings.Contains(out, "no such user") {
				t.Errorf("jobs list shows\n%s", out)
			}
			if strings.Contains(s.log.String(), secret) {
				t.Error("the secret is in the log")
			}
		})
	}
}

// By the services' SMTP relays it is the same: what they give back of a message
// names it, though the Message-ID is another.
func TestMailBySMTPThatBounces(t *testing.T) {
	t.Parallel()
	const secret = "a-secret-of-twenty-and-more"
	server := testenv.NewSMTP(t)
	way := url.URL{Scheme: "smtps", User: url.UserPassword(testenv.SMTPUsername, testenv.SMTPPassword), Host: server.TLS}
	s, _ := newProcess(t, "SMTP_URL="+way.String(), "SENDER_EMAIL=anna@studio.example", "SSL_CERT_FILE="+server.CertFile,
		"APP_SWEEP_EVERY=1s", "APP_MAIL_WEBHOOK_SECRET="+secret)
	if code, _, stderr := call(t, []string{"APP_ENVIRONMENT=local", "APP_DATA_DIR=" + s.dir, "APP_STORAGE_MIN_FREE=0"}, "seed"); code != exitOK {
		t.Fatalf("seed: exit %d, %s", code, stderr)
	}
	if !arrive(server, 2) {
		t.Fatalf("%d messages arrived, want 2", len(server.Mails()))
	}
	for i, service := range []string{"brevo", "sendgrid"} {
		message, err := mail.ReadMessage(bytes.NewReader(server.Mails()[i].Content))
		if err != nil {
			t.Fatal(err)
		}
		var order struct {
			Args map[string]string `json:"unique_args"`
		}
		if err := json.Unmarshal([]byte(message.Header.Get("X-SMTPAPI")), &order); err != nil {
			t.Fatal(err)
		}
		event := map[string]string{"event": "hard_bounce", "message-id": "<other@relay.example>", "X-Mailin-custom": message.Header.Get("X-Mailin-custom")}
		if service == "sendgrid" {
			event = order.Args
			event["event"], event["smtp-id"] = "bounce", "<other@relay.example>"
		}
		body, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		s.tellsOfBounce(t, "/api/v1/mail/events/"+service, secret, string(body))
		if n := bytes.Count(s.eventsOf(), []byte("mail_bounced")); n != i+1 {
			t.Errorf("%s: %d events, want %d", service, n, i+1)
		}
	}
}

// Bounces of messages that are not ours are counted and logged one by one,
// without what the service says of them.
func TestMailEventsOfNoMailOfOurs(t *testing.T) {
	t.Parallel()
	const secret = "a-secret-of-twenty-and-more"
	s := newSolo(t, "APP_MAIL_WEBHOOK_SECRET="+secret)
	for service, event := range map[string]string{"brevo": "hard_bounce", "sendgrid": "bounce"} {
		s.tellsOfBounce(t, "/api/v1/mail/events/"+service, secret, fmt.Sprintf(`[{"event": "delivered"},
			{"event": %q, "email": "guest@example.com", "reason": "no guest@example.com"},
			{"event": %q, "mail_id": "0193b5a0-0000-7000-8000-000000000001"}]`, event, event))
		says(t, string(s.asks("GET", "/metrics", "", "").body), `lenzeye_mail_events_unknown_total{service="`+service+`"} 2`)
	}
	log := s.log.String()
	if n := strings.Count(log, "mail_event_unknown"); n != 4 || strings.Contains(log, "guest@example.com") {
		t.Errorf("%d warnings, want 4 that name nobody, in\n%s", n, log)
	}
}

// Where SendGrid's key is set its events need the signature as well as the
// secret, and Brevo's, which has none, do not.
func TestMailEventsThatAreSigned(t *testing.T) {
	t.Parallel()
	const secret, path = "a-secret-of-twenty-and-more", "/api/v1/mail/events/sendgrid"
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	s := newSolo(t, "APP_MAIL_WEBHOOK_SECRET="+secret, "APP_MAIL_SENDGRID_WEBHOOK_KEY="+base64.StdEncoding.EncodeToString(der))
	const body = `[ {"event": "bounce"} ]`
	signed := func(ago time.Duration) []string {
		at := strconv.FormatInt(time.Now().Add(-ago).Unix(), 10)
		digest := sha256.Sum256([]byte(at + body))
		signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return []string{"X-Twilio-Email-Event-Webhook-Timestamp", at, "X-Twilio-Email-Event-Webhook-Signature", base64.StdEncoding.EncodeToString(signature)}
	}
	for name, c := range map[string]struct {
		path, secret, body string
		headers            []string
		status             int
	}{
		"signed":                     {path, secret, body, signed(0), http.StatusNoContent},
		"signed, without the secret": {path, "", body, signed(0), http.StatusUnauthorized},
		"signed, another body":       {path, secret, "[]", signed(0), http.StatusUnauthorized},
		"signed days ago":            {path, secret, body, signed(48 * time.Hour), http.StatusUnauthorized},
		"not signed":                 {path, secret, body, nil, http.StatusUnauthorized},
		"Brevo":                      {"/api/v1/mail/events/brevo", secret, body, nil, http.StatusNoContent},
	} {
		if r := s.asks("POST", c.path, c.secret, c.body, c.headers...); r.StatusCode != c.status {
			t.Errorf("%s: %d %s, want %d", name, r.StatusCode, r.body, c.status)
		}
	}
	if n := strings.Count(s.log.String(), "mail_events_refused"); n != 3 {
		t.Errorf("%d refusals in the log, want 3:\n%s", n, s.log)
	}
}

// tellsOfBounce posts what a service does that has the secret in the address of
// its webhook.
func (s *solo) tellsOfBounce(t *testing.T, path, secret, body string) {
	t.Helper()
	r := s.asks("POST", path, "", body, "Authorization", "Basic "+basic("any", secret))
	if r.StatusCode != http.StatusNoContent {
		t.Fatalf("with the secret: %d %s", r.StatusCode, r.body)
	}
}

func basic(name, password string) string {
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(name, password)
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Basic ")
}

// eventsOf reads what happened in the studio.
func (s *solo) eventsOf() []byte {
	s.t.Helper()
	return s.asks("GET", "/api/v1/events?limit=1000", s.token, "").body
}

// handedOver is the id of a message, as the service was given it.
func handedOver(t *testing.T, body []byte) string {
	t.Helper()
	var message struct {
		Headers map[string]string `json:"headers"`
		Args    map[string]string `json:"custom_args"`
	}
	if err := json.Unmarshal(body, &message); err != nil {
		t.Fatal(err)
	}
	if id := message.Headers["X-Mailin-custom"]; id != "" {
		return id
	}
	return message.Args["mail_id"]
}
