package account

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/db"
)

func TestEventComesBackAsItWasRecorded(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		id := db.NewID()
		full := Event{ID: db.NewID(), AccountID: id, At: f.clock.time().Add(-time.Hour), Kind: EventShareUnlocked,
			Actor: ActorGuest, IP: "2001:db8::1", TransferID: db.NewID(), ShareID: db.NewID(), FileID: db.NewID(),
			Detail: map[string]any{"downloads": 3.0, "name": "ü\"\u0000"}}
		least := Event{AccountID: id, Kind: EventTransferExpired}
		if err := f.tx(t, func(ctx context.Context, tx db.Querier) error {
			for _, e := range []Event{full, least, {AccountID: db.NewID(), Kind: EventLinkCreated}} {
				if err := f.Record(ctx, tx, e); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		got, next, err := f.Events(t.Context(), id, Page{})
		if err != nil || next != "" || len(got) != 2 {
			t.Fatalf("Events = %v, %q, %v; want two", got, next, err)
		}
		least.ID, least.At, least.Actor, least.Detail = got[0].ID, f.clock.time(), ActorSystem, map[string]any{}
		if d := cmp.Diff([]Event{least, full}, got); d != "" {
			t.Errorf("events (-want +got):\n%s", d)
		}
	})
}

func TestEventsOfATransfer(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		id, transfer := db.NewID(), db.NewID()
		early, err := earlier(transfer, 2*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		skewed, err := earlier(transfer, 30*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.tx(t, func(ctx context.Context, tx db.Querier) error {
			for _, e := range []Event{
				{ID: early, AccountID: id, Kind: EventTransferStarted, TransferID: transfer}, // before there was such a transfer
				{ID: skewed, AccountID: id, Kind: EventTransferStarted, TransferID: transfer},
				{AccountID: id, Kind: EventShareCreated, TransferID: transfer},
				{AccountID: id, Kind: EventShareCreated, TransferID: db.NewID()},
				{AccountID: id, Kind: EventLinkCreated},
				{AccountID: db.NewID(), Kind: EventShareRevoked, TransferID: transfer}, // somebody else's
				{AccountID: id, Kind: EventShareUnlocked, TransferID: transfer},
			} {
				if err := f.Record(ctx, tx, e); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for limit, want := range map[int][]EventKind{10: {EventShareUnlocked, EventShareCreated, EventTransferStarted}, 2: {EventShareUnlocked, EventShareCreated}} {
			var got []EventKind
			list, err := f.EventsOf(t.Context(), id, transfer, limit)
			for _, e := range list {
				got = append(got, e.Kind)
			}
			if d := cmp.Diff(want, got); d != "" || err != nil {
				t.Errorf("at most %d: %v, (-want +got):\n%s", limit, err, d)
			}
		}
		if list, err := f.EventsOf(t.Context(), id, "no-id", 10); !errors.Is(err, ErrNotFound) {
			t.Errorf("of what is no id: %v, %v", list, err)
		}
	})
}

func TestRecordRefusesUnknownKinds(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		for _, e := range []Event{{Kind: "made_up"}, {}, {Kind: EventFileLost, Detail: map[string]any{"f": func() {}}}} {
			if err := f.tx(t, func(ctx context.Context, tx db.Querier) error { return f.Record(ctx, tx, e) }); err == nil {
				t.Errorf("Record(%v) is no error", e.Kind)
			}
		}
	})
}

// The constants are what callers record, the list is what Record takes.
func TestKindsAreListed(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "event.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var declared []EventKind
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); ok && typ.Name == "EventKind" {
			for _, v := range spec.Values {
				kind, err := strconv.Unquote(v.(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				declared = append(declared, EventKind(kind))
			}
		}
		return true
	})
	listed := EventKinds()
	slices.Sort(declared)
	slices.Sort(listed)
	if d := cmp.Diff(declared, listed); d != "" || len(declared) < 20 {
		t.Errorf("declared constants and EventKinds differ (-declared +listed):\n%s", d)
	}
	if unique := slices.Compact(slices.Clone(declared)); len(unique) != len(declared) {
		t.Error("two constants are the same kind")
	}
}
