package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

// document writes the OpenAPI 3.1 document of the route table.
func (s *Server) document() ([]byte, error) {
	d := &documenter{schemas: &schemas{components: object{}}, codes: s.codes,
		name: regexp.MustCompile(`\{(\w+)\}`), odd: regexp.MustCompile(`\W+`)}
	d.problem = d.schemas.of(reflect.TypeFor[api.Problem](), readByClients)
	paths := object{}
	for _, rt := range s.routes {
		if rt.page || (rt.pattern == "/metrics" && s.options.Metrics == nil) {
			continue
		}
		item, ok := paths[rt.pattern].(object)
		if !ok {
			item = object{}
			paths[rt.pattern] = item
		}
		item[strings.ToLower(rt.method)] = d.operation(rt)
	}
	out, err := json.Marshal(object{
		"openapi": "3.1.0",
		"info":    object{"title": "Lenzeye", "version": "1", "description": "Receive and hand out large transfers of files."},
		"servers": []any{object{"url": s.publicURL}},
		"paths":   paths,
		"components": object{
			"schemas": d.schemas.components,
			"securitySchemes": object{
				"upload": bearerScheme("The upload token of one transfer, lzu_"),
				"fetch":  bearerScheme("The fetch token that a share's code gives, lzd_; the share's cookie does as well"),
				"api":    bearerScheme("A studio's API token, lza_"),
				"session": object{"type": "apiKey", "in": "cookie", "name": s.sessionCookieName(),
					"description": "A studio signed in, lzs_; as a bearer token too"},
			},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("write document: %w", err)
	}
	return out, nil
}

func bearerScheme(text string) object {
	return object{"type": "http", "scheme": "bearer", "description": text}
}

type documenter struct {
	schemas *schemas
	problem object
	codes   codeTable
	name    *regexp.Regexp // a parameter in a path
	odd     *regexp.Regexp // what an operationId cannot hold
}

func (d *documenter) operation(rt route) object {
	op := object{
		"summary":     rt.summary,
		"operationId": strings.Trim(d.odd.ReplaceAllString(strings.ToLower(rt.method)+rt.pattern, "_"), "_"),
		"parameters":  d.parameters(rt),
		"responses":   d.responses(rt),
		"security":    security(rt),
	}
	switch {
	case rt.request != nil:
		op["requestBody"] = object{"content": object{"application/json": object{
			"schema": d.schemas.of(reflect.TypeOf(rt.request), readByServer),
		}}}
	case rt.body != "":
		op["requestBody"] = object{"required": true, "content": object{rt.body: object{}}}
	}
	return op
}

func (d *documenter) parameters(rt route) []any {
	all := []any{}
	for _, m := range d.name.FindAllStringSubmatch(rt.pattern, -1) {
		kind := "string"
		if m[1] == "n" {
			kind = "integer"
		}
		all = append(all, object{"name": m[1], "in": "path", "required": true, "schema": object{"type": kind}})
	}
	query := func(name string, schema object) {
		all = append(all, object{"name": name, "in": "query", "schema": schema})
	}
	if rt.list {
		query("limit", object{"type": "integer", "minimum": 1, "maximum": 1000, "default": 100})
		query("cursor", object{"type": "string"})
	}
	if rt.search {
		query("q", object{"type": "string"})
		query("state", object{"type": "string", "description": "one or more of " + strings.Join(transfer.States(), ", ") + ", with commas between them"})
	}
	if slices.Contains(rt.problems, api.IdempotencyKeyInvalid) {
		all = append(all, object{"name": "Idempotency-Key", "in": "header", "schema": object{
			"type": "string", "pattern": "^[A-Za-z0-9_-]{43}$"}})
	}
	if rt.body != "" {
		all = append(all, object{"name": "Content-Digest", "in": "header", "schema": object{"type": "string"}})
	}
	return all
}

func (d *documenter) responses(rt route) object {
	status := rt.status
	if status == 0 {
		status = http.StatusOK
	}
	success := object{"description": http.StatusText(status)}
	switch {
	case rt.response != nil:
		success["content"] = object{"application/json": object{"schema": d.schemas.of(reflect.TypeOf(rt.response), readByClients)}}
	case rt.media != "":
		success["content"] = object{rt.media: object{}}
	}
	out := object{strconv.Itoa(status): success, "default": d.problemResponse("Another problem")}
	if rt.pattern == "/readyz" {
		out["503"] = success
	}
	if rt.ranged() {
		out["206"] = object{"description": "The range asked for", "content": object{rt.media: object{}}}
		out["304"] = object{"description": "The file is the one that the client has"}
	}
	byStatus := map[int][]string{}
	for _, code := range append(implied(rt), rt.problems...) {
		status := rt.statusHere(d.codes[code].Status)
		byStatus[status] = append(byStatus[status], string(code))
	}
	for status, codes := range byStatus {
		slices.Sort(codes)
		out[strconv.Itoa(status)] = d.problemResponse(strings.Join(slices.Compact(codes), ", "))
	}
	return out
}

// ranged says that the route answers with file content, from any offset.
func (rt route) ranged() bool { return rt.media == octets || rt.media == zipType }

// implied are the problems that follow from what a route takes.
func implied(rt route) []api.Code {
	var codes []api.Code
	if len(security(rt)) > 0 && !slices.Contains(rt.problems, api.CodeRequired) && !slices.Contains(rt.problems, api.CodeWrong) {
		codes = append(codes, api.Unauthenticated)
	}
	if strings.Contains(rt.pattern, "{id}") {
		codes = append(codes, api.NotFound)
	}
	if rt.request != nil {
		codes = append(codes, api.JSONInvalid, api.MediaTypeUnsupported, api.BodyTooLarge)
	}
	unsafe := rt.method != http.MethodGet
	if unsafe && (rt.ownSite || slices.Contains(rt.tokens, account.SecretSession)) {
		codes = append(codes, api.CrossOrigin)
	}
	if rt.list {
		codes = append(codes, api.QueryInvalid)
	}
	if strings.HasPrefix(rt.pattern, "/api/") && rt.pattern != "/api/v1/openapi.json" {
		codes = append(codes, api.DatabaseUnavailable)
	}
	if rt.body != "" || rt.maxBody != 0 || rt.ranged() {
		codes = append(codes, api.Busy, api.Draining)
	}
	if rt.ranged() {
		codes = append(codes, api.FileDamaged, api.StorageUnavailable)
	}
	return codes
}

func (d *documenter) problemResponse(text string) object {
	return object{"description": text, "content": object{api.ProblemType: object{"schema": d.problem}}}
}

func security(rt route) []any {
	names := map[string]string{"lzu_": "upload", "lzd_": "fetch", "lza_": "api", "lzs_": "session"}
	all := []any{}
	for _, kind := range rt.tokens {
		all = append(all, object{names[string(kind)]: []any{}})
	}
	return all
}
