package web

import (
	"net/http"
	"strings"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/api"
)

const (
	smallBody   = 64 << 10 // bytes of a JSON body
	declareBody = 4 << 20
	maxDeclares = 4 // JSON bodies over smallBody that are read at once
)

// route is one row of the table: what a route takes and gives.
type route struct {
	method  string // GET is HEAD too
	pattern string // of http.ServeMux
	summary string

	tokens []account.SecretKind // what it takes; none: no token is looked at
	// ownSite refuses pages of other sites also where no cookie counts yet.
	ownSite bool
	page    bool // answers people: problems are pages
	browsed bool // people get here by a link: problems are pages for those who ask for one
	quiet   bool // logged at debug level
	list    bool // takes limit and cursor
	search  bool // takes q and state
	pushed  bool // services call it that drop what 5xx answers, and bring again what 429 does

	request  any    // zero value of the JSON body; nil: none is read
	body     string // media type of a body that is not JSON
	maxBody  int64  // of the JSON body; 0: smallBody
	response any    // zero value of the JSON answer; nil: none
	status   int    // of success; 0: 200
	media    string // of an answer that is not JSON
	problems []api.Code

	handle func(*Server, *call) error
}

// statusHere is what a problem's status is on this route: pushed ones call what
// passes by itself 429.
func (rt route) statusHere(status int) int {
	passes := status == http.StatusServiceUnavailable || status == http.StatusInsufficientStorage
	if rt.pushed && passes {
		return http.StatusTooManyRequests
	}
	return status
}

// Kinds of tokens that routes take.
func studio() []account.SecretKind {
	return []account.SecretKind{account.SecretAPI, account.SecretSession}
}
func sender() []account.SecretKind { return []account.SecretKind{account.SecretUpload} }
func either() []account.SecretKind { return append(sender(), studio()...) }
func fetch() []account.SecretKind  { return []account.SecretKind{account.SecretFetch} }

// routes is the table.
func routes() []route {
	var all []route
	for _, part := range [][]route{guestRoutes(), shareRoutes(), signInRoutes(), studioRoutes(), qrRoutes(), operationRoutes(), pageRoutes()} {
		all = append(all, part...)
	}
	return all
}

func guestRoutes() []route {
	return []route{
		{method: "GET", pattern: "/api/v1/u/{slug}", summary: "What an upload link asks for",
			response: api.LinkView{}, handle: (*Server).viewLink,
			problems: []api.Code{api.LinkNotFound, api.LinkClosed, api.LinkExpired, api.LinkFull}},
		{method: "POST", pattern: "/api/v1/u/{slug}/transfers", summary: "Start a transfer",
			request: api.Start{}, response: api.Started{}, status: http.StatusCreated, handle: (*Server).start,
			problems: []api.Code{api.LinkNotFound, api.LinkClosed, api.LinkExpired, api.LinkFull, api.PasswordWrong,
				api.TooManyTries, api.EmailInvalid, api.IdempotencyKeyInvalid}},
		{method: "POST", pattern: "/api/v1/transfers/{id}/files", summary: "Declare files", tokens: sender(),
			request: api.Declare{}, maxBody: declareBody, response: api.Declared{}, handle: (*Server).declare,
			problems: []api.Code{api.TooManyFiles, api.PathInvalid, api.SizeInvalid, api.PathTaken, api.FileTooLarge,
				api.QuotaExceeded, api.LinkFull, api.TransferEnded, api.TransferExpired}},
		{method: "PUT", pattern: "/api/v1/files/{id}/parts/{n}", summary: "Send a part", tokens: sender(),
			body: octets, response: api.Receipt{}, handle: (*Server).putPart,
			problems: []api.Code{api.LengthRequired, api.PartNotFound, api.PartSizeMismatch, api.DigestInvalid,
				api.DigestMismatch, api.PartConflict, api.TransferEnded, api.TransferExpired, api.QuotaExceeded,
				api.SealingMismatch, api.BodyCut, api.Stalled, api.StorageUnavailable, api.StorageFull}},
		{method: "GET", pattern: "/api/v1/files/{id}", summary: "A file", tokens: either(),
			response: api.File{}, handle: (*Server).file},
		{method: "GET", pattern: "/api/v1/files/{id}/parts", summary: "The recorded parts of a file", tokens: either(),
			list: true, response: api.Parts{}, handle: (*Server).parts},
		{method: "DELETE", pattern: "/api/v1/files/{id}", summary: "Take a file out of a transfer that is receiving", tokens: either(),
			status: http.StatusNoContent, handle: (*Server).deleteFile, problems: []api.Code{api.TransferEnded}},
		{method: "GET", pattern: "/api/v1/transfers/{id}", summary: "A transfer", tokens: either(),
			response: api.Transfer{}, handle: (*Server).transfer},
		{method: "GET", pattern: "/api/v1/transfers/{id}/files", summary: "The files of a transfer", tokens: either(),
			list: true, response: api.Files{}, handle: (*Server).files},
		{method: "POST", pattern: "/api/v1/transfers/{id}/complete", summary: "End the sending", tokens: sender(),
			request: api.Empty{}, response: api.Completed{}, handle: (*Server).complete,
			problems: []api.Code{api.TransferIncomplete, api.StillSealing, api.TransferEmpty, api.TransferEnded}},
		{method: "DELETE", pattern: "/api/v1/transfers/{id}", summary: "Give up a transfer, or delete it", tokens: either(),
			status: http.StatusNoContent, handle: (*Server).deleteTransfer, problems: []api.Code{api.TransferEnded}},
	}
}

