package main

import (
	"io"
	"strings"
	"unicode"
)

// harmless passes text on without what a terminal obeys: the names that cards,
// readers and servers give may hold anything. New lines and tabs stay.
type harmless struct{ to io.Writer }

func (h harmless) Write(text []byte) (int, error) {
	if _, err := io.WriteString(h.to, strings.Map(shown, string(text))); err != nil {
		return 0, err
	}
	return len(text), nil
}

func shown(r rune) rune {
	if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
		return unicode.ReplacementChar
	}
	return r
}

// exact is the writer behind a harmless one: for JSON, which programs read, and
// for this program's own orders to the terminal.
func exact(w io.Writer) io.Writer {
	if h, is := w.(harmless); is {
		return h.to
	}
	return w
}
