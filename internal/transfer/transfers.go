package transfer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/db"
)

// transferRow is a transfer with what its row keeps for decisions.
type transferRow struct {
	Transfer
	counted, reserved, charged int64
	nextPosition               int64
	filesTotal, filesOpen      int64
	bytesStored                int64
	language                   string
	purgeAt                    *int64
	endedAt                    *int64
}

// borne are the bytes that account and link bear for the transfer: those of
// stored files as used, the others as reserved.
func (t transferRow) borne() (used, reserved int64) {
	if t.charged == 0 {
		return 0, 0
	}
	if t.reserved == 0 {
		return t.bytesStored, t.BytesReceived - t.bytesStored
	}
	return t.bytesStored, t.BytesDeclared - t.bytesStored
}

func scanTransferRow(row scanner) (transferRow, error) {
	var t transferRow
	var link *string
	var created, expires, lastPart int64
	var completed *int64
	err := row.Scan(&t.ID, &t.AccountID, &link, &t.Title, &t.SenderEmail, &t.SenderName, &t.Message, &t.language,
		&t.State, &t.counted, &t.reserved, &t.charged, &t.nextPosition, &t.filesTotal, &t.filesOpen,
		&t.BytesDeclared, &t.BytesReceived, &t.bytesStored, &created, &completed, &expires, &t.endedAt, &t.purgeAt, &lastPart)
	if err != nil {
		return transferRow{}, err
	}
	t.LinkID = orEmpty(link)
	t.FilesTotal, t.FilesStored = t.filesTotal, t.filesTotal-t.filesOpen
	t.CreatedAt, t.CompletedAt, t.ExpiresAt = db.Time(created), db.NullTime(completed), db.Time(expires)
	t.LastPartAt = db.Time(lastPart)
	if t.State == Deleted {
		t.RestoreUntil = db.NullTime(t.purgeAt)
	}
	return t, nil
}

// sender is who events say fills the transfer.
func (t transferRow) sender() string {
	if t.LinkID == "" {
		return account.ActorStudio
	}
	return account.ActorGuest
}

// orEmpty reads a nullable text.
func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func scanTransfer(row scanner) (Transfer, error) {
	t, err := scanTransferRow(row)
	return t.Transfer, err
}

// readTransfer gives the transfer if a may see it. Errors: ErrTransferMissing.
func (s *Service) readTransfer(ctx context.Context, q db.Querier, a Access, id string) (transferRow, error) {
	if a.TransferID != "" && a.TransferID != id {
		return transferRow{}, ErrTransferMissing
	}
	t, err := scanTransferRow(q.QueryRowContext(ctx, transferByID, id, a.AccountID))
	if err != nil {
		return transferRow{}, fmt.Errorf("read transfer: %w", missing(err, ErrTransferMissing))
	}
	return t, nil
}

// receiving gives the transfer if it still takes files and parts. Errors:
// ErrTransferMissing, ErrTransferEnded, ErrTransferExpired.
func (s *Service) receiving(ctx context.Context, q db.Querier, a Access, id string) (transferRow, error) {
	t, err := s.readTransfer(ctx, q, a, id)
	if err != nil {
		return transferRow{}, err
	}
	return t, s.refusalOf(t.State, db.Micros(t.ExpiresAt))
}

// refusalOf is why a transfer takes nothing more, nil while it does. One whose
// time is over but that no sweep has seen yet counts as expired.
func (s *Service) refusalOf(state string, expiresAt int64) error {
	switch {
	case state == Expired, state == Receiving && expiresAt <= s.micros():
		return ErrTransferExpired
	case state != Receiving:
		return ErrTransferEnded
	}
	return nil
}

// Transfer gives one transfer. Errors: ErrTransferMissing.
func (s *Service) Transfer(ctx context.Context, a Access, id string) (Transfer, error) {
	t, err := s.readTransfer(ctx, s.db, a, id)
	return t.Transfer, err
}

// Transfers lists an account's transfers that the search finds, newest first.
// Errors: account.ErrCursor.
func (s *Service) Transfers(ctx context.Context, accountID string, what Search, p Page) ([]Transfer, string, error) {
	before, limit, err := p.Before()
	if err != nil {
		return nil, "", err
	}
	states := ""
	if len(what.States) > 0 {
		states = "," + strings.Join(what.States, ",") + ","
	}
	text, args := transfersPage, []any{accountID, before, limit + 1, states}
	if what.Text != "" {
		text, args = transfersFound, append(args, likePattern(strings.ToLower(what.Text)), likePattern(asciiLower(what.Text)))
	}
	all, err := queryAll(ctx, s.db, scanTransfer, text, args...)
	if err != nil {
		return nil, "", fmt.Errorf("list transfers: %w", err)
	}
	all, next := cut(all, limit, func(t Transfer) string { return t.ID })
	return all, next, nil
}

// CountTransfers counts an account's transfers by state.
func (s *Service) CountTransfers(ctx context.Context, accountID string) (map[string]int64, error) {
	type count struct {
		state string
		n     int64
	}
	counts, err := queryAll(ctx, s.db, func(row scanner) (c count, err error) {
		err = row.Scan(&c.state, &c.n)
		return c, err
	}, countTransfers, accountID)
	if err != nil {
		return nil, fmt.Errorf("count transfers: %w", err)
	}
	out := map[string]int64{}
	for _, c := range counts {
		out[c.state] = c.n
	}
	return out, nil
}

// likePattern finds a text anywhere, taken literally; ! escapes.
func likePattern(text string) string {
	return "%" + strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(text) + "%"
}

// asciiLower lowers what SQLite's LOWER does; PostgreSQL's lowers all letters,
// as Go does. A search asks for both.
func asciiLower(text string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}

// releaseBorne gives back what account and link bear for t, once: the rows are
// locked by lockBearers and t was read under its own lock. One that never became
// complete leaves its place on the link.
func (s *Service) releaseBorne(ctx context.Context, tx *sql.Tx, t transferRow) error {
	used, reserved := t.borne()
	if err := s.accounts.Release(ctx, tx, t.AccountID, reserved); err != nil {
		return fmt.Errorf("release reservation: %w", err)
	}
	if err := s.accounts.Unuse(ctx, tx, t.AccountID, used); err != nil {
		return fmt.Errorf("release used bytes: %w", err)
	}
	if err := s.letGo(ctx, tx, t.LinkID, used+reserved); err != nil {
		return err
	}
	if t.LinkID != "" && t.counted == 1 && t.CompletedAt == nil {
		if _, err := tx.ExecContext(ctx, leavePlace, t.LinkID); err != nil {
			return fmt.Errorf("leave the link's place: %w", err)
		}
	}
	_, err := tx.ExecContext(ctx, uncharge, t.ID)
	return err
}

// letGo gives bytes back to the link's bound.
func (s *Service) letGo(ctx context.Context, tx *sql.Tx, linkID string, n int64) error {
	if linkID == "" || n == 0 {
		return nil
	}
	if _, err := tx.ExecContext(ctx, letGoOfLink, linkID, n); err != nil {
		return fmt.Errorf("give bytes back to the link: %w", err)
	}
	return nil
}

// errNoChange ends a transaction in which there was nothing left to do.
var errNoChange = errors.New("nothing to change")
