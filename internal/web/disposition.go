package web

import (
	"mime"
	"path"
	"strings"
)

// attachment writes a Content-Disposition that makes browsers save a file
// instead of showing it (RFC 6266). The plain filename is for clients that do
// not read filename* (RFC 8187), and holds nothing that they could trip over.
func attachment(name string) string {
	name = path.Base(name)
	var ascii, encoded strings.Builder
	for _, c := range name {
		switch {
		case c < 0x20 || c >= 0x7f || strings.ContainsRune(`"\/%;`, c):
			ascii.WriteByte('_')
		default:
			ascii.WriteRune(c)
		}
	}
	for _, b := range []byte(name) {
		if attrChar(b) {
			encoded.WriteByte(b)
			continue
		}
		const digits = "0123456789ABCDEF"
		encoded.Write([]byte{'%', digits[b>>4], digits[b&15]})
	}
	return `attachment; filename="` + ascii.String() + `"; filename*=UTF-8''` + encoded.String()
}

// attrChar is attr-char of RFC 8187, section 3.2.1.
func attrChar(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || strings.IndexByte("!#$&+-.^_`|~", b) >= 0
}

// safeType is the declared type if a browser can do nothing with it but show
// or play it; all else, above all what carries scripts, is plain bytes.
func safeType(declared string) string {
	media, _, err := mime.ParseMediaType(declared)
	if err != nil {
		return octets
	}
	switch kind, sub, _ := strings.Cut(media, "/"); {
	case kind == "image" && !strings.Contains(sub, "svg") && !strings.HasSuffix(sub, "xml"):
		return media
	case kind == "video" || kind == "audio":
		return media
	case media == "application/pdf" || media == "application/zip":
		return media
	}
	return octets
}
