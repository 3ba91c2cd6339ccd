package mail

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/db"
)

const bouncedID = "0193b5a0-0000-7000-8000-000000000001"

func TestReadBounces(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		service, body string
		want          []Bounce
		err           error
	}{
		"brevo, one": {"brevo", ` {"event": "hard_bounce", "email": "a@b.c", "reason": "550 no such user", "message-id": "<other@x>", "X-Mailin-custom": "` + bouncedID + `"}`,
			[]Bounce{{bouncedID, "hard_bounce", "hard_bounce: 550 no such user"}}, nil},
		"brevo, by Message-ID": {"brevo", `{"event": "blocked", "message-id": "<` + bouncedID + `@studio.example>"}`, []Bounce{{bouncedID, "blocked", "blocked"}}, nil},
		"brevo, a list": {"brevo", `[{"event": "delivered"}, {"event": "deferred"}, {"event": "soft_bounce", "reason": "full"}]`,
			[]Bounce{{"", "soft_bounce", "soft_bounce: full"}}, nil},
		"sendgrid": {"sendgrid", `[{"event": "processed", "mail_id": "x"}, {"event": "bounce", "type": "bounce", "reason": "550 5.1.1", "status": "5.1.1", "mail_id": "` + bouncedID + `"},
			{"event": "dropped", "reason": "Bounced Address", "smtp-id": "<` + bouncedID + `@studio.example>"}, {"event": "open", "mail_id": "` + bouncedID + `"}]`,
			[]Bounce{{bouncedID, "bounce", "bounce: 550 5.1.1"}, {bouncedID, "dropped", "dropped: Bounced Address"}}, nil},
		"one odd among others": {"sendgrid", `[{"event": "dropped", "smtp-id": 7, "reason": {}}, {"event": 1}, {"event": "bounce", "mail_id": "` + bouncedID + `"}]`,
			[]Bounce{{"", "dropped", "dropped"}, {bouncedID, "bounce", "bounce"}}, nil},
		"nothing":         {"sendgrid", `[]`, nil, nil},
		"other service":   {"mailgun", `[]`, nil, ErrNoService},
		"no JSON":         {"brevo", `event=bounce`, nil, ErrEvents},
		"no events":       {"sendgrid", `["bounce"]`, nil, ErrEvents},
		"cut":             {"sendgrid", `[{"event": "bounce"`, nil, ErrEvents},
		"nothing at all":  {"brevo", ``, nil, nil},
		"id of no format": {"brevo", `{"event": "error", "X-Mailin-custom": "' OR 1=1"}`, []Bounce{{"", "error", "error"}}, nil},
	} {
		got, err := ReadBounces(c.service, []byte(c.body))
		if diff := cmp.Diff(c.want, got); diff != "" || !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v\n%s", name, err, c.err, diff)
		}
	}
}

// A message that bounced is marked and told of once, is not sent again, and can
// be forgotten; what was never handed over cannot bounce.
func TestBounced(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		var told []Failure
		f.opts.Bounced = func(_ context.Context, _ db.Querier, b Failure) error {
			told = append(told, b)
			return nil
		}
		id, waits := f.queue(t, "a", 1), f.queue(t, "b", 1)
		f.deliver(t, id)
		for range 3 {
			for mailID, want := range map[string]error{id: nil, waits: nil, bouncedID: ErrNotOurs, "": ErrNotOurs} {
				if err := f.Bounced(t.Context(), Bounce{mailID, "hard_bounce", "hard_bounce: no such user\x00"}); !errors.Is(err, want) {
					t.Errorf("%q: %v, want %v", mailID, err, want)
				}
			}
		}
		want := []Failure{{MailID: id, AccountID: "account", Recipient: "guest@example.com", Kind: TransferReceipt, Reason: "hard_bounce: no such user "}}
		if diff := cmp.Diff(want, told); diff != "" {
			t.Error(diff)
		}
		if r := f.row(t, id); r.state != "bounced" || r.reason != "hard_bounce: no such user " || r.vars != nil {
			t.Errorf("%+v", r)
		}
		if r := f.row(t, waits); r.state != "queued" {
			t.Errorf("one that waits is %s", r.state)
		}
		f.deliver(t, id)
		if len(f.sent) != 1 || f.row(t, id).state != "bounced" {
			t.Errorf("%d were sent, and it is %s", len(f.sent), f.row(t, id).state)
		}
		listed, err := f.Waiting(t.Context(), 10)
		if err != nil || len(listed) != 2 {
			t.Errorf("listed: %+v, %v", listed, err)
		}
		if err := f.Retry(t.Context(), id); !errors.Is(err, ErrNoSuchMail) {
			t.Errorf("its words are gone, and a retry gives %v", err)
		}
		if err := f.Delete(t.Context(), id); err != nil {
			t.Error(err)
		}
	})
}
