package transfer

import (
	"context"
	"database/sql"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/db"
)

const (
	maxTitle   = 200  // characters of a title or a name
	maxMessage = 5000 // characters of a message
)

// slugForm is what a slug may be; it is a path segment of the guest's URL.
var slugForm = regexp.MustCompile(`^[a-z0-9-]{3,64}$`)

// CreateLink makes an upload link. Errors: ErrSlugTaken, ErrSlugInvalid,
// *FieldError.
func (s *Service) CreateLink(ctx context.Context, accountID string, f LinkFields, from Client) (Link, error) {
	if f.Slug == "" {
		slug, err := s.randomSlug()
		if err != nil {
			return Link{}, err
		}
		f.Slug = slug
	}
	l := Link{
		ID: db.NewID(), AccountID: accountID, Slug: f.Slug, Title: f.Title, Message: f.Message,
		MaxBytes: f.MaxBytes, MaxFileBytes: f.MaxFileBytes, MaxTransfers: f.MaxTransfers,
		RetentionDays: f.RetentionDays, ExpiresAt: f.ExpiresAt, CreatedAt: s.clock(),
	}
	if err := s.setPassword(ctx, &l, f.Password); err != nil {
		return Link{}, err
	}
	if err := l.check(s.clock()); err != nil {
		return Link{}, err
	}
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, insertLink, l.ID, l.AccountID, l.Slug, l.Title, l.Message,
			nullText(l.passwordHash), l.MaxBytes, l.MaxFileBytes, l.MaxTransfers, l.RetentionDays,
			db.NullMicros(l.ExpiresAt), db.Micros(l.CreatedAt))
		if err != nil {
			return err
		}
		return s.recordLink(ctx, tx, account.EventLinkCreated, l, from)
	})
	if db.IsUnique(err) {
		return Link{}, ErrSlugTaken
	}
	if err != nil {
		return Link{}, fmt.Errorf("create link: %w", err)
	}
	l.finish(s.clock())
	return l, nil
}

// randomSlug carries 80 bits: who has the link may send.
func (s *Service) randomSlug() (string, error) {
	var b [10]byte
	if _, err := io.ReadFull(s.rand, b[:]); err != nil {
		return "", fmt.Errorf("make a slug: %w", err)
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:])), nil
}

func (s *Service) setPassword(ctx context.Context, l *Link, password string) error {
	if password == "" {
		l.passwordHash, l.HasPassword = "", false
		return nil
	}
	hash, err := s.accounts.HashPassword(ctx, password)
	if errors.Is(err, account.ErrPasswordInvalid) {
		return &FieldError{Field: "password", Reason: err.Error()}
	}
	if err != nil {
		return fmt.Errorf("hash link password: %w", err)
	}
	l.passwordHash, l.HasPassword = hash, true
	return nil
}

// check holds a link's own values against their bounds.
func (l *Link) check(now time.Time) error {
	if !slugForm.MatchString(l.Slug) {
		return ErrSlugInvalid
	}
	if err := checkText("title", l.Title, maxTitle); err != nil {
		return err
	}
	if err := checkText("message", l.Message, maxMessage); err != nil {
		return err
	}
	for _, bound := range []struct {
		field string
		value *int64
	}{{"max_bytes", l.MaxBytes}, {"max_file_bytes", l.MaxFileBytes}, {"max_transfers", l.MaxTransfers}} {
		if v := bound.value; v != nil && (*v < 1 || *v > maxExactInt) {
			return &FieldError{Field: bound.field, Reason: "must be from 1 to 9007199254740991"}
		}
	}
	if d := l.RetentionDays; d != nil && (*d < 1 || *d > 3650) {
		return &FieldError{Field: "retention_days", Reason: "must be from 1 to 3650"}
	}
	if l.ExpiresAt != nil && !l.Closed && !l.ExpiresAt.After(now) {
		return &FieldError{Field: "expires_at", Reason: "has passed already"}
	}
	return nil
}

// maxExactInt is the largest integer that JSON numbers carry exactly.
const maxExactInt = 1<<53 - 1

