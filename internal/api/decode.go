package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"
)

// ErrJSON is what every DecodeError is.
var ErrJSON = errors.New("the body is not the JSON expected here")

// DecodeError says what is wrong with a body. Field is the place, like
// "files[3].size", or empty for the body as a whole.
type DecodeError struct {
	Field  string
	Reason string
}

func (e *DecodeError) Error() string {
	if e.Field == "" {
		return e.Reason
	}
	return e.Field + ": " + e.Reason
}

// Is makes a DecodeError an ErrJSON.
func (e *DecodeError) Is(target error) bool { return target == ErrJSON }

// maxDepth bounds nesting; no request has more than four levels.
const maxDepth = 16

// Decode reads one JSON object from r into v, a pointer to a struct of this
// package. Nothing at all is {}. A body that is not UTF-8, holds half a
// surrogate pair, has fields of a wrong type, repeated or unknown ones (letter
// case counts), or goes on after the object gives a *DecodeError; an error of
// r itself comes back as it is. The caller bounds r.
func Decode(r io.Reader, v any) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	return Unmarshal(data, v)
}

// Unmarshal is Decode for bytes.
func Unmarshal(data []byte, v any) error {
	if !utf8.Valid(data) {
		return &DecodeError{Reason: "the body is not UTF-8"}
	}
	s := &scanner{data: data}
	s.space()
	if s.pos == len(data) {
		return nil
	}
	if !json.Valid(data) {
		return &DecodeError{Reason: "the body is not one JSON value"}
	}
	return s.value("", reflect.ValueOf(v).Elem(), 0)
}

// value reads the next value into v. The bytes are known to be valid JSON.
func (s *scanner) value(field string, v reflect.Value, depth int) error {
	if depth > maxDepth {
		return &DecodeError{field, "nested too deep"}
	}
	if u, ok := v.Addr().Interface().(json.Unmarshaler); ok && v.Kind() != reflect.Pointer {
		raw, err := s.skip(field, depth)
		if err != nil {
			return err
		}
		return leaf(field, u.UnmarshalJSON(raw))
	}
	switch v.Kind() {
	case reflect.Pointer:
		if s.null() {
			v.SetZero()
			return nil
		}
		v.Set(reflect.New(v.Type().Elem()))
		return s.value(field, v.Elem(), depth)
	case reflect.Struct:
		return s.object(field, v, depth)
	case reflect.Slice:
		return s.list(field, v, depth)
	default:
		raw, err := s.skip(field, depth)
		if err != nil {
			return err
		}
		if string(raw) == "null" {
			return &DecodeError{field, "null is not allowed here"}
		}
		return leaf(field, json.Unmarshal(raw, v.Addr().Interface()))
	}
}

// object reads a JSON object into a struct.
func (s *scanner) object(field string, v reflect.Value, depth int) error {
	if s.data[s.pos] != '{' {
		return &DecodeError{field, "an object is due"}
	}
	known := fieldsOf(v.Type())
	seen := make(map[string]bool, len(known))
	return s.members(field, func(name string) error {
		at := join(field, name)
		f, ok := known[name]
		if !ok {
			return &DecodeError{at, "there is no such field"}
		}
		if seen[name] {
			return &DecodeError{at, "the field is repeated"}
		}
		seen[name] = true
		if f.optional && s.null() {
			return nil
		}
		return s.value(at, v.FieldByIndex(f.index), depth+1)
	})
}

// list reads a JSON array into a slice.
func (s *scanner) list(field string, v reflect.Value, depth int) error {
	if s.data[s.pos] != '[' {
		return &DecodeError{field, "a list is due"}
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, 4))
	return s.elements(func(i int) error {
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		return s.value(fmt.Sprintf("%s[%d]", field, i), v.Index(i), depth+1)
	})
}

func join(field, name string) string {
	if field == "" {
		return name
	}
	return field + "." + name
}

// leaf turns what encoding/json says into this package's words; its own texts
// name Go types.
func leaf(field string, err error) error {
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		return &DecodeError{field, "a " + kindName(wrong.Type) + " is due"}
	default:
		return &DecodeError{field, err.Error()}
	}
}

func kindName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	default:
		return "number"
	}
}

type fieldInfo struct {
	index    []int
	optional bool // null is the same as absent
}

// fieldsOf names the JSON fields of a request struct.
func fieldsOf(t reflect.Type) map[string]fieldInfo {
	fields := make(map[string]fieldInfo, t.NumField())
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" || f.Anonymous {
			continue
		}
		fields[name] = fieldInfo{f.Index, options == "omitempty"}
	}
	return fields
}
