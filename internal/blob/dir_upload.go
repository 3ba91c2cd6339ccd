package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// markerName is the empty file whose time is an upload's beginning.
const markerName = "initiated"

// uploadFolder is where an unfinished upload lives. ok is false for an ID that
// this store never gave.
func uploadFolder(u Upload) (name string, ok bool) {
	key := strings.TrimPrefix(u.Key, keyVersion+"/")
	return dirUploads + "/" + strings.Replace(key, "/", ".", 1) + "." + u.ID, isHex(u.ID)
}

// parseUploadFolder undoes uploadFolder, for the last segment of the name.
func parseUploadFolder(base string) (Upload, bool) {
	f := strings.Split(base, ".")
	if len(f) != 3 || !isHex(f[0]) || !isHex(f[1]) || !isHex(f[2]) {
		return Upload{}, false
	}
	return Upload{Key: keyVersion + "/" + f[0] + "/" + f[1], ID: f[2]}, true
}

func (d *dir) create(_ context.Context, key string) (string, error) {
	if err := d.unused(key); err != nil {
		return "", err
	}
	id, err := newID(nil)
	if err != nil {
		return "", err
	}
	temp := d.tempName(kindUpload)
	folder, _ := uploadFolder(Upload{Key: key, ID: id})
	if err := d.makeUpload(temp, folder); err != nil {
		_ = d.root.RemoveAll(temp) // gone already when only the last step failed
		return "", dirError(err)
	}
	return id, nil
}

// makeUpload shows the folder only when the marker in it is on disk.
func (d *dir) makeUpload(temp, folder string) error {
	if err := d.root.Mkdir(temp, 0o700); err != nil {
		return err
	}
	f, err := d.root.OpenFile(temp+"/"+markerName, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := d.sync(temp); err != nil {
		return err
	}
	if err := d.root.Rename(temp, folder); err != nil {
		return err
	}
	return d.sync(dirUploads)
}

// putPart gives each attempt a name of its own, so that nothing acknowledged
// is written over. Where Complete or Abort has taken the folder meanwhile, the
// attempt finds no place and fails.
func (d *dir) putPart(_ context.Context, u Upload, n int, b *body) (string, error) {
	folder, ok := uploadFolder(u)
	if !ok {
		return "", ErrUploadNotFound
	}
	if _, err := d.root.Lstat(folder); err != nil {
		return "", missing(err, ErrUploadNotFound)
	}
	temp, err := d.writeTemp(b)
	if err != nil {
		return "", dirError(err)
	}
	attempt, err := d.newAttempt()
	if err != nil {
		return "", err
	}
	if err := d.root.Rename(temp, folder+"/"+partName(n, attempt)); err != nil {
		_ = d.root.Remove(temp) // the sweep's otherwise
		return "", missing(err, ErrUploadNotFound)
	}
	if err := d.sync(folder); err != nil {
		return "", missing(err, ErrUploadNotFound)
	}
	return attempt, nil
}

func partName(n int, attempt string) string { return strconv.Itoa(n) + "." + attempt }

func parsePartName(name string) (n int, attempt string, ok bool) {
	number, attempt, _ := strings.Cut(name, ".")
	n, err := strconv.Atoi(number)
	ok = err == nil && n >= 1 && n <= MaxParts && isHex(attempt) && strconv.Itoa(n) == number
	return n, attempt, ok
}

// newAttempt names an attempt: nanoseconds, then 8 random bytes. Of two in one
// process the later sorts after the earlier, whatever the clock does.
func (d *dir) newAttempt() (string, error) {
	random, err := newID(nil)
	if err != nil {
		return "", err
	}
	for {
		last := d.stamp.Load()
		stamp := max(last+1, d.now().UnixNano())
		if d.stamp.CompareAndSwap(last, stamp) {
			return fmt.Sprintf("%016x%s", stamp, random[:16]), nil
		}
	}
}

func (d *dir) parts(_ context.Context, u Upload, after, limit int) ([]PartInfo, error) {
	folder, ok := uploadFolder(u)
	if !ok {
		return nil, ErrUploadNotFound
	}
	f, err := d.root.OpenRoot(folder)
	if err != nil {
		return nil, missing(err, ErrUploadNotFound)
	}
	defer f.Close()
	last, err := lastAttempts(f)
	if err != nil {
		return nil, missing(err, ErrUploadNotFound)
	}
	var page []PartInfo
	for n := max(after, 0) + 1; n <= MaxParts && len(page) < limit; n++ {
		if last[n] == "" {
			continue
		}
		info, err := f.Lstat(partName(n, last[n]))
		if err != nil {
			return nil, missing(err, ErrUploadNotFound)
		}
		page = append(page, PartInfo{Number: n, Size: info.Size(), ETag: last[n], Modified: info.ModTime()})
	}
	return page, nil
}

// lastAttempts is each part's latest attempt, by number; 160 KB whatever is
// in the folder.
func lastAttempts(folder *os.Root) ([]string, error) {
	last := make([]string, MaxParts+1)
	err := eachName(folder, ".", func(e fs.DirEntry) {
		if n, attempt, ok := parsePartName(e.Name()); ok && attempt > last[n] {
			last[n] = attempt
		}
	})
	return last, err
}

// complete writes the manifest into the upload's folder, and then the folder
// becomes the object in one step. Before it the upload is whole, after it the
// object is. The attempts that lost are taken away last.
func (d *dir) complete(_ context.Context, u Upload, parts []PartRef) error {
	folder, ok := uploadFolder(u)
	if !ok {
		return ErrUploadNotFound
	}
	m, err := d.verify(folder, u, parts)
	if errors.Is(err, fs.ErrNotExist) {
		return d.completed(u)
	}
	if err != nil {
		return dirError(err)
	}
	if err := d.unused(u.Key); err != nil {
		if errors.Is(err, ErrExists) && d.completed(u) == nil {
			return nil
		}
		return err
	}
	if err := d.finish(folder, u.Key, m); err != nil {
		return missing(err, ErrUploadNotFound)
	}
	d.dropLosers(u.Key)
	return nil
}

// completed is nil when the upload has become the object: the answer to a
// Complete whose first reply was lost.
func (d *dir) completed(u Upload) error {
	m, err := d.openManifest(u.Key)
	if err != nil {
		return missing(err, ErrUploadNotFound)
	}
	defer m.Close()
	if m.id != u.ID {
		return ErrUploadNotFound
	}
	return dirError(d.sync(parentOf(u.Key)))
}

// verify finds every named attempt and its size. Its fs.ErrNotExist means that
// there is no such upload.
func (d *dir) verify(name string, u Upload, parts []PartRef) (*manifest, error) {
	folder, err := d.root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	m := &manifest{id: u.ID, entries: make([]manifestEntry, 0, len(parts))}
	for i, p := range parts {
		if !isHex(p.ETag) {
			return nil, fmt.Errorf("%w: part %d", ErrPartMismatch, p.Number)
		}
		info, err := folder.Lstat(partName(p.Number, p.ETag))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: part %d", ErrPartMismatch, p.Number)
		}
		if err != nil {
			return nil, err
		}
		if info.Size() < d.minPart && i < len(parts)-1 {
			return nil, fmt.Errorf("%w: part %d of %d bytes", ErrTooSmall, p.Number, info.Size())
		}
		m.size += info.Size()
		m.entries = append(m.entries, manifestEntry{number: p.Number, attempt: p.ETag, end: m.size})
	}
	return m, nil
}

