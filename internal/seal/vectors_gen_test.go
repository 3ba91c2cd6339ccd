package seal

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// longFile holds the sealed object of sealLong, which is too long for hex.
const longFile = "four-segments.sealed"

// sealLong is a file of one part and four segments: a first, two full ones
// and a short last.
func sealLong(t *testing.T) object { return sealFile(t, 65480+2*65520+10, MinPartSize) }

// sealSmall3 is a file of three parts of one segment each.
func sealSmall3(t *testing.T) object { return sealFile(t, 250, 100) }

// generate makes all vectors, by name.
func generate(t *testing.T) map[string]vector {
	t.Helper()
	all := map[string]vector{}
	smallObjects(t, all)
	smallMisplaced(t, all)
	headVectors(t, all)
	longObjects(t, all)
	partVectors(t, all)
	keyVectors(t, all)
	codeVectors(t, all)
	return all
}

// vector describes reading [off, off+n) of o, of which released bytes come
// out.
func (o object) vector(comment, expect string, off, n, released int64) vector {
	sum := sha256.Sum256(pattern(off, released))
	return vector{
		Kind: "object", Comment: comment, Expect: expect,
		FileKey: o.key[:], FileID: o.file.ID[:], Size: o.file.Size, PartSize: o.file.PartSize,
		Object: []piece{{Hex: o.bytes}}, Offset: off, Length: n, Released: released, ReleasedSHA256: sum[:],
	}
}

// with returns o with other bytes.
func (o object) with(b ...[]byte) object {
	o.bytes = slices.Concat(b...)
	return o
}

// flipped returns o with a bit of byte at changed.
func (o object) flipped(at int) object {
	b := bytes.Clone(o.bytes)
	b[at] ^= 0x10
	return o.with(b)
}

const sealed100 = 156 // SealedLen(100), spelled out: these are vectors

func smallObjects(t *testing.T, all map[string]vector) {
	o := sealSmall3(t)
	whole := func(name, comment, expect string, o object, released int64) {
		all["object-"+name] = o.vector(comment, expect, 0, o.file.Size, released)
	}
	whole("ok-three-parts", "three parts of one segment", "ok", o, 250)
	whole("ok-one-byte", "the smallest file", "ok", sealFile(t, 1, 100), 1)
	whole("ok-empty", "an empty file has no object", "ok", sealFile(t, 0, 100), 0)
	whole("ok-full-last-part", "the last part is full", "ok", sealFile(t, 200, 100), 200)
	whole("ok-bytes-behind", "bytes behind the last part are not read", "ok", o.with(o.bytes, []byte("more")), 250)
	all["object-ok-range-in-a-part"] = o.vector("a range inside the second part", "ok", 110, 20, 20)
	all["object-ok-range-across-parts"] = o.vector("a range across all parts", "ok", 99, 102, 102)
	all["object-ok-range-past-damage"] = o.flipped(60).vector("damage in the first part does not touch the others", "ok", 100, 150, 150)
	for _, c := range []struct {
		name string
		at   int
	}{{"header-length", 0}, {"salt", 1}, {"salt-end", 32}, {"prefix", 33}, {"prefix-end", 39}, {"ciphertext", 40}, {"ciphertext-end", 139}, {"tag", 140}, {"tag-end", 155}} {
		whole("flipped-"+c.name, "a changed bit in the first part: "+c.name, "damaged", o.flipped(c.at), 0)
		whole("flipped-"+c.name+"-later", "a changed bit in the second part: "+c.name, "damaged", o.flipped(sealed100+c.at), 100)
	}
	whole("cut-all", "no object at all", "truncated", o.with(), 0)
	whole("cut-in-header", "the object ends inside the first header", "truncated", o.with(o.bytes[:39]), 0)
	whole("cut-after-header", "the object ends behind the first header", "truncated", o.with(o.bytes[:40]), 0)
	whole("cut-in-part", "the object ends inside the second part", "truncated", o.with(o.bytes[:sealed100+100]), 100)
	whole("cut-last-part", "the last part is missing", "truncated", o.with(o.bytes[:2*sealed100]), 200)
	whole("cut-last-byte", "the last byte is missing", "truncated", o.with(o.bytes[:len(o.bytes)-1]), 200)
	whole("byte-inserted", "a byte too many in the first part", "damaged", o.with(o.bytes[:100], []byte{0}, o.bytes[100:]), 0)
	whole("byte-removed", "a byte too few in the first part", "damaged", o.with(o.bytes[:100], o.bytes[101:]), 0)
	whole("header-missing", "the first part has no header", "damaged", o.with(o.bytes[40:]), 0)
	whole("header-missing-later", "the second part has no header", "damaged", o.with(o.bytes[:sealed100], o.bytes[sealed100+40:]), 100)
}

