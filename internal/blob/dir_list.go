package blob

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
)

// smallest is the first limit names of a folder above after, ascending. Memory
// follows limit, not the folder. A folder that is not there has none.
func (d *dir) smallest(folder, after string, limit int, valid func(name string) bool) ([]string, error) {
	var names []string
	err := eachName(d.root, folder, func(e fs.DirEntry) {
		if e.Name() <= after || !valid(e.Name()) {
			return
		}
		names = append(names, e.Name())
		if len(names) >= 2*limit+64 {
			slices.Sort(names)
			names = names[:limit]
		}
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, dirError(err)
	}
	slices.Sort(names)
	return names[:min(limit, len(names))], nil
}

// list walks the accounts from the one that after names.
func (d *dir) list(ctx context.Context, after string, limit int) ([]Info, error) {
	account, object := splitKey(after)
	var page []Info
	for len(page) < limit {
		if account != "" {
			more, err := d.listAccount(ctx, account, object, limit-len(page))
			if err != nil {
				return nil, err
			}
			page = append(page, more...)
		}
		if len(page) == limit {
			break
		}
		next, err := d.smallest(dirObjects, account, 1, isHex)
		if err != nil || len(next) == 0 {
			return page, err
		}
		account, object = next[0], ""
	}
	return page, nil
}

// listAccount is at most limit objects of an account. Fewer are all that
// there are; one that goes meanwhile is left out and others take its place.
func (d *dir) listAccount(ctx context.Context, account, after string, limit int) ([]Info, error) {
	folder := dirObjects + "/" + account
	var page []Info
	for len(page) < limit {
		names, err := d.smallest(folder, after, limit, isHex)
		if err != nil || len(names) == 0 {
			return page, err
		}
		for _, name := range names {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			info, err := d.stat(ctx, folder+"/"+name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, dirError(err)
			}
			if page = append(page, info); len(page) == limit {
				break
			}
		}
		after = names[len(names)-1]
	}
	return page, nil
}

// splitKey is the account and object of a valid key, or nothing of "".
func splitKey(key string) (account, object string) {
	account, object, _ = strings.Cut(strings.TrimPrefix(key, keyVersion+"/"), "/")
	return account, object
}

func (d *dir) unfinished(_ context.Context, after UploadMark, limit int) ([]UploadInfo, UploadMark, error) {
	if after == (UploadMark{}) {
		d.sweepSometimes()
	}
	mark := ""
	if after.Key != "" {
		folder, _ := uploadFolder(Upload(after))
		mark = strings.TrimPrefix(folder, dirUploads+"/")
	}
	names, err := d.smallest(dirUploads, mark, limit+1, func(name string) bool {
		_, ok := parseUploadFolder(name)
		return ok
	})
	if err != nil {
		return nil, UploadMark{}, err
	}
	var page []UploadInfo
	for i, name := range names {
		if i == limit {
			last, _ := parseUploadFolder(names[i-1])
			return page, UploadMark(last), nil
		}
		u, _ := parseUploadFolder(name)
		info, err := d.root.Lstat(dirUploads + "/" + name + "/" + markerName)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, UploadMark{}, dirError(err)
		}
		page = append(page, UploadInfo{Upload: u, Initiated: info.ModTime()})
	}
	return page, UploadMark{}, nil
}
