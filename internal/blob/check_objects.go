package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	checkObject  = 64 << 10  // bytes of a sample
	checkCut     = 256 << 10 // bytes announced of a body that is cut half-way
	checkRepeats = 5         // of what may work by chance
)

// checkState is what rows leave to later ones.
type checkState struct {
	key    string // the sample
	data   []byte
	upload Upload
	first  []byte // the parts of the upload
	last   []byte
	refs   []PartRef
	object []byte
	gone   Upload // aborted

	versioned bool
	silent    time.Duration // of the stalled body
}

// noise is a body that does not compress, the same for the same seed.
func noise(seed uint64) io.Reader {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	return rand.NewChaCha8(key)
}

func noiseOf(seed uint64, size int) []byte {
	data := make([]byte, size)
	_, _ = io.ReadFull(noise(seed), data) // never fails
	return data
}

func tryPut(ctx context.Context, c *BucketCheck) (string, error) {
	data := noiseOf(rand.Uint64(), checkObject)
	key, err := c.put(ctx, bytes.NewReader(data), checkObject)
	if err != nil {
		return "", err
	}
	c.state.key, c.state.data = key, data
	return "", nil
}

// tryReadAfterWrite looks for what was written, and for what was deleted, at
// once and a few times: a bucket that forgets does not do so always.
func tryReadAfterWrite(ctx context.Context, c *BucketCheck) (string, error) {
	for i := range checkRepeats {
		data := noiseOf(uint64(i), 1000+i)
		key, err := c.put(ctx, bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return "", err
		}
		if err := c.holds(ctx, key, data); err != nil {
			return "", fmt.Errorf("right after it was written: %w", err)
		}
		if listed, err := c.isListed(ctx, key); err != nil || !listed {
			return "", errors.Join(err, unless(listed, "a listing right after the write does not show the object"))
		}
	}
	return fmt.Sprintf("%d of %d", checkRepeats, checkRepeats), nil
}

func unless(ok bool, text string) error {
	if ok {
		return nil
	}
	return errors.New(text)
}

// holds reads an object whole and compares it.
func (c *BucketCheck) holds(ctx context.Context, key string, want []byte) error {
	info, err := c.store.Head(ctx, key)
	if err != nil {
		return notFound(err)
	}
	if info.Size != int64(len(want)) {
		return fmt.Errorf("the object has %d bytes instead of %d", info.Size, len(want))
	}
	return c.holdsRange(ctx, key, want, 0, len(want))
}

func (c *BucketCheck) holdsRange(ctx context.Context, key string, want []byte, off, n int) error {
	rc, err := c.store.Range(ctx, key, int64(off), int64(n))
	if err != nil {
		return notFound(err)
	}
	got, err := io.ReadAll(rc)
	if err = errors.Join(err, rc.Close()); err != nil {
		return err
	}
	return unless(bytes.Equal(got, want[off:off+n]), "the bytes are not those that were written")
}

// notFound says in words what ErrNotFound means here.
func notFound(err error) error {
	if errors.Is(err, ErrNotFound) {
		return errors.New("the object is not found")
	}
	return err
}

func (c *BucketCheck) isListed(ctx context.Context, key string) (bool, error) {
	out, err := c.b.calls.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &c.b.name, Prefix: &key, MaxKeys: aws.Int32(1)})
	if err != nil {
		return false, bucketError(err)
	}
	return len(out.Contents) == 1 && aws.ToString(out.Contents[0].Key) == key, nil
}

func tryHead(ctx context.Context, c *BucketCheck) (string, error) {
	info, err := c.store.Head(ctx, c.state.key)
	if err != nil {
		return "", notFound(err)
	}
	if info.Size != checkObject {
		return "", fmt.Errorf("it gives %d bytes as the size of %d", info.Size, checkObject)
	}
	absent, err := c.newKey()
	if err != nil {
		return "", err
	}
	return "", c.absent(ctx, absent, "it describes an object that is not there")
}

// absent wants no object under a key. Who may not list a bucket is not told.
func (c *BucketCheck) absent(ctx context.Context, key, otherwise string) error {
	_, err := c.store.Head(ctx, key)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case errors.Is(err, ErrDenied):
		return &remark{ResultFailed, "an object that is not there is answered with 403 in place of 404", c.allow("s3:ListBucket")}
	case err != nil:
		return err
	}
	return errors.New(otherwise)
}

func tryGet(ctx context.Context, c *BucketCheck) (string, error) {
	return "", c.holds(ctx, c.state.key, c.state.data)
}

