package main

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"path"
	"strings"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/client"
)

// begin starts a transfer, or finds the one of an earlier run. done is not nil
// when that one is complete already.
func (r *sendRun) begin(ctx context.Context, input *sendInput) (done *api.Completed, err error) {
	if r.isShared() {
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
	if err := input.keepDate(kept.InputModified); err != nil {
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
	return nil, r.start(ctx, input, kept, ok)
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
		r.sayUnused(t)
		if t.Files.Total > 0 && !r.isShared() {
			err = r.tidy(ctx)
		}
		return nil, false, err
	case t.State == "complete" && input.stream == nil:
		return r.recognise(ctx, input)
	}
	return nil, true, fmt.Errorf("it is %s", t.State)
}

// sayUnused names what was typed anew and cannot change a transfer that stands.
func (r *sendRun) sayUnused(t api.Transfer) {
	from, err := mail.ParseAddress(r.flags.from)
	if r.flags.from != "" && (err != nil || !strings.EqualFold(from.Address, t.SenderEmail)) {
		r.say("--from is not used: this transfer was begun by %s.", t.SenderEmail)
	}
	if r.flags.message != "" && strings.TrimSpace(r.flags.message) != strings.TrimSpace(t.Message) {
		r.say("--message is not used: this transfer was begun with another one, or none.")
	}
}

// tidy takes out what an earlier run sent and this one would not. What cannot be
// read today stays: it has been sent, and it is named as left.
func (r *sendRun) tidy(ctx context.Context) error {
	left := make(map[string]bool, len(r.plan.left))
	for _, l := range r.plan.left {
		left[l.Path] = true
	}
	for f, err := range r.upload.Files(ctx) {
		if err != nil {
			return err
		}
		if src, _ := r.plan.find(f.Path); src != nil || isWhole(f) && isBelow(left, f.Path) {
			continue
		}
		if err := r.takeOut(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// isWhole tells whether every part of a file has arrived.
func isWhole(f api.File) bool { return f.State == "stored" || f.State == "sealing" }

// isBelow tells whether a path, or a folder around it, is among paths.
func isBelow(paths map[string]bool, name string) bool {
	for ; name != "."; name = path.Dir(name) {
		if paths[name] {
			return true
		}
	}
	return false
}

func (r *sendRun) takeOut(ctx context.Context, f api.File) error {
	r.say("%s: an earlier run began it, and it is not among the files now: taken out", f.Path)
	if err := r.upload.DeleteFile(ctx, f.ID); err != nil && !client.IsCode(err, api.NotFound) {
		return err
	}
	return nil
}

// recognise compares a complete transfer of the last run with the files here, by
// path, size, date and checksum. What differs is named: nothing can be sent to it
// any more. Another standard input is another sending.
func (r *sendRun) recognise(ctx context.Context, input *sendInput) (done *api.Completed, ended bool, err error) {
	differ, gone, err := r.differences(ctx)
	if err != nil {
		return nil, false, err
	}
	if input.isInput && len(differ) > 0 {
		return nil, true, errors.New("it is complete, with another input")
	}
	if len(differ)+len(gone) == 0 {
		r.say("The last run has sent all of this already.")
	} else {
		r.say("The last run's transfer is complete, and differs from what is here:")
	}
	for _, f := range append(gone, differ...) {
		r.say("%s: %v", f.Path, f.Err)
	}
	if len(differ) > 0 {
		r.say("To send what is here now, run this once more: it begins a new transfer.")
	}
	r.left, r.gone = append(r.left, differ...), len(gone)
	c, err := r.upload.Complete(ctx)
	return &c, false, err
}

// differences are the files that the transfer does not hold as they are here, and
// those that it holds and that are not here.
func (r *sendRun) differences(ctx context.Context) (differ, gone []client.Failure, err error) {
	seen := make([]bool, len(r.plan.sources))
	for f, err := range r.upload.Files(ctx) {
		if err != nil {
			return nil, nil, err
		}
		src, at := r.plan.find(f.Path)
		if src == nil {
			if !r.isShared() {
				gone = append(gone, client.Failure{Path: f.Path, Err: errors.New("it stands in the transfer, and is not among the files now")})
			}
			continue
		}
		seen[at] = true
		if err := src.Compare(ctx, f); err != nil {
			if ctx.Err() != nil {
				return nil, nil, ctx.Err()
			}
			differ = append(differ, client.Failure{Path: f.Path, Err: fmt.Errorf("not sent as it is now: %w", reason(err))})
		}
	}
	for i, src := range r.plan.sources {
		if !seen[i] {
			differ = append(differ, client.Failure{Path: src.Path, Err: errors.New("not sent: the transfer does not hold it")})
		}
	}
	return differ, gone, nil
}

// start begins a transfer. The key is kept before it is used, so that a lost
// reply, or a crash right after it, costs nothing.
func (r *sendRun) start(ctx context.Context, input *sendInput, kept sendState, haveKey bool) error {
	in, err := r.introduce(ctx)
	if err != nil {
		return err
	}
	if !haveKey {
		key, err := client.NewKey(nil)
		if err != nil {
			return err
		}
		kept = sendState{Key: key, InputModified: input.date()}
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
