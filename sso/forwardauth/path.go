package forwardauth

import (
	"encoding/hex"
	"errors"
	"net/url"
	"path"
	"slices"
	"strings"
)

// errPath: a path that no browser sends and that readers differ about.
var errPath = errors.New("a path that can be read in several ways")

// maxPath bounds a path that is looked at.
const maxPath = 4 << 10

// readings gives the ways in which a proxy or an application may read a path,
// as a proxy got it from the browser: with and without the parameters of its
// segments (RFC 3986 §3.3), percent-encoded once or more, with repeated
// slashes or without. The first is the plain one. Dot segments, backslashes,
// control characters and broken escapes have no reading that is safe to judge;
// browsers send none of them (WHATWG URL §4.4).
func readings(raw string) ([]string, error) {
	if raw == "" || raw[0] != '/' || len(raw) > maxPath || strings.ContainsAny(raw, "?# ") {
		return nil, errPath
	}
	if plainPath(raw) {
		return []string{raw}, nil
	}
	p, err := url.PathUnescape(raw)
	if err != nil {
		return nil, errPath
	}
	all := forms(nil, p)
	for range 2 {
		again := unescape(p)
		if again == p {
			break
		}
		p = again
		all = forms(all, p)
	}
	if unescape(p) != p { // encoded four times
		return nil, errPath
	}
	for _, p := range all {
		if strings.ContainsFunc(p, notInPath) || dotted(p) {
			return nil, errPath
		}
	}
	return all, nil
}

// unescape decodes what is an escape and leaves what is none, as lenient
// readers do.
func unescape(p string) string {
	var out strings.Builder
	for i := 0; i < len(p); i++ {
		if p[i] == '%' && i+2 < len(p) {
			if b, err := hex.DecodeString(p[i+1 : i+3]); err == nil {
				out.WriteByte(b[0])
				i += 2
				continue
			}
		}
		out.WriteByte(p[i])
	}
	return out.String()
}

// forms adds the path as it is, up to a decoded query or fragment, without
// parameters, and each without repeated slashes.
func forms(all []string, p string) []string {
	bare := withoutParameters(p)
	if end := strings.IndexAny(bare, "?#"); end >= 0 {
		bare = bare[:end]
	}
	for _, form := range []string{p, bare, path.Clean(collapse(p)), path.Clean(collapse(bare))} {
		if form != "/" {
			form = strings.TrimSuffix(form, "/")
		}
		if form == "" {
			form = "/"
		}
		if !slices.Contains(all, form) {
			all = append(all, form)
		}
	}
	return all
}

// plainPath: nothing in it that anyone reads in another way.
func plainPath(p string) bool {
	if p != "/" && strings.HasSuffix(p, "/") {
		return false
	}
	for i := 1; i < len(p); i++ {
		c := p[i]
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c == '-', c == '_', c == '~':
		case c == '.' || c == '/':
			if p[i-1] == '/' || p[i-1] == '.' {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// steadyPath: plain, and the same when folded.
func steadyPath(p string) bool {
	for i := range len(p) {
		if c := p[i]; c >= 'A' && c <= 'Z' || c == '.' && (i+1 == len(p) || p[i+1] == '/') {
			return false
		}
	}
	return len(p) > 0 && len(p) <= maxPath && p[0] == '/' && plainPath(p)
}

func withoutParameters(p string) string {
	segments := strings.Split(p, "/")
	for i, s := range segments {
		segments[i], _, _ = strings.Cut(s, ";")
	}
	return strings.Join(segments, "/")
}

func collapse(p string) string {
	for strings.Contains(p, "//") {
		p = strings.ReplaceAll(p, "//", "/")
	}
	return p
}

// dotted: a segment of dots, in whatever case of blanks around them.
func dotted(p string) bool {
	for s := range strings.SplitSeq(p, "/") {
		s, _, _ = strings.Cut(s, ";")
		if s = strings.TrimSpace(s); s == "." || s == ".." {
			return true
		}
	}
	return false
}

// fold is a path as a file system reads it that knows no case, and drops dots
// and blanks at the end of a name.
func fold(p string) string {
	if steadyPath(p) {
		return p
	}
	segments := strings.Split(strings.ToLower(p), "/")
	for i, s := range segments {
		segments[i] = strings.TrimRight(s, ". ")
	}
	return strings.Join(segments, "/")
}

// notInPath: what some browser or proxy drops, or reads as a slash
// (WHATWG URL §4.4).
func notInPath(r rune) bool { return r < ' ' || r == '\\' || r == 0x7f || r == '\ufffd' }
