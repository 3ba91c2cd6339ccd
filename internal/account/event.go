package account

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/lenzeye/lenzeye/internal/db"
)

// EventKind says what happened. The list is fixed and part of the interface:
// clients match on it, so a kind is added, never renamed.
type EventKind string

// Kinds of events.
const (
	EventAccountCreated  EventKind = "account_created"  // the studio was made
	EventQuotaChanged    EventKind = "quota_changed"    // the operator changed the quota; detail: quota_bytes, null for none
	EventAccountDisabled EventKind = "account_disabled" // the operator closed the studio; nothing is lost
	EventAccountEnabled  EventKind = "account_enabled"  // the operator opened it again
	EventAccountDeleted  EventKind = "account_deleted"  // its keys were destroyed, and so its files
	EventKeyRotated      EventKind = "key_rotated"      // the account's key was replaced; detail: version

	EventTokenCreated EventKind = "token_created" // an API token was made; detail: token_id, name
	EventTokenRevoked EventKind = "token_revoked" // an API token was revoked; detail: token_id, name

	EventSignedIn       EventKind = "signed_in"       // the studio signed in; detail: session_id, user_agent
	EventSessionRevoked EventKind = "session_revoked" // the studio signed out, or ended a session; detail: session_id

	EventLinkCreated EventKind = "link_created" // an upload link was made; detail: link_id, slug
	EventLinkChanged EventKind = "link_changed" // an upload link was changed, closed or reopened
	EventLinkDeleted EventKind = "link_deleted" // an upload link was deleted

	EventTransferStarted  EventKind = "transfer_started"  // a transfer got its first file
	EventTransferComplete EventKind = "transfer_complete" // every file is stored and the sender is done
	EventTransferAborted  EventKind = "transfer_aborted"  // the sender gave up
	EventTransferExpired  EventKind = "transfer_expired"  // its time was over
	EventTransferExtended EventKind = "transfer_extended" // the studio moved its end
	EventTransferDeleted  EventKind = "transfer_deleted"  // the studio deleted it; it can be undone for a while
	EventTransferRestored EventKind = "transfer_restored" // the delete was undone
	EventTransferPurged   EventKind = "transfer_purged"   // keys and stored bytes are gone

	EventFileDeleted EventKind = "file_deleted" // a file was taken out of a transfer
	EventFileLost    EventKind = "file_lost"    // the bucket lost parts; they are asked for again
	EventFileDamaged EventKind = "file_damaged" // stored bytes are gone or failed to authenticate

	EventFileRecovered EventKind = "file_recovered" // what was damaged is whole again

	EventShareCreated   EventKind = "share_created"    // a share was made
	EventShareRevoked   EventKind = "share_revoked"    // the studio ended a share
	EventShareUnlocked  EventKind = "share_unlocked"   // the right code was given: one download counted
	EventShareCodeWrong EventKind = "share_code_wrong" // a wrong code was given

	EventMailFailed  EventKind = "mail_failed"  // a message was given up; detail: mail_id, kind, recipient, reason
	EventMailBounced EventKind = "mail_bounced" // a message was handed over and did not arrive; detail: mail_id, kind, recipient, reason
)

// EventKinds are all kinds that Record takes.
func EventKinds() []EventKind {
	return []EventKind{
		EventAccountCreated, EventQuotaChanged, EventAccountDisabled, EventAccountEnabled, EventAccountDeleted, EventKeyRotated,
		EventTokenCreated, EventTokenRevoked, EventSignedIn, EventSessionRevoked,
		EventLinkCreated, EventLinkChanged, EventLinkDeleted,
		EventTransferStarted, EventTransferComplete, EventTransferAborted, EventTransferExpired,
		EventTransferExtended, EventTransferDeleted, EventTransferRestored, EventTransferPurged,
		EventFileDeleted, EventFileLost, EventFileDamaged, EventFileRecovered,
		EventShareCreated, EventShareRevoked, EventShareUnlocked, EventShareCodeWrong,
		EventMailFailed, EventMailBounced,
	}
}

// Who made something happen.
const (
	ActorGuest  = "guest"
	ActorStudio = "studio"
	ActorSystem = "system"
)

