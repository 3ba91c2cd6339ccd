package account

import (
	"context"
	"errors"
	"testing"

	"github.com/lenzeye/lenzeye/internal/db"
)

func TestSetQuota(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		id := f.create(t, "a@example.com")
		f.must(t, f.Reserve, id, 100)
		small, negative, giant := int64(50), int64(-1), int64(maxBytes+1)
		a, err := f.SetQuota(ctx, id, &small)
		if err != nil || a.Quota == nil || *a.Quota != small || a.Reserved != 100 {
			t.Errorf("SetQuota = %+v, %v", a, err)
		}
		if err := f.do(t, f.Reserve, id, 1); !errors.Is(err, ErrQuotaExceeded) {
			t.Errorf("above the new quota: %v", err)
		}
		for _, q := range []*int64{&negative, &giant} {
			if _, err := f.SetQuota(ctx, id, q); !errors.Is(err, ErrQuotaInvalid) {
				t.Errorf("quota %d: %v", *q, err)
			}
		}
		if a, err := f.SetQuota(ctx, id, nil); err != nil || a.Quota != nil {
			t.Errorf("no quota: %+v, %v", a, err)
		}
		f.must(t, f.Reserve, id, 1)
		if _, err := f.SetQuota(ctx, db.NewID(), nil); !errors.Is(err, ErrNotFound) {
			t.Errorf("no such account: %v", err)
		}
	})
}

func TestDisableAndEnable(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		id := f.create(t, "a@example.com")
		_, secret, err := f.CreateToken(ctx, id, "t", nil, Origin{})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time nothing is left to do
			if a, err := f.Disable(ctx, id); err != nil || a.State != StateDisabled {
				t.Errorf("Disable = %+v, %v", a, err)
			}
		}
		if _, err := f.Authenticate(ctx, secret); !errors.Is(err, ErrUnauthenticated) {
			t.Errorf("a token of a disabled account: %v", err)
		}
		if err := f.do(t, f.Reserve, id, 1); !errors.Is(err, ErrNotActive) {
			t.Errorf("reserve for a disabled account: %v", err)
		}
		for range 2 {
			if a, err := f.Enable(ctx, id); err != nil || a.State != StateActive {
				t.Errorf("Enable = %+v, %v", a, err)
			}
		}
		if _, err := f.Authenticate(ctx, secret); err != nil {
			t.Errorf("enabled again: %v", err)
		}
		var kinds []EventKind
		events, _, err := f.Events(ctx, id, Page{Limit: 2})
		for _, e := range events {
			kinds = append(kinds, e.Kind)
		}
		if err != nil || len(kinds) != 2 || kinds[0] != EventAccountEnabled || kinds[1] != EventAccountDisabled {
			t.Errorf("events %v, %v", kinds, err)
		}
	})
}

func TestDeleteShreds(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		id, other := f.create(t, "a@example.com"), f.create(t, "b@example.com")
		file, _ := f.addFile(t, id)
		otherFile, otherKey := f.addFile(t, other)
		_, secret, err := f.CreateToken(ctx, id, "t", nil, Origin{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.FileKey(ctx, file, id); err != nil { // into the cache
			t.Fatal(err)
		}
		for range 2 {
			if err := f.Delete(ctx, id); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := f.Authenticate(ctx, secret); !errors.Is(err, ErrUnauthenticated) {
			t.Errorf("its token: %v", err)
		}
		if _, err := f.NewFileKeys(ctx, id); !errors.Is(err, ErrShredded) {
			t.Errorf("its key: %v", err)
		}
		if _, err := f.RotateAccount(ctx, id, quiet); !errors.Is(err, ErrShredded) {
			t.Errorf("rotate its key: %v", err)
		}
		for name, err := range map[string]error{
			"enable":  errOf(f.Enable(ctx, id)),
			"disable": errOf(f.Disable(ctx, id)),
			"quota":   errOf(f.SetQuota(ctx, id, nil)),
			"unknown": f.Delete(ctx, db.NewID()),
		} {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("%s: %v, want ErrNotFound", name, err)
			}
		}
		f.clock.advance(cacheTime)
		if _, err := f.FileKey(ctx, file, id); !errors.Is(err, ErrShredded) {
			t.Errorf("its file after %s: %v", cacheTime, err)
		}
		if got, err := f.FileKey(ctx, otherFile, other); err != nil || got != otherKey {
			t.Errorf("another account's file: %v", err)
		}
		f.create(t, "a@example.com") // the address is free

		// While a file key is left the row of its key stays, and then it goes.
		for _, left := range []int64{1, 0} {
			if err := f.Sweep(ctx); err != nil {
				t.Fatal(err)
			}
			if n := f.number(t, `SELECT COUNT(*) FROM keys WHERE owner_id = $1`, id); n != left {
				t.Errorf("%d rows of its keys, want %d", n, left)
			}
			if n := f.number(t, `SELECT COUNT(*) FROM accounts WHERE id = $1 AND email <> ''`, id); n != left {
				t.Errorf("%d accounts have its address, want %d", n, left)
			}
			f.exec(t, `DELETE FROM file_keys WHERE file_id = $1`, file)
		}
	})
}

// A delete and whatever uses the key at the same moment leave it destroyed.
func TestDeleteAgainstRotations(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		for _, email := range []string{"a@example.com", "b@example.com", "c@example.com"} {
			id := f.create(t, email)
			f.addFile(t, id)
			f.ring.set(ringBoth)
			errs := atOnce(3, func(i int) error {
				ctx := context.WithoutCancel(t.Context())
				switch i {
				case 0:
					return f.Delete(ctx, id)
				case 1:
					return errOf(f.RotateMaster(ctx, quiet))
				default:
					return errOf(f.RotateAccount(ctx, id, quiet))
				}
			})
			count(t, errs, ErrShredded)
			if n := f.number(t, `SELECT COUNT(*) FROM keys WHERE owner_id = $1 AND private_sealed IS NOT NULL`, id); n != 0 {
				t.Errorf("%d keys of a deleted account can be opened", n)
			}
		}
	})
}

func errOf[T any](_ T, err error) error { return err }
