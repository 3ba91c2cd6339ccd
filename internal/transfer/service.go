package transfer

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/jobs"
	"github.com/lenzeye/lenzeye/internal/mail"
	"github.com/lenzeye/lenzeye/internal/seal"
)

// Settings are the times and bounds of transfers. Zero values take the defaults
// given with each.
type Settings struct {
	Unfinished  time.Duration // kept after the last part, 7 days
	Complete    time.Duration // kept after completion unless the link says otherwise, 30 days
	Undo        time.Duration // a delete can be undone, 24 h
	MaxAge      time.Duration // a receiving transfer's longest life, 21 days
	IdleRelease time.Duration // a reservation without a part is given back, 24 h
	Grace       time.Duration // what no row knows is left alone, 24 h
	SealWait    time.Duration // how long a last part waits for its file to be stored, 10 s
	Lease       time.Duration // how long a crashed try to complete a file keeps others from it, 15 s
	Lost        time.Duration // looks must agree so long before parts count as lost, 24 h
	WarnBefore  time.Duration // before a complete transfer expires its studio gets mail; 0: none
	Cycle       time.Duration // pause between two walks through the bucket, 1 h or the grace if that is less
	MaxFiles    int64         // of one transfer, 1,000,000
	PublicURL   string        // without a slash at the end; for links in mail

	ScrubBytes int64         // sealed bytes that Scrub reads a day; 0: none
	ScrubAgain time.Duration // Scrub reads a file back once in so long at most

	OperatorEmail string // who is told of damage beside its studio; "": nobody
}

func (s Settings) withDefaults() Settings {
	day := 24 * time.Hour
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{
		{&s.Unfinished, 7 * day}, {&s.Complete, 30 * day}, {&s.Undo, day}, {&s.MaxAge, 21 * day},
		{&s.IdleRelease, day}, {&s.Grace, day}, {&s.SealWait, 10 * time.Second},
		{&s.Lease, 15 * time.Second}, {&s.Lost, day},
	} {
		if *d.value == 0 {
			*d.value = d.fallback
		}
	}
	if s.Cycle == 0 {
		s.Cycle = min(time.Hour, s.Grace)
	}
	if s.MaxFiles == 0 {
		s.MaxFiles = 1_000_000
	}
	return s
}

// Options are what a Service works with. DB, Blobs, Accounts and Mail are
// needed.
type Options struct {
	DB       *db.DB
	Blobs    *blob.Store
	Accounts *account.Service
	Mail     *mail.Outbox
	Settings Settings
	// Hint gives the queue a hint. nil means that there is no queue: then the
	// sweep does the work itself.
	Hint    func(ctx context.Context, h jobs.Hint) error
	Now     func() time.Time
	Rand    io.Reader
	Log     *slog.Logger
	Observe Observe
}

// Observe is told of what upkeep does, for metrics. Functions that are nil are
// not called.
type Observe struct {
	Damaged  func()             // a stored file was found damaged
	Scrubbed func(n int64)      // n sealed bytes were read back
	Found    func(kind Finding) // bucket and rows differ
}

func (o Observe) withDefaults() Observe {
	if o.Damaged == nil {
		o.Damaged = func() {}
	}
	if o.Scrubbed == nil {
		o.Scrubbed = func(int64) {}
	}
	if o.Found == nil {
		o.Found = func(Finding) {}
	}
	return o
}

// Service does everything with transfers. Its methods may be called at once
// from any number of goroutines and processes on one database.
type Service struct {
	db       *db.DB
	blobs    *blob.Store
	enqueue  func(ctx context.Context, h jobs.Hint) error
	accounts *account.Service
	mail     *mail.Outbox
	set      Settings
	now      func() time.Time
	rand     io.Reader
	buffers  seal.Buffers
	log      *slog.Logger
	observe  Observe
	page     int    // surveyPage, less in tests
	owner    string // of leases: this service in this process
}

// New returns a Service.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{
		db: o.DB, blobs: o.Blobs, enqueue: o.Hint, accounts: o.Accounts, mail: o.Mail,
		set: o.Settings.withDefaults(), now: o.Now, rand: o.Rand, log: o.Log,
		observe: o.Observe.withDefaults(), page: surveyPage, owner: db.NewID(),
	}
}

// clock is the present as rows hold it, in UTC microseconds.
func (s *Service) clock() time.Time { return s.now().UTC().Truncate(time.Microsecond) }

// micros is the present as a column holds it.
func (s *Service) micros() int64 { return db.Micros(s.clock()) }

// hint tells the queue of work that a row already tells of. Losing it only
// costs time, so its failure is logged and nothing more.
func (s *Service) hint(ctx context.Context, kind, id string) {
	s.tell(ctx, jobs.Hint{Kind: kind, ID: id})
}

func (s *Service) tell(ctx context.Context, h jobs.Hint) {
	if s.enqueue == nil {
		return
	}
	if err := s.enqueue(context.WithoutCancel(ctx), h); err != nil {
		s.log.WarnContext(ctx, "hint not queued, the sweep will find it", "kind", h.Kind, "id", h.ID, "error", err)
	}
}

// cleanup gives what must still be done when the caller has gone, such as
// deleting a lost attempt's blob, a short time of its own.
func cleanup(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
}

// scanner is a row or the current one of rows.
type scanner interface{ Scan(dest ...any) error }

// queryAll collects the rows of a query whose number the caller has bounded.
func queryAll[T any](ctx context.Context, q db.Querier, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("read row: %w", err)
		}
		all = append(all, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read rows: %w", err)
	}
	return all, nil
}

// scanOne reads a single column of any type.
func scanOne[T any](row scanner) (T, error) {
	var v T
	err := row.Scan(&v)
	return v, err
}

// changed tells whether an UPDATE, INSERT or DELETE touched a row.
func changed(r sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

// missing turns an empty result into the error that names what is not there.
func missing(err, notThere error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return notThere
	}
	return err
}
