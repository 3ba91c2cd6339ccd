package web

import (
	"reflect"
	"strings"

	"github.com/lenzeye/lenzeye/internal/api"
)

// object is a JSON object of the OpenAPI document.
type object = map[string]any

// schemas makes JSON Schemas (2020-12) of the types of internal/api, as
// encoding/json writes them.
type schemas struct {
	components object
}

// reader says who reads a type: the server refuses unknown fields, clients
// ignore them.
type reader int

const (
	readByClients reader = iota
	readByServer
)

// of gives the schema of a type; a named struct becomes a component once.
func (s *schemas) of(t reflect.Type, by reader) object {
	switch {
	case t == reflect.TypeFor[api.Time]():
		return object{"type": "string", "format": "date-time", "pattern": `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`}
	case t == reflect.TypeFor[api.CRC32]():
		return object{"type": "string", "pattern": "^[0-9a-f]{8}$"}
	case t == reflect.TypeFor[api.Code]():
		codes := []any{}
		for _, c := range api.Codes() {
			codes = append(codes, string(c.Code))
		}
		return object{"type": "string", "enum": codes}
	case strings.HasPrefix(t.Name(), "Patch["):
		value, _ := t.FieldByName("Value")
		return nullable(s.of(value.Type, by))
	}
	switch t.Kind() {
	case reflect.Pointer:
		return nullable(s.of(t.Elem(), by))
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer", "minimum": -api.MaxNumber, "maximum": api.MaxNumber}
	case reflect.Slice:
		return object{"type": "array", "items": s.of(t.Elem(), by)}
	case reflect.Array:
		return object{"type": "array", "items": s.of(t.Elem(), by), "minItems": t.Len(), "maxItems": t.Len()}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.of(t.Elem(), by)}
	case reflect.Struct:
		return s.component(t, by)
	default: // any
		return object{}
	}
}

func (s *schemas) component(t reflect.Type, by reader) object {
	ref := object{"$ref": "#/components/schemas/" + t.Name()}
	if _, known := s.components[t.Name()]; known {
		return ref
	}
	schema := object{"type": "object"}
	s.components[t.Name()] = schema // first, for types that hold themselves
	properties, required := object{}, []any{}
	for _, f := range reflect.VisibleFields(t) {
		name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || name == "" {
			continue
		}
		property := s.of(f.Type, by)
		if values := f.Tag.Get("enum"); values != "" {
			enum := []any{}
			for _, v := range strings.Split(values, ",") {
				enum = append(enum, v)
			}
			property["enum"] = enum
		}
		properties[name] = property
		if option == "" {
			required = append(required, name)
		}
	}
	schema["properties"] = properties
	if len(required) > 0 {
		schema["required"] = required
	}
	if by == readByServer {
		schema["additionalProperties"] = false
	}
	return ref
}

// nullable lets null stand for a value.
func nullable(schema object) object {
	if kind, ok := schema["type"].(string); ok {
		schema["type"] = []any{kind, "null"}
		return schema
	}
	return object{"anyOf": []any{schema, object{"type": "null"}}}
}
