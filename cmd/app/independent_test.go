package main_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The tests of these files are a client that knows the HTTP interface from its
// description alone. They share no type and no function with the program: they
// build it, start it, kill it and speak HTTP to it.

const (
	guestEmail = "guest.of.the.wedding@example.com"
	guestName  = "Änne Großmann-Østergård"
	kills      = 20
)

func TestIndependentClient(t *testing.T) {
	t.Parallel()
	bin := buildApp(t)
	t.Run("journey", func(t *testing.T) {
		t.Parallel()
		journey(t, bin)
	})
	t.Run("refusals", func(t *testing.T) {
		t.Parallel()
		refusals(t, bin)
	})
	t.Run("endings", func(t *testing.T) {
		t.Parallel()
		endings(t, bin)
	})
}

// corpus is what the guest sends, about 66 MiB: every size at which something
// changes, and every name that is allowed and awkward.
func corpus() []*outFile {
	const part = 10 << 20
	modified := time.Date(2026, 6, 14, 14, 6, 7, 89e6, time.UTC)
	var files []*outFile
	add := func(path string, size int) {
		r := rand.NewChaCha8([32]byte{byte(len(files)), byte(len(files) >> 8), 'i'})
		f := &outFile{path: path, data: make([]byte, size), modified: modified.Format("2006-01-02T15:04:05.000Z")}
		_, _ = r.Read(f.data) // never fails
		files, modified = append(files, f), modified.Add(61*time.Second)
	}
	add("Card A/empty.txt", 0)
	add("Card A/one byte", 1)
	add("Card A/just under.cr3", part-1)
	add("Card A/exactly.cr3", part)
	add("Card A/just over.cr3", part+1)
	add("Card B/many parts.mov", 35<<20+12_345)
	for _, size := range []int{2, 15, 16, 17, 65_479, 65_480, 65_481, 65_520, 131_000, 131_001} {
		add(fmt.Sprintf("sizes/%07d.bin", size), size)
	}
	long := strings.Repeat("n", 255)
	for _, path := range []string{
		strings.Repeat("l", 255), strings.Repeat("ü", 127) + "x", strings.Repeat("📷", 63) + "abc", // segments of 255 bytes
		long + "/" + long + "/" + long + "/" + strings.Repeat("m", 254) + "/z", // 1,024 bytes
		"Hochzeit/Übergabe ß — Größe.NEF", "Hochzeit/U\u0308ber decomposed.NEF", "शादी/फ़ोटो.jpg", "結婚式/写真 001.jpg",
		"👰🏽\u200d♀️/🤵.heic", "عرس/صورة.jpg", "case/A.JPG", "case/a.jpg", `back\slash\..\name.txt`, "...", ".hidden/.file",
		" lead and trail ", "ends with dot.", "con.txt", "aux", `quote".jpg`, "semi;colon=%41%2F..%2f.jpg", "a?b#c&d+e.jpg",
		"line\u2028separator", "right\u202Eto left.gpj", "<script>alert(1)</script>", "*:|", "~", "-rf",
	} {
		add(path, 1000+len(files)*977)
	}
	copy(files[len(files)-1].data, strings.Repeat("Plain words of a guest, 2026-06-14. ", 40))
	return files
}

// journey sends, completes and fetches all of it through twenty kills.
func journey(t *testing.T, bin string) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	s := startServer(ctx, t, bin)
	studio := s.seed(ctx, t, "studio@example.com", "demo")
	k := newKiller(s)
	guest := &sender{agent: newAgent(s), slug: "demo", key: []byte("a key of 32 bytes of this guest!"), files: corpus(), acked: map[partOf]string{}}
	guest.agent.tick = k.tick
	before := used(ctx, t, s, studio.APIToken)

	go k.run(ctx, kills)
	must(t, "start", k.during(ctx, func() error { return guest.start(ctx) }))
	must(t, "start again", k.during(ctx, func() error { return guest.start(ctx) }))
	must(t, "declare", k.during(ctx, func() error { return guest.declare(ctx) }))
	must(t, "declare again", k.during(ctx, func() error { return guest.declare(ctx) }))
	sendAll(ctx, t, guest, k)
	sent := k.kills()

	var done, again completed
	must(t, "complete", k.during(ctx, func() (err error) { done, err = guest.complete(ctx); return err }))
	must(t, "complete again", k.during(ctx, func() (err error) { again, err = guest.complete(ctx); return err }))
	if diff := cmp.Diff(done, again); diff != "" {
		t.Errorf("complete answered otherwise the second time: %s", diff)
	}
	must(t, "repeat", guest.repeatAll(ctx))
	fetch := &fetcher{agent: newAgent(s), path: "/api/v1" + strings.TrimPrefix(done.Share.URL, guest.agent.base)}
	fetch.agent.tick = k.tick
	must(t, "unlock", k.during(ctx, func() error { return fetch.unlock(ctx, sloppily(done.Share.Code)) }))
	fetchAll(ctx, t, fetch, guest, k)

	after := used(ctx, t, s, studio.APIToken)
	if want := (usage{before.Used + guest.total(), before.Reserved}); after != want {
		t.Errorf("the account uses %+v, want %+v", after, want)
	}
	searchAll(t, s, guest, []string{studio.APIToken, guest.token, fetch.token, done.Share.Code, base64url(guest.key)})
	releases(ctx, t, s, studio, guest, before)
	t.Logf("%d kills while sending of %d, %d conflicts told", sent, k.kills(), guest.told)
}

