package db_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// wire is a proxy before PostgreSQL that cuts a connection at a statement.
type wire struct {
	server string
	cut    atomic.Pointer[cut]
	cuts   atomic.Int64
}

// cut says where: at the first message that holds the words, before the server
// sees it or after the server answered it. A silent one keeps the connection and
// swallows the message.
type cut struct {
	words     string
	delivered bool
	silent    bool
}

// through starts a wire and returns the options that lead through it.
func through(t testing.TB, opts db.Options) (*wire, db.Options) {
	t.Helper()
	u, err := url.Parse(opts.URL)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{server: u.Host}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { w.pass(t, client) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		conns.Wait()
	})
	u.Host = l.Addr().String()
	opts.URL = u.String()
	return w, opts
}

func (w *wire) pass(t testing.TB, client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", w.server)
	if err != nil {
		t.Error(err)
		return
	}
	defer server.Close()
	var muted atomic.Bool
	answered := make(chan struct{}, 1)
	go func() { // ends with the connection to the server
		defer client.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			if err != nil {
				return
			}
			if muted.Load() {
				answered <- struct{}{}
				return
			}
			if _, err := client.Write(buf[:n]); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		c := w.cut.Load()
		if c == nil || !bytes.Contains(buf[:n], []byte(c.words)) || !w.cut.CompareAndSwap(c, nil) {
			if _, err := server.Write(buf[:n]); err != nil {
				return
			}
			continue
		}
		w.cuts.Add(1)
		if c.silent {
			_, _ = io.Copy(io.Discard, client) // until the client gives up
			return
		}
		if c.delivered {
			muted.Store(true)
			if _, err := server.Write(buf[:n]); err != nil {
				t.Error(err)
				return
			}
			<-answered
		}
		return
	}
}

func TestLostReplyToACommitIsAnUnknownOutcome(t *testing.T) {
	t.Parallel()
	for name, delivered := range map[string]bool{"it happened": true, "it did not": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, opts := through(t, testenv.Database(t, db.EnginePostgres))
			d := counterDB(t, opts)
			runs := 0
			err := d.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
				runs++
				w.cut.Store(&cut{words: "commit", delivered: delivered})
				return add(ctx, tx, "a", 1)
			})
			if !errors.Is(err, db.ErrOutcomeUnknown) || !errors.Is(err, db.ErrUnavailable) || runs != 1 || w.cuts.Load() != 1 {
				t.Fatalf("%v after %d runs and %d cuts", err, runs, w.cuts.Load())
			}
			want := map[bool]int{true: 1, false: 0}[delivered]
			if n := count(t, d, "a"); n != want {
				t.Errorf("a is %d, want %d", n, want)
			}
		})
	}
}

func TestLossBeforeTheCommitIsRepeated(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]*cut{
		"begin not sent":          {words: "begin"},
		"begin not answered":      {words: "begin", delivered: true},
		"statement not sent":      {words: "UPDATE counters"},
		"statement not answered":  {words: "UPDATE counters", delivered: true},
		"query not answered":      {words: "SELECT n", delivered: true},
		"simple one not sent":     {words: "n + 0"},
		"simple one not answered": {words: "n + 0", delivered: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, opts := through(t, testenv.Database(t, db.EnginePostgres))
			d := counterDB(t, opts)
			w.cut.Store(c)
			err := d.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
				if err := add(ctx, tx, "a", 1); err != nil {
					return err
				}
				if _, err := tx.ExecContext(ctx, "UPDATE counters SET n = n + 0"); err != nil {
					return err
				}
				var n int
				return tx.QueryRowContext(ctx, "SELECT n FROM counters WHERE id = 'a'").Scan(&n)
			})
			if err != nil || w.cuts.Load() != 1 {
				t.Fatalf("%v after %d cuts", err, w.cuts.Load())
			}
			if n := count(t, d, "a"); n != 1 {
				t.Errorf("a is %d, want 1", n)
			}
		})
	}
}

func TestEndedBackends(t *testing.T) {
	t.Parallel()
	d := counterDB(t, testenv.Database(t, db.EnginePostgres))
	end := func(ctx context.Context, q db.Querier) {
		var pid int
		if err := q.QueryRowContext(ctx, "SELECT pg_backend_pid()").Scan(&pid); err != nil {
			t.Error(err)
		}
		var done bool
		if err := d.QueryRowContext(ctx, "SELECT pg_terminate_backend($1, 5000)", pid).Scan(&done); err != nil || !done {
			t.Errorf("terminated: %v, %v", done, err)
		}
	}
	runs := 0
	err := d.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		if runs++; runs == 1 {
			end(ctx, tx)
		}
		return add(ctx, tx, "a", 1)
	})
	if err != nil || runs != 2 || count(t, d, "a") != 1 {
		t.Errorf("ended once: %v after %d runs, a is %d", err, runs, count(t, d, "a"))
	}
	runs = 0
	err = d.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		runs++
		end(ctx, tx)
		return add(ctx, tx, "a", 1)
	})
	if !errors.Is(err, db.ErrUnavailable) || errors.Is(err, db.ErrOutcomeUnknown) || runs != 5 {
		t.Errorf("ended always: %v after %d runs", err, runs)
	}
	runs = 0
	err = d.InTx(t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		runs++
		if err := add(ctx, tx, "a", 1); err != nil {
			return err
		}
		if runs == 1 {
			end(ctx, tx)
		}
		return nil
	})
	if n := count(t, d, "a"); err == nil && n != 2 || err != nil && (n != 1 || !errors.Is(err, db.ErrOutcomeUnknown)) {
		t.Errorf("ended before the commit: %v after %d runs, a is %d", err, runs, n)
	}
}