// smallMisplaced are sealed parts that are whole, but not where they belong.
func smallMisplaced(t *testing.T, all map[string]vector) {
	o := sealSmall3(t)
	one, two, three := o.bytes[:sealed100], o.bytes[sealed100:2*sealed100], o.bytes[2*sealed100:]
	add := func(name, comment string, o object, released int64) {
		all["object-"+name] = o.vector(comment, "damaged", 0, o.file.Size, released)
	}
	add("parts-swapped", "the first two parts are swapped", o.with(two, one, three), 0)
	add("part-twice", "the first part lies in the place of the second too", o.with(one, one, three), 100)
	add("part-missing", "the second part is missing", o.with(one, three, three), 100)
	foreign := func(change func(p *Part, key *Key)) []byte {
		p, key := o.file.Part(2), o.key
		change(&p, &key)
		return sealPart(t, key, p, pattern(100, p.Size), testHead("2"))
	}
	for _, c := range []struct {
		name, comment string
		change        func(p *Part, key *Key)
	}{
		{"part-of-another-file", "the second part was sealed for another file id", func(p *Part, _ *Key) { p.FileID = testID("other") }},
		{"part-under-another-key", "the second part was sealed under another file key", func(_ *Part, key *Key) { *key = testKey("other") }},
		{"part-of-another-number", "the second part was sealed as the third", func(p *Part, _ *Key) { p.Number = 3 }},
		{"part-of-another-part-size", "the second part was sealed for another part size", func(p *Part, _ *Key) { p.PartSize, p.Last = 101, true }},
		{"part-sealed-as-last", "the second part was sealed as the file's last", func(p *Part, _ *Key) { p.Last = true }},
	} {
		add(c.name, c.comment, o.with(one, foreign(c.change), three), 100)
	}
	row := func(change func(*object)) object {
		o := o
		change(&o)
		return o
	}
	add("row-size-too-small", "the row says a size one byte too small", row(func(o *object) { o.file.Size = 249 }), 200)
	add("row-size-a-part-less", "the row says a size that ends with the second part", row(func(o *object) { o.file.Size = 200 }), 100)
	add("row-of-another-file", "the row is of another file", row(func(o *object) { o.file.ID = testID("other") }), 0)
	add("row-key-of-another-file", "the row's key is of another file", row(func(o *object) { o.key = testKey("other") }), 0)
	single := sealFile(t, 50, 100)
	single.file.PartSize = 200
	add("row-part-size", "the row says another part size, and all lengths agree", single, 0)
	larger := row(func(o *object) { o.file.Size = 251 })
	all["object-row-size-too-large"] = larger.vector("the row says a size one byte too large", "truncated", 0, 251, 200)
}

