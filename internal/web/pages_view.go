package web

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/catalog"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

// view is what every template needs.
type view struct {
	language catalog.Language
	modules  map[string][]string // of assets
	Studio   string              // whose page it is; "" where that is not known
	Static   string              // path of the static files
	Script   string              // the page's module; "" for none
	Boot     any                 // data for the script, as JSON in the page; nil for none
}

func (p *pages) view(r *http.Request) view {
	return view{language: p.catalog.Match(r.Header.Get("Accept-Language")), modules: p.static.modules, Static: p.base}
}

// Modules are what the page's script imports.
func (v view) Modules() []string { return v.modules[v.Script] }

// Kept is what caches are told.
func (v view) Kept() string { return "private, no-cache" }

// Secret says that the page shows what others may not learn, so that it is sent
// as it is: see pack.
func (v view) Secret() bool { return false }

// Lang is for the lang attribute.
func (v view) Lang() string { return v.language.Tag() }

// Dir is for the dir attribute.
func (v view) Dir() string { return v.language.Dir() }

// T is a text of the catalogue.
func (v view) T(key string, args ...any) string { return v.language.Text(key, args...) }

// StudioOrGeneric names the studio, or says "the studio".
func (v view) StudioOrGeneric() string {
	if v.Studio == "" {
		return v.T("page.studio")
	}
	return v.Studio
}

// Initials stand for the studio's mark: of its first and its last word.
func (v view) Initials() string {
	var first []rune
	for _, word := range strings.Fields(v.Studio) {
		if r := []rune(word)[0]; unicode.IsLetter(r) || unicode.IsDigit(r) {
			first = append(first, unicode.ToUpper(r))
		}
	}
	if len(first) > 2 {
		first = []rune{first[0], first[len(first)-1]}
	}
	return string(first)
}

// Icon draws a symbol of icons.svg, as decoration. The names are the templates'
// own.
func (v view) Icon(name string) template.HTML { return v.icon(name, "icon") }

// BigIcon draws it three times as large.
func (v view) BigIcon(name string) template.HTML { return v.icon(name, "icon big") }

// TurnIcon draws one that is mirrored where text runs from the right.
func (v view) TurnIcon(name string) template.HTML { return v.icon(name, "icon turn") }

func (v view) icon(name, class string) template.HTML {
	return template.HTML(fmt.Sprintf(`<svg class="%s" aria-hidden="true"><use href="%s/img/icons.svg#%s"/></svg>`, class, v.Static, name))
}

// date is a day for people and programs.
type date struct{ Human, Machine string }

// day writes a day in full. The browser's time zone is not known here: UTC it is.
func (v view) day(t time.Time) *date {
	t = t.UTC()
	human := v.T("date.day", "day", fmt.Sprint(t.Day()), "month", v.T(fmt.Sprintf("date.month.%d", t.Month())), "year", fmt.Sprint(t.Year()))
	return &date{Human: human, Machine: t.Format(time.DateOnly)}
}

// size writes a number of bytes in decimal units with one digit.
func (v view) size(n *int64) string {
	if n == nil {
		return ""
	}
	value, unit := float64(*n), 0
	units := []string{"byte", "kb", "mb", "gb", "tb", "pb"}
	for ; value >= 999.95 && unit < len(units)-1; unit++ {
		value /= 1000
	}
	if unit == 0 {
		return v.T("size.byte", "count", *n)
	}
	return v.T("size."+units[unit], "n", fmt.Sprintf("%.1f", value))
}

// boot is what a page's script is given.
type boot struct {
	Language string            `json:"language"`
	Icons    string            `json:"icons"` // path of icons.svg
	Studio   string            `json:"studio"`
	Texts    map[string]string `json:"texts"`

	Slug     string   `json:"slug,omitempty"`  // of the upload link; "" where a studio sends
	Keep     string   `json:"keep,omitempty"`  // name of what the browser keeps of a studio's sendings
	Ended    api.Code `json:"ended,omitempty"` // the link takes no new transfer
	MaxFile  *int64   `json:"max_file_bytes,omitempty"`
	Left     *int64   `json:"bytes_left,omitempty"`
	Token    string   `json:"token,omitempty"` // of the share
	Unlocked bool     `json:"unlocked,omitempty"`
	Next     string   `json:"next,omitempty"` // where to go after signing in
	SignedIn bool     `json:"signed_in,omitempty"`

	Transfer *bootTransfer `json:"transfer,omitempty"`
	Link     string        `json:"link,omitempty"` // id of the one to change
}

// boot gives a script the texts whose keys begin so, and those of refusals.
func (v view) boot(prefixes ...string) boot {
	return boot{
		Language: v.Lang(), Icons: v.Static + "/img/icons.svg", Studio: v.StudioOrGeneric(),
		Texts: v.language.Messages(append(prefixes, "error.")...),
	}
}

// uploadView fills the page of an upload link.
type uploadView struct {
	view
	sending
}

// sending is what a page needs on which files are sent.
type sending struct {
	Own              bool // the studio sends, not a guest
	Title            string
	Message          []string // paragraphs
	PasswordRequired bool
	Until            *date
	Room, Largest    string
	Ended            *notice
	Shell            string
}

// notice is a heading and what it means.
type notice struct{ Title, Text string }