func shareRoutes() []route {
	gone := []api.Code{api.ShareNotFound, api.ShareExpired, api.ShareRevoked}
	return []route{
		{method: "POST", pattern: "/api/v1/d/{token}/unlock", summary: "Give the code of a share", tokens: fetch(),
			request: api.Unlock{}, response: api.Unlocked{}, handle: (*Server).unlock,
			problems: append([]api.Code{api.CodeWrong, api.TooManyTries, api.ShareUsedUp, api.CrossOrigin}, gone...)},
		{method: "GET", pattern: "/api/v1/d/{token}", summary: "What a share shows", tokens: fetch(),
			list: true, response: api.ShareView{}, handle: (*Server).share, problems: append([]api.Code{api.CodeRequired}, gone...)},
		{method: "GET", pattern: "/api/v1/d/{token}/files/{id}", summary: "The bytes of a shared file", tokens: fetch(),
			media: octets, browsed: true, handle: (*Server).sharedContent,
			problems: append([]api.Code{api.CodeRequired, api.FileNotReady, api.RangeNotSatisfiable, api.PreconditionFailed}, gone...)},
		{method: "GET", pattern: "/api/v1/d/{token}/archive.zip", summary: "Everything of a share as one ZIP", tokens: fetch(),
			media: zipType, browsed: true, handle: (*Server).sharedArchive,
			problems: append([]api.Code{api.CodeRequired, api.FileNotReady, api.ArchiveTooLarge, api.RangeNotSatisfiable, api.PreconditionFailed}, gone...)},
	}
}

func studioRoutes() []route {
	invalid := []api.Code{api.FieldInvalid, api.SlugInvalid, api.SlugTaken}
	return []route{
		{method: "GET", pattern: "/api/v1/me", summary: "The account", tokens: studio(), response: api.Me{}, handle: (*Server).me},
		{method: "PATCH", pattern: "/api/v1/me", summary: "Change the account", tokens: studio(),
			request: api.MePatch{}, response: api.Me{}, handle: (*Server).patchMe, problems: []api.Code{api.FieldInvalid}},
		{method: "DELETE", pattern: "/api/v1/me", summary: "Delete the account, its keys and all its files for good", tokens: []account.SecretKind{account.SecretSession}, status: http.StatusNoContent, handle: (*Server).deleteMe},
		liveRoute(),
		{method: "GET", pattern: "/api/v1/links", summary: "Upload links", tokens: studio(),
			list: true, response: api.Links{}, handle: (*Server).links},
		{method: "POST", pattern: "/api/v1/links", summary: "Make an upload link", tokens: studio(),
			request: api.NewLink{}, response: api.Link{}, status: http.StatusCreated, handle: (*Server).createLink, problems: invalid},
		{method: "GET", pattern: "/api/v1/links/{id}", summary: "An upload link", tokens: studio(), response: api.Link{}, handle: (*Server).link},
		{method: "PATCH", pattern: "/api/v1/links/{id}", summary: "Change an upload link", tokens: studio(),
			request: api.LinkPatch{}, response: api.Link{}, handle: (*Server).patchLink, problems: invalid},
		{method: "DELETE", pattern: "/api/v1/links/{id}", summary: "Delete an upload link", tokens: studio(),
			status: http.StatusNoContent, handle: (*Server).deleteLink},
		{method: "GET", pattern: "/api/v1/transfers", summary: "Transfers, received and sent", tokens: studio(),
			list: true, search: true, response: api.Transfers{}, handle: (*Server).transferList},
		{method: "POST", pattern: "/api/v1/transfers", summary: "Start a transfer of one's own", tokens: studio(),
			request: api.StartOwn{}, response: api.Started{}, status: http.StatusCreated, handle: (*Server).startOwn,
			problems: []api.Code{api.IdempotencyKeyInvalid}},
		{method: "PATCH", pattern: "/api/v1/transfers/{id}", summary: "Move the end of a transfer", tokens: studio(),
			request: api.TransferPatch{}, response: api.Transfer{}, handle: (*Server).patchTransfer, problems: []api.Code{api.FieldInvalid}},
		{method: "POST", pattern: "/api/v1/transfers/{id}/restore", summary: "Undo a delete", tokens: studio(),
			request: api.Empty{}, response: api.Transfer{}, handle: (*Server).restoreTransfer, problems: []api.Code{api.TransferEnded, api.QuotaExceeded, api.LinkFull}},
		{method: "GET", pattern: "/api/v1/transfers/{id}/archive.zip", summary: "A complete transfer as one ZIP", tokens: studio(),
			media: zipType, browsed: true, handle: (*Server).archive,
			problems: []api.Code{api.FileNotReady, api.ArchiveTooLarge, api.RangeNotSatisfiable, api.PreconditionFailed}},
		{method: "GET", pattern: "/api/v1/files/{id}/content", summary: "The bytes of a file", tokens: studio(),
			media: octets, browsed: true, handle: (*Server).fileContent,
			problems: []api.Code{api.FileNotReady, api.RangeNotSatisfiable, api.PreconditionFailed}},
		{method: "GET", pattern: "/api/v1/transfers/{id}/shares", summary: "The shares of a transfer", tokens: studio(),
			list: true, response: api.Shares{}, handle: (*Server).shares},
		{method: "POST", pattern: "/api/v1/transfers/{id}/shares", summary: "Make a share", tokens: studio(),
			request: api.NewShare{}, response: api.Share{}, status: http.StatusCreated, handle: (*Server).createShare,
			problems: []api.Code{api.CodeTooShort, api.FieldInvalid, api.TransferEnded}},
		{method: "DELETE", pattern: "/api/v1/shares/{id}", summary: "Revoke a share", tokens: studio(),
			status: http.StatusNoContent, handle: (*Server).revokeShare},
		{method: "GET", pattern: "/api/v1/tokens", summary: "API tokens", tokens: studio(),
			list: true, response: api.Tokens{}, handle: (*Server).tokens},
		{method: "POST", pattern: "/api/v1/tokens", summary: "Make an API token", tokens: studio(),
			request: api.NewToken{}, response: api.Token{}, status: http.StatusCreated, handle: (*Server).createToken,
			problems: []api.Code{api.FieldInvalid}},
		{method: "DELETE", pattern: "/api/v1/tokens/{id}", summary: "Revoke an API token", tokens: studio(),
			status: http.StatusNoContent, handle: (*Server).revokeToken},
		{method: "GET", pattern: "/api/v1/events", summary: "What happened", tokens: studio(),
			list: true, response: api.Events{}, handle: (*Server).events},
	}
}