// headVectors are reads in which the heads of the rows take part.
func headVectors(t *testing.T, all map[string]vector) {
	o, long := sealSmall3(t), sealLong(t)
	heads := func(names ...string) (hs []hexed) {
		for _, n := range names {
			h := testHead(n)
			hs = append(hs, h[:])
		}
		return hs
	}
	with := func(v vector, hs []hexed) vector {
		v.Heads = hs
		return v
	}
	inLong := func(comment, expect string, released int64, object []piece) vector {
		v := long.vector(comment, expect, 70000, 100000, released)
		v.Object = object
		return v
	}
	whole := []piece{{From: longFile, End: len(long.bytes)}}
	badHeader := []piece{{Hex: long.flipped(7).bytes[:40]}, {From: longFile, Start: 40, End: len(long.bytes)}}
	all["object-head-row-mends-header"] = with(o.flipped(5).vector("the header is damaged, the row has the head", "ok", 0, 250, 250), heads("1", "2", "3"))
	all["object-head-row-mends-later-header"] = with(o.flipped(sealed100).vector("a later header is damaged, the row has the head", "ok", 0, 250, 250), heads("1", "2", "3"))
	all["object-head-row-wrong"] = with(o.vector("the rows' heads are wrong, the headers right", "ok", 0, 250, 250), heads("x", "y", "z"))
	all["object-head-both-wrong"] = with(o.flipped(5).vector("the header and the row's head are wrong", "damaged", 0, 250, 0), heads("x", "y", "z"))
	all["object-head-inside-known"] = with(inLong("reading begins inside a part whose head the row has; the header is damaged", "ok", 100000, badHeader), heads("1"))
	all["object-head-inside-unknown"] = inLong("reading begins inside a part whose head no row has", "ok", 100000, whole)
	all["object-head-inside-wrong"] = with(inLong("reading begins inside a part whose row is wrong", "ok", 100000, whole), heads("x"))
	all["object-head-inside-both-wrong"] = with(inLong("reading begins inside a part whose row and header are wrong", "damaged", 0, badHeader), heads("x"))
}

// longObjects are the ways in which segments of one part can be wrong.
func longObjects(t *testing.T, all map[string]vector) {
	o := sealLong(t)
	const s = SegmentSize
	size, end := o.file.Size, len(o.bytes)
	from := func(a, b int) piece { return piece{From: longFile, Start: a, End: b} }
	flip := func(at int) []piece {
		return []piece{from(0, at), {Hex: hexed{o.bytes[at] ^ 1}}, from(at+1, end)}
	}
	add := func(name, comment, expect string, released int64, object ...piece) {
		v := o.vector(comment, expect, 0, o.file.Size, released)
		v.Object = object
		all["object-segments-"+name] = v
	}
	add("ok", "four segments", "ok", size, from(0, end))
	add("flipped-first", "a changed bit in the first segment", "damaged", 0, flip(s-1)...)
	add("flipped-second", "a changed bit in the second segment", "damaged", 65480, flip(s)...)
	add("flipped-third", "a changed bit in the third segment's tag", "damaged", 131000, flip(3*s-1)...)
	add("flipped-last", "a changed bit in the last segment", "damaged", 196520, flip(end-1)...)
	add("swapped", "the second and third segments are swapped", "damaged", 65480, from(0, s), from(2*s, 3*s), from(s, 2*s), from(3*s, end))
	add("twice", "the second segment lies in the place of the third too", "damaged", 131000, from(0, 2*s), from(s, 2*s), from(3*s, end))
	add("dropped", "the second segment is missing", "damaged", 65480, from(0, s), from(2*s, end))
	add("last-dropped", "the last segment is missing", "truncated", 196520, from(0, 3*s))
	add("cut-in-last", "the last segment is cut", "truncated", 196520, from(0, end-1))
	for _, at := range []int64{65479, 65480, 130999, 131000, 196519, 196520} {
		v := o.vector("ten bytes at a segment's edge", "ok", at, 10, 10)
		v.Object = []piece{from(0, end)}
		all[fmt.Sprintf("object-segments-ok-at-%d", at)] = v
	}
	v := o.vector("damage before the range does not touch it", "ok", 131000, 1000, 1000)
	v.Object = flip(s)
	all["object-segments-ok-past-damage"] = v

	o.file.Size = 196520
	add("cut-at-edge", "the row says a size that ends with the third segment, which was not sealed as the last", "damaged", 131000, from(0, 3*s))
	o.file.Size = size + 1
	add("extended", "the row says a byte more, and there is one", "damaged", 196520, from(0, end), piece{Hex: hexed{0}})
}

