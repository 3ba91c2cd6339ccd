package faults_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/testenv"
)

// run is what all guests of one run share.
type run struct {
	plan  plan
	book  *book
	app   *app
	fleet *fleet // nil where one process does all
	net   *network
	bad   *badBucket // nil without a bucket
	base  string     // where guests reach the program
	slug  string
	token string // of the studio

	rows  rows
	blobs blobs

	queue     *testenv.OwnRedis
	queueTurn sync.Mutex    // held while it fails
	post      *testenv.SMTP // nil without a fleet

	mailsUntil int64 // when a message was made that must be sent by the end, at the latest

	sessionsTurn sync.Mutex // held while the database's are ended

	numbers atomic.Uint64 // of files
	mu      sync.Mutex
	kept    []*sending // complete, and not deleted
}

// TestChaos proves I1, I2, I5 and I6: whatever dies, what was acknowledged
// stays, and what nobody owns goes.
func TestChaos(t *testing.T) {
	t.Parallel()
	var bin string
	for _, p := range plans(t) {
		if bin == "" {
			bin = build(t, p)
		}
		name := p.engine + " and " + p.store
		if p.fleet() {
			name += fmt.Sprintf(", %d and %d processes", p.instances, p.workers)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newRun(t, p, bin).all(t)
		})
	}
}

// newRun lays every line, and makes a studio while all is well.
func newRun(t *testing.T, p plan, bin string) *run {
	t.Helper()
	r := &run{plan: p, book: newBook(), slug: "chaos"}
	r.net = newNetwork(r.book)
	r.app = &app{bin: bin, dir: t.TempDir(), addr: freeAddress(t), book: r.book}
	r.rows = sqliteRows(filepath.Join(r.app.data(), "app.db"))
	if p.fleet() {
		r.app.env, r.app.masters = sharing(), newMasters()
		r.book.zeros = append(r.book.zeros, fleetZeros()...)
	}
	if p.rotate {
		r.book.zeros = append(r.book.zeros, keysLeft)
	}
	if p.engine == postgres {
		dsn := testenv.Postgres(t)
		u, err := url.Parse(dsn)
		if err != nil {
			t.Fatal(err)
		}
		u.Host = r.net.connect(t, "database", u.Host)
		r.rows = postgresRows(dsn)
		r.app.env = append(r.app.env, "DATABASE_URL="+u.String(), "APP_DB_ACQUIRE_TIMEOUT=5s", "APP_DB_CONNECT_TIMEOUT=3s")
	}
	r.openBlobs(t)
	if p.fleet() {
		r.openFleet(t, bin)
		r.base = "http://" + r.net.connect(t, "guests", r.fleet.front.address())
	} else {
		r.base = "http://" + r.net.connect(t, "guests", r.app.addr)
	}
	r.token = r.app.seed(t).APIToken
	return r
}

// openBlobs chooses where blobs are.
func (r *run) openBlobs(t *testing.T) {
	t.Helper()
	p := r.plan
	r.blobs = directoryBlobs(filepath.Join(r.app.data(), "blobs"))
	if p.store == bucket {
		s := testenv.S3(t)
		all := sicknesses()
		if p.fleet() {
			all = append(all, denied, silent)
		}
		r.bad = newBadBucket(t, r.book, s.Endpoint, rand.New(rand.NewPCG(p.seed, 3)), all)
		near := r.net.connect(t, "bucket", strings.TrimPrefix(r.bad.near.URL, "http://"))
		r.blobs = bucketBlobs(s)
		r.app.env = append(r.app.env, "WASABI_BUCKET_NAME="+s.Bucket, "WASABI_ENDPOINT_URL=http://"+near,
			"WASABI_REGION="+s.Region, "WASABI_ACCESS_KEY="+s.AccessKey, "WASABI_SECRET_KEY="+s.SecretKey,
			"APP_S3_READ_TIMEOUT=5s", "APP_S3_CONNECT_TIMEOUT=3s")
	}
}