// finish puts each thing on disk before the next relies on it: the manifest's
// bytes, its name, the folder's new name, the absence of its old one.
func (d *dir) finish(folder, key string, m *manifest) error {
	temp, err := d.temp(func(f *os.File) error { return m.write(f) })
	if err != nil {
		return err
	}
	if err := d.root.Rename(temp, folder+"/"+manifestName); err != nil {
		_ = d.root.Remove(temp) // the sweep's otherwise
		return err
	}
	if err := d.sync(folder); err != nil {
		return err
	}
	if err := d.publish(folder, key); err != nil {
		return err
	}
	return d.sync(dirUploads)
}

// dropLosers frees what the object does not use. It goes by the manifest on
// disk, since two completions at once may each have written one. What it does
// not reach costs space until the object is deleted, and nothing else.
func (d *dir) dropLosers(key string) {
	err := d.dropUnnamed(key)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.log.Warn("cannot free the attempts that lost", "key", key, "error", err)
	}
}

func (d *dir) dropUnnamed(key string) error {
	m, err := d.openManifest(key)
	if err != nil {
		return err
	}
	defer m.Close()
	winners := make([]string, MaxParts+1)
	for i := range m.parts {
		e, err := m.entry(i)
		if err != nil {
			return err
		}
		winners[e.number] = e.attempt
	}
	folder, err := d.root.OpenRoot(key)
	if err != nil {
		return err
	}
	defer folder.Close()
	var errs error
	err = eachName(folder, ".", func(e fs.DirEntry) {
		n, attempt, isPart := parsePartName(e.Name())
		if e.Name() == markerName || isPart && winners[n] != attempt {
			if err := folder.Remove(e.Name()); err != nil && errs == nil {
				errs = err
			}
		}
	})
	return errors.Join(err, errs)
}

// abort takes the folder out of the listing in one step, so that an upload
// that is shown has all its parts.
func (d *dir) abort(_ context.Context, u Upload) error {
	folder, ok := uploadFolder(u)
	if !ok {
		return nil
	}
	return d.discard(folder)
}

// eachName visits a folder in batches, in no order.
func eachName(root *os.Root, folder string, visit func(e fs.DirEntry)) error {
	f, err := root.Open(folder)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		entries, err := f.ReadDir(1024)
		for _, e := range entries {
			visit(e)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
