package faults_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// Where the program keeps rows and blobs.
const (
	sqlite    = "sqlite"
	postgres  = "postgres"
	directory = "directory"
	bucket    = "s3"
)

// What guests send.
const (
	mixed = "mixed" // transfer after transfer of a few files
	large = "large" // one transfer of 2,630 files of mixed sizes
	one   = "one"   // one transfer of one file
)

const largeFiles = 2630

// fleetKills are those of several processes where neither --kills nor --for says
// when enough is enough.
const fleetKills = 20

// plan is one run.
type plan struct {
	engine, store string
	load          string
	kills         int // 0: until the work is done, or for the duration
	duration      time.Duration
	bytes         int64 // of large and one
	seed          uint64
	race          bool
	rotate        bool // keys, all the while

	instances, workers int    // processes that serve and that work; 0 and 0: one that does both
	old                string // commit of the program that runs beside this one; empty: this one again

	guests        int
	parallel      int           // parts in flight of one guest, and files being fetched
	repeatOneOf   int           // one in so many parts is repeated, and one in so many with other bytes
	ranges        int           // fetched of each file
	killPause     time.Duration // on average
	restartPause  time.Duration // of the database, on average
	faultPause    time.Duration // between two faults of a line, on average
	blackoutPause time.Duration // between two outages of a whole part, on average
	largest       int64         // of a mixed load
	deleteOneOf   int           // of complete transfers the studio keeps one in so many
}

func (p plan) untilKill(random *rand.Rand) time.Duration {
	return p.killPause/10 + time.Duration(random.Int64N(int64(p.killPause*9/5)))
}

// fleet tells whether several processes share the work.
func (p plan) fleet() bool { return p.instances > 0 }

func (p plan) String() string {
	if p.fleet() {
		return fmt.Sprintf("%s and %s, %d serve and %d work, %s load, seed %d", p.engine, p.store, p.instances, p.workers, p.load, p.seed)
	}
	return fmt.Sprintf("%s and %s, %s load, seed %d", p.engine, p.store, p.load, p.seed)
}

// The flags of scripts/chaos. Without any, a small run of both combinations is
// made.
var (
	flagKills     = flag.Int("kills", 0, "kill -9 the program so often; 0: until the work is done or --for is over; with --instances alone 20")
	flagFor       = flag.Duration("for", 0, "how long guests begin new transfers")
	flagEngine    = flag.String("engine", sqlite, "sqlite or postgres")
	flagStore     = flag.String("store", "", "directory or s3; directory with sqlite and s3 with postgres unless given")
	flagSeed      = flag.Uint64("seed", 0, "what decides about files and moments; 0: a random one")
	flagLarge     = flag.Bool("large", false, "one transfer of 2,630 files of mixed sizes, --gb in all")
	flagOne       = flag.Bool("one", false, "one transfer of one file of --gb")
	flagGB        = flag.Float64("gb", 2, "GB of --large and --one")
	flagInstances = flag.Int("instances", 0, "processes that serve, behind a balancer, with Redis; needs postgres and s3")
	flagWorkers   = flag.Int("workers", 1, "processes that work, with --instances")
	flagOld       = flag.String("old", "", "with --instances, a commit whose program runs beside this one; without it this one again")
	flagRotate    = flag.Bool("rotate", false, "rotate master and account keys all the while")
	flagRace      = flag.Bool("race", false, "build the program with the race detector")
)

