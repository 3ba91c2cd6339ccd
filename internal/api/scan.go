package api

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf16"
)

// scanner walks over bytes that json.Valid has accepted, so it looks for ends
// and not for mistakes.
type scanner struct {
	data []byte
	pos  int
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}

// null steps over null if it comes next.
func (s *scanner) null() bool {
	if bytes.HasPrefix(s.data[s.pos:], []byte("null")) {
		s.pos += len("null")
		return true
	}
	return false
}

// members calls each for every member of the object that starts here, after
// its colon; each has to read the value.
func (s *scanner) members(field string, each func(name string) error) error {
	s.pos++ // {
	for {
		s.space()
		switch s.data[s.pos] {
		case '}':
			s.pos++
			return nil
		case ',':
			s.pos++
			continue
		}
		raw, err := s.text(field)
		if err != nil {
			return err
		}
		var name string
		if err := json.Unmarshal(raw, &name); err != nil {
			return &DecodeError{field, "a name cannot be read"}
		}
		s.space()
		s.pos++ // :
		s.space()
		if err := each(name); err != nil {
			return err
		}
	}
}

// elements calls each for every element of the array that starts here.
func (s *scanner) elements(each func(i int) error) error {
	s.pos++ // [
	for i := 0; ; i++ {
		s.space()
		if s.data[s.pos] == ',' {
			s.pos++
			s.space()
		}
		if s.data[s.pos] == ']' {
			s.pos++
			return nil
		}
		if err := each(i); err != nil {
			return err
		}
	}
}

// skip steps over the next value and gives its bytes. Strings on the way are
// checked, names of objects must not repeat.
func (s *scanner) skip(field string, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, &DecodeError{field, "nested too deep"}
	}
	start := s.pos
	var err error
	switch s.data[s.pos] {
	case '"':
		_, err = s.text(field)
	case '{':
		seen := map[string]bool{}
		err = s.members(field, func(name string) error {
			if seen[name] {
				return &DecodeError{join(field, name), "the field is repeated"}
			}
			seen[name] = true
			_, err := s.skip(field, depth+1)
			return err
		})
	case '[':
		err = s.elements(func(int) error {
			_, err := s.skip(field, depth+1)
			return err
		})
	default:
		for s.pos < len(s.data) && !bytes.ContainsRune([]byte(",]} \t\r\n"), rune(s.data[s.pos])) {
			s.pos++
		}
	}
	return s.data[start:s.pos], err
}

// text steps over a string and gives it with its quotes. Half a surrogate pair
// is refused: encoding/json would make U+FFFD of it, and two different names
// would become one.
func (s *scanner) text(field string) ([]byte, error) {
	start := s.pos
	s.pos++
	for s.data[s.pos] != '"' {
		if s.data[s.pos] != '\\' {
			s.pos++
			continue
		}
		first, ok := s.escape()
		if !ok || !utf16.IsSurrogate(first) {
			continue
		}
		second := rune(-1)
		if s.data[s.pos] == '\\' {
			second, _ = s.escape()
		}
		if utf16.DecodeRune(first, second) == '\uFFFD' {
			return nil, &DecodeError{field, "half a surrogate pair"}
		}
	}
	s.pos++
	return s.data[start:s.pos], nil
}

// escape steps over \n or \u00e9 and gives the latter's number.
func (s *scanner) escape() (rune, bool) {
	if s.data[s.pos+1] != 'u' {
		s.pos += 2
		return -1, false
	}
	n, err := strconv.ParseUint(string(s.data[s.pos+2:s.pos+6]), 16, 16)
	s.pos += 6
	return rune(n), err == nil
}
