package main

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/mail"
	"net/url"
	"strings"
	"testing"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// The receipt speaks the language in which the guest began the transfer, also
// when what completed it asked for another one; the studio is written to in its
// own. Both go through a real mail server.
func TestReceiptInTheGuestsLanguage(t *testing.T) {
	t.Parallel()
	server := testenv.NewSMTP(t)
	way := url.URL{Scheme: "smtp", User: url.UserPassword(testenv.SMTPUsername, testenv.SMTPPassword), Host: server.STARTTLS}
	s, _ := newProcess(t, "SMTP_URL="+way.String(), "SENDER_EMAIL=Studio Anna <anna@studio.example>", "SSL_CERT_FILE="+server.CertFile)
	var started api.Started
	slug := s.link[strings.LastIndex(s.link, "/")+1:]
	s.read(s.asks("POST", "/api/v1/u/"+slug+"/transfers", "", `{"sender_email": "asha@example.com"}`, "Accept-Language", "hi-IN,hi;q=0.9,en;q=0.5"), &started)
	var out api.Declared
	s.read(s.declares(started, 2), &out)
	for _, f := range out.Files {
		r := s.asks("PUT", "/api/v1/files/"+f.File.ID+"/parts/1", started.UploadToken, "abcd", "Accept-Language", "en")
		if r.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s", f.File.Path, r.StatusCode, r.body)
		}
	}
	s.completes(started, "Accept-Language", "en")
	if !arrive(server, 2) {
		t.Fatalf("%d messages arrived, want 2\n%s", len(server.Mails()), s.log)
	}
	for _, m := range server.Mails() {
		subject, text, page := readMail(t, m.Content)
		if m.To != "asha@example.com" {
			says(t, subject, "asha@example.com sent you 2 files")
			says(t, page, `<html lang="en"`)
			continue
		}
		says(t, subject, "को आपकी 2 फ़ाइलें मिल गई हैं")
		for _, body := range []string{text, page} {
			says(t, body, "इस संदेश को रसीद के रूप में रख लें", "2 फ़ाइलें, 8 B", "कोड आपको भेजने के अंत में दिखाया गया था", "/d/", "f0", "f1")
		}
		says(t, page, `<html lang="hi"`)
	}
}

// readMail decodes a message's subject and its two bodies.
func readMail(t *testing.T, content []byte) (subject, text, page string) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
		t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	bodies := map[string]string{}
	for parts := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := parts.NextPart() // which undoes quoted-printable
		if errors.Is(err, io.EOF) {
			return subject, bodies["text/plain; charset=utf-8"], bodies["text/html; charset=utf-8"]
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		bodies[p.Header.Get("Content-Type")] = string(body)
	}
}
