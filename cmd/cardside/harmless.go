package main

import (
	"encoding/json"
	"fmt"
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

// escaped passes JSON on, with what a terminal obeys written as JSON escapes it
// (RFC 8259 §7): encoding/json does so for the lowest control characters alone.
// Programs read the same; outside its strings JSON has no such character.
type escaped struct{ to io.Writer }

func (e escaped) Write(text []byte) (int, error) {
	var out strings.Builder
	for _, r := range string(text) {
		if shown(r) == r {
			out.WriteRune(r)
		} else {
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	if _, err := io.WriteString(e.to, out.String()); err != nil {
		return 0, err
	}
	return len(text), nil
}

// jsonLines writes JSON for programs: names as they are, and harmless to a terminal
// all the same.
func jsonLines(to io.Writer) *json.Encoder {
	lines := json.NewEncoder(escaped{exact(to)})
	lines.SetEscapeHTML(false)
	return lines
}

// exact is the writer behind a harmless one: for this program's own orders to the
// terminal.
func exact(w io.Writer) io.Writer {
	if h, is := w.(harmless); is {
		return h.to
	}
	return w
}
