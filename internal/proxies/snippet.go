package proxies

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Snippet reads one out of the page that people copy it from, where it follows
// the comment "snippet: name", and puts a test's values in the place of its
// examples, each of which must be there.
func Snippet(t testing.TB, page, name string, values ...string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "<!-- snippet: "+name+" -->\n```")
	_, after, _ = strings.Cut(after, "\n")
	snippet, _, closed := strings.Cut(after, "\n```")
	if !found || !closed {
		t.Fatalf("%s has no snippet %s", page, name)
	}
	for pair := range slices.Chunk(values, 2) {
		if !strings.Contains(snippet, pair[0]) {
			t.Fatalf("the snippet %s does not hold %q", name, pair[0])
		}
		snippet = strings.ReplaceAll(snippet, pair[0], pair[1])
	}
	return snippet
}
