package transfer

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/jobs"
	"github.com/lenzeye/lenzeye/internal/seal"
)

// unverified stands in parts.crc32 for a part of which the bucket turned out to
// hold another attempt; it is read back before the file is stored.
const unverified = -1

// PartUpload is one attempt at a part that was found in order before its body
// is read. It holds nothing that needs closing.
type PartUpload struct {
	s       *Service
	access  Access
	file    File
	linkID  string // of the transfer, empty for a studio's own
	created int64  // when the transfer was made
	number  int
	length  int64
	known   *recordedPart

	// OnRecorded, if set, is called once the body has been read and counts, before
	// the file is completed in the bucket: who bounds bodies in flight need not
	// count this one any longer.
	OnRecorded func()
}

// recordedPart is what a part's row tells for a comparison.
type recordedPart struct {
	size  int64
	crc32 int64
}

// Recorded tells that the part is there already, so that its body will only be
// compared.
func (u *PartUpload) Recorded() bool { return u.known != nil }

// TransferID is the transfer that the part belongs to, for fairness.
func (u *PartUpload) TransferID() string { return u.file.TransferID }

// BeginPart checks a part before a byte of it is read, in the order of the
// interface: file, number, length, recorded already, the transfer's state.
//
// Errors: ErrFileMissing, ErrPartMissing, *PartSizeError, ErrTransferEnded,
// ErrTransferExpired.
func (s *Service) BeginPart(ctx context.Context, a Access, fileID string, n int, length int64) (*PartUpload, error) {
	u := &PartUpload{s: s, access: a, number: n, length: length}
	var state string
	var expires int64
	err := u.look(ctx, fileID, &state, &expires)
	if err != nil {
		return nil, err
	}
	if n < 1 || n > u.file.PartCount {
		return nil, ErrPartMissing
	}
	if expected := u.file.partLen(n); length != expected {
		return nil, &PartSizeError{Expected: expected}
	}
	if u.known != nil {
		return u, nil
	}
	return u, s.refusalOf(state, expires)
}

// look reads file, part and transfer in one statement.
func (u *PartUpload) look(ctx context.Context, fileID string, state *string, expires *int64) error {
	row := u.s.db.QueryRowContext(ctx, filePartAndTransfer, fileID, u.access.AccountID, u.number)
	var size, crc *int64
	var link *string
	f, err := scanFileAnd(row, state, expires, &u.created, &link, &size, &crc)
	if err == nil && u.access.TransferID != "" && u.access.TransferID != f.TransferID {
		err = ErrFileMissing
	}
	if err != nil {
		return fmt.Errorf("look at part: %w", missing(err, ErrFileMissing))
	}
	u.file, u.linkID, u.known = f, orEmpty(link), nil
	if size != nil {
		u.known = &recordedPart{*size, *crc}
	}
	return nil
}

// sealFile is the file as the format knows it.
func (f File) sealFile() (seal.File, error) {
	id, err := db.IDBytes(f.ID)
	return seal.File{ID: id, Size: f.Size, PartSize: f.PartSize}, err
}

// partLen is the plain length of part n, in bytes.
func (f File) partLen(n int) int64 {
	return min(f.PartSize, f.Size-int64(n-1)*f.PartSize)
}

// Receive reads the body and makes the part count, or, if it is recorded, only
// compares. It returns when the bucket and the database have both acknowledged.
//
// Errors: ErrBodyShort, ErrBodyLong, ErrDigest, ErrPartConflict, the states of
// BeginPart, *account.QuotaError, ErrStorage…, ErrDatabaseUnavailable,
// ErrKeyUnavailable, and what body's Read returned.
func (u *PartUpload) Receive(ctx context.Context, body io.Reader, digests []Digest) (Receipt, error) {
	if u.known != nil {
		return u.compareBody(ctx, body, digests)
	}
	key, err := u.s.accounts.FileKey(ctx, u.file.ID, u.file.AccountID)
	if err != nil {
		return Receipt{}, fmt.Errorf("open file key: %w", err)
	}
	file, err := u.file.sealFile()
	if err != nil {
		return Receipt{}, err
	}
	sealed, err := seal.NewPartReader(key, file.Part(u.number), body, seal.PartOptions{Rand: u.s.rand, Digests: digests, Buffers: &u.s.buffers})
	if err != nil {
		return Receipt{}, fmt.Errorf("seal part: %w", err)
	}
	attempt, err := u.store(ctx, sealed)
	if err != nil {
		return u.overtaken(ctx, sealed, fmt.Errorf("store part %d of file %s: %w", u.number, u.file.ID, err))
	}
	// The bytes are safe now: a client that has gone must not undo that.
	return u.count(context.WithoutCancel(ctx), attempt)
}

// attempt is a part that the bucket acknowledged and no row knows yet.
type attempt struct {
	number   int
	size     int64
	crc32    uint32
	head     [seal.HeadSize]byte
	etag     string
	blobKey  string // where it lies
	uploadID string // empty for a plain PUT
}

// store brings the sealed part into the bucket.
func (u *PartUpload) store(ctx context.Context, sealed *seal.PartReader) (attempt, error) {
	a := attempt{number: u.number, size: u.length, head: sealed.Head()}
	var err error
	if u.file.PartCount == 1 {
		a.blobKey, err = u.s.newKey(u.file.AccountID)
		if err != nil {
			return a, err
		}
		a.etag, err = u.s.blobs.Put(ctx, a.blobKey, sealed, sealed.Len())
		if err != nil { // the step may have happened and only the answer be lost
			u.s.dropBlob(ctx, a.blobKey)
		}
	} else {
		var up blob.Upload
		up, err = u.s.ensureUpload(ctx, &u.file)
		if err != nil {
			return a, err
		}
		a.blobKey, a.uploadID = up.Key, up.ID
		a.etag, err = u.s.blobs.PutPart(ctx, up, u.number, sealed, sealed.Len())
	}
	a.crc32 = sealed.CRC32()
	return a, err
}

