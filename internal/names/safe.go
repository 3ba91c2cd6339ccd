package names

import (
	"strings"
	"unicode/utf8"
)

// maxExtension is the longest ending, dot included, that is kept when a name is shortened or numbered; what is
// longer is taken for a part of the name.
const maxExtension = 20

// Safe returns path with every segment changed to a name that Windows, macOS and Linux can all store. In a segment
// the characters < > : " | ? * \, controls and bytes that are not UTF-8 become _; so do an empty segment, and each
// dot or space at the end (which Windows drops, and which makes . and .. harmless); a reserved device name such as
// CON or nul.txt gets a _ in front; a segment longer than 255 bytes is shortened before its extension. The number
// of segments stays. Safe(Safe(p)) is Safe(p). Two paths can become one: Unique keeps them apart.
//
// The rules are those of Microsoft's "Naming Files, Paths, and Namespaces".
func Safe(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		segments[i] = safeSegment(segment)
	}
	return strings.Join(segments, "/")
}

func safeSegment(segment string) string {
	segment = strings.Map(safeRune, strings.ToValidUTF8(segment, "_"))
	if isDevice(segment) {
		segment = "_" + segment
	}
	if len(segment) > MaxSegment {
		stem, extension := splitExtension(segment)
		segment = cut(stem, MaxSegment-len(extension)) + extension
	}
	kept := strings.TrimRight(segment, ". ")
	segment = kept + strings.Repeat("_", len(segment)-len(kept))
	if segment == "" {
		return "_"
	}
	return segment
}

func safeRune(r rune) rune {
	if isControl(r) || strings.ContainsRune(`<>:"|?*\`, r) {
		return '_'
	}
	return r
}

// isDevice reports whether Windows takes the segment for a device: the part before the first dot, without spaces
// at its end, in any case.
func isDevice(segment string) bool {
	base, _, _ := strings.Cut(segment, ".")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$":
		return true
	}
	port, isPort := strings.CutPrefix(base, "COM")
	if !isPort {
		port, isPort = strings.CutPrefix(base, "LPT")
	}
	// Windows counts the superscripts of Latin-1 as digits too.
	return isPort && utf8.RuneCountInString(port) == 1 && strings.ContainsAny(port, "0123456789¹²³")
}

// splitExtension divides a segment before its last dot; a name that begins with its only dot has no extension.
func splitExtension(segment string) (stem, extension string) {
	dot := strings.LastIndexByte(segment, '.')
	if dot <= 0 || len(segment)-dot > maxExtension {
		return segment, ""
	}
	return segment[:dot], segment[dot:]
}

// cut returns the longest prefix of s of at most limit bytes that ends between two characters.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