func TestReadThatBreaksOffHasAKind(t *testing.T) {
	t.Parallel()
	w, opts := through(t, testenv.Database(t, db.EnginePostgres))
	d := counterDB(t, opts)
	w.cut.Store(&cut{words: "SELECT n", delivered: true})
	var n int
	err := d.QueryRowContext(t.Context(), "SELECT n FROM counters WHERE id = 'a'").Scan(&n)
	if !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("the reply was lost: %v", err)
	}
	rows, err := d.QueryContext(t.Context(), "SELECT pg_backend_pid(), REPEAT('x', 10000) FROM generate_series(1, 20000)")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for i := 0; rows.Next(); i++ {
		var pid int
		var text string
		if err := rows.Scan(&pid, &text); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			var done bool
			if err := d.QueryRowContext(t.Context(), "SELECT pg_terminate_backend($1, 5000)", pid).Scan(&done); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := rows.Err(); !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("the rows ended with %v", err)
	}
}

func TestSilentServerIsGivenUp(t *testing.T) {
	t.Parallel()
	w, opts := through(t, testenv.Database(t, db.EnginePostgres))
	opts.ReadTimeout = 500 * time.Millisecond
	d := counterDB(t, opts)
	within := func(what string, f func(context.Context) error) error {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		err := f(ctx)
		if ctx.Err() != nil {
			t.Errorf("%s waited until its caller left: %v", what, err)
		}
		return err
	}
	w.cut.Store(&cut{words: "SELECT n", silent: true})
	err := within("a read", func(ctx context.Context) error {
		var n int
		return d.QueryRowContext(ctx, "SELECT n FROM counters WHERE id = 'a'").Scan(&n)
	})
	if !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("a read without an answer: %v", err)
	}
	w.cut.Store(&cut{words: "UPDATE", silent: true})
	if err := within("a statement", func(ctx context.Context) error {
		return d.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error { return add(ctx, tx, "a", 1) })
	}); err != nil {
		t.Errorf("a transaction is not repeated on another connection: %v", err)
	}
	err = within("a commit", func(ctx context.Context) error {
		return d.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
			w.cut.Store(&cut{words: "commit", silent: true}) // not before it began: "read committed"
			return add(ctx, tx, "a", 1)
		})
	})
	if !errors.Is(err, db.ErrOutcomeUnknown) {
		t.Errorf("a commit without an answer: %v", err)
	}
	if n := w.cuts.Load(); n != 3 {
		t.Errorf("%d messages were swallowed, want 3", n)
	}
	if n := count(t, d, "a"); n != 1 {
		t.Errorf("a is %d, want 1", n)
	}
}

func TestEndOfAContextEndsAWaitForTheServer(t *testing.T) {
	t.Parallel()
	d := counterDB(t, testenv.Database(t, db.EnginePostgres))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	var none sql.NullString
	err := d.QueryRowContext(ctx, "SELECT pg_sleep(25)").Scan(&none)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 15*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}

func TestServerThatDoesNotAnswerIsUnreachable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var silent sync.WaitGroup
	silent.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			silent.Go(func() {
				defer conn.Close()
				_, _ = io.Copy(io.Discard, conn)
			})
		}
	})
	defer silent.Wait()
	defer l.Close()
	closed, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for name, addr := range map[string]string{"silent": l.Addr().String(), "no one listens": closed.Addr().String(), "unknown name": "db.invalid:5432"} {
		began := time.Now()
		_, err := db.Open(t.Context(), db.Options{URL: "postgres://u:hush@" + addr + "/d?sslmode=disable", ConnectTimeout: 200 * time.Millisecond})
		if !errors.Is(err, db.ErrUnreachable) || !errors.Is(err, db.ErrUnavailable) || errors.Is(err, db.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(began); took > 9*time.Second {
			t.Errorf("%s took %v", name, took)
		}
		if err != nil && bytes.Contains([]byte(err.Error()), []byte("hush")) {
			t.Errorf("%s: the password is in %q", name, err)
		}
	}
}
