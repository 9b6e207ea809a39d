package web

import (
	"embed"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

//go:embed words/*.txt
var wordFiles embed.FS

// catalogue holds every text of one language by its key.
type catalogue map[string]string

var (
	wordKey     = regexp.MustCompile(`^[a-z0-9]+([.-][a-z0-9]+)*$`)
	placeholder = regexp.MustCompile(`\{[a-z]+\}`)
)

// readWords parses "key = text" lines. Anything else than such a line, a
// comment or an empty line is an error, and so is a key given twice.
func readWords(text string, finish func(string) string) (catalogue, error) {
	words := make(catalogue)
	for i, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, found := strings.Cut(line, " = ")
		if !found || value == "" || !wordKey.MatchString(key) {
			return nil, fmt.Errorf("line %d: not of the form key = text", i+1)
		}
		if _, twice := words[key]; twice {
			return nil, fmt.Errorf("line %d: %s is given twice", i+1, key)
		}
		words[key] = finish(value)
	}
	return words, nil
}

// sameShape verifies that two languages hold the same keys, and that each
// text names the same values.
func sameShape(a, b catalogue) error {
	var faults []error
	for _, key := range slices.Sorted(maps.Keys(a)) {
		other, found := b[key]
		if !found {
			faults = append(faults, fmt.Errorf("%s: missing in one language", key))
			continue
		}
		if !slices.Equal(placeholders(a[key]), placeholders(other)) {
			faults = append(faults, fmt.Errorf("%s: the languages name different values", key))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(b)) {
		if _, found := a[key]; !found {
			faults = append(faults, fmt.Errorf("%s: missing in one language", key))
		}
	}
	return errors.Join(faults...)
}

func placeholders(text string) []string {
	return slices.Sorted(slices.Values(placeholder.FindAllString(text, -1)))
}

// say gives the text of key with its {name}s replaced; args alternate names
// and values. An unknown key or a value missing or too many is an error: a
// page with a hole in a sentence is not shown.
func (words catalogue) say(key string, args ...any) (string, error) {
	text, found := words[key]
	if !found {
		return "", fmt.Errorf("no text %q", key)
	}
	wanted := placeholders(text)
	if len(args) != 2*len(wanted) {
		return "", fmt.Errorf("text %q: %d values given, %d wanted", key, len(args)/2, len(wanted))
	}
	for pair := range slices.Chunk(args, 2) {
		name := fmt.Sprintf("{%v}", pair[0])
		if !strings.Contains(text, name) {
			return "", fmt.Errorf("text %q: no value is called %s", key, name)
		}
		text = strings.ReplaceAll(text, name, fmt.Sprint(pair[len(pair)-1]))
	}
	return text, nil
}

// fill is say for a text whose values are chosen among those of the occasion:
// one that it does not name is left aside, one that is missing is an error.
func (words catalogue) fill(key string, values map[string]string) (string, error) {
	var args []any
	for _, name := range placeholders(words[key]) {
		value, given := values[strings.Trim(name, "{}")]
		if !given {
			return "", fmt.Errorf("text %q: %s has no value", key, name)
		}
		args = append(args, strings.Trim(name, "{}"), value)
	}
	return words.say(key, args...)
}

// Spaces that do not break a line (Lexique des règles typographiques en usage
// à l'Imprimerie nationale, « Ponctuation »).
const (
	noBreak       = "\u00a0"
	narrowNoBreak = "\u202f"
)

// frenchTypography sets the spaces French wants before : ; ? ! and inside
// « », and the apostrophe.
func frenchTypography(text string) string {
	return strings.NewReplacer(
		"'", "’",
		" :", noBreak+":",
		" ;", narrowNoBreak+";",
		" ?", narrowNoBreak+"?",
		" !", narrowNoBreak+"!",
		"« ", "«"+noBreak,
		" »", noBreak+"»",
		"n° ", "n°"+noBreak,
		"} heures", "}"+noBreak+"heures",
		"} jours", "}"+noBreak+"jours",
		"} minutes", "}"+noBreak+"minutes",
		"1 minute", "1"+noBreak+"minute",
		"1 heure", "1"+noBreak+"heure",
	).Replace(text)
}

// englishTypography sets the apostrophe.
func englishTypography(text string) string { return strings.ReplaceAll(text, "'", "’") }
