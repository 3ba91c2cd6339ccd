package mail

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/catalog"
	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// fixture is an outbox over an empty database, with a clock, and a driver that
// keeps what it carried away and fails as the test wants.
type fixture struct {
	*Outbox
	db *db.DB

	mu     sync.Mutex
	now    time.Time
	sent   []Envelope
	fail   func(ctx context.Context) error // nil: carried away, and said so
	gaveUp []Failure
	event  error // what GaveUp returns
}

func eachEngine(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	testenv.EachEngine(t, func(t *testing.T, open func(testing.TB) *db.DB) {
		test(t, newFixture(t, open(t)))
	})
}

func newFixture(t *testing.T, d *db.DB) *fixture {
	t.Helper()
	texts, err := catalog.Load()
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{db: d, now: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)}
	f.Outbox, err = New(Options{
		DB: d, Catalog: texts, Send: f.send, Seal: sealPlain, Open: openPlain, GaveUp: f.gaveUpOn,
		From: "Lenzeye <mail@studio.example>", Now: f.clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fixture) advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

// send does the step and may lose the answer.
func (f *fixture) send(ctx context.Context, e Envelope) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = append(f.sent, e)
	if f.fail != nil {
		return f.fail(ctx)
	}
	return nil
}

func (f *fixture) gaveUpOn(_ context.Context, _ db.Querier, failure Failure) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.event == nil {
		f.gaveUp = append(f.gaveUp, failure)
	}
	return f.event
}

var errSeal = errors.New("sealed under another label")

// sealPlain stands in for the code key: it hides the words and binds the label.
func sealPlain(_ context.Context, _ db.Querier, label string, plain []byte) ([]byte, uint32, error) {
	return flip(append([]byte(label+"\n"), plain...)), 7, nil
}

func openPlain(_ context.Context, label string, sealed []byte, version uint32) ([]byte, error) {
	plain, ok := bytes.CutPrefix(flip(sealed), []byte(label+"\n"))
	if !ok || version != 7 {
		return nil, errSeal
	}
	return plain, nil
}

func flip(b []byte) []byte {
	b = slices.Clone(b)
	for i := range b {
		b[i] ^= 0xff
	}
	return b
}

func (f *fixture) tx(t *testing.T, fn func(context.Context, *sql.Tx) error) error {
	t.Helper()
	return f.db.InTx(t.Context(), fn)
}

// queue writes a receipt about a subject, with n files.
func (f *fixture) queue(t *testing.T, subject string, n int64) (id string) {
	t.Helper()
	if err := f.tx(t, func(ctx context.Context, tx *sql.Tx) (err error) {
		id, err = f.Queue(ctx, tx, receipt(subject, n))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return id
}

func receipt(subject string, n int64) Message {
	return Message{AccountID: "account", Kind: TransferReceipt, SubjectKey: subject, Recipient: "guest@example.com",
		Vars: Vars{Studio: "Studio Anna", URL: "https://studio.example/d/x", Count: n, Bytes: n * 1000}}
}

func (f *fixture) deliver(t *testing.T, id string) {
	t.Helper()
	if err := f.Deliver(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

// row is what a test looks at in a row.
type row struct {
	state    string
	attempts int
	vars     []byte
	reason   string
	nextAt   time.Time
}

func (f *fixture) row(t *testing.T, id string) row {
	t.Helper()
	var r row
	var next int64
	err := f.db.QueryRowContext(t.Context(), `SELECT state, attempts, vars_sealed, error, next_at FROM mails WHERE id = $1`, id).
		Scan(&r.state, &r.attempts, &r.vars, &r.reason, &next)
	if err != nil {
		t.Fatal(err)
	}
	r.nextAt = db.Time(next)
	return r
}

func (f *fixture) due(t *testing.T) []string {
	t.Helper()
	ids, err := f.Due(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}
