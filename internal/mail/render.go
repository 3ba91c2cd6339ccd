package mail

import (
	"fmt"
	"html"
	"strings"
	"unicode"

	"github.com/lenzeye/lenzeye/internal/catalog"
)

const maxSubject = 150 // characters

// layout is what stands around every HTML part. Mail programs know no
// stylesheets, so its little style is inline.
const layout = `<!doctype html>
<html lang="%s" dir="%s">
<body style="margin:0;padding:24px;font:16px/1.5 system-ui,sans-serif;color:#1b1b1f;background:#ffffff">
<div style="max-width:36em;margin:0 auto">
%s
</div>
</body>
</html>
`

// render puts the catalogue's texts and what a message says together.
func render(l catalog.Language, kind Kind, v Vars) Envelope {
	key := "mail." + string(kind)
	plain := arguments(l, v, func(s string) string { return s })
	plain = append(plain, "details", strings.Join(details(l, plain, v), "\n"), "files", fileText(l, v))
	marked := arguments(l, v, html.EscapeString)
	marked = append(marked, "details", strings.Join(details(l, marked, v), "<br>\n"), "files", fileHTML(l, v))
	return Envelope{
		Code:    v.Code,
		Subject: oneLine(l.Text(key+".subject", plain...)),
		Text:    l.Text(key+".text", plain...) + "\n",
		HTML:    fmt.Sprintf(layout, l.Tag(), l.Dir(), l.Text(key+".html", marked...)),
	}
}

// arguments are the values that any message may name.
func arguments(l catalog.Language, v Vars, quote func(string) string) []any {
	expires := ""
	if v.ExpiresAt != nil {
		expires = v.ExpiresAt.UTC().Format("2006-01-02 15:04 UTC")
	}
	sender := v.Sender
	if sender == "" {
		sender = l.Text("mail.someone")
	}
	return []any{
		"studio", quote(v.Studio), "sender", quote(sender), "title", quote(v.Title), "message", quote(v.Message),
		"url", quote(v.URL), "count", v.Count, "size", size(v.Bytes), "expires", expires, "times", v.Times,
		"code", quote(v.Code),
	}
}

// details are the lines of those values that the message has.
func details(l catalog.Language, args []any, v Vars) []string {
	var lines []string
	for _, d := range []struct {
		name  string
		shown bool
	}{
		{"title", v.Title != ""},
		{"sender", v.Sender != ""},
		{"amount", true},
		{"expires", v.ExpiresAt != nil},
		{"message", v.Message != ""},
	} {
		if d.shown {
			lines = append(lines, l.Text("mail.detail."+d.name, args...))
		}
	}
	return lines
}

func fileText(l catalog.Language, v Vars) string {
	var b strings.Builder
	for _, f := range v.Files {
		fmt.Fprintf(&b, "  %s (%s)\n", f.Path, size(f.Size))
	}
	if more := v.Count - int64(len(v.Files)); more > 0 && len(v.Files) > 0 {
		fmt.Fprintf(&b, "  %s\n", l.Text("mail.more", "count", more))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func fileHTML(l catalog.Language, v Vars) string {
	if len(v.Files) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("<ul style=\"padding-left:1.2em\">\n")
	for _, f := range v.Files {
		fmt.Fprintf(&b, "<li>%s (%s)</li>\n", html.EscapeString(f.Path), size(f.Size))
	}
	if more := v.Count - int64(len(v.Files)); more > 0 {
		fmt.Fprintf(&b, "<li>%s</li>\n", l.Text("mail.more", "count", more))
	}
	b.WriteString("</ul>")
	return b.String()
}

// size writes bytes in units of a thousand, as file managers and disks do.
func size(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB"}
	v, unit := float64(n), 0
	for v >= 999.95 && unit < len(units)-1 {
		v /= 1000
		unit++
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", v, units[unit])
}

// oneLine makes a text fit for a header.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > maxSubject {
		s = string(r[:maxSubject-1]) + "…"
	}
	return s
}
