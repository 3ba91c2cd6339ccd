package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"

	"github.com/lenzeye/lenzeye/internal/api"
)

// list prints the files that are wanted as their list comes.
func (r *getRun) list(ctx context.Context) error {
	out := bufio.NewWriter(r.inv.io.out)
	line := listLine
	if r.flags.json {
		line = listJSON
	}
	n := 0
	view, err := r.open(ctx, func(f api.SharedFile) error {
		if !matches(r.flags.only, f.Path) {
			return nil
		}
		n++
		return line(out, n, f)
	})
	if err != nil {
		return err
	}
	if r.flags.json {
		if err := endListJSON(out, n, view); err != nil {
			return err
		}
	}
	return out.Flush()
}

func listLine(out *bufio.Writer, _ int, f api.SharedFile) error {
	when := "-"
	if f.Modified != nil {
		when = f.Modified.Local().Format("2006-01-02 15:04")
	}
	_, err := fmt.Fprintf(out, "%9s  %16s  %s\n", bytesText(f.Size), when, printable(f.Path))
	return err
}

// listJSON writes the n-th file of the object that endListJSON ends.
func listJSON(out *bufio.Writer, n int, f api.SharedFile) error {
	before := ","
	if n == 1 {
		before = `{"files":[`
	}
	text, err := json.Marshal(f)
	if err == nil {
		_, err = fmt.Fprintf(out, "%s%s", before, text)
	}
	return err
}

// endListJSON adds what the share shows beside its files.
func endListJSON(out *bufio.Writer, n int, view api.ShareView) error {
	text, err := json.Marshal(view)
	if err != nil {
		return err
	}
	var rest map[string]json.RawMessage
	if err := json.Unmarshal(text, &rest); err != nil {
		return err
	}
	delete(rest, "files")
	if text, err = json.Marshal(rest); err != nil {
		return err
	}
	before := ""
	if n == 0 {
		before = `{"files":[`
	}
	_, err = fmt.Fprintf(out, "%s],%s\n", before, text[1:])
	return err
}