// openFleet gives several processes what they share beside database and bucket.
func (r *run) openFleet(t *testing.T, bin string) {
	t.Helper()
	r.queue, r.post = testenv.NewOwnRedis(t), testenv.NewSMTP(t)
	u, err := url.Parse(r.queue.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = r.net.connect(t, "queue", u.Host)
	post := &url.URL{
		Scheme: "smtps", User: url.UserPassword(testenv.SMTPUsername, testenv.SMTPPassword),
		Host: r.net.connect(t, "mail", r.post.TLS),
	}
	r.app.env = append(r.app.env, "REDIS_URL="+u.String(), "SMTP_URL="+post.String(),
		"SENDER_EMAIL=studio@example.com", "SSL_CERT_FILE="+r.post.CertFile)
	r.fleet = newFleet(t, r.plan, r.app, oldBuild(t, r.plan, bin))
}

// all is a run from its beginning to its report.
func (r *run) all(t *testing.T) {
	t.Helper()
	t.Logf("%v", r.plan)
	end, err := r.storm(t)
	if err == nil {
		err = r.settle(t.Context(), end)
	}
	t.Logf("%v, %v, %s\n%s", r.plan, time.Since(r.book.began).Round(time.Second), r.book.extras(), r.book.lines())
	if err != nil {
		t.Error(err)
	}
	for _, found := range append(r.book.failures(), r.app.outcries(t)...) {
		t.Error(found)
	}
	if r.plan.kills > 0 && r.book.count(kills) != int64(r.plan.kills) {
		t.Errorf("%d kills, want %d", r.book.count(kills), r.plan.kills)
	}
	if t.Failed() {
		log := filepath.Join(os.TempDir(), fmt.Sprintf("chaos-%s-%d.log", r.plan.engine, r.plan.seed))
		if err := os.Rename(r.app.logFile(), log); err == nil {
			t.Logf("the program's log is kept as %s", log)
		}
	}
}

// storm lets guests work while everything fails, until the plan's kills or time
// are over or the work is done. Then all is well again, and the guests finish.
// end drains the program, which still runs then.
func (r *run) storm(t *testing.T) (end func() error, err error) {
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	bad, calm := context.WithCancel(ctx)
	defer calm()
	if r.bad != nil {
		r.bad.ill.Store(true)
	}
	if r.plan.duration > 0 && r.plan.kills == 0 {
		defer time.AfterFunc(r.plan.duration, calm).Stop()
	}
	living, enough := context.WithCancel(ctx)
	defer enough()
	var storms, guests, lives sync.WaitGroup
	spawn := func(group *sync.WaitGroup, what string, f func() error) {
		group.Go(func() {
			if err := f(); err != nil {
				stop(fmt.Errorf("%s: %w", what, err))
			}
		})
	}
	if r.fleet == nil {
		spawn(&storms, "program", func() error {
			last, err := r.app.live(bad, r.plan, rand.New(rand.NewPCG(r.plan.seed, 1)), calm)
			end = last.stop
			return err
		})
	} else {
		end = r.fleet.stop
		spawn(&lives, "programs", func() error { return r.fleet.live(living, bad, t, calm) })
		spawn(&storms, "queue", func() error { return r.queueWeather(bad, rand.New(rand.NewPCG(r.plan.seed, 4))) })
		spawn(&storms, "outages", func() error { return r.blackouts(bad, rand.New(rand.NewPCG(r.plan.seed, 5))) })
		spawn(&storms, "sessions", func() error { return r.cutSessions(bad) })
	}
	spawn(&storms, "network", func() error {
		return r.net.suffer(bad, rand.New(rand.NewPCG(r.plan.seed, 2)), r.plan.faultPause)
	})
	if r.plan.engine == postgres {
		spawn(&storms, "database", func() error { return r.restartDatabase(bad, t) })
	}
	keys := newRotator(r)
	if r.plan.rotate {
		spawn(&storms, "keys", func() error { return keys.rotate(bad) })
	}
	for n := range r.plan.guests {
		spawn(&guests, fmt.Sprintf("guest %d", n), func() error { return r.guest(ctx, bad, uint64(n)) })
	}
	if r.plan.load != mixed {
		guests.Wait()
		calm()
	}
	storms.Wait()
	if r.bad != nil {
		r.bad.ill.Store(false)
	}
	if r.plan.load == mixed {
		defer time.AfterFunc(10*time.Minute, func() { stop(errors.New("guests cannot finish")) }).Stop()
	}
	guests.Wait()
	if r.plan.rotate && ctx.Err() == nil {
		if err := keys.finish(ctx); err != nil {
			stop(fmt.Errorf("keys: %w", err))
		}
	}
	enough()
	lives.Wait()
	return end, context.Cause(ctx)
}

// steady is held for reading by runs that need the database to stay, and for
// writing by one that restarts it: all runs share one server.
var steady = sync.OnceValue(func() *sync.RWMutex { return new(sync.RWMutex) })

// restartDatabase lets the database end well or badly, and come back.
func (r *run) restartDatabase(ctx context.Context, t *testing.T) error {
	for n := 0; rest(ctx, r.plan.restartPause/2+rand.N(r.plan.restartPause)); n++ {
		how := []testenv.Ending{testenv.EndFast, testenv.EndCrash}[n%2]
		if !steady().TryLock() { // another run needs it as it is
			continue
		}
		err := testenv.RestartPostgres(context.WithoutCancel(ctx), how)
		steady().Unlock()
		if err != nil {
			return err
		}
		r.book.fault("database restarted")
	}
	return nil
}

// guest sends one transfer after another, the first in any case.
func (r *run) guest(ctx, bad context.Context, n uint64) error {
	random := rand.New(rand.NewPCG(r.plan.seed, 100+n))
	for first := true; first || r.plan.load == mixed && bad.Err() == nil; first = false {
		if err := r.session(ctx, random); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) newSending(random *rand.Rand) *sending {
	s := &sending{
		run: r, c: newClient(r.base, r.book), random: random, key: make([]byte, 32),
		acked: map[*file]map[int]bool{}, gone: map[*file]bool{},
	}
	for i := range 4 {
		binary.BigEndian.PutUint64(s.key[8*i:], random.Uint64())
	}
	s.c.broken = func() { s.broken.Store(true) }
	if r.fleet != nil {
		s.c.limit = answerLimit
	}
	for i, size := range r.plan.sizes(random) {
		s.files = append(s.files, r.newFile(random, fmt.Sprintf("folder %d/DSC_%04d.raw", i%7, i), size))
	}
	return s
}

func (r *run) newFile(random *rand.Rand, path string, size int64) *file {
	f := &file{maker: newMaker(r.plan.seed, r.numbers.Add(1), size), path: path, twice: map[int]bool{}}
	if r.plan.load == mixed && random.IntN(4) == 0 {
		f.twice[1+random.IntN(3)] = true // of a file with fewer parts it means nothing
	}
	return f
}

// session is the whole life of one transfer.
func (r *run) session(ctx context.Context, random *rand.Rand) error {
	s := r.newSending(random)
	defer s.c.http.CloseIdleConnections()
	if err := s.start(ctx); err != nil {
		return err
	}
	if err := s.declare(ctx, s.files); err != nil {
		return err
	}
	tasks := s.tasks(s.files)
	if r.plan.load == mixed {
		tasks = s.disturb(tasks)
	}
	if err := s.work(ctx, tasks); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if s.over.Load() {
		r.book.add("transfers ended early", 1)
		return nil
	}
	if err := s.complete(ctx); err != nil {
		return fmt.Errorf("complete: %w", err)
	}
	r.book.add("transfers completed", 1)
	if err := s.fetchAll(ctx); err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	if r.plan.load == mixed && random.IntN(r.plan.deleteOneOf) > 0 {
		r.book.add("transfers deleted", 1)
		return s.end(ctx, r.token)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = append(r.kept, s)
	return nil
}

// disturb puts steps among the parts that end things: now and then the guest
// deletes a file and perhaps sends another under its path, or gives up, or the
// studio deletes the whole.
func (s *sending) disturb(tasks []task) []task {
	if s.random.IntN(2) == 0 {
		f := s.files[s.random.IntN(len(s.files))]
		tasks = s.among(tasks, func(ctx context.Context) error { return s.giveUp(ctx, f) })
		stays := make([]*file, 0, len(s.files))
		for _, other := range s.files {
			if other != f {
				stays = append(stays, other)
			}
		}
		s.files = stays
		if s.random.IntN(2) == 0 {
			anew := s.run.newFile(s.random, f.path+".again", 1+s.random.Int64N(100_000))
			s.files = append(s.files, anew)
			tasks = s.among(tasks, func(ctx context.Context) error { return s.sendLate(ctx, anew) })
		}
	}
	switch s.random.IntN(8) {
	case 0:
		tasks = s.among(tasks, func(ctx context.Context) error { return s.end(ctx, s.token) })
	case 1:
		tasks = s.among(tasks, func(ctx context.Context) error { return s.end(ctx, s.run.token) })
	}
	return tasks
}

func (s *sending) among(tasks []task, do func(context.Context) error) []task {
	at := s.random.IntN(len(tasks) + 1)
	return append(tasks[:at:at], append([]task{{do: do}}, tasks[at:]...)...)
}

// sendLate declares one more file when others are on their way, and sends it.
func (s *sending) sendLate(ctx context.Context, f *file) error {
	if err := s.declare(ctx, []*file{f}); err != nil {
		if s.fails(f, err) {
			return err
		}
		return nil
	}
	for n := 1; n <= f.parts; n++ {
		if err := s.step(ctx, task{file: f, part: n}); err != nil {
			return err
		}
	}
	return nil
}

// extras are counts beside those of the report's fixed lines.
func (b *book) extras() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, what := range []string{
		"transfers completed", "transfers ended early", "transfers deleted", "files deleted", "files fetched whole",
		"bytes fetched whole", "ranges fetched", "fetches resumed", "starts that failed", "walks through the store",
		rolls, "drains that cut something", filesSprayed, looked, asIs, "mails taken", hastened, rotations, mastersReplaced,
	} {
		out = append(out, fmt.Sprintf("%s %d", what, b.counts[what]))
	}
	out = append(out, fmt.Sprintf("slowest answer %v", b.slowest.Round(time.Millisecond)))
	return strings.Join(out, ", ")
}
