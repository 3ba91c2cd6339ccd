package mail

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/mail"
	"slices"
	"strings"
	"time"
)

const (
	httpTimeout = 30 * time.Second
	maxAnswer   = 64 << 10 // bytes of an answer that are read
	maxQuoted   = 300      // of these, in an error
)

// HTTPOptions are what a mail service's HTTP interface is called with.
type HTTPOptions struct {
	Key string // of the interface; a secret
	URL string // where the interface begins; empty: the service's own
}

// HTTP is the driver for hosts that block mail's own ports: it hands messages
// to a mail service by HTTP.
type HTTP struct {
	name, endpoint string
	probe          string // answers 2xx to a GET with a good key, and sends nothing
	header         http.Header
	body           func(e Envelope, from, to *mail.Address) any
	refused        []int  // statuses that are about the message
	repeated       string // the code of a refusal that says that an earlier try was taken
	ours           string // what an answer contains that is about the sender, which an operator can mend
	client         *http.Client
}

// NewBrevo returns the driver for Brevo
// (https://developers.brevo.com/reference/sendtransacemail).
func NewBrevo(o HTTPOptions) *HTTP {
	h := newHTTP("brevo", o.URL, "https://api.brevo.com", "/v3/smtp/email")
	h.probe = strings.TrimSuffix(h.endpoint, "/smtp/email") + "/account"
	h.header.Set("Api-Key", o.Key)
	h.body = brevoBody
	h.refused = []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity}
	h.repeated = "duplicate_parameter"
	h.ours = "sender"
	return h
}

// NewSendGrid returns the driver for SendGrid
// (https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send).
func NewSendGrid(o HTTPOptions) *HTTP {
	h := newHTTP("sendgrid", o.URL, "https://api.sendgrid.com", "/v3/mail/send")
	h.probe = strings.TrimSuffix(h.endpoint, "/mail/send") + "/scopes"
	h.header.Set("Authorization", "Bearer "+o.Key)
	h.body = sendGridBody
	h.refused = []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge}
	h.ours = `"field":"from`
	return h
}

func newHTTP(name, base, standard, path string) *HTTP {
	if base == "" {
		base = standard
	}
	return &HTTP{
		name: name, endpoint: strings.TrimRight(base, "/") + path,
		header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}},
		client: &http.Client{
			Timeout: httpTimeout, Transport: http.DefaultTransport.(*http.Transport).Clone(),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the key stays here
		},
	}
}

type httpAddress struct {
	Name  string `json:"name,omitempty"`
	Email string `json:"email"`
}

func brevoBody(e Envelope, from, to *mail.Address) any {
	return map[string]any{
		"sender": httpAddress{from.Name, from.Address}, "to": []httpAddress{{to.Name, to.Address}},
		"subject": e.Subject, "textContent": e.Text, "htmlContent": e.HTML,
		// Within half an hour a repeat with the same key, a UUID, is refused there, as
		// repeated. What is custom is named by its events.
		"headers": map[string]string{"idempotencyKey": e.Key, "X-Mailin-custom": e.ID, "Message-ID": "<" + e.MessageID + ">", "Auto-Submitted": "auto-generated"},
	}
}

func sendGridBody(e Envelope, from, to *mail.Address) any {
	return map[string]any{
		"personalizations": []any{map[string]any{"to": []httpAddress{{to.Name, to.Address}}}},
		"custom_args":      map[string]string{"mail_id": e.ID}, // its events name it
		"from":             httpAddress{from.Name, from.Address},
		"subject":          e.Subject,
		"content": []any{
			map[string]string{"type": "text/plain", "value": e.Text}, map[string]string{"type": "text/html", "value": e.HTML},
		},
		"headers": map[string]string{"Message-ID": "<" + e.MessageID + ">", "Auto-Submitted": "auto-generated"},
		// Links in these messages carry secrets and go to nobody else.
		"tracking_settings": map[string]any{
			"click_tracking": map[string]bool{"enable": false, "enable_text": false}, "open_tracking": map[string]bool{"enable": false},
		},
	}
}

// Send hands one message over. A refusal of the message or its recipient is
// ErrRefused; one of the key, the sender or the contingent is not, since an
// operator can mend it while the message waits. Every refusal is ErrNotTaken.
func (h *HTTP) Send(ctx context.Context, e Envelope) error {
	from, err := mail.ParseAddress(e.From)
	if err != nil {
		return fmt.Errorf("sender: %w", err)
	}
	to, err := mail.ParseAddress(e.To)
	if err != nil {
		return fmt.Errorf("recipient: %w: %w", ErrRefused, err)
	}
	e.Subject = oneLine(e.Subject)
	body, err := json.Marshal(h.body(e, from, to))
	if err != nil {
		return fmt.Errorf("send by %s: %w", h.name, err)
	}
	if err := h.post(ctx, body); err != nil {
		return fmt.Errorf("send by %s: %w", h.name, err)
	}
	return nil
}

// Check asks whether the key is taken, and sends nothing.
func (h *HTTP) Check(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.probe, nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", h.name, err)
	}
	request.Header = h.header.Clone()
	response, err := h.client.Do(request)
	if err != nil {
		return fmt.Errorf("ask %s: %w", h.name, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode < 200 || response.StatusCode > 299 {
		text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
		return errors.Join(fmt.Errorf("ask %s: %s: %s", h.name, response.Status, oneLineOf(text)), err)
	}
	return nil
}

func (h *HTTP) post(ctx context.Context, body []byte) (err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.endpoint, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header = h.header.Clone()
	response, err := h.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode >= 200 && response.StatusCode < 300 {
		return nil // taken: an answer that is cut off after this must not repeat it
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrNotTaken, response.Status, err)
	}
	answer := fmt.Errorf("%w: %s: %s", ErrNotTaken, response.Status, oneLineOf(text))
	aboutUs := strings.Contains(strings.ToLower(string(text)), h.ours)
	if !slices.Contains(h.refused, response.StatusCode) || aboutUs {
		return answer
	}
	var problem struct {
		Code string `json:"code"`
	}
	if err := json.Unmarshal(text, &problem); err == nil && h.repeated != "" && problem.Code == h.repeated {
		return nil // no answer came to the try that used the key first: the next one has another otherwise
	}
	return fmt.Errorf("%w: %w", ErrRefused, answer)
}

func oneLineOf(text []byte) string {
	s := strings.Join(strings.Fields(strings.ToValidUTF8(string(text), "\ufffd")), " ")
	if len(s) > maxQuoted {
		s = strings.ToValidUTF8(s[:maxQuoted], "") + "…"
	}
	return s
}
