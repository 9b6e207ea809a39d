package enroll

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"cpsgate/identity"
)

// SearchKey is what a person is found and listed by: the folded family name,
// then the given one.
func SearchKey(p identity.Professional) string {
	return Fold(p.FamilyName + " " + p.GivenName)
}

// GivenKey is the other order, in which names are spoken.
func GivenKey(p identity.Professional) string {
	return Fold(p.GivenName + " " + p.FamilyName)
}

// unaccented spells the letters of European names that have no decomposition.
var unaccented = strings.NewReplacer("œ", "oe", "æ", "ae", "ß", "ss", "ø", "o", "ł", "l", "đ", "d", "ð", "d", "þ", "th", "ı", "i")

// Fold makes two spellings of a name one: lower case, no accents, every run of
// anything but letters and digits one space. Letters of other scripts are left
// out, so that a folded text is of a-z, 0-9 and spaces, which every database
// orders alike when told to order by bytes.
func Fold(s string) string {
	var b strings.Builder
	gap := false
	for _, r := range unaccented.Replace(strings.ToLower(norm.NFKD.String(s))) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			if gap && b.Len() > 0 {
				b.WriteByte(' ')
			}
			gap = false
			b.WriteRune(r)
		case unicode.Is(unicode.Mn, r): // an accent split from its letter
		default:
			gap = true
		}
	}
	return b.String()
}

// tokenIssuer begins the token id of every card of the IGC-Santé (facts §2).
const tokenIssuer = "8025000001/"

// cardNumber reads a card's number as printed on it, or its whole token id.
func cardNumber(s string) (tokenID string, is bool) {
	s = strings.ReplaceAll(strings.TrimPrefix(strings.TrimSpace(s), tokenIssuer), " ", "")
	if len(s) != 10 || strings.Trim(s, "0123456789") != "" {
		return "", false
	}
	return tokenIssuer + s, true
}

// TokenID reads a card's number as printed on it (ten digits), or its whole
// token id, as people type it.
func TokenID(s string) (string, error) {
	if tokenID, is := cardNumber(s); is {
		return tokenID, nil
	}
	if s = strings.TrimSpace(s); strings.Contains(s, "/") && bounded(s, 64) == s {
		return s, nil
	}
	return "", &Refusal{Reason: ReasonText, Detail: "not a card number: ten digits"}
}