func operationRoutes() []route {
	return []route{
		{method: "GET", pattern: "/api/v1/openapi.json", summary: "This document", response: map[string]any{}, handle: (*Server).openAPIDocument},
		mailEventRoute(),
		{method: "GET", pattern: "/healthz", summary: "The process lives", quiet: true, response: api.Health{}, handle: (*Server).healthz},
		{method: "GET", pattern: "/readyz", summary: "Requests can be served", quiet: true, response: api.Readiness{}, handle: (*Server).readyz},
		{method: "GET", pattern: "/version", summary: "What is running", quiet: true, response: api.Version{}, handle: (*Server).version},
		{method: "GET", pattern: "/metrics", summary: "Metrics for Prometheus", quiet: true, media: "text/plain", handle: (*Server).metrics},
	}
}

func pageRoutes() []route {
	return append(studioPageRoutes(), []route{
		{method: "GET", pattern: "/u/{slug}", summary: "The page to send", page: true, media: "text/html",
			handle: func(s *Server, c *call) error { return s.uploadPage(c.w, c.r) }},
		{method: "GET", pattern: "/d/{token}", summary: "The page to fetch", page: true, media: "text/html",
			handle: func(s *Server, c *call) error { return s.downloadPage(c.w, c.r) }},
		{method: "GET", pattern: "/{$}", summary: "The front page", page: true, media: "text/html",
			handle: (*Server).homePage},
		{method: "GET", pattern: "/static/", summary: "Styles, scripts and icons", page: true, quiet: true, media: "*/*",
			handle: func(s *Server, c *call) error { return s.static.serve(c.w, c.r) }},
	}...)
}

// mux makes the handler of the table. What no row matches is a problem: 405
// with Allow for a known path, else 404.
func (s *Server) mux() http.Handler {
	mux := http.NewServeMux()
	allowed := map[string][]string{}
	for i := range s.routes {
		rt := &s.routes[i]
		if rt.pattern == "/metrics" && s.options.Metrics == nil {
			continue
		}
		mux.Handle(rt.method+" "+rt.pattern, s.handlerOf(rt))
		allowed[rt.pattern] = append(allowed[rt.pattern], rt.method)
	}
	for pattern, methods := range allowed {
		allow := strings.Join(allowHeader(methods), ", ")
		mux.Handle(pattern, s.handlerOf(&route{pattern: pattern, handle: func(_ *Server, c *call) error {
			return c.otherMethod(allow)
		}}))
	}
	mux.Handle("/api/", s.handlerOf(&route{handle: noRoute}))
	mux.Handle("/", s.handlerOf(&route{page: true, handle: noRoute}))
	return mux
}

func noRoute(*Server, *call) error { return errNoRoute }

// allowHeader lists methods with what comes with them.
func allowHeader(methods []string) []string {
	out := []string{}
	for _, m := range methods {
		out = append(out, m)
		if m == http.MethodGet {
			out = append(out, http.MethodHead)
		}
	}
	return append(out, http.MethodOptions)
}
