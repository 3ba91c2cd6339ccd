package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/client"
)

// TestResumeProperty interrupts sendings anywhere, changes the files between
// them in every way, lets connections break, and interrupts the fetching too:
// what arrives is what the files are in the end.
func TestResumeProperty(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	c := e.client(client.Options{FirstPatience: time.Minute})
	e.setFault(func(http.ResponseWriter, *http.Request) func(http.ResponseWriter) http.ResponseWriter {
		switch rand.IntN(400) {
		case 0:
			panic(http.ErrAbortHandler)
		case 1:
			return func(w http.ResponseWriter) http.ResponseWriter { return lost{w} }
		case 2:
			return func(w http.ResponseWriter) http.ResponseWriter { return &cut{w, 10} }
		}
		return func(w http.ResponseWriter) http.ResponseWriter { return w }
	})
	rapid.Check(t, func(rt *rapid.T) {
		m := &resumeModel{t: rt, env: e, in: newFolder(t), files: map[string][]byte{}}
		u := startAnyhow(rt, e, c)
		for range rapid.IntRange(0, 4).Draw(rt, "runs") {
			m.change()
			m.send(u, rapid.IntRange(0, 12).Draw(rt, "events before the end"))
		}
		m.change()
		m.files["last"] = []byte("so that there is one")
		m.store("last")
		m.fetch(c, m.complete(u))
	})
}

// startAnyhow begins a transfer, with the same key until it is heard.
func startAnyhow(rt *rapid.T, e *env, c *client.Client) *client.Upload {
	key, err := client.NewKey(nil)
	if err != nil {
		rt.Fatal(err)
	}
	st, err := c.Start(e.t.Context(), "wedding", key, api.Start{SenderEmail: "anna@example.com"})
	if err != nil {
		rt.Fatal(err)
	}
	return c.Upload(st.ID, st.UploadToken)
}

type resumeModel struct {
	t     *rapid.T
	env   *env
	in    folder
	files map[string][]byte // what is in the folder
	seed  uint32
}

// change writes, removes and rewrites some files; a rewritten one may keep its
// size and date.
func (m *resumeModel) change() {
	for range rapid.IntRange(0, 4).Draw(m.t, "changes") {
		name := fmt.Sprintf("f%d", rapid.IntRange(0, 4).Draw(m.t, "file"))
		old, there := m.files[name]
		size := rapid.SampledFrom([]int{0, 1, 1000, 70_000, 70_000}).Draw(m.t, "size")
		if m.seed++; m.seed%16 == 12 { // large ones are slow under the race detector
			size = partSize + 3
		}
		switch kind := rapid.SampledFrom([]string{"write", "write", "remove", "touch", "sneak"}).Draw(m.t, "how"); {
		case kind == "remove" && there:
			delete(m.files, name)
			m.must(os.Remove(filepath.Join(m.in.dir, name)))
		case kind == "touch" && there:
			at := time.UnixMilli(int64(m.seed) * 1e6)
			m.must(os.Chtimes(filepath.Join(m.in.dir, name), at, at))
		case kind == "sneak" && there:
			date := m.in.source(name).Modified
			m.files[name] = pattern(len(old), m.seed)
			m.store(name)
			m.must(os.Chtimes(filepath.Join(m.in.dir, name), date, date))
		default:
			m.files[name] = pattern(size, m.seed)
			m.store(name)
		}
	}
}

func (m *resumeModel) store(name string) {
	m.must(os.WriteFile(filepath.Join(m.in.dir, name), m.files[name], 0o644))
}

func (m *resumeModel) must(err error) {
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *resumeModel) sources() (all []*client.Source) {
	for name := range m.files {
		all = append(all, m.in.source(name))
	}
	return all
}

// until gives a context that ends after so many events.
func (m *resumeModel) until(events int) (context.Context, client.Watch, func()) {
	ctx, stop := context.WithCancel(m.env.t.Context())
	var n atomic.Int64
	tick := func() {
		if n.Add(1) > int64(events) {
			stop()
		}
	}
	return ctx, client.Watch{
		Moving: func(string, int64) { tick() }, Held: func(string, int64) { tick() }, Done: func(string) { tick() },
	}, stop
}

func (m *resumeModel) send(u *client.Upload, events int) {
	ctx, watch, stop := m.until(events)
	defer stop()
	failed, err := (&client.Sending{Upload: u, Watch: watch}).Send(ctx, m.sources())
	if len(failed) > 0 || err != nil && !errors.Is(err, context.Canceled) {
		m.t.Fatalf("send: %v %v", failed, err)
	}
}

// complete sends all that is missing, and takes out what is no more.
func (m *resumeModel) complete(u *client.Upload) api.Completed {
	ctx := m.env.t.Context()
	for range 3 {
		failed, err := (&client.Sending{Upload: u}).Send(ctx, m.sources())
		if err != nil || len(failed) > 0 {
			m.t.Fatalf("send: %v %v", failed, err)
		}
		done, err := u.Complete(ctx)
		if err == nil {
			return done
		}
		unfinished, count := client.Unfinished(err)
		if int64(len(unfinished)) != count {
			m.t.Fatalf("%d files named of %d", len(unfinished), count)
		}
		for _, f := range unfinished {
			if _, ours := m.files[f.Path]; ours {
				m.t.Fatalf("%s is not all there", f.Path)
			}
			m.must(u.DeleteFile(ctx, f.ID))
		}
	}
	m.t.Fatal("it does not complete")
	return api.Completed{}
}

