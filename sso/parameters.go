package sso

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// The most bytes of what a request may hold.
const (
	maxAddress    = 2048
	maxParameter  = 2048
	maxEcho       = 512     // of state and nonce, which are kept to be given back
	maxAssertion  = 8 << 10 // of tokens that clients hand back
	maxParameters = 16 << 10
	maxNames      = 40
)

// readParameters judges a query or form before anything in it is believed: each
// parameter at most once (RFC 6749 §3.1), none of a size that nobody needs.
func readParameters(form url.Values) error {
	if len(form) > maxNames {
		return refuse(InvalidRequest, "parameters-many", "too many parameters")
	}
	total := 0
	for name, values := range form {
		if len(values) != 1 {
			return refuse(InvalidRequest, "parameter-twice", "a parameter stands twice")
		}
		value, limit := values[0], maxParameter
		switch name {
		case "client_assertion", "id_token_hint", "token":
			limit = maxAssertion
		}
		if len(name) > 64 || len(value) > limit {
			return refuse(InvalidRequest, "parameter-long", "a parameter is too long")
		}
		if !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return refuse(InvalidRequest, "parameter-text", "a parameter holds what is no text")
		}
		total += len(name) + len(value)
	}
	if total > maxParameters {
		return refuse(InvalidRequest, "parameters-long", "the parameters are too long")
	}
	return nil
}

// words splits a space-delimited list (RFC 6749 §3.3); a word that stands twice
// counts once.
func words(list string) (all []string) {
	for word := range strings.FieldsSeq(list) {
		if !has(all, word) {
			all = append(all, word)
		}
	}
	return all
}

func has(list []string, word string) bool {
	for _, w := range list {
		if w == word {
			return true
		}
	}
	return false
}

func joined(list []string) string { return strings.Join(list, " ") }
