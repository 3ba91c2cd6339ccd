package account

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/catalog"
	"github.com/lenzeye/lenzeye/internal/mail"
)

// desk is a SignIn whose hints and mail a test sees.
type desk struct {
	*SignIn
	f      *fixture
	outbox *mail.Outbox

	mu    sync.Mutex
	hints []string
	sent  []mail.Envelope
	lose  bool // hints go nowhere
}

func newDesk(t *testing.T, f *fixture) *desk {
	t.Helper()
	d := &desk{f: f}
	words, err := catalog.Load()
	if err != nil {
		t.Fatal(err)
	}
	d.outbox, err = mail.New(mail.Options{
		DB: f.db, Catalog: words, From: "noreply@example.com", Now: f.clock.time, Seal: f.SealSecret, Open: f.OpenSecret,
		Send: func(_ context.Context, e mail.Envelope) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.sent = append(d.sent, e)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	d.SignIn = NewSignIn(SignInOptions{Accounts: f.Service, Mail: d.outbox, PublicURL: "https://x.example.com",
		Hint: func(_ context.Context, kind, id string) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			if d.lose {
				return errors.New("the queue is away")
			}
			d.hints = append(d.hints, kind+" "+id)
			return nil
		}})
	return d
}

// work does what was hinted at, and what that hints at.
func (d *desk) work(t *testing.T) {
	t.Helper()
	for {
		d.mu.Lock()
		hints := d.hints
		d.hints = nil
		d.mu.Unlock()
		if len(hints) == 0 {
			return
		}
		for _, h := range hints {
			kind, id, _ := strings.Cut(h, " ")
			run := d.outbox.Deliver
			if kind == JobLogin {
				run = d.Jobs()[0].Run
			}
			for range 2 { // a queue may repeat
				if err := run(t.Context(), id); err != nil {
					t.Fatalf("%s: %v", h, err)
				}
			}
		}
	}
}

// begin asks for a code and gives the one that was mailed, "" if none was.
func (d *desk) begin(t *testing.T, email string) (id, code string) {
	t.Helper()
	before := len(d.sent)
	id, err := d.Begin(t.Context(), NewLogin{Email: email, Client: "192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	d.work(t)
	if len(d.sent) > before {
		code = d.sent[len(d.sent)-1].Code
	}
	return id, code
}

func (d *desk) wantWrong(t *testing.T, id, code string, left int) {
	t.Helper()
	_, _, err := d.Verify(t.Context(), id, code, Device{})
	if e, ok := errors.AsType[*CodeError](err); !ok || e.Left != left {
		t.Errorf("verify %q: %v, want ErrCodeWrong with %d left", code, err, left)
	}
}

func eachDesk(t *testing.T, test func(t *testing.T, d *desk)) {
	t.Helper()
	eachEngine(t, func(t *testing.T, f *fixture) { test(t, newDesk(t, f)) })
}

func TestSignInWithACode(t *testing.T) {
	t.Parallel()
	eachDesk(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		account := d.f.create(t, "anna@example.com")
		id, code := d.begin(t, " Anna@Example.com ")
		if len(d.sent) != 1 || d.sent[0].To != "anna@example.com" || !regexp.MustCompile(`^\d{8}$`).MatchString(code) {
			t.Fatalf("code %q in %+v", code, d.sent)
		}
		agent := "Browser\r\nX: 1\x00" + strings.Repeat("x", 400)
		session, secret, err := d.Verify(ctx, id, code[:4]+"- "+code[4:], Device{IP: "192.0.2.7", UserAgent: agent})
		if err != nil {
			t.Fatal(err)
		}
		if session.AccountID != account || strings.ContainsAny(session.Device.UserAgent, "\r\n\x00") || len(session.Device.UserAgent) > 300 {
			t.Errorf("session %+v", session)
		}
		p, err := d.f.Authenticate(ctx, secret)
		if diff := cmp.Diff(Principal{AccountID: account, TokenID: session.ID, Kind: SecretSession}, p); diff != "" || err != nil {
			t.Errorf("authenticate: %v %s", err, diff)
		}
		list, _, err := d.f.Sessions(ctx, account, Page{})
		if diff := cmp.Diff([]Session{session}, list); diff != "" || err != nil {
			t.Errorf("sessions: %v %s", err, diff)
		}
		if tokens, _, err := d.f.Tokens(ctx, account, Page{}); len(tokens) != 0 || err != nil {
			t.Errorf("a session is among API tokens: %v %v", tokens, err)
		}
		if err := d.f.RevokeToken(ctx, account, session.ID, Origin{}); !errors.Is(err, ErrNotFound) {
			t.Errorf("revoke it as an API token: %v", err)
		}
		d.wantWrong(t, id, code, 0) // a code works once
		var kept string
		if err := d.f.db.QueryRowContext(ctx, `SELECT email FROM logins WHERE code_hash IS NOT NULL AND used_at IS NOT NULL`).Scan(&kept); err != nil {
			t.Error(err)
		}
	})
}

func TestCodeOfAnotherLoginAndOfDevanagari(t *testing.T) {
	t.Parallel()
	eachDesk(t, func(t *testing.T, d *desk) {
		d.f.create(t, "anna@example.com")
		one, first := d.begin(t, "anna@example.com")
		two, second := d.begin(t, "anna@example.com")
		if first != second { // one in a hundred million
			d.wantWrong(t, two, first, 4)
		}
		native := strings.Map(func(r rune) rune { return r - '0' + '०' }, second)
		if _, _, err := d.Verify(t.Context(), two, native, Device{}); err != nil {
			t.Errorf("digits of Devanagari: %v", err)
		}
		if _, _, err := d.Verify(t.Context(), one, first, Device{}); err != nil { // a later login ends no earlier one
			t.Error(err)
		}
	})
}

// Any number of guesses at once gets five.
func TestGuessesAtOnceAreBounded(t *testing.T) {
	t.Parallel()
	eachDesk(t, func(t *testing.T, d *desk) {
		d.f.create(t, "anna@example.com")
		id, code := d.begin(t, "anna@example.com")
		errs := atOnce(40, func(int) error {
			_, _, err := d.Verify(t.Context(), id, "00000000x", Device{})
			return err
		})
		var left []int
		for _, err := range errs {
			e, ok := errors.AsType[*CodeError](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			left = append(left, e.Left)
		}
		slices.Sort(left)
		want := append(make([]int, 36), 1, 2, 3, 4)
		if diff := cmp.Diff(want, left); diff != "" {
			t.Error(diff)
		}
		d.wantWrong(t, id, code, 0) // the right one comes too late
	})
}

func TestOneOfManyRightCodesWins(t *testing.T) {
	t.Parallel()
	eachDesk(t, func(t *testing.T, d *desk) {
		account := d.f.create(t, "anna@example.com")
		id, code := d.begin(t, "anna@example.com")
		errs := atOnce(5, func(int) error {
			_, _, err := d.Verify(t.Context(), id, code, Device{})
			return err
		})
		if n := count(t, errs, ErrCodeWrong); n != 1 {
			t.Errorf("%d signed in, want 1", n)
		}
		if list, _, err := d.f.Sessions(t.Context(), account, Page{}); len(list) != 1 || err != nil {
			t.Errorf("%d sessions %v", len(list), err)
		}
	})
}

func TestWhoGetsNoCode(t *testing.T) {
	t.Parallel()
	eachDesk(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		closed := d.f.create(t, "closed@example.com")
		id, code := d.begin(t, "closed@example.com")
		if _, err := d.f.Disable(ctx, closed); err != nil {
			t.Fatal(err)
		}
		d.wantWrong(t, id, code, 0) // closed since
		for _, email := range []string{"nobody@example.com", "closed@example.com"} {
			id, code := d.begin(t, email)
			if code != "" {
				t.Errorf("%s got a code", email)
			}
			d.wantWrong(t, id, "", 4)
		}
		if _, _, err := d.Link(ctx, closed); !errors.Is(err, ErrNotActive) {
			t.Errorf("link for a closed account: %v", err)
		}
		if _, err := d.Begin(ctx, NewLogin{Email: "no address"}); !errors.Is(err, ErrEmailInvalid) {
			t.Errorf("no address: %v", err)
		}
	})
}

func TestLoginLimits(t *testing.T) {
	t.Parallel()
	eachDesk(t, func(t *testing.T, d *desk) {
		ask := func(email, client string) error {
			_, err := d.Begin(t.Context(), NewLogin{Email: email, Client: client})
			return err
		}
		for i := range loginsPerMailbox {
			if err := ask("nobody@example.com", fmt.Sprint("client", i/loginsPerClient)); err != nil {
				t.Fatalf("login %d: %v", i, err)
			}
		}
		if err := ask("nobody@example.com", "another"); !errors.Is(err, ErrTooManyTries) {
			t.Errorf("one more for the mailbox: %v", err)
		}
		if err := ask("other@example.com", "client0"); !errors.Is(err, ErrTooManyTries) {
			t.Errorf("one more from the client: %v", err)
		}
		d.f.clock.advance(time.Hour)
		if err := ask("other@example.com", "client0"); err != nil {
			t.Errorf("an hour later: %v", err)
		}
	})
}

func TestCodesAndSessionsExpire(t *testing.T) {
	t.Parallel()
	eachDesk(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		account := d.f.create(t, "anna@example.com")
		id, code := d.begin(t, "anna@example.com")
		d.f.clock.advance(LoginLife)
		d.wantWrong(t, id, code, 0)
		id, code = d.begin(t, "anna@example.com")
		_, secret, err := d.Verify(ctx, id, code, Device{})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 { // use keeps it
			d.f.clock.advance(SessionLife - time.Second)
			if _, err := d.f.Authenticate(ctx, secret); err != nil {
				t.Fatalf("a session in use: %v", err)
			}
		}
		d.f.clock.advance(SessionLife)
		if _, err := d.f.Authenticate(ctx, secret); !errors.Is(err, ErrUnauthenticated) {
			t.Errorf("an idle session: %v", err)
		}
		if list, _, err := d.f.Sessions(ctx, account, Page{}); len(list) != 0 || err != nil {
			t.Errorf("sessions %v %v", list, err)
		}
		token, _, err := d.f.CreateToken(ctx, account, "stays", nil, Origin{})
		if err != nil {
			t.Fatal(err)
		}
		d.f.clock.advance(keepTokens)
		if err := d.f.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		var tokens, logins int
		if err := d.f.db.QueryRowContext(ctx, `SELECT (SELECT COUNT(*) FROM tokens), (SELECT COUNT(*) FROM logins)`).Scan(&tokens, &logins); err != nil {
			t.Fatal(err)
		}
		if tokens != 1 || logins != 0 {
			t.Errorf("%d tokens and %d logins are left; %s has to be", tokens, logins, token.ID)
		}
	})
}

// A lost hint costs a moment, and a mail that comes too late is not sent.
func TestLostHintIsFound(t *testing.T) {
	t.Parallel()
	eachDesk(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		d.f.create(t, "anna@example.com")
		d.lose = true
		id, code := d.begin(t, "anna@example.com")
		if code != "" {
			t.Fatal("the hint was not lost")
		}
		d.lose = false
		d.wantWrong(t, id, "12345678", 4) // there is none yet
		d.f.clock.advance(loginGrace)
		if err := d.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		d.work(t)
		if len(d.sent) != 1 {
			t.Fatalf("%d mails after the sweep", len(d.sent))
		}
		if _, _, err := d.Verify(ctx, id, d.sent[0].Code, Device{}); err != nil {
			t.Error(err)
		}
		if _, err := d.Begin(ctx, NewLogin{Email: "anna@example.com", Client: "c"}); err != nil {
			t.Fatal(err)
		}
		_, loginID, _ := strings.Cut(d.hints[0], " ")
		d.hints = nil
		if err := d.mailCode(ctx, loginID); err != nil {
			t.Fatal(err)
		}
		d.f.clock.advance(LoginLife)
		d.work(t)
		if len(d.sent) != 1 {
			t.Error("an expired code was mailed")
		}
	})
}

// Digits are even: a byte's remainder would prefer the small ones.
func TestNewDigits(t *testing.T) {
	t.Parallel()
	all := make([]byte, 256*LoginDigits)
	for i := range all {
		all[i] = byte(i)
	}
	random := bytes.NewReader(all)
	counts := map[rune]int{}
	for range 250 {
		code, err := newDigits(random)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range code {
			counts[r]++
		}
	}
	for r, n := range counts {
		if n != 250*LoginDigits/10 {
			t.Errorf("%c came %d times", r, n)
		}
	}
	if _, err := newDigits(bytes.NewReader(nil)); err == nil {
		t.Error("no random gave a code")
	}
}