func (m *resumeModel) fetch(c *client.Client, done api.Completed) {
	_, token, err := client.ParseShare(done.Share.URL)
	m.must(err)
	s := c.Share(token, "")
	for try := 0; ; try++ { // a lost answer is not asked for again by itself
		if err = s.Unlock(m.env.t.Context(), done.Share.Code); err == nil || try == 5 {
			break
		}
	}
	m.must(err)
	view, err := view(m.env.t.Context(), s)
	m.must(err)
	out := newFolder(m.env.t)
	dir := out.root()
	for range rapid.IntRange(0, 2).Draw(m.t, "interrupted fetches") {
		ctx, watch, stop := m.until(rapid.IntRange(0, 8).Draw(m.t, "events of a fetch"))
		_, err := (&client.Fetching{Share: s, Dir: dir, Watch: watch}).Fetch(ctx, name(view.Files))
		stop()
		if err != nil && !errors.Is(err, context.Canceled) {
			m.t.Fatal(err)
		}
	}
	failed, err := (&client.Fetching{Share: s, Dir: dir}).Fetch(m.env.t.Context(), name(view.Files))
	if err != nil || len(failed) > 0 {
		m.t.Fatalf("fetch: %v %v", failed, err)
	}
	for name, want := range m.files {
		if !bytes.Equal(out.read(name), want) {
			m.t.Errorf("%s differs", name)
		}
	}
	m.must(os.RemoveAll(out.dir))
}

// TestArchive fetches the ZIP in ranges.
func TestArchive(t *testing.T) {
	t.Parallel()
	e, in := newEnv(t), newFolder(t)
	c := e.client(client.Options{})
	s := e.open(c, e.send(e.start(c), in.write("a", pattern(1000, 1)), in.write("b", nil)))
	size, etag, err := s.ArchiveInfo(t.Context())
	e.must(err)
	var whole, halves bytes.Buffer
	e.must(s.Archive(t.Context(), client.Range{Size: size}, &whole))
	for _, r := range []client.Range{{From: 0, Size: size / 2, IfMatch: etag}, {From: size / 2, Size: size - size/2, IfMatch: etag}} {
		e.must(s.Archive(t.Context(), r, &halves))
	}
	if !bytes.HasPrefix(whole.Bytes(), []byte("PK")) || !bytes.Equal(whole.Bytes(), halves.Bytes()) {
		t.Errorf("%d bytes whole, %d in halves, announced %d", whole.Len(), halves.Len(), size)
	}
	err = s.Archive(t.Context(), client.Range{Size: 1, IfMatch: `"another"`}, io.Discard)
	if !client.IsCode(err, api.PreconditionFailed) {
		t.Errorf("another archive: %v", err)
	}
}

// TestStudio walks what an account does.
func TestStudio(t *testing.T) {
	t.Parallel()
	e, in := newEnv(t), newFolder(t)
	c := e.client(client.Options{})
	s := c.Studio(e.studio)
	ctx := t.Context()
	me, err := s.Me(ctx)
	if err != nil || me.Email != "studio@example.com" {
		t.Fatalf("%+v %v", me, err)
	}
	l, err := s.CreateLink(ctx, api.NewLink{Slug: "party", Password: "open sesame"})
	e.must(err)
	_, err = c.Start(ctx, "party", client.Key{}, api.Start{SenderEmail: "a@example.com", Password: "no"})
	if !client.IsCode(err, api.PasswordWrong) {
		t.Errorf("a wrong password: %v", err)
	}
	var closing api.LinkPatch
	e.must(closing.Closed.UnmarshalJSON([]byte("true")))
	if l, err = s.PatchLink(ctx, l.ID, closing); err != nil || l.State != "closed" {
		t.Errorf("%+v %v", l, err)
	}
	links := 0
	for _, err := range s.Links(ctx) {
		e.must(err)
		links++
	}
	if links != 2 {
		t.Errorf("%d links", links)
	}
	st, err := s.Start(ctx, client.Key{1}, api.StartOwn{Title: "Album"})
	e.must(err)
	done := e.send(c.Upload(st.ID, st.UploadToken), in.write("a", pattern(1000, 1)))
	share, err := s.CreateShare(ctx, st.ID, api.NewShare{})
	if err != nil || share.Code == "" || share.ID == done.Share.ID {
		t.Errorf("%+v %v", share, err)
	}
	e.must(s.RevokeShare(ctx, share.ID))
	for tr, err := range s.Transfers(ctx) {
		e.must(err)
		for f, err := range s.Files(ctx, tr.ID) {
			e.must(err)
			var got bytes.Buffer
			e.must(s.Fetch(ctx, f.ID, client.Range{Size: f.Size}, &got))
			if !bytes.Equal(got.Bytes(), in.read("a")) {
				t.Error("the bytes differ")
			}
		}
	}
	e.must(s.DeleteTransfer(ctx, st.ID))
}
