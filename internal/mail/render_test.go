package mail

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/catalog"
)

func language(t *testing.T, tag string) catalog.Language {
	t.Helper()
	c, err := catalog.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c.Match(tag)
}

func fullVars() Vars {
	expires := time.Date(2026, 12, 24, 18, 30, 0, 0, time.FixedZone("IST", 19800))
	return Vars{Studio: "Studio Anna", Sender: "Ravi", Title: "Wedding", Message: "Here they are.",
		URL: "https://studio.example/d/abc", Code: "01234567", Count: 2630, Bytes: 30_200_000_000, ExpiresAt: &expires,
		Files: []File{{"ravi/IMG 1.jpg", 12_345_678}, {"empty", 0}}}
}

func TestEveryMessageInEveryLanguage(t *testing.T) {
	t.Parallel()
	for _, tag := range []string{"en", "hi"} {
		l := language(t, tag)
		if l.Tag() != tag {
			t.Fatalf("the catalogue has no %s", tag)
		}
		for _, kind := range Kinds() {
			for name, v := range map[string]Vars{"full": fullVars(), "empty": {Count: 1}} {
				e := render(l, kind, v)
				for part, s := range map[string]string{"subject": e.Subject, "text": e.Text, "html": e.HTML} {
					if strings.ContainsAny(s, "{}") || strings.Contains(s, "mail.") || s == "" {
						t.Errorf("%s %s %s: %s has an unfilled text:\n%s", tag, kind, name, part, s)
					}
				}
			}
			v := fullVars()
			e := render(l, kind, v)
			if kind == TransferReceipt && (!strings.Contains(e.Text, v.URL) || !strings.Contains(e.HTML, v.URL)) {
				t.Errorf("%s %s: no link:\n%s\n%s", tag, kind, e.Text, e.HTML)
			}
			wanted := []string{v.Studio, v.Sender, v.Title, v.Message, "2,630", "30.2 GB",
				"2026-12-24 13:00 UTC", "ravi/IMG 1.jpg", "12.3 MB", "0 B", "2,628"}
			if kind == SignIn {
				wanted = []string{v.Studio, v.Code, v.URL, "2026-12-24 13:00 UTC"}
			}
			for _, want := range wanted {
				if !strings.Contains(e.Text, want) || !strings.Contains(e.HTML, want) {
					t.Errorf("%s %s: %q is not in both parts:\n%s\n%s", tag, kind, want, e.Text, e.HTML)
				}
			}
		}
	}
}

func TestLongListsAreCut(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		m := receipt("a", 1000)
		for i := range 1000 {
			m.Vars.Files = append(m.Vars.Files, File{Path: fmt.Sprintf("%04d.jpg", i), Size: 1})
		}
		var id string
		if err := f.db.InTx(t.Context(), queueing(f, m, &id)); err != nil {
			t.Fatal(err)
		}
		if len(m.Vars.Files) != 1000 {
			t.Error("the caller's list was cut")
		}
		f.deliver(t, id)
		text := f.sent[0].Text
		if !strings.Contains(text, "0099.jpg") || strings.Contains(text, "0100.jpg") || !strings.Contains(text, "900 more") {
			t.Errorf("want the first hundred and 900 more:\n%s", text)
		}
	})
}

