package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"time"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/client"
)

// completeTries is how often files that turn out to be missing at the end are
// sent again.
const completeTries = 5

// sendRun is one `app send`.
type sendRun struct {
	inv    *invocation
	flags  sendFlags
	link   client.Link
	client *client.Client
	state  stateFile
	plan   *sendPlan
	pace   *client.Pace
	now    func() time.Time

	upload *client.Upload
	show   *progress // nil before and after
	left   []client.Failure
}

// say prints a line for people, beside the bars while there are any.
func (r *sendRun) say(format string, args ...any) {
	if r.show != nil {
		r.show.say(format, args...)
		return
	}
	fmt.Fprintf(r.inv.io.err, format+"\n", args...)
}

func (r *sendRun) retrying(what string, err error, wait time.Duration) {
	r.say("%s: %v; trying again in %s", what, err, wait.Round(100*time.Millisecond))
}

func (r *sendRun) run(ctx context.Context, input *sendInput) error {
	r.left = r.plan.left
	for _, l := range r.left {
		r.say("%s: not sent: %v", l.Path, l.Err)
	}
	if n := len(r.plan.junk); n > 0 {
		r.say("%d left out that only operating systems want, like %s (--all sends them too)", n, r.plan.junk[0])
	}
	if len(r.plan.sources) == 0 {
		return userError{errors.New("there is no file to send")}
	}
	done, err := r.begin(ctx, input)
	if err != nil {
		return blame(err)
	}
	if done == nil {
		if done, err = r.deliver(ctx, input); err != nil {
			if ctx.Err() != nil && input.stream == nil {
				r.say("What has arrived is kept: run the same command again to go on.")
			}
			return blame(err)
		}
	}
	if err := r.receipt(ctx, input, done); err != nil {
		return err
	}
	if err := r.result(done); err != nil {
		return err
	}
	if err := r.state.forget(); err != nil {
		return err
	}
	if n := len(r.left); n > 0 {
		return fmt.Errorf("%d of %d files were not sent, they are named above", n, len(r.plan.sources)+len(r.plan.left))
	}
	return nil
}

// begin starts a transfer, or finds the one of an earlier run. done is not nil
// when that one is complete already.
func (r *sendRun) begin(ctx context.Context, input *sendInput) (done *api.Completed, err error) {
	if r.link.TransferID != "" {
		r.state = stateFile{} // the address has all there is to keep
		r.upload = r.client.Upload(r.link.TransferID, r.link.UploadToken)
		done, _, err := r.resume(ctx, input)
		return done, err
	}
	var kept sendState
	ok, err := r.state.load(&kept)
	if err != nil {
		return nil, err
	}
	if ok && kept.TransferID != "" {
		r.upload = r.client.Upload(kept.TransferID, kept.UploadToken)
		done, ended, err := r.resume(ctx, input)
		if !ended {
			return done, err
		}
		r.say("The transfer of the last run is gone (%v); a new one begins.", err)
		ok = false
	}
	return nil, r.start(ctx, kept, ok)
}

// resume looks at a transfer that was begun before. ended tells that nothing
// more can be sent to it, err then why.
func (r *sendRun) resume(ctx context.Context, input *sendInput) (done *api.Completed, ended bool, err error) {
	t, err := r.upload.Transfer(ctx)
	switch {
	case client.IsCode(err, api.Unauthenticated, api.NotFound, api.TransferExpired):
		return nil, true, err
	case err != nil:
		return nil, false, err
	case t.State == "receiving":
		r.say("Going on with the transfer begun %s, %d of %d files are there.",
			t.CreatedAt.Local().Format("2006-01-02 15:04"), t.Files.Stored, t.Files.Total)
		return nil, false, nil
	case t.State == "complete" && !input.isInput: // what came in then may be other bytes
		r.say("The last run has sent all of this already.")
		if n := int64(len(r.plan.sources)); t.Files.Total != n {
			r.say("It sent %d files, and %d are there now: run this once more to send what is new.", t.Files.Total, n)
		}
		c, err := r.upload.Complete(ctx)
		return &c, false, err
	}
	return nil, true, fmt.Errorf("it is %s", t.State)
}

// start begins a transfer. The key is kept before it is used, so that a lost
// reply, or a crash right after it, costs nothing.
func (r *sendRun) start(ctx context.Context, kept sendState, haveKey bool) error {
	in, err := r.introduce(ctx)
	if err != nil {
		return err
	}
	if !haveKey {
		key, err := client.NewKey(nil)
		if err != nil {
			return err
		}
		kept = sendState{Key: key}
		if err := r.state.save(kept); err != nil {
			return err
		}
		if r.state.path == "" {
			r.say("Neither XDG_STATE_HOME nor HOME is set: if this ends early, it cannot go on in a second run.")
		}
	}
	st, err := r.client.Start(ctx, r.link.Slug, kept.Key, in)
	if err != nil {
		return err
	}
	kept.TransferID, kept.UploadToken = st.ID, st.UploadToken
	r.upload = r.client.Upload(st.ID, st.UploadToken)
	return r.state.save(kept)
}