func (s *Service) newKey(accountID string) (string, error) {
	id, err := db.IDBytes(accountID)
	if err != nil {
		return "", fmt.Errorf("make a blob key: %w", err)
	}
	return blob.NewKey(id, s.rand)
}

// dropBlob deletes what lost, as well as it can: the sweep finds the rest.
func (s *Service) dropBlob(ctx context.Context, key string) {
	ctx, cancel := cleanup(ctx)
	defer cancel()
	if err := s.blobs.Delete(ctx, key); err != nil {
		s.log.WarnContext(ctx, "blob not deleted, the sweep will find it", "key", key, "error", err)
	}
}

// compareBody answers a repeat of a recorded part by its body: equal bytes get
// the same answer again.
func (u *PartUpload) compareBody(ctx context.Context, body io.Reader, digests []Digest) (Receipt, error) {
	sum := crc32.NewIEEE()
	sinks := []io.Writer{sum}
	for _, d := range digests {
		sinks = append(sinks, d.Hash)
	}
	n, err := io.CopyBuffer(io.MultiWriter(sinks...), io.LimitReader(body, u.length+1), make([]byte, copyBuffer))
	switch {
	case err != nil:
		return Receipt{}, fmt.Errorf("read repeated part: %w", err)
	case n < u.length:
		return Receipt{}, fmt.Errorf("read repeated part: %w", ErrBodyShort)
	case n > u.length:
		return Receipt{}, fmt.Errorf("read repeated part: %w", ErrBodyLong)
	}
	for _, d := range digests {
		if subtle.ConstantTimeCompare(d.Hash.Sum(nil), d.Want) == 0 {
			return Receipt{}, ErrDigest
		}
	}
	return u.compare(ctx, sum.Sum32())
}

// overtaken looks, when the bucket did not take a part, whether somebody else sent it
// and was faster: then the file may be put together by now, the bucket knows its
// upload no more, and it says so or just resets the connection. The rest of the body
// is read and compared, as that of any repeat. Else the cause stands.
func (u *PartUpload) overtaken(ctx context.Context, sealed *seal.PartReader, cause error) (Receipt, error) {
	gone := errors.Is(cause, blob.ErrUploadNotFound)
	if u.file.PartCount == 1 || !gone && !errors.Is(cause, ErrStorageUnavailable) {
		return Receipt{}, cause
	}
	was := u.file
	var state string
	var expires int64
	if err := u.look(ctx, was.ID, &state, &expires); err != nil {
		return Receipt{}, errors.Join(err, cause)
	}
	if u.known == nil || u.file.State == Receiving {
		if err := u.s.refusalOf(state, expires); err != nil {
			return Receipt{}, err
		}
		if gone {
			return Receipt{}, u.s.uploadGone(ctx, was)
		}
		return Receipt{}, cause
	}
	if _, err := io.Copy(io.Discard, sealed); err != nil {
		return Receipt{}, fmt.Errorf("read repeated part: %w", err)
	}
	return u.compare(ctx, sealed.CRC32())
}

const copyBuffer = 32 << 10

// compare answers with the recorded part if the CRC is its own.
func (u *PartUpload) compare(ctx context.Context, crc uint32) (Receipt, error) {
	if u.known.crc32 == unverified {
		return Receipt{}, fmt.Errorf("part is being read back: %w", ErrStorageUnavailable)
	}
	if uint32(u.known.crc32) != crc {
		return Receipt{}, ErrPartConflict
	}
	r := Receipt{Part: Part{Number: u.number, Size: u.known.size, CRC32: crc}, State: u.file.State}
	if r.State == Sealing { // whoever asks again may find it stored meanwhile
		r.State = u.finishSoon(ctx)
	}
	return r, nil
}

func (u *PartUpload) finishSoon(ctx context.Context) string {
	if u.OnRecorded != nil {
		u.OnRecorded()
	}
	return u.s.finishSoon(ctx, u.file.ID)
}

// finishSoon completes the file now if that takes no longer than a client
// should wait, else leaves it to the queue and the sweep. It gives the state.
func (s *Service) finishSoon(ctx context.Context, fileID string) string {
	ctx, cancel := context.WithTimeout(ctx, s.set.SealWait)
	defer cancel()
	state, err := s.completeFile(ctx, fileID)
	if err != nil {
		s.log.WarnContext(ctx, "file not completed yet", "file", fileID, "error", err)
	}
	if state != Stored {
		s.hint(ctx, JobSeal, fileID)
	}
	return state
}

// Kinds of jobs.
const (
	JobSeal          = "file.seal/1"
	JobPurgeFile     = "file.purge/1"
	JobPurgeTransfer = "transfer.purge/1"
)

// A step that hangs for so long is given up; its row brings it again.
const (
	sealTimeout  = 10 * time.Minute
	purgeTimeout = 30 * time.Minute
)

// Jobs are the steps that a queue may run; each finds its work in its row.
func (s *Service) Jobs() []jobs.Job {
	return []jobs.Job{
		{Kind: JobSeal, Queue: jobs.Critical, Timeout: sealTimeout, Run: s.sealJob},
		{Kind: JobPurgeFile, Queue: jobs.Low, Timeout: sealTimeout, Run: s.purgeFile},
		{Kind: JobPurgeTransfer, Queue: jobs.Low, Timeout: purgeTimeout, Run: s.purgeTransfer},
	}
}
