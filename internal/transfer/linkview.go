package transfer

import (
	"context"
	"fmt"

	"github.com/lenzeye/lenzeye/internal/account"
)

// ViewLink shows a guest what a link asks for. Errors: ErrLinkNotFound; and
// ErrLinkClosed, ErrLinkExpired and ErrLinkFull, which come with link and studio
// so that a page can say whose it was.
func (s *Service) ViewLink(ctx context.Context, slug string) (LinkView, error) {
	l, a, err := s.linkForGuest(ctx, slug)
	if err != nil {
		return LinkView{}, err
	}
	v := LinkView{Link: l, StudioName: a.Name, Mode: a.Mode}
	if err := l.refusal(); err != nil {
		return v, err
	}
	if v.BytesLeft, err = s.bytesLeft(ctx, a, &l); err != nil {
		return LinkView{}, err
	}
	if v.AccountKeys, err = s.accounts.PublicKeys(ctx, a.ID); err != nil {
		return LinkView{}, fmt.Errorf("view link: %w", err)
	}
	return v, nil
}

func (s *Service) linkForGuest(ctx context.Context, slug string) (Link, account.Account, error) {
	if !slugForm.MatchString(slug) { // it may hold what a database does not take
		return Link{}, account.Account{}, ErrLinkNotFound
	}
	l, err := s.scanLink(s.db.QueryRowContext(ctx, linkBySlug, slug))
	if err != nil {
		return Link{}, account.Account{}, fmt.Errorf("find link: %w", missing(err, ErrLinkNotFound))
	}
	a, err := s.accounts.ByID(ctx, l.AccountID)
	if err != nil {
		return Link{}, account.Account{}, fmt.Errorf("find link's studio: %w", err)
	}
	switch a.State {
	case account.StateActive:
	case account.StateDisabled:
		l.State = LinkClosed
	default:
		return Link{}, account.Account{}, ErrLinkNotFound
	}
	return l, a, nil
}

// refusal is why a link takes no new transfer, nil when it does.
func (l Link) refusal() error {
	switch l.State {
	case LinkClosed:
		return ErrLinkClosed
	case LinkExpired:
		return ErrLinkExpired
	case LinkFull:
		return ErrLinkFull
	}
	return nil
}

// RoomOf is what an account may still declare for a transfer of its own; nil is no
// known limit.
func (s *Service) RoomOf(ctx context.Context, a account.Account) (*int64, error) {
	return s.bytesLeft(ctx, a, nil)
}

// bytesLeft is what still may be declared: the least of the account's quota, the
// link's bound and, for an account without quota, the room on the disk. nil is
// no known limit.
func (s *Service) bytesLeft(ctx context.Context, a account.Account, l *Link) (*int64, error) {
	var left *int64
	less := func(n int64) {
		n = max(n, 0)
		if left == nil || n < *left {
			left = &n
		}
	}
	if a.Quota != nil {
		less(*a.Quota - a.Used - a.Reserved)
	} else if room, known, err := s.roomLeft(ctx, s.db); err != nil {
		return nil, err
	} else if known {
		less(room)
	}
	if l != nil && l.MaxBytes != nil {
		less(*l.MaxBytes - l.bytesHeld)
	}
	return left, nil
}
