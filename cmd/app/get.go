package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/client"
)

// getFlags are the words of one `app get`.
type getFlags struct {
	code, out, only string
	limit           string
	parallel        int
	patience        time.Duration
	firstPatience   time.Duration // 0 unless asked for
	list, json      bool
}

func newGet(inv *invocation) *cobra.Command {
	var f getFlags
	cmd := &cobra.Command{
		Use:   "get URL",
		Short: "Fetch the files of a download link",
		Long: `Fetch the files of a download link into a folder.

Each file grows as name.part, is compared with its checksum when it is whole, and
then gets its name. Interrupted, by Ctrl-C, a crash or a lost line, it goes on
when it is run again. Files that are there already with the right size and
checksum are left alone; another file of the same name is never replaced, nor is
a name.part that no earlier run left: the file then grows under its id.

Names that this or another system could not hold are changed and named.

The right to fetch is kept until all is there, in $XDG_STATE_HOME/lenzeye, else
~/.local/state/lenzeye, readable by you only, so that a second run neither needs
the code again nor counts as a second download.`,
		Example: `  app get https://send.example.com/d/7h…Q --code K7QM-2XW9 -o ~/Wedding
  app get https://send.example.com/d/7h…Q --list
  app get https://send.example.com/d/7h…Q --only '*.CR3'
  app get https://send.example.com/d/7h…Q --only 'Wedding/cards.tar' -o - | tar x`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return userError{fmt.Errorf("one download link is due (see %s --help)", cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			f.firstPatience = patienceAsked(cmd)
			return get(cmd.Context(), inv, f, args[0])
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.code, "code", "", "the code of the link; asked for on a terminal")
	flags.StringVarP(&f.out, "out", "o", ".", "the folder to fetch into, made if need be; - writes one file to the output")
	flags.StringVar(&f.only, "only", "", "only files or folders whose path or name matches this `GLOB`")
	flags.StringVar(&f.limit, "limit", "", "at most so much a second, like 20MB/s")
	flags.IntVar(&f.parallel, "parallel", 6, "requests in flight, 1 to 32")
	flags.DurationVar(&f.patience, "patience", 5*time.Minute, patienceHelp)
	flags.BoolVar(&f.list, "list", false, "list the files and fetch none")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

// getRun is one `app get`.
type getRun struct {
	inv   *invocation
	flags getFlags
	share *client.Share
	state stateFile
	pace  *client.Pace
	show  *progress // nil before and after
}

// check looks for words that mean nothing, alone or together.
func (f getFlags) check() error {
	switch {
	case f.out == "":
		return userError{errors.New("-o is empty: name a folder")}
	case f.list && f.out == "-":
		return userError{errors.New("--list fetches no file: leave -o - away")}
	case f.json && f.out == "-":
		return userError{errors.New("-o - gives the output to the file: leave --json away")}
	}
	return checkCrew(f.parallel, f.patience)
}

func get(ctx context.Context, inv *invocation, f getFlags, address string) error {
	base, token, err := client.ParseShare(address)
	if err != nil {
		return userError{fmt.Errorf("the download link: %w", err)}
	}
	if err := f.check(); err != nil {
		return err
	}
	if _, err := path.Match(f.only, ""); err != nil {
		return userError{fmt.Errorf("--only %s: %w", f.only, err)}
	}
	rate, err := parseLimit(f.limit)
	if err != nil {
		return err
	}
	r := &getRun{inv: inv, flags: f, pace: client.NewPace(rate), state: inv.state("get", base, token)}
	c, err := inv.newClient(base, client.Options{Patience: f.patience, FirstPatience: f.firstPatience, Retrying: r.retrying})
	if err != nil {
		return err
	}
	var kept getState
	if _, err := r.state.load(&kept); err != nil {
		return err
	}
	r.share = c.Share(token, kept.AccessToken)
	r.state = r.state.orNone(r.say, "a second run needs the code again, and counts as another download.")
	if f.list {
		return blame(r.list(ctx))
	}
	defer inv.collectOften()()
	wanted, err := r.wanted(ctx)
	if err != nil {
		return blame(err)
	}
	switch {
	case len(wanted) == 0 && f.only != "":
		return userError{fmt.Errorf("--only %s: no file matches (see --list)", f.only)}
	case f.out == "-":
		return blame(r.pour(ctx, wanted))
	}
	return blame(r.fetch(ctx, wanted))
}

func (r *getRun) say(format string, args ...any) {
	if r.show != nil {
		r.show.say(format, args...)
		return
	}
	fmt.Fprintln(r.inv.io.err, printable(fmt.Sprintf(format, args...)))
}

func (r *getRun) retrying(what string, err error, wait time.Duration) {
	r.say("%s: %v; trying again in %s", what, err, wait.Round(100*time.Millisecond))
}

// open reads the list, with the right that is kept or by the code. It is read in
// pages, and no more is kept of it than each keeps.
func (r *getRun) open(ctx context.Context, each func(api.SharedFile) error) (api.ShareView, error) {
	if r.share.Access != "" {
		begun := false
		view, err := r.share.List(ctx, func(f api.SharedFile) error {
			begun = true
			return each(f)
		})
		if begun || !client.IsCode(err, api.CodeRequired) {
			return view, err
		}
		r.share.Access = "" // it has ended
	}
	code := r.flags.code
	if code == "" {
		if !r.inv.isAttended() {
			return api.ShareView{}, userError{errors.New("--code is missing: it came with the link")}
		}
		var err error
		if code, err = r.inv.ask(ctx, "The code:"); err != nil {
			return api.ShareView{}, err
		}
	}
	if err := r.share.Unlock(ctx, code); err != nil {
		return api.ShareView{}, err
	}
	if err := r.state.save(getState{r.share.Access}); err != nil {
		return api.ShareView{}, err
	}
	return r.share.List(ctx, each)
}

// wanted reads the list and keeps little of the files that are to be fetched, and
// nothing of the others.
func (r *getRun) wanted(ctx context.Context) (wanted []client.Wanted, err error) {
	var naming client.Naming
	_, err = r.open(ctx, func(f api.SharedFile) error {
		if w := naming.Name(f); matches(r.flags.only, w.Path) {
			wanted = append(wanted, w)
		}
		return nil
	})
	return wanted, err
}

// matches tells whether a pattern means a file: by its path or name, or by a
// folder that it lies in. An empty pattern means all.
func matches(pattern, file string) bool {
	if pattern == "" {
		return true
	}
	pattern = strings.TrimSuffix(pattern, "/")
	for at := file; at != "." && at != "/"; at = path.Dir(at) {
		byPath, _ := path.Match(pattern, at) // the pattern was checked
		byName, _ := path.Match(pattern, path.Base(at))
		if byPath || byName {
			return true
		}
	}
	return false
}

// pour writes the one file that is wanted to the output. What is written cannot
// be taken back, so damage is known at the end only.
func (r *getRun) pour(ctx context.Context, files []client.Wanted) error {
	if len(files) != 1 {
		return userError{fmt.Errorf("-o - takes one file and there are %d: choose it with --only", len(files))}
	}
	f, sum := files[0], crc32.NewIEEE()
	if err := r.share.Fetch(ctx, f.ID(), client.Range{Size: f.Size}, client.PacedWriter(ctx, r.pace, io.MultiWriter(r.inv.io.out, sum))); err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	if want, ok := f.Sum(); !ok || sum.Sum32() != uint32(want) {
		return fmt.Errorf("%s: %w", f.Path, client.ErrDamaged)
	}
	return nil
}

// getResult is what `app get --json` prints.
type getResult struct {
	Folder     string    `json:"folder"`
	Files      int       `json:"files"`
	Bytes      int64     `json:"bytes"`
	NotFetched []notDone `json:"not_fetched"`
}

// fetch fetches files into the folder.
func (r *getRun) fetch(ctx context.Context, files []client.Wanted) error {
	if err := os.MkdirAll(r.flags.out, 0o777); err != nil {
		return userError{fmt.Errorf("make the folder: %w", err)}
	}
	dir, err := os.OpenRoot(r.flags.out)
	if err != nil {
		return userError{fmt.Errorf("open the folder: %w", err)}
	}
	defer dir.Close()
	bytes := int64(0)
	for _, f := range files {
		bytes += f.Size
		if f.Name != f.Path {
			r.say("%s: called %s here", f.Path, f.Name)
		}
	}
	unlock, err := r.alone()
	if err != nil {
		return err
	}
	defer unlock()
	failed, err := r.work(ctx, dir, files, bytes)
	switch {
	case client.IsDiskFull(err):
		return fmt.Errorf("the disk of %s is full: make room and run the same command again, what has arrived is kept (%w)", r.flags.out, err)
	case err != nil:
		return err
	}
	if err := r.result(files, failed); err != nil {
		return err
	}
	if n := len(failed); n > 0 {
		return fmt.Errorf("%d of %d files are not there, they are named above", n, len(files))
	}
	if r.flags.only != "" {
		return nil // more may be wanted of the same download
	}
	return r.state.forget()
}

// alone keeps a second run from fetching into the same folder: files of two
// downloads may have one name, and would grow in one name.part.
func (r *getRun) alone() (unlock func(), err error) {
	if r.state.path == "" {
		return func() {}, nil // nothing can be kept, no lock either
	}
	into, err := filepath.Abs(r.flags.out)
	if err != nil {
		return nil, err
	}
	if into, err = filepath.EvalSymlinks(into); err != nil {
		return nil, userError{fmt.Errorf("find the folder: %w", err)}
	}
	return r.inv.state("into", into).lock("fetches into " + r.flags.out)
}

func (r *getRun) work(ctx context.Context, dir *os.Root, files []client.Wanted, bytes int64) ([]client.Failure, error) {
	r.show = newProgress(r.inv.io.err, r.flags.json, len(files), bytes)
	defer func() {
		r.show.close()
		r.show = nil
	}()
	f := &client.Fetching{Share: r.share, Dir: dir, Parallel: r.flags.parallel, Pace: r.pace, Watch: r.show.watch()}
	failed, err := f.Fetch(ctx, files)
	for _, f := range failed {
		r.say("%s: not fetched: %v", f.Path, f.Err)
	}
	if ctx.Err() != nil {
		r.say("What has arrived is kept: run the same command again to go on.")
	}
	return failed, err
}

func (r *getRun) result(files []client.Wanted, failed []client.Failure) error {
	out := getResult{Folder: r.flags.out, Files: len(files) - len(failed), NotFetched: notDones(failed)}
	missing := map[string]bool{}
	for _, f := range failed {
		missing[f.Path] = true
	}
	for _, f := range files {
		if !missing[f.Path] {
			out.Bytes += f.Size
		}
	}
	if r.flags.json {
		return json.NewEncoder(r.inv.io.out).Encode(out)
	}
	_, err := fmt.Fprintf(r.inv.io.out, "Fetched   %s, %s, into %s\n", filesText(int64(out.Files)), bytesText(out.Bytes), out.Folder)
	return err
}
