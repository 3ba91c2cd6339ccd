package web

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lenzeye/lenzeye/internal/api"
)

// documented is the served document, and finds a request's operation in it.
type documented struct {
	schemas object
	paths   object
	mux     *http.ServeMux
}

func newDocumented(t *testing.T, document []byte) *documented {
	t.Helper()
	var doc struct {
		OpenAPI    string
		Paths      object
		Components struct{ Schemas object }
	}
	if err := json.Unmarshal(document, &doc); err != nil || doc.OpenAPI != "3.1.0" {
		t.Fatalf("document %.100s: %v", document, err)
	}
	d := &documented{doc.Components.Schemas, doc.Paths, http.NewServeMux()}
	for path := range doc.Paths {
		d.mux.Handle(path, http.NotFoundHandler())
	}
	return d
}

// check holds a JSON answer to the document: its schema, and for a problem that
// its code stands beside its status.
func (d *documented) check(t *testing.T, r *http.Request, resp *http.Response, body []byte) {
	t.Helper()
	_, pattern := d.mux.Handler(r)
	item, ok := d.paths[pattern].(object)
	op, has := item[strings.ToLower(r.Method)].(object)
	if !ok || !has || len(body) == 0 {
		return
	}
	responses := op["responses"].(object)
	response, ok := responses[strconv.Itoa(resp.StatusCode)].(object)
	if !ok {
		response = responses["default"].(object)
	}
	media := resp.Header.Get("Content-Type")
	if !strings.Contains(media, "json") {
		return
	}
	content, _ := response["content"].(object)
	entry, ok := content[media].(object)
	if !ok {
		t.Errorf("%s %s: %d with %s is not documented", r.Method, pattern, resp.StatusCode, media)
		return
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Errorf("%s %s: %v", r.Method, pattern, err)
	}
	for _, wrong := range d.wrong("", entry["schema"].(object), v) {
		t.Errorf("%s %s: %d: %s", r.Method, pattern, resp.StatusCode, wrong)
	}
	if media == api.ProblemType && ok && responses[strconv.Itoa(resp.StatusCode)] != nil {
		code := v.(object)["code"].(string)
		if !slices.Contains(strings.Split(response["description"].(string), ", "), code) {
			t.Errorf("%s %s: code %s is not documented for %d", r.Method, pattern, code, resp.StatusCode)
		}
	}
}

// wrong lists where a value leaves its schema. Fields that the schema does not
// have are wrong too, although clients may ignore them.
func (d *documented) wrong(at string, schema object, v any) []string {
	if ref, ok := schema["$ref"].(string); ok {
		schema = d.schemas[strings.TrimPrefix(ref, "#/components/schemas/")].(object)
	}
	if len(schema) == 0 { // anything at all
		return nil
	}
	if choices, ok := schema["anyOf"].([]any); ok {
		for _, c := range choices {
			if len(d.wrong(at, c.(object), v)) == 0 {
				return nil
			}
		}
		return []string{at + " fits no choice"}
	}
	if !typeFits(schema["type"], v) {
		return []string{fmt.Sprintf("%s is %T, want %v", at, v, schema["type"])}
	}
	if enum, ok := schema["enum"].([]any); ok && !slices.Contains(enum, v) {
		return []string{fmt.Sprintf("%s is %v, want one of %v", at, v, enum)}
	}
	switch v := v.(type) {
	case string:
		if p, ok := schema["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(v) {
			return []string{fmt.Sprintf("%s is %q, want %s", at, v, p)}
		}
	case []any:
		return d.wrongList(at, schema, v)
	case object:
		return d.wrongObject(at, schema, v)
	}
	return nil
}

func (d *documented) wrongList(at string, schema object, v []any) (all []string) {
	if least, ok := schema["minItems"].(float64); ok && len(v) < int(least) {
		all = append(all, at+" is too short")
	}
	for i, element := range v {
		all = append(all, d.wrong(fmt.Sprintf("%s[%d]", at, i), schema["items"].(object), element)...)
	}
	return all
}

func (d *documented) wrongObject(at string, schema object, v object) (all []string) {
	properties, _ := schema["properties"].(object)
	others, open := schema["additionalProperties"].(object)
	for name, field := range v {
		switch property, ok := properties[name].(object); {
		case ok:
			all = append(all, d.wrong(at+"."+name, property, field)...)
		case open:
			all = append(all, d.wrong(at+"."+name, others, field)...)
		default:
			all = append(all, at+"."+name+" is not documented")
		}
	}
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if _, ok := v[name.(string)]; !ok {
			all = append(all, at+"."+name.(string)+" is missing")
		}
	}
	return all
}

func typeFits(want, v any) bool {
	kinds, ok := want.([]any)
	if !ok {
		kinds = []any{want}
	}
	for _, kind := range kinds {
		fits := false
		switch v := v.(type) {
		case nil:
			fits = kind == "null"
		case bool:
			fits = kind == "boolean"
		case string:
			fits = kind == "string"
		case float64:
			fits = kind == "integer" && v == math.Trunc(v) || kind == "number"
		case []any:
			fits = kind == "array"
		case object:
			fits = kind == "object"
		}
		if fits {
			return true
		}
	}
	return false
}

func TestDocumentNamesEveryRoute(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	doc := ask[object](e, 200, "GET", "/api/v1/openapi.json", "", nil)
	paths := doc["paths"].(object)
	ids := map[string]bool{}
	for _, rt := range routes() {
		if rt.page {
			continue
		}
		item, _ := paths[rt.pattern].(object)
		op, ok := item[strings.ToLower(rt.method)].(object)
		if !ok {
			t.Errorf("%s %s is missing", rt.method, rt.pattern)
			continue
		}
		id := op["operationId"].(string)
		if ids[id] || id == "" {
			t.Errorf("operationId %q", id)
		}
		ids[id] = true
		if got := len(op["security"].([]any)); got != len(rt.tokens) {
			t.Errorf("%s %s: %d kinds of token, want %d", rt.method, rt.pattern, got, len(rt.tokens))
		}
	}
	schemas := doc["components"].(object)["schemas"].(object)
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		if strings.Contains(fmt.Sprint(schemas[name]), "$ref:#/components/schemas/ ") {
			t.Errorf("%s points nowhere", name)
		}
	}
	strict := schemas["NewFile"].(object)
	if strict["additionalProperties"] != false || fmt.Sprint(strict["required"]) != "[path size]" {
		t.Errorf("NewFile %v", strict)
	}
}

// The checker itself has to be able to fail.
func TestDocumentedFindsMistakes(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	good := object{"id": "i", "path": "p", "size": 1.0, "modified": nil, "type": "", "part_size": 1.0, "part_count": 1.0,
		"received": []any{[]any{1.0, 2.0}}, "state": "stored", "crc32": "0000beef", "sealing": "server"}
	schema := object{"$ref": "#/components/schemas/File"}
	if wrong := e.document.wrong("", schema, good); len(wrong) != 0 {
		t.Fatalf("a good file: %v", wrong)
	}
	for name, v := range map[string]any{"size": 1.5, "path": nil, "modified": "2026", "received": []any{[]any{1.0}}, "state": "odd", "crc32": "BEEF", "more": 1.0} {
		bad := maps.Clone(good)
		bad[name] = v
		if wrong := e.document.wrong("", schema, bad); len(wrong) == 0 {
			t.Errorf("%s = %v passes", name, v)
		}
	}
	delete(good, "crc32")
	if wrong := e.document.wrong("", schema, good); len(wrong) == 0 {
		t.Error("a missing field passes")
	}
}