func partVectors(t *testing.T, all map[string]vector) {
	o := sealSmall3(t)
	add := func(name, comment, expect string, bodySize int64, digest []byte) {
		p, head := o.file.Part(2), testHead("2")
		v := vector{
			Kind: "part", Comment: comment, Expect: expect, FileKey: o.key[:], FileID: o.file.ID[:], PartSize: p.PartSize,
			Number: p.Number, Last: p.Last, Size: p.Size, Head: head[:], BodySize: bodySize, Digest: digest,
		}
		if expect == "ok" {
			v.Object, v.CRC32 = []piece{{Hex: o.bytes[sealed100 : 2*sealed100]}}, crc32.ChecksumIEEE(pattern(100, 100))
		}
		all["part-"+name] = v
	}
	right, wrong := sha256.Sum256(pattern(100, 100)), sha256.Sum256(pattern(0, 100))
	add("ok", "the second of three parts", "ok", 100, nil)
	add("ok-digest", "with a digest that agrees", "ok", 100, right[:])
	add("short", "the body is a byte short", "short", 99, nil)
	add("empty-body", "the body is empty", "short", 0, nil)
	add("long", "the body is a byte long", "long", 101, nil)
	add("digest", "the body is not the one of the digest", "digest", 100, wrong[:])

	long, head := sealLong(t), testHead("1")
	p := long.file.Part(1)
	all["part-segments"] = vector{
		Kind: "part", Comment: "a part of four segments", Expect: "ok", FileKey: long.key[:], FileID: long.file.ID[:], PartSize: p.PartSize,
		Number: 1, Last: true, Size: p.Size, Head: head[:], BodySize: p.Size,
		Object: []piece{{From: longFile, End: len(long.bytes)}}, CRC32: crc32.ChecksumIEEE(pattern(0, p.Size)),
	}
}

// kept returns the vector of that name as it is checked in, for what a random
// nonce went into, or what make gives where there is none yet.
func kept(t *testing.T, name string, fresh func() vector) vector {
	t.Helper()
	path := filepath.Join(vectorDir, name+".json")
	if _, err := os.Stat(path); err != nil {
		return fresh()
	}
	return readVector(t, path)
}

