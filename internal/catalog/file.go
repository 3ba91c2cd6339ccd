package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

var (
	errNotFlat  = errors.New("not a flat object of texts")
	errRepeated = errors.New("a key is given twice")
)

// mergeFile reads one message file into the texts of its language. It reads by
// token because encoding/json keeps the last of two equal keys silently.
func mergeFile(files fs.FS, name, lang string, texts map[string]map[string]string) error {
	f, err := files.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if texts[lang] == nil {
		texts[lang] = map[string]string{}
	}
	return readFlat(json.NewDecoder(f), texts[lang])
}

func readFlat(d *json.Decoder, into map[string]string) error {
	open, err := d.Token()
	if err != nil {
		return fmt.Errorf("read the first token: %w", err)
	}
	if open != json.Delim('{') {
		return errNotFlat
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return fmt.Errorf("read a key: %w", err)
		}
		value, err := d.Token()
		if err != nil {
			return fmt.Errorf("read the text of %v: %w", key, err)
		}
		name, isName := key.(string)
		text, isText := value.(string)
		if !isName || !isText {
			return fmt.Errorf("key %v: %w", key, errNotFlat)
		}
		if _, there := into[name]; there {
			return fmt.Errorf("key %s: %w", name, errRepeated)
		}
		into[name] = text
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("read the closing brace: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("after the object: %w", errNotFlat)
	}
	return nil
}