// checkText refuses what would break a mail, a header or a page's layout.
func checkText(field, text string, most int) error {
	if utf8.RuneCountInString(text) > most {
		return &FieldError{Field: field, Reason: fmt.Sprintf("has more than %d characters", most)}
	}
	for _, r := range text {
		if (r < ' ' && r != '\n' && r != '\t' && r != '\r') || r == 0x7f {
			return &FieldError{Field: field, Reason: "has control characters"}
		}
	}
	return nil
}

// Links lists an account's links, newest first. Errors: account.ErrCursor.
func (s *Service) Links(ctx context.Context, accountID string, p Page) ([]Link, string, error) {
	before, limit, err := p.Before()
	if err != nil {
		return nil, "", err
	}
	links, err := queryAll(ctx, s.db, s.scanLink, linksPage, accountID, before, limit+1)
	if err != nil {
		return nil, "", fmt.Errorf("list links: %w", err)
	}
	links, next := cut(links, limit, func(l Link) string { return l.ID })
	return links, next, nil
}

// cut takes the row too many off a list and makes the cursor of it.
func cut[T any](items []T, limit int, id func(T) string) ([]T, string) {
	if len(items) <= limit {
		return items, ""
	}
	return items[:limit], id(items[limit-1])
}

// Link gives one link of an account. Errors: ErrNotFound.
func (s *Service) Link(ctx context.Context, accountID, id string) (Link, error) {
	return s.link(ctx, s.db, accountID, id)
}

// HasLinks tells whether an account ever had a link, also one deleted since.
func (s *Service) HasLinks(ctx context.Context, accountID string) (bool, error) {
	n, err := scanOne[int64](s.db.QueryRowContext(ctx, countLinks, accountID))
	if err != nil {
		return false, fmt.Errorf("count links: %w", err)
	}
	return n > 0, nil
}

// SlugOwner tells whose link has a slug, in any state. Errors: ErrSlugInvalid,
// ErrNotFound when it is free.
func (s *Service) SlugOwner(ctx context.Context, slug string) (accountID string, err error) {
	if !slugForm.MatchString(slug) {
		return "", ErrSlugInvalid
	}
	l, err := s.scanLink(s.db.QueryRowContext(ctx, linkBySlug, slug))
	if err != nil {
		return "", fmt.Errorf("read link: %w", missing(err, ErrNotFound))
	}
	return l.AccountID, nil
}

// LinkBySlug gives one link of an account. Errors: ErrNotFound.
func (s *Service) LinkBySlug(ctx context.Context, accountID, slug string) (Link, error) {
	l, err := s.scanLink(s.db.QueryRowContext(ctx, linkBySlug, slug))
	if err == nil && l.AccountID != accountID {
		err = ErrNotFound
	}
	if err != nil {
		return Link{}, fmt.Errorf("read link: %w", missing(err, ErrNotFound))
	}
	return l, nil
}

func (s *Service) link(ctx context.Context, q db.Querier, accountID, id string) (Link, error) {
	l, err := s.scanLink(q.QueryRowContext(ctx, linkByID, id, accountID))
	if err != nil {
		return Link{}, fmt.Errorf("read link: %w", missing(err, ErrNotFound))
	}
	return l, nil
}

// UpdateLink changes what the patch sets. Errors: ErrNotFound, ErrSlugTaken,
// ErrSlugInvalid, *FieldError.
func (s *Service) UpdateLink(ctx context.Context, accountID, id string, p LinkPatch, from Client) (Link, error) {
	var hashed Link // hashing is slow and must not hold a transaction open
	if p.Password.Set {
		if err := s.setPassword(ctx, &hashed, p.Password.Value); err != nil {
			return Link{}, err
		}
	}
	var l Link
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, lockLink, id); err != nil {
			return err
		}
		var err error
		if l, err = s.link(ctx, tx, accountID, id); err != nil {
			return err
		}
		p.apply(&l, s.clock())
		if p.Password.Set {
			l.passwordHash, l.HasPassword = hashed.passwordHash, hashed.HasPassword
		}
		if err := l.check(s.patchedAt(p)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, updateLink, l.ID, l.Slug, l.Title, l.Message, nullText(l.passwordHash),
			l.MaxBytes, l.MaxFileBytes, l.MaxTransfers, l.RetentionDays, db.NullMicros(l.ExpiresAt),
			db.NullMicros(l.closedAt)); err != nil {
			return err
		}
		return s.recordLink(ctx, tx, account.EventLinkChanged, l, from)
	})
	if db.IsUnique(err) {
		return Link{}, ErrSlugTaken
	}
	if err != nil {
		return Link{}, fmt.Errorf("change link: %w", err)
	}
	l.finish(s.clock())
	return l, nil
}

