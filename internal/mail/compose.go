package mail

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"
	"time"
)

// compose writes an envelope as a message of RFC 5322: text and HTML as
// multipart/alternative, both quoted-printable. Equal envelopes give equal
// bytes.
func compose(e Envelope) ([]byte, error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := w.SetBoundary("part-" + e.ID); err != nil {
		return nil, fmt.Errorf("compose mail %s: %w", e.ID, err)
	}
	if err := writeHeader(&b, e, w.Boundary()); err != nil {
		return nil, fmt.Errorf("compose mail %s: %w", e.ID, err)
	}
	if err := writePart(w, "text/plain", e.Text); err != nil {
		return nil, fmt.Errorf("compose mail %s: %w", e.ID, err)
	}
	if err := writePart(w, "text/html", e.HTML); err != nil {
		return nil, fmt.Errorf("compose mail %s: %w", e.ID, err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compose mail %s: %w", e.ID, err)
	}
	return b.Bytes(), nil
}

func writeHeader(b *bytes.Buffer, e Envelope, boundary string) error {
	from, err := mail.ParseAddress(e.From)
	if err != nil {
		return fmt.Errorf("sender: %w", err)
	}
	to, err := mail.ParseAddress(e.To)
	if err != nil {
		return fmt.Errorf("recipient: %w: %w", ErrRefused, err)
	}
	for _, h := range [][2]string{
		{"Date", e.Date.UTC().Format(time.RFC1123Z)},
		{"From", from.String()},
		{"To", to.String()},
		{"Message-ID", "<" + e.MessageID + ">"},
		{"Subject", encodeHeader(e.Subject)},
		{"Auto-Submitted", "auto-generated"}, // RFC 3834: no out-of-office replies
		{"X-Mailin-custom", e.ID},            // Brevo's relay gives it back in events, and has a Message-ID of its own
		{"X-SMTPAPI", sendGridOrder(e.ID)},
		{"MIME-Version", "1.0"},
		{"Content-Type", `multipart/alternative; boundary="` + boundary + `"`},
	} {
		fmt.Fprintf(b, "%s: %s\r\n", h[0], h[1])
	}
	b.WriteString("\r\n")
	return nil
}

// sendGridOrder is what SendGrid's relay is to do with a message
// (https://www.twilio.com/docs/sendgrid/for-developers/sending-email/unique-arguments),
// as sendGridBody says it by HTTP: name it in events, and leave its links alone,
// since they carry secrets. It is folded like encodeHeader's.
func sendGridOrder(id string) string {
	const off = `{"settings":{"enable":0}}`
	return fmt.Sprintf("{\"unique_args\":{\"mail_id\":%q},\r\n \"filters\":{\"clicktrack\":%s,\r\n \"opentrack\":%s}}", id, off, off)
}

// encodeHeader folds between the encoded words that mime makes, because a line
// of a header has at most 78 characters (RFC 5322, 2.1.1).
func encodeHeader(s string) string {
	return strings.ReplaceAll(mime.QEncoding.Encode("utf-8", oneLine(s)), "?= =?", "?=\r\n =?")
}

func writePart(w *multipart.Writer, mediaType, content string) error {
	h := textproto.MIMEHeader{}
	h.Set("Content-Type", mediaType+"; charset=utf-8")
	h.Set("Content-Transfer-Encoding", "quoted-printable")
	part, err := w.CreatePart(h)
	if err != nil {
		return err
	}
	q := quotedprintable.NewWriter(part)
	if _, err := io.WriteString(q, content); err != nil {
		return err
	}
	return q.Close()
}