func keyVectors(t *testing.T, all map[string]vector) {
	masters := entry(2, "two") + "," + entry(1, "one")
	all["private-ok"] = kept(t, "private-ok", func() vector {
		k, private := newAccountKey(t)
		sealed, m, err := mustRing(t, masters).SealPrivate(k, private)
		if err != nil {
			t.Fatal(err)
		}
		return vector{
			Kind: "private", Comment: "the private half of an account key", Expect: "ok", MasterKeys: masters, MasterVersion: m,
			AccountID: k.AccountID[:], Version: k.Version, Suite: k.Suite, Private: private, Public: k.Public, Sealed: sealed,
		}
	})
	ok := all["private-ok"]
	all["file_key-ok"] = kept(t, "file_key-ok", func() vector {
		id, key := testID("file"), testKey("file")
		sealed, err := SealFileKey(ok.Public, id, key)
		if err != nil {
			t.Fatal(err)
		}
		return vector{Kind: "file_key", Comment: "a file key under that account key", Expect: "ok", Private: ok.Private, FileID: id[:], Sealed: sealed, FileKey: key[:]}
	})
	bad := func(kind, name, comment, expect string, change func(v *vector)) {
		v := all[kind+"-ok"]
		v.Comment, v.Expect, v.Public = comment, expect, nil
		change(&v)
		all[kind+"-"+name] = v
	}
	bad("private", "flipped", "a changed bit", "key_damaged", func(v *vector) { v.Sealed, v.Private = flip(v.Sealed, 20), nil })
	bad("private", "cut", "shorter than nonce and tag", "key_damaged", func(v *vector) { v.Sealed, v.Private = v.Sealed[:27], nil })
	bad("private", "account", "the row of another account", "key_damaged", func(v *vector) { v.AccountID, v.Private = flip(v.AccountID, 0), nil })
	bad("private", "version", "the row of another version", "key_damaged", func(v *vector) { v.Version, v.Private = 4, nil })
	bad("private", "suite", "another suite in the row", "key_damaged", func(v *vector) { v.Suite, v.Private = flip(v.Suite, 5), nil })
	bad("private", "wrong-master", "the row names another master key", "key_damaged", func(v *vector) { v.MasterVersion, v.Private = 1, nil })
	bad("private", "unknown-master", "the row names a master key that is not held", "unknown_master", func(v *vector) { v.MasterVersion, v.Private = 3, nil })
	bad("file_key", "enc-flipped", "a changed bit in enc", "key_damaged", func(v *vector) { v.Sealed, v.FileKey = flip(v.Sealed, 0), nil })
	bad("file_key", "flipped", "a changed bit in the ciphertext", "key_damaged", func(v *vector) { v.Sealed, v.FileKey = flip(v.Sealed, 40), nil })
	bad("file_key", "cut", "cut inside enc", "key_damaged", func(v *vector) { v.Sealed, v.FileKey = v.Sealed[:31], nil })
	bad("file_key", "other-file", "sealed for another file", "key_damaged", func(v *vector) { v.FileID, v.FileKey = flip(v.FileID, 15), nil })
	bad("file_key", "other-account", "another account's private half", "key_damaged", func(v *vector) { v.Private, v.FileKey = flip(v.Private, 9), nil })
}

func flip(b []byte, at int) []byte {
	c := bytes.Clone(b)
	c[at] ^= 1
	return c
}

func codeVectors(t *testing.T, all map[string]vector) {
	masters, key := entry(2, "two")+","+entry(1, "one"), testKey("code")
	all["code_key-ok"] = kept(t, "code_key-ok", func() vector {
		sealed, m, err := mustRing(t, masters).SealCodeKey(4, key)
		if err != nil {
			t.Fatal(err)
		}
		return vector{Kind: "code_key", Comment: "a code key", Expect: "ok", MasterKeys: masters, MasterVersion: m, Version: 4, Sealed: sealed, CodeKey: key[:]}
	})
	all["secret-ok"] = kept(t, "secret-ok", func() vector {
		sealed, err := SealSecret(key, "mail", []byte("a code: 123456"))
		if err != nil {
			t.Fatal(err)
		}
		return vector{Kind: "secret", Comment: "a secret under its label", Expect: "ok", CodeKey: key[:], Label: "mail", Sealed: sealed, Plain: "a code: 123456"}
	})
	bad := func(kind, name, comment, expect string, change func(v *vector)) {
		v := all[kind+"-ok"]
		v.Comment, v.Expect, v.Plain = comment, expect, ""
		change(&v)
		all[kind+"-"+name] = v
	}
	bad("code_key", "flipped", "a changed bit", "key_damaged", func(v *vector) { v.Sealed, v.CodeKey = flip(v.Sealed, 59), nil })
	bad("code_key", "version", "the row of another version", "key_damaged", func(v *vector) { v.Version, v.CodeKey = 5, nil })
	bad("code_key", "unknown-master", "the row names a master key that is not held", "unknown_master", func(v *vector) { v.MasterVersion, v.CodeKey = 9, nil })
	bad("secret", "flipped", "a changed bit", "key_damaged", func(v *vector) { v.Sealed = flip(v.Sealed, 12) })
	bad("secret", "label", "another label", "key_damaged", func(v *vector) { v.Label = "share" })
	all["code-ok"] = vector{Kind: "code", Comment: "the hash of a code", Expect: "ok", CodeKey: key[:], Code: "123456", Hash: HashCode(key, "123456")}
}