// patchedAt is the time against which a patched link's expiry is checked: an
// expiry that passed earlier may stay.
func (s *Service) patchedAt(p LinkPatch) time.Time {
	if p.ExpiresAt.Set {
		return s.clock()
	}
	return time.Time{}
}

func (p LinkPatch) apply(l *Link, now time.Time) {
	set(&l.Slug, p.Slug)
	set(&l.Title, p.Title)
	set(&l.Message, p.Message)
	set(&l.MaxBytes, p.MaxBytes)
	set(&l.MaxFileBytes, p.MaxFileBytes)
	set(&l.MaxTransfers, p.MaxTransfers)
	set(&l.RetentionDays, p.RetentionDays)
	set(&l.ExpiresAt, p.ExpiresAt)
	if p.Closed.Set && p.Closed.Value != l.Closed {
		l.Closed, l.closedAt = p.Closed.Value, nil
		if l.Closed {
			l.closedAt = &now
		}
	}
}

func set[T any](v *T, f Field[T]) {
	if f.Set {
		*v = f.Value
	}
}

// DeleteLink ends a link for good; its transfers stay. Deleting again is no
// error. Errors: ErrNotFound.
func (s *Service) DeleteLink(ctx context.Context, accountID, id string, from Client) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		deleted, err := changed(tx.ExecContext(ctx, deleteLink, id, accountID, s.micros()))
		if err != nil {
			return err
		}
		if deleted {
			return s.recordLink(ctx, tx, account.EventLinkDeleted, Link{ID: id, AccountID: accountID}, from)
		}
		_, err = scanOne[string](tx.QueryRowContext(ctx, anyLink, id, accountID))
		return missing(err, ErrNotFound)
	})
	if err != nil {
		return fmt.Errorf("delete link: %w", err)
	}
	return nil
}

func (s *Service) recordLink(ctx context.Context, tx *sql.Tx, kind account.EventKind, l Link, from Client) error {
	detail := map[string]any{"link_id": l.ID}
	if l.Slug != "" {
		detail["slug"] = l.Slug
	}
	return s.accounts.Record(ctx, tx, account.Event{
		AccountID: l.AccountID, Kind: kind, Actor: account.ActorStudio, IP: from.IP, Detail: detail,
	})
}

func (s *Service) scanLink(row scanner) (Link, error) {
	var l Link
	var password *string
	var expires, closed *int64
	var created int64
	err := row.Scan(&l.ID, &l.AccountID, &l.Slug, &l.Title, &l.Message, &password, &l.MaxBytes, &l.MaxFileBytes,
		&l.MaxTransfers, &l.RetentionDays, &expires, &closed, &l.TransfersUsed, &l.bytesHeld, &l.ReceivedBytes, &created)
	if err != nil {
		return Link{}, err
	}
	if password != nil {
		l.passwordHash, l.HasPassword = *password, true
	}
	l.ExpiresAt, l.closedAt, l.Closed = db.NullTime(expires), db.NullTime(closed), closed != nil
	l.CreatedAt = db.Time(created)
	l.finish(s.clock())
	return l, nil
}

// finish computes the state that follows from a link's other values.
func (l *Link) finish(now time.Time) {
	switch {
	case l.Closed:
		l.State = LinkClosed
	case l.ExpiresAt != nil && !l.ExpiresAt.After(now):
		l.State = LinkExpired
	case l.MaxTransfers != nil && l.TransfersUsed >= *l.MaxTransfers:
		l.State = LinkFull
	default:
		l.State = LinkOpen
	}
}

// nullText stores an empty text as NULL.
func nullText(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