// Origin is who asks for a change and from where, for the event that tells of
// it. The zero value is the system itself.
type Origin struct {
	Actor string // ActorStudio, ActorGuest; "" is ActorSystem
	IP    string // "" when there is none
}

// Event is one thing that happened in an account. Events outlive what they tell
// of.
type Event struct {
	ID         string    // made by Record when ""
	AccountID  string    // whose it is
	At         time.Time // now when zero
	Kind       EventKind
	Actor      string // ActorSystem when ""
	IP         string // the client's address; "" when there is none
	TransferID string // "" when it is about none; so are the next two
	ShareID    string
	FileID     string
	Detail     map[string]any // never a secret
}

// Record writes an event in the transaction that makes it true.
func (s *Service) Record(ctx context.Context, tx db.Querier, e Event) error {
	if !slices.Contains(EventKinds(), e.Kind) {
		return fmt.Errorf("record event: %q is not in the list of kinds", e.Kind)
	}
	if e.ID == "" {
		e.ID = db.NewID()
	}
	if e.At.IsZero() {
		e.At = s.clock()
	}
	if e.Actor == "" {
		e.Actor = ActorSystem
	}
	detail := []byte("{}")
	if len(e.Detail) > 0 {
		var err error
		if detail, err = json.Marshal(e.Detail); err != nil {
			return fmt.Errorf("record event %s: %w", e.Kind, err)
		}
	}
	_, err := tx.ExecContext(ctx, insertEvent, e.ID, e.AccountID, db.Micros(e.At), string(e.Kind), e.Actor,
		e.IP, orNull(e.TransferID), orNull(e.ShareID), orNull(e.FileID), string(detail))
	if err != nil {
		return fmt.Errorf("record event %s: %w", e.Kind, err)
	}
	return nil
}

// Events gives an account's events, newest first, and the cursor of the next
// page, "" at the end. Errors: ErrCursor.
func (s *Service) Events(ctx context.Context, accountID string, p Page) ([]Event, string, error) {
	return pageOf(ctx, s.db, p, eventsPage, []any{accountID}, scanEvent,
		func(e Event) string { return e.ID })
}

// EventsOf gives the newest events that tell of one transfer, newest first.
// Events carry the time in their ids as transfers do, so none before the transfer
// is looked at. Errors: ErrNotFound for what is no id.
func (s *Service) EventsOf(ctx context.Context, accountID, transferID string, limit int) ([]Event, error) {
	first, err := earlier(transferID, clockSkew)
	if err != nil {
		return nil, ErrNotFound
	}
	list, _, err := pageOf(ctx, s.db, Page{Limit: limit}, eventsOfTransfer, []any{accountID, transferID, first}, scanEvent,
		func(e Event) string { return e.ID })
	return list, err
}

// clockSkew is by how much the clocks of servers may differ.
const clockSkew = time.Hour

// earlier is an id before all that were made within d before another.
func earlier(id string, d time.Duration) (string, error) {
	b, err := db.IDBytes(id)
	if err != nil {
		return "", err
	}
	var at [8]byte
	copy(at[2:], b[:6]) // milliseconds
	ms := max(0, int64(binary.BigEndian.Uint64(at[:]))-d.Milliseconds())
	return fmt.Sprintf("%08x-%04x-0000-0000-000000000000", ms>>16, ms&0xffff), nil
}

func scanEvent(row scanner) (Event, error) {
	var e Event
	var at int64
	var kind, detail string
	var transfer, share, file *string
	if err := row.Scan(&e.ID, &e.AccountID, &at, &kind, &e.Actor, &e.IP,
		&transfer, &share, &file, &detail); err != nil {
		return Event{}, err
	}
	e.At, e.Kind = db.Time(at), EventKind(kind)
	e.TransferID, e.ShareID, e.FileID = orEmpty(transfer), orEmpty(share), orEmpty(file)
	if err := json.Unmarshal([]byte(detail), &e.Detail); err != nil {
		return Event{}, fmt.Errorf("read event %s: %w", e.ID, err)
	}
	return e, nil
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
