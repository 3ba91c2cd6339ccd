package transfer

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestHoldRenewsForAsLongAsAStepTakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var times []time.Duration
		begin := time.Now()
		ctx, release := hold(t.Context(), 15*time.Second, func(context.Context) error {
			times = append(times, time.Since(begin))
			return nil
		})
		time.Sleep(61 * time.Second)
		release()
		if ctx.Err() == nil || len(times) != 12 {
			t.Errorf("renewed at %v, then %v", times, ctx.Err())
		}
		time.Sleep(time.Minute)
		if len(times) != 12 {
			t.Errorf("renewed after its release, at %v", times[12:])
		}
	})
}

func TestHoldEndsBeforeTheLeaseDoes(t *testing.T) {
	t.Parallel()
	const lease = 15 * time.Second
	for _, c := range []struct {
		name  string
		renew func(ctx context.Context, call int) error
		lives [2]time.Duration // of the step: at least, at most
	}{
		{"another's", func(context.Context, int) error { return errLeaseLost }, [2]time.Duration{0, lease/3 + time.Second}},
		{"no database", func(context.Context, int) error { return errors.New("down") }, [2]time.Duration{lease / 2, lease - time.Second}},
		{"a database that hangs", func(ctx context.Context, _ int) error {
			<-ctx.Done()
			return ctx.Err()
		}, [2]time.Duration{lease / 2, lease - time.Second}},
		{"a commit that hangs", func(context.Context, int) error { // and does not mind its context
			time.Sleep(30 * time.Second)
			return nil
		}, [2]time.Duration{lease / 2, lease - time.Second}},
		{"one failure", func(_ context.Context, call int) error {
			if call == 1 {
				return errors.New("down")
			}
			return nil
		}, [2]time.Duration{time.Minute, time.Minute}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				begin, calls := time.Now(), 0
				ctx, release := hold(t.Context(), lease, func(ctx context.Context) error {
					calls++
					return c.renew(ctx, calls)
				})
				select {
				case <-ctx.Done():
				case <-time.After(time.Minute):
				}
				released := time.Now()
				release()
				if took := time.Since(released); took > lease/3 {
					t.Errorf("the release took %v", took)
				}
				if lived := released.Sub(begin); lived < c.lives[0] || lived > c.lives[1] {
					t.Errorf("the step had %v, want %v", lived, c.lives)
				}
				time.Sleep(time.Minute) // whatever hung ends by itself
			})
		})
	}
}

// TestLateHolderWritesNothing: who stood still for longer than its lease moves no
// cursor, sets no file aside, counts no look and starts no file over.
func TestLateHolderWritesNothing(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file := f.declareCut(t, b, "cut", 250, 100)
		f.putSome(t, b, file, 1)
		f.exec(t, "UPDATE files SET lost_since = 1, looks = 9 WHERE id = $1", file.ID)
		late, now := f.service(), f.Service
		leased, err := late.leaseFile(t.Context(), file.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, chore := range []string{choreSweep, choreScrub} {
			if ok, err := late.leaseChore(t.Context(), chore); err != nil || !ok {
				t.Fatalf("%s: %v, %v", chore, ok, err)
			}
		}
		f.clk.forward(time.Minute)
		if _, err := now.leaseFile(t.Context(), file.ID); err != nil {
			t.Fatal(err)
		}
		for _, chore := range []string{choreSweep, choreScrub} {
			if ok, err := now.leaseChore(t.Context(), chore); err != nil || !ok {
				t.Fatalf("%s: %v, %v", chore, ok, err)
			}
		}
		wantErr(t, "its walk", late.writeWalk(t.Context(), walk{Walks: 7}), errLeaseLost)
		_, err = (&pace{s: late}).may(t.Context(), 1)
		wantErr(t, "its pace", err, errLeaseLost)
		wantErr(t, "its file set aside", (&scrub{s: late}).aside(t.Context(), scrubRow{File: leased}), errLeaseLost)
		wantErr(t, "its look", late.countLook(t.Context(), leased), errLeaseLost)
		if err := late.newGeneration(t.Context(), leased); err != nil {
			t.Error(err)
		}
		if got := f.row(t, file.ID); got.uploadGen != 1 || got.partsStored != 1 || got.looks != 9 {
			t.Errorf("the late holder left the file as %+v", got)
		}
		if n := f.number(t, "SELECT COUNT(*) FROM chores WHERE cursor <> ''"); n != 0 {
			t.Errorf("%d cursors were moved", n)
		}
		if err := now.writeWalk(t.Context(), walk{Walks: 7}); err != nil {
			t.Errorf("the walk of who has the lease: %v", err)
		}
	})
}