func (p *pages) uploadView(r *http.Request, slug string, link transfer.LinkView, ended api.Code) uploadView {
	v := uploadView{view: p.view(r), sending: sending{Title: link.Link.Title, PasswordRequired: link.Link.HasPassword}}
	v.Studio = link.StudioName
	v.Script = "upload.js"
	v.Message = paragraphs(link.Link.Message)
	if link.Link.ExpiresAt != nil {
		v.Until = v.day(*link.Link.ExpiresAt)
	}
	v.Room = v.size(link.BytesLeft)
	v.Largest = v.size(link.Link.MaxFileBytes)
	if ended != "" {
		v.Ended = &notice{v.T("problem." + string(ended) + ".title"), v.T("problem."+string(ended)+".text", "studio", v.StudioOrGeneric())}
	}
	v.Shell = fmt.Sprintf(uploadShell, p.publicURL, slug)
	b := v.boot("send.")
	b.Slug, b.Ended, b.MaxFile, b.Left = slug, ended, link.Link.MaxFileBytes, link.BytesLeft
	v.Boot = b
	return v
}

// uploadShell sends without a browser's script. The verbs are the address of the
// server and the slug.
const uploadShell = `# with Lenzeye's own program, which goes on where it stopped
app send FOLDER --to %[1]s/u/%[2]s --from you@example.com
# or one small file with curl
API=%[1]s/api/v1
curl -sd '{"sender_email": "you@example.com"}' -H 'Content-Type: application/json' $API/u/%[2]s/transfers
# take id and upload_token from the answer
TRANSFER=… TOKEN=…
curl -sd '{"files": [{"path": "photo.jpg", "size": 12345}]}' -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' $API/transfers/$TRANSFER/files
# take the file's id, part_size and part_count; then each part, from 1
FILE=…
curl -sT photo.jpg -H "Authorization: Bearer $TOKEN" $API/files/$FILE/parts/1
curl -sX POST -H "Authorization: Bearer $TOKEN" $API/transfers/$TRANSFER/complete`

func paragraphs(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// downloadView fills the page of a share.
type downloadView struct {
	view
	Unlocked bool
	Until    *date
	Shell    string
}

func (p *pages) downloadView(r *http.Request, token string, share transfer.Share, studio string, unlocked bool) downloadView {
	v := downloadView{view: p.view(r), Unlocked: unlocked}
	v.Studio = studio
	v.Script = "download.js"
	if !share.ExpiresAt.IsZero() {
		v.Until = v.day(share.ExpiresAt)
	}
	v.Shell = fmt.Sprintf(downloadShell, p.publicURL, token)
	b := v.boot("fetch.", "problem.share_")
	b.Token, b.Unlocked = token, unlocked
	v.Boot = b
	return v
}

// downloadShell fetches without a browser. The verbs are the address of the
// server and the share's token. The page's script puts the code in once it knows it.
const downloadShell = `# with Lenzeye's own program, which goes on where it stopped
app get %[1]s/d/%[2]s --code YOUR-CODE
# or with curl: everything as one ZIP; -C - goes on where it stopped
SHARE=%[1]s/api/v1/d/%[2]s
curl -fsc cookies -d '{"code": "YOUR-CODE"}' -H 'Content-Type: application/json' $SHARE/unlock
curl -fb cookies -C - -o files.zip $SHARE/archive.zip
# or one file: take its id from the list
curl -fsb cookies $SHARE
curl -fb cookies -C - -o NAME $SHARE/files/ID`

// problemView fills the page of a problem.
type problemView struct {
	view
	Problem problemNotice
}

type problemNotice struct {
	Title, Text string
	Icon        string
	Number      string // of the request, when the problem is ours
	Here        string // path to try again
	Again       bool
	Back        string // path of the page of the share; "" where there is none
}

func (p *pages) problemView(r *http.Request, problem api.Problem) problemView {
	v := problemView{view: p.view(r)}
	kind := string(problem.Code)
	if !v.language.Has("problem." + kind + ".title") {
		kind = "refused"
		if problem.Status >= http.StatusInternalServerError {
			kind = string(api.Internal)
		}
	}
	v.Problem = problemNotice{
		Title: v.T("problem." + kind + ".title"),
		Text:  v.T("problem."+kind+".text", "studio", v.StudioOrGeneric()),
		Icon:  problemIcon(problem.Status), Here: r.URL.EscapedPath(),
	}
	if problem.Status != http.StatusNotFound && problem.Status != http.StatusGone {
		v.Problem.Back = backToShare(r)
	}
	if problem.Status >= http.StatusInternalServerError || problem.Status == http.StatusTooManyRequests {
		v.Problem.Number, v.Problem.Again = problem.RequestID, problem.Code != api.FileDamaged
	}
	return v
}

// backToShare is the page from which somebody went to a file or the ZIP.
func backToShare(r *http.Request) string {
	token := r.PathValue("token")
	if token == "" || !strings.HasPrefix(r.URL.Path, "/api/") {
		return ""
	}
	return "/d/" + url.PathEscape(token)
}

func problemIcon(status int) string {
	switch status {
	case http.StatusNotFound:
		return "search"
	case http.StatusGone:
		return "clock"
	}
	return "warn"
}
