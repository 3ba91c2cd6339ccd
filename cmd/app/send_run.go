package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/client"
)

// completeTries is how often files that turn out to be missing at the end are
// sent again without getting fewer.
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
	gone   int   // files of the last run that are no more and stand in its transfer
	fewer  int64 // files that were sent and that the complete transfer does not count
}

// say prints a line for people, beside the bars while there are any.
func (r *sendRun) say(format string, args ...any) {
	if r.show != nil {
		r.show.say(format, args...)
		return
	}
	fmt.Fprintln(r.inv.io.err, printable(fmt.Sprintf(format, args...)))
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
	if n := len(r.plan.empty); n > 0 {
		r.say("%d left out that are empty folders, like %s: a transfer holds files, with the folders around them", n, r.plan.empty[0])
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
			if ctx.Err() != nil && r.goesOn(input) {
				r.say("What has arrived is kept: run the same command again to go on.")
			}
			return blame(err)
		}
	}
	// The link and the code first: no failure after this may hide them.
	if err := r.result(done); err != nil {
		return err
	}
	undigested, err := r.receipt(ctx, input, done)
	if err != nil {
		return err
	}
	if err := r.state.forget(); err != nil {
		return err
	}
	return r.verdict(undigested)
}

// goesOn tells whether a second run could go on where this one ends.
func (r *sendRun) goesOn(input *sendInput) bool {
	return input.stream == nil && (r.state.path != "" || r.isShared())
}

// verdict is what keeps a run that came to its end from having done all.
func (r *sendRun) verdict(undigested int) (err error) {
	if n := len(r.left); n > 0 {
		err = fmt.Errorf("%d of %d files were not sent, they are named above", n, len(r.plan.sources)+len(r.plan.left))
	}
	if r.gone > 0 {
		err = errors.Join(err, fmt.Errorf("%s more in the transfer than here, named above", filesText(int64(r.gone))))
	}
	if r.fewer > 0 {
		err = errors.Join(err, fmt.Errorf("%s fewer in the transfer than were sent: compare it with what is here", filesText(r.fewer)))
	}
	if undigested > 0 {
		err = errors.Join(err, fmt.Errorf("%s without a SHA-256 in the receipt, named above", filesText(int64(undigested))))
	}
	return err
}

// deliver sends everything and completes the transfer.
func (r *sendRun) deliver(ctx context.Context, input *sendInput) (*api.Completed, error) {
	r.show = newProgress(r.inv.io.err, r.flags.json, len(r.plan.sources), r.plan.bytes())
	defer func() {
		r.show.close()
		r.show = nil
	}()
	s := &client.Sending{Upload: r.upload, Parallel: r.flags.parallel, Pace: r.pace, Watch: r.show.watch(),
		Shared: r.isShared()}
	if input.stream != nil {
		if err := s.Stream(ctx, input.source, input.stream, input.file.File); err != nil {
			return nil, fmt.Errorf("%s: %w", input.source.Path, err)
		}
	} else if err := r.sendSome(ctx, s, r.plan.sources); err != nil {
		return nil, err
	}
	done, err := r.complete(ctx, s, input)
	if err == nil && !r.isShared() {
		sent := int64(len(r.plan.sources) - (len(r.left) - len(r.plan.left)))
		r.fewer = max(0, sent-done.Files)
	}
	return done, err
}

// complete ends the transfer. Files that the server waits for are dealt with as
// long as they get fewer.
func (r *sendRun) complete(ctx context.Context, s *client.Sending, input *sendInput) (*api.Completed, error) {
	fewest, tries := int64(math.MaxInt64), 0
	for {
		done, err := r.upload.Complete(ctx)
		missing, count := client.Unfinished(err)
		if tries++; count < fewest {
			fewest, tries = count, 1
		}
		switch {
		case err == nil:
			return &done, nil
		case client.IsCode(err, api.StillSealing):
			return nil, r.stillSealing(input, err)
		case client.IsCode(err, api.TransferEmpty):
			return nil, errors.New("nothing could be sent, all is named above")
		case !client.IsCode(err, api.TransferIncomplete) || tries == completeTries || input.stream != nil:
			return nil, err
		}
		if r.isShared() && !r.knowsAll(missing) {
			return nil, errors.New("all of this is sent, but files that were begun elsewhere are not all there: finish them there")
		}
		if r.isShared() && r.gaveUp(missing) {
			return nil, errors.New("what could be sent is sent, but files that are named above stand half in the transfer: finish them elsewhere, or take them out on its page")
		}
		if err := r.sendMissing(ctx, s, missing); err != nil {
			return nil, err
		}
	}
}

// stillSealing is what to do where patience ended before the server had put the
// files together.
func (r *sendRun) stillSealing(input *sendInput, err error) error {
	if !r.goesOn(input) {
		return fmt.Errorf("all is sent, but the server still puts files together, so that there is no link yet: ask the studio, and give more --patience another time (%w)", err)
	}
	return fmt.Errorf("all is sent, and the server still puts files together: run the same command again for the link (%w)", err)
}

// isShared tells whether others may send to the transfer too: whoever has its
// address with the token can.
func (r *sendRun) isShared() bool { return r.link.TransferID != "" }

// knowsAll tells whether all files are of this run.
func (r *sendRun) knowsAll(files []api.File) bool {
	return !slices.ContainsFunc(files, func(f api.File) bool { src, _ := r.plan.find(f.Path); return src == nil })
}

// gaveUp tells whether all files are named as not sent: sending them once more
// would end as it did.
func (r *sendRun) gaveUp(files []api.File) bool {
	return !slices.ContainsFunc(files, func(f api.File) bool {
		return !slices.ContainsFunc(r.left, func(l client.Failure) bool { return l.Path == f.Path })
	})
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
	var again []*client.Source
	for _, f := range missing {
		if src, _ := r.plan.find(f.Path); src != nil {
			again = append(again, src)
			continue
		}
		if err := r.takeOut(ctx, f); err != nil {
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
	Empty      []string           `json:"empty_folders"`
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
			NotSent: notDones(r.left), LeftOut: append([]string{}, r.plan.junk...),
			Empty: append([]string{}, r.plan.empty...), Receipt: r.flags.receipt,
		})
	}
	_, err := fmt.Fprintf(r.inv.io.out, "Sent      %s, %s\nLink      %s\nCode      %s\nUntil     %s\n",
		filesText(done.Files), bytesText(done.Bytes), printable(done.Share.URL), printable(done.Share.Code), done.Share.ExpiresAt.Local().Format("2006-01-02 15:04"))
	return err
}
