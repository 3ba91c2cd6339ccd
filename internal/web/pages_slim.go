package web

import "bytes"

// slim takes the lines out of a script that are comments as a whole: a third of
// what a guest would load. They stay as empty lines, so that errors name the
// lines of the source. Comments behind code stay too: to find them one would
// have to read the language.
func slim(script []byte) []byte {
	out := make([]byte, 0, len(script))
	inBlock := false
	for line := range bytes.Lines(script) {
		text := bytes.TrimSpace(line)
		switch {
		case inBlock:
			inBlock = !bytes.HasSuffix(text, []byte("*/"))
		case bytes.HasPrefix(text, []byte("/**")) && !bytes.Contains(text, []byte("*/")):
			inBlock = true
		case bytes.HasPrefix(text, []byte("/**")) && bytes.HasSuffix(text, []byte("*/")):
		case !bytes.HasPrefix(text, []byte("//")):
			out = append(out, bytes.TrimRight(line, "\n")...)
		}
		out = append(out, '\n')
	}
	return out
}