func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// sendAll sends in rounds. Some kills take the client along: it then knows its
// key and its files only, and finds everything else again.
func sendAll(ctx context.Context, t *testing.T, guest *sender, k *killer) {
	t.Helper()
	var mu sync.Mutex
	crash := func() {}
	k.cut = func() {
		mu.Lock()
		defer mu.Unlock()
		if rand.IntN(2) == 0 {
			crash()
		}
	}
	k.check = guest.keepsAcknowledged
	k.roam(kills - 5)
	for k.failure() == nil {
		must(t, "start", guest.start(ctx))
		must(t, "declare", guest.declare(ctx))
		todo, err := guest.missing(ctx)
		must(t, "resume", err)
		if len(todo) == 0 {
			break
		}
		round, stop := context.WithCancel(ctx)
		mu.Lock()
		crash = stop
		mu.Unlock()
		must(t, "send", guest.send(round, todo))
		stop()
	}
	must(t, "an acknowledged part", k.failure())
	k.rest()
}

// fetchAll fetches every file whole and hundreds of ranges, and goes on until
// the last kill is done.
func fetchAll(ctx context.Context, t *testing.T, fetch *fetcher, guest *sender, k *killer) {
	t.Helper()
	k.roam(kills)
	must(t, "list", fetch.look(ctx, guest))
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() {
			for at := i; at < len(fetch.list) && errs[i] == nil; at += len(errs) {
				errs[i] = fetch.whole(ctx, fetch.list[at].ID)
			}
			for n := 0; errs[i] == nil && (n < 100 || k.kills() < kills); n++ {
				errs[i] = fetch.some(ctx)
			}
		})
	}
	wg.Wait()
	must(t, "fetch", errors.Join(errs...))
	must(t, "an acknowledged part", k.failure())
	for _, g := range fetch.list {
		if slices.Contains([]int64{131_001, 10 << 20, 35<<20 + 12_345}, g.Size) {
			must(t, "conditional requests", fetch.conditional(ctx, g))
		}
	}
}

// searchAll reads what the server wrote, byte by byte.
func searchAll(t *testing.T, s *server, guest *sender, tokens []string) {
	t.Helper()
	planted := t.TempDir()
	for _, text := range [][]byte{guest.files[5].data[20<<20 : 20<<20+9000], []byte("xx2026-06-14T14:06"), []byte(guestName)} {
		must(t, "plant", os.WriteFile(filepath.Join(planted, "leak"), text, 0o600))
		if _, err := secretsOf(guest.files).searchTree(planted, true); err == nil {
			t.Fatalf("the search does not find %.20q", text)
		}
	}
	read, err := secretsOf(guest.files).searchTree(filepath.Join(s.data(), "blobs"), true)
	if err != nil || read < guest.total() {
		t.Errorf("searched %d bytes of blobs: %v", read, err)
	}
	known := contentOf(guest.files)
	for _, token := range tokens {
		known.add("the secret "+token, []byte(token))
	}
	paths, err := databaseFiles(s.data())
	must(t, "database", err)
	known.add("the key", guest.key)
	for _, path := range append(paths, s.log()) {
		text, err := os.ReadFile(path)
		must(t, "read", err)
		if what := known.find(text); what != "" {
			t.Errorf("%s holds %s", path, what)
		}
	}
}
