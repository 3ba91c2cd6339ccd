package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

const eventSecret = "a-secret-of-twenty-and-more"

// A service gets 429 for what passes by itself, so that it brings its events
// again; the log and the problem say what it was, and other routes stay as they are.
func TestMailEventsComeAgain(t *testing.T) {
	t.Parallel()
	var fails error
	e := newEnv(t, func(o *Options) {
		o.MailEvents = MailEvents{Secret: eventSecret, Take: func(context.Context, string, http.Header, []byte) error { return fails }}
	})
	const path = "/api/v1/mail/events/brevo"
	for _, c := range []struct {
		err    error
		status int
		code   api.Code
	}{
		{transfer.ErrDatabaseUnavailable, http.StatusTooManyRequests, api.DatabaseUnavailable},
		{transfer.ErrDatabaseLocked, http.StatusTooManyRequests, api.DatabaseUnavailable},
		{transfer.ErrDatabaseFull, http.StatusTooManyRequests, api.StorageFull},
		{errDraining, http.StatusTooManyRequests, api.Draining},
		{errBusy, http.StatusTooManyRequests, api.Busy},
		{ErrMailEvents, http.StatusBadRequest, api.JSONInvalid},
		{errors.New("a mistake of ours"), http.StatusInternalServerError, api.Internal},
	} {
		fails = fmt.Errorf("below: %w", c.err)
		if p := e.wantProblem(c.code, "POST", path, eventSecret, "[]"); p.Status != c.status { // with Retry-After
			t.Errorf("%v: %+v, want %d", c.err, p, c.status)
		}
	}
	if log := e.log.String(); !strings.Contains(log, "level=ERROR msg=request") || !strings.Contains(log, "below: "+transfer.ErrDatabaseUnavailable.Error()) {
		t.Errorf("the log does not say it:\n%s", log)
	}
}