// introduce says who sends, and asks for what is missing where somebody can be
// asked.
func (r *sendRun) introduce(ctx context.Context) (in api.Start, err error) {
	view, err := r.client.ViewLink(ctx, r.link.Slug)
	if err != nil {
		return in, err
	}
	if view.Title != "" {
		r.say("Sending to %s, for %s.", view.Studio.Name, view.Title)
	} else {
		r.say("Sending to %s.", view.Studio.Name)
	}
	from := r.flags.from
	if from == "" && r.inv.isAttended() {
		if from, err = r.inv.ask(ctx, "Your email address:"); err != nil {
			return in, err
		}
	}
	if from == "" {
		return in, userError{errors.New("--from is missing: give your email address")}
	}
	address, err := mail.ParseAddress(from)
	if err != nil {
		return in, userError{fmt.Errorf("--from %s: it is no email address", from)}
	}
	in = api.Start{SenderEmail: address.Address, SenderName: address.Name, Message: r.flags.message, Password: r.flags.password}
	if view.PasswordRequired && in.Password == "" {
		if !r.inv.isAttended() {
			return in, userError{errors.New("--password is missing: this link has one")}
		}
		in.Password, err = r.inv.askSecret(ctx, "The link's password:")
	}
	return in, err
}

// deliver sends everything and completes the transfer.
func (r *sendRun) deliver(ctx context.Context, input *sendInput) (*api.Completed, error) {
	r.show = newProgress(r.inv.io.err, r.flags.json, r.plan.sizes())
	defer func() {
		r.show.close()
		r.show = nil
	}()
	s := &client.Sending{Upload: r.upload, Parallel: r.flags.parallel, Pace: r.pace, Watch: r.show.watch()}
	if input.stream != nil {
		if err := s.Stream(ctx, input.source, input.stream, input.file); err != nil {
			return nil, fmt.Errorf("%s: %w", input.source.Path, err)
		}
	} else if err := r.sendSome(ctx, s, r.plan.sources); err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		done, err := r.upload.Complete(ctx)
		switch {
		case err == nil:
			return &done, nil
		case client.IsCode(err, api.TransferEmpty):
			return nil, errors.New("nothing could be sent, all is named above")
		case !client.IsCode(err, api.TransferIncomplete) || try == completeTries || input.stream != nil:
			return nil, err
		}
		if r.link.TransferID != "" && !r.knowsAll(client.Unfinished(err)) {
			return nil, errors.New("all of this is sent, but files that were begun elsewhere are not all there: finish them there")
		}
		if err := r.sendMissing(ctx, s, client.Unfinished(err)); err != nil {
			return nil, err
		}
	}
}

// knowsAll tells whether all files are of this run.
func (r *sendRun) knowsAll(files []api.File) bool {
	sizes := r.plan.sizes()
	return !slices.ContainsFunc(files, func(f api.File) bool { _, ok := sizes[f.Path]; return !ok })
}

func (r *sendRun) sendSome(ctx context.Context, s *client.Sending, sources []*client.Source) error {
	failed, err := s.Send(ctx, sources)
	for _, f := range failed {
		r.say("%s: not sent: %v", f.Path, f.Err)
	}
	r.left = append(r.left, failed...)
	return err
}

// sendMissing deals with files that the server waits for: those of this run are
// sent again, and those that an earlier run began and that are no more are taken
// out.
func (r *sendRun) sendMissing(ctx context.Context, s *client.Sending, missing []api.File) error {
	planned := make(map[string]*client.Source, len(r.plan.sources))
	for _, src := range r.plan.sources {
		planned[src.Path] = src
	}
	var again []*client.Source
	for _, f := range missing {
		if src := planned[f.Path]; src != nil {
			again = append(again, src)
			continue
		}
		r.say("%s: an earlier run began it and it is gone: taken out", f.Path)
		if err := r.upload.DeleteFile(ctx, f.ID); err != nil && !client.IsCode(err, api.NotFound) {
			return err
		}
	}
	return r.sendSome(ctx, s, again)
}

// sendResult is what `app send --json` prints.
type sendResult struct {
	TransferID string             `json:"transfer_id"`
	Share      api.CompletedShare `json:"share"`
	Files      int64              `json:"files"`
	Bytes      int64              `json:"bytes"`
	NotSent    []notDone          `json:"not_sent"`
	LeftOut    []string           `json:"left_out"`
	Receipt    string             `json:"receipt,omitempty"`
}

// notDone is a file that was not sent or fetched, and why.
type notDone struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

func notDones(failed []client.Failure) []notDone {
	out := make([]notDone, len(failed))
	for i, f := range failed {
		out[i] = notDone{f.Path, f.Err.Error()}
	}
	return out
}

func (r *sendRun) result(done *api.Completed) error {
	if r.flags.json {
		return json.NewEncoder(r.inv.io.out).Encode(sendResult{
			TransferID: r.upload.ID, Share: done.Share, Files: done.Files, Bytes: done.Bytes,
			NotSent: notDones(r.left), LeftOut: append([]string{}, r.plan.junk...), Receipt: r.flags.receipt,
		})
	}
	_, err := fmt.Fprintf(r.inv.io.out, "Sent      %s, %s\nLink      %s\nCode      %s\nUntil     %s\n",
		filesText(done.Files), bytesText(done.Bytes), done.Share.URL, done.Share.Code, done.Share.ExpiresAt.Local().Format("2006-01-02 15:04"))
	if err == nil && r.flags.receipt != "" {
		_, err = fmt.Fprintf(r.inv.io.out, "Receipt   %s\n", r.flags.receipt)
	}
	return err
}
