package api_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lenzeye/lenzeye/internal/api"
)

func TestDecodeReads(t *testing.T) {
	t.Parallel()
	at := api.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC))
	body := ` {"files" : [ {"path":"a\u00e9\ud83d\ude00\\\"b","size":1e3,"modified":"2026-01-02T04:04:05.6789+01:00"},
		{"path":"x","size":-99999999999999999999,"type":null}, {"path":"", "size": 1e400} ] } `
	var got api.Declare
	if err := api.Decode(strings.NewReader(body), &got); err != nil {
		t.Fatal(err)
	}
	want := api.Declare{Files: []api.NewFile{
		{Path: "aé😀\\\"b", Size: 1000, Modified: &at},
		{Path: "x", Size: math.MinInt64},
		{Path: "", Size: math.MaxInt64},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeEmptyIsObject(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", " \n", "{}", " { } "} {
		got := api.Start{}
		if err := api.Decode(strings.NewReader(body), &got); err != nil || got != (api.Start{}) {
			t.Errorf("%q: %+v, %v", body, got, err)
		}
	}
}

func TestDecodePatch(t *testing.T) {
	t.Parallel()
	var got api.LinkPatch
	body := `{"title":"T","message":null,"max_bytes":7,"max_transfers":null,"closed":true}`
	if err := api.Decode(strings.NewReader(body), &got); err != nil {
		t.Fatal(err)
	}
	want := api.LinkPatch{
		Title: api.Change("T"), Message: api.Clear[string](),
		MaxBytes: api.Change(api.Int(7)), MaxTransfers: api.Clear[api.Int](), Closed: api.Change(true),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		body, field string
		into        any
	}{
		"not JSON":              {`{"code"`, "", new(api.Unlock)},
		"trailing data":         {`{} {}`, "", new(api.Unlock)},
		"null":                  {`null`, "", new(api.Unlock)},
		"a list":                {`[]`, "", new(api.Unlock)},
		"a string":              {`"x"`, "", new(api.Unlock)},
		"invalid UTF-8":         {"{\"code\":\"\xff\"}", "", new(api.Unlock)},
		"cut UTF-8":             {"{\"code\":\"\xc3\"}", "", new(api.Unlock)},
		"unknown":               {`{"kode":1}`, "kode", new(api.Unlock)},
		"other case":            {`{"Code":"x"}`, "Code", new(api.Unlock)},
		"repeated":              {`{"code":"a","code":"b"}`, "code", new(api.Unlock)},
		"repeated by escape":    {`{"code":"a","c\u006fde":"b"}`, "code", new(api.Unlock)},
		"wrong type":            {`{"code":1}`, "code", new(api.Unlock)},
		"wrong null":            {`{"code":null}`, "code", new(api.Unlock)},
		"lone high surrogate":   {`{"code":"\ud800"}`, "code", new(api.Unlock)},
		"lone low surrogate":    {`{"code":"\udc00x"}`, "code", new(api.Unlock)},
		"high then letter":      {`{"code":"\ud800A"}`, "code", new(api.Unlock)},
		"high then newline":     {`{"code":"\ud800\n"}`, "code", new(api.Unlock)},
		"two high":              {`{"code":"\ud800\ud800"}`, "code", new(api.Unlock)},
		"surrogate in a name":   {`{"\ud800":1}`, "", new(api.Unlock)},
		"object for a string":   {`{"code":{"a":1}}`, "code", new(api.Unlock)},
		"list for a string":     {`{"code":[1]}`, "code", new(api.Unlock)},
		"object for a list":     {`{"files":{}}`, "files", new(api.Declare)},
		"null for a list":       {`{"files":null}`, "files", new(api.Declare)},
		"null in a list":        {`{"files":[null]}`, "files[0]", new(api.Declare)},
		"string in a list":      {`{"files":["a"]}`, "files[0]", new(api.Declare)},
		"deep field":            {`{"files":[{"path":"a","size":1},{"path":"a","size":"1"}]}`, "files[1].size", new(api.Declare)},
		"deep unknown":          {`{"files":[{"pth":"a"}]}`, "files[0].pth", new(api.Declare)},
		"fraction":              {`{"files":[{"size":1.5}]}`, "files[0].size", new(api.Declare)},
		"tiny fraction":         {`{"files":[{"size":1e-400}]}`, "files[0].size", new(api.Declare)},
		"bad time":              {`{"files":[{"modified":"yesterday"}]}`, "files[0].modified", new(api.Declare)},
		"time as a number":      {`{"files":[{"modified":1}]}`, "files[0].modified", new(api.Declare)},
		"number too large":      {`{"max_bytes":9007199254740992}`, "max_bytes", new(api.LinkPatch)},
		"patch of a wrong type": {`{"closed":"yes"}`, "closed", new(api.LinkPatch)},
		"nested bomb":           {`{"code":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, "code", new(api.Unlock)},
		"something for nothing": {`{"a":1}`, "a", new(api.Empty)},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := api.Decode(strings.NewReader(tc.body), tc.into)
			wrong, ok := errors.AsType[*api.DecodeError](err)
			if !ok || !errors.Is(err, api.ErrJSON) {
				t.Fatalf("got %v, want a DecodeError", err)
			}
			if wrong.Field != tc.field {
				t.Errorf("field %q, want %q (%v)", wrong.Field, tc.field, err)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"files":[{"path":"a\ud83d\ude00","size":1,"modified":null,"type":""}]}`))
	f.Add([]byte(`{"files":[{"path":"\ud800","size":-1.5e3}],"files":[]}`))
	f.Add([]byte(`{"a":{"b":[1,true,null,"\"\\"]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var d api.Declare
		if err := api.Unmarshal(data, &d); err != nil && !errors.Is(err, api.ErrJSON) {
			t.Errorf("%v", err)
		}
		var p api.LinkPatch
		if err := api.Unmarshal(data, &p); err != nil && !errors.Is(err, api.ErrJSON) {
			t.Errorf("%v", err)
		}
	})
}