func TestTextsOfGuestsAreOnlyText(t *testing.T) {
	t.Parallel()
	hostile := "<script>alert(1)</script>\r\nBcc: all@example.com\x00{url}\u2028&amp;\""
	v := Vars{Studio: hostile, Sender: hostile, Title: hostile, Message: hostile, URL: "https://x.example/?a=1&b=2",
		Count: 1, Files: []File{{Path: hostile, Size: 1}}}
	for _, kind := range Kinds() {
		e := render(language(t, "en"), kind, v)
		if strings.Contains(e.HTML, "<script") || strings.Contains(e.HTML, "a=1&b=2") {
			t.Errorf("%s: markup of a guest in the message:\n%s", kind, e.HTML)
		}
		if strings.ContainsAny(e.Subject, "\r\n\x00\u2028") || len([]rune(e.Subject)) > maxSubject {
			t.Errorf("%s: subject %q is not one short line", kind, e.Subject)
		}
		linked := kind == TransferReceipt || kind == SignIn
		if links := strings.Count(e.Text, v.URL); links > 1 || linked != (links == 1) {
			t.Errorf("%s: a placeholder in a guest's text was filled:\n%s", kind, e.Text)
		}
		e.ID, e.MessageID, e.From, e.To = "1", "1@x.example", "a@x.example", "b@x.example"
		b, err := compose(e)
		if err != nil {
			t.Fatal(err)
		}
		m, err := mail.ReadMessage(bytes.NewReader(b))
		if err != nil || m.Header.Get("Bcc") != "" {
			t.Errorf("%s: %v, header %v", kind, err, m.Header)
		}
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0 B", 1: "1 B", 999: "999 B", 1000: "1.0 kB", 999_949: "999.9 kB", 999_950: "1.0 MB",
		1_500_000_000: "1.5 GB", 5_496_215_410_832: "5.5 TB", 1<<53 - 1: "9.0 PB", 1<<63 - 1: "9223.4 PB",
	} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestComposedMessageReadsBack(t *testing.T) {
	t.Parallel()
	e := render(language(t, "hi"), TransferReceipt, fullVars())
	e.ID, e.MessageID = "0193b5a0-0000-7000-8000-000000000001", "0193b5a0-0000-7000-8000-000000000001@studio.example"
	e.From, e.To = "Stüdio <mail@studio.example>", "guest@example.com"
	e.Date = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	b, err := compose(e)
	if err != nil {
		t.Fatal(err)
	}
	again, err := compose(e)
	if err != nil || !bytes.Equal(b, again) {
		t.Errorf("the same envelope gave other bytes (%v)", err)
	}
	for line := range strings.SplitSeq(string(b), "\r\n") {
		if len(line) > 120 || strings.ContainsAny(line, "\r\n") {
			t.Errorf("line %q", line)
		}
	}
	m, err := mail.ReadMessage(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || subject != e.Subject {
		t.Errorf("subject %q, %v; want %q", subject, err, e.Subject)
	}
	from, err := mail.ParseAddress(m.Header.Get("From"))
	if err != nil || from.Name != "Stüdio" || from.Address != "mail@studio.example" {
		t.Errorf("from %v, %v", from, err)
	}
	if date, err := m.Header.Date(); err != nil || !date.Equal(e.Date) {
		t.Errorf("date %v, %v", date, err)
	}
	if got := m.Header.Get("Message-ID"); got != "<"+e.MessageID+">" {
		t.Errorf("Message-ID %s", got)
	}
	if got := m.Header.Get("X-Mailin-custom"); got != e.ID {
		t.Errorf("for Brevo %q", got)
	}
	const order = `{"unique_args":{"mail_id":"0193b5a0-0000-7000-8000-000000000001"}, "filters":{"clicktrack":{"settings":{"enable":0}}, "opentrack":{"settings":{"enable":0}}}}`
	if got := m.Header.Get("X-SMTPAPI"); got != order {
		t.Errorf("for SendGrid %s", got)
	}
	want := map[string]string{"text/plain; charset=utf-8": e.Text, "text/html; charset=utf-8": e.HTML}
	if d := cmp.Diff(want, parts(t, m)); d != "" {
		t.Errorf("parts (-want +got):\n%s", d)
	}
}

// parts reads the alternatives of a message, by type, with \n line ends.
func parts(t *testing.T, m *mail.Message) map[string]string {
	t.Helper()
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("content type %s: %v", kind, err)
	}
	got := map[string]string{}
	r := multipart.NewReader(m.Body, params["boundary"])
	for {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		if enc := p.Header.Get("Content-Transfer-Encoding"); enc != "quoted-printable" {
			t.Errorf("encoding %q", enc)
		}
		b, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		got[p.Header.Get("Content-Type")] = strings.ReplaceAll(string(b), "\r\n", "\n")
	}
}

func TestComposeRefusesBadAddresses(t *testing.T) {
	t.Parallel()
	good := Envelope{ID: "1", From: "a@x.example", To: "b@x.example"}
	for what, change := range map[string]func(*Envelope){
		"sender":        func(e *Envelope) { e.From = "nobody" },
		"recipient":     func(e *Envelope) { e.To = "nobody" },
		"two of them":   func(e *Envelope) { e.To = "b@x.example, c@x.example" },
		"header inside": func(e *Envelope) { e.To = "b@x.example\r\nBcc: c@x.example" },
		"id":            func(e *Envelope) { e.ID = "1\r\nX: y" },
	} {
		e := good
		change(&e)
		if b, err := compose(e); err == nil {
			t.Errorf("%s: composed\n%s", what, b)
		}
	}
}