// plans are what the flags ask for.
func plans(t *testing.T) []plan {
	t.Helper()
	seed := *flagSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	asked := false
	for _, name := range []string{"kills", "for", "engine", "store", "large", "one", "gb", "instances"} {
		asked = asked || given[name]
	}
	small := plan{
		load: mixed, kills: 8, seed: seed, race: *flagRace, rotate: *flagRotate, guests: 3, parallel: 3, repeatOneOf: 8, ranges: 3,
		killPause: 800 * time.Millisecond, restartPause: 3 * time.Second, faultPause: 300 * time.Millisecond,
		largest: 24 << 20, deleteOneOf: 2,
	}
	if !asked {
		a, b, c := small, small, small
		a.engine, a.store, a.rotate = sqlite, directory, true
		b.engine, b.store = postgres, bucket
		c.engine, c.store = postgres, bucket
		c.instances, c.workers, c.guests, c.restartPause, c.blackoutPause = 2, 1, 2, 6*time.Second, 4*time.Second
		return []plan{a, b, c}
	}
	p := small
	p.kills, p.duration, p.engine, p.store = *flagKills, *flagFor, *flagEngine, *flagStore
	p.bytes = int64(*flagGB * 1e9)
	p.guests, p.parallel, p.largest, p.deleteOneOf = 4, 4, 45<<20, 10
	p.killPause, p.restartPause, p.faultPause = 1500*time.Millisecond, 20*time.Second, time.Second
	if p.instances = *flagInstances; p.fleet() {
		p.engine, p.workers, p.old, p.blackoutPause = postgres, *flagWorkers, *flagOld, 20*time.Second
		if !given["kills"] && !given["for"] && !*flagLarge && !*flagOne {
			p.kills = fleetKills
		}
	}
	if p.kills > 0 && p.duration > 0 {
		p.killPause = p.duration / time.Duration(p.kills)
	}
	if p.store == "" {
		p.store = map[string]string{sqlite: directory, postgres: bucket}[p.engine]
	}
	if *flagLarge || *flagOne {
		p.load, p.guests, p.parallel, p.ranges, p.killPause = large, 1, 6, 1, 5*time.Second
		if *flagOne {
			p.load, p.ranges = one, 100
		}
	}
	if err := p.check(); err != nil {
		t.Fatal(err)
	}
	return []plan{p}
}

func (p plan) check() error {
	switch {
	case p.engine != sqlite && p.engine != postgres:
		return fmt.Errorf("--engine is sqlite or postgres, not %q", p.engine)
	case p.store != directory && p.store != bucket:
		return fmt.Errorf("--store is directory or s3, not %q", p.store)
	case p.fleet() && (p.store != bucket || p.workers < 1):
		return fmt.Errorf("--instances needs --store s3, and --workers")
	case *flagLarge && *flagOne:
		return fmt.Errorf("--large or --one, not both")
	case p.load == mixed && p.kills <= 0 && p.duration <= 0:
		return fmt.Errorf("--kills or --for is needed")
	case p.load != mixed && (p.bytes <= 0 || p.kills > 0 || p.duration > 0):
		return fmt.Errorf("--large and --one take --gb, and kill until all is sent and fetched")
	}
	return nil
}

// sizes are the files of the next transfer.
func (p plan) sizes(random *rand.Rand) []int64 {
	switch p.load {
	case one:
		return []int64{p.bytes}
	case large:
		return spread(random, largeFiles, p.bytes)
	}
	const part = 10 << 20
	sizes := []int64{0, 1, part + random.Int64N(p.largest-part)}
	for range 2 + random.IntN(5) {
		sizes = append(sizes, random.Int64N(300_000))
	}
	switch random.IntN(4) {
	case 0:
		sizes = append(sizes, part-1)
	case 1:
		sizes = append(sizes, part)
	case 2:
		sizes = append(sizes, part+1)
	}
	return sizes
}

// spread cuts total into n sizes: most of them small, a few large, as a
// photographer's folder is.
func spread(random *rand.Rand, n int, total int64) []int64 {
	weights, sum := make([]float64, n), 0.0
	for i := range weights {
		w := random.ExpFloat64()
		weights[i] = w * w * w
		sum += weights[i]
	}
	sizes := make([]int64, n)
	for i, w := range weights {
		sizes[i] = int64(w / sum * float64(total))
	}
	return sizes
}