func tryRange(ctx context.Context, c *BucketCheck) (string, error) {
	for _, r := range [][2]int{{0, 1}, {1, 1000}, {checkObject / 2, checkObject / 2}, {checkObject - 1, 1}} {
		if err := c.holdsRange(ctx, c.state.key, c.state.data, r[0], r[1]); err != nil {
			return "", fmt.Errorf("bytes %d to %d: %w", r[0], r[0]+r[1]-1, err)
		}
	}
	return "", nil
}

// tryList wants keys above a mark, in order.
func tryList(ctx context.Context, c *BucketCheck) (string, error) {
	for range 3 {
		if _, err := c.put(ctx, strings.NewReader("a"), 1); err != nil {
			return "", err
		}
	}
	listed, err := c.objects(ctx, c.prefix, 2)
	if err != nil {
		return "", err
	}
	for i, o := range listed {
		if !strings.HasPrefix(o.key, c.prefix) || i > 0 && o.key <= listed[i-1].key {
			return "", errors.New("the listing is not in order, or has keys that were not asked for")
		}
	}
	return "", unless(len(listed) >= 4, fmt.Sprintf("the listing has %d of at least 4 objects", len(listed)))
}

// errCutByCheck is what ends a body half-way.
var errCutByCheck = errors.New("blob: cut by the check")

// tryPutCut cuts a body: nothing may come of it, since keys are never written
// twice, and a try that failed is repeated under another one.
func tryPutCut(ctx context.Context, c *BucketCheck) (string, error) {
	key, err := c.put(ctx, io.MultiReader(io.LimitReader(noise(1), checkCut/2), readerOf(errCutByCheck)), checkCut)
	if err == nil || !errors.Is(err, errCutByCheck) && !errors.Is(err, ErrUnavailable) {
		return "", errors.Join(errors.New("a cut body was answered otherwise than with an error of the connection"), err)
	}
	if err := pause(ctx, c.settles()); err != nil {
		return "", err
	}
	if err := c.absent(ctx, key, fmt.Sprintf("of %d bytes half were sent, and the bucket has an object", checkCut)); err != nil {
		return "", err
	}
	return "a new try has a new key", nil
}

// settles is how long to wait for what a server makes of a cut.
func (c *BucketCheck) settles() time.Duration { return min(checkSettles, c.o.Stall) }

// readerOf is a reader that fails.
func readerOf(err error) io.Reader { return checkFailure{err} }

type checkFailure struct{ err error }

func (f checkFailure) Read([]byte) (int, error) { return 0, f.err }

// awkward are names that have to arrive as they are, whatever proxies and
// signatures make of them.
func awkward() []string {
	return []string{"a b+c&d=e%20f%2Fg", "Hochzeit Müller – 結婚式 🎞.CR3", "it's (1) ~ [2] {3} #4 ?5 ;6 @7 !8 $9 ,", strings.Repeat("n", 200)}
}

func tryKeys(ctx context.Context, c *BucketCheck) (string, error) {
	for _, name := range awkward() {
		key := c.prefix + name
		if err := c.tryKey(ctx, key); err != nil {
			return "", fmt.Errorf("key %.40q: %w", name, err)
		}
	}
	return "", nil
}

// tryKey uses the driver itself, since a Store takes its own keys only.
func (c *BucketCheck) tryKey(ctx context.Context, key string) error {
	c.note(key)
	long, cancel := lasting(ctx)
	defer cancel()
	body := newBody(long, strings.NewReader(key), int64(len(key)))
	if _, err := c.b.put(long, key, body); err != nil {
		return err
	}
	rc, err := c.b.open(ctx, key, 0, int64(len(key)))
	if err != nil {
		return notFound(err)
	}
	got, err := io.ReadAll(rc)
	if err = errors.Join(err, rc.Close()); err != nil {
		return err
	}
	if string(got) != key {
		return errors.New("another object is found under it")
	}
	listed, err := c.isListed(ctx, key)
	if err != nil || !listed {
		return errors.Join(err, unless(listed, "it is not listed under this name"))
	}
	return nil
}

// tryDelete takes away all but the sample, twice.
func tryDelete(ctx context.Context, c *BucketCheck) (string, error) {
	key, err := c.put(ctx, strings.NewReader("a"), 1)
	if err != nil {
		return "", err
	}
	for _, times := range []string{"once", "again"} {
		if err := c.delete(ctx, key); err != nil {
			return "", fmt.Errorf("%s: %w", times, err)
		}
	}
	if err := c.absent(ctx, key, "the object is still found right after it was deleted"); err != nil {
		c.note(key)
		return "", err
	}
	listed, err := c.isListed(ctx, key)
	if err != nil || listed {
		return "", errors.Join(err, unless(!listed, "the object is still listed right after it was deleted"))
	}
	return "", nil
}
