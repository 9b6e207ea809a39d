package cardside

import (
	"errors"
	"strconv"
	"strings"

	"cpsgate/cardside/ctap2"
)

// Language is a language of this program's texts.
type Language string

// The languages; French comes first.
const (
	French  Language = "fr"
	English Language = "en"
)

// Sentence is what a person reads: what happened, why, and what to do now, the
// easiest first.
type Sentence struct {
	Title string   `json:"title"`
	Why   string   `json:"why"`
	Do    []string `json:"do,omitempty"`
}

// Explanation is an error in words.
type Explanation struct {
	Reason Reason `json:"reason"`
	Sentence
	// Left is the PIN tries left, where the error tells.
	Left *int `json:"triesLeft,omitempty"`
	// Server is the server's refusal, where it is that; the words are then its.
	Server *ServerRefusal `json:"server,omitempty"`
	// Detail is the error's own text, for those who look after the workstation.
	Detail string `json:"detail"`
}

// ServerRefusal is a refusal of the server's, for programs and for the desk.
type ServerRefusal struct {
	Reason string `json:"reason"`
	Event  string `json:"event"` // the number under which the audit holds it
}

// Explain says an error in words.
func Explain(err error, language Language) Explanation {
	e := Explanation{Reason: ReasonOf(err), Detail: err.Error()}
	e.Sentence = sentences(language)[e.Reason]
	var refused *ctap2.PINError
	left := "?"
	if errors.As(err, &refused) {
		e.Left = &refused.Left
		left = strconv.Itoa(refused.Left)
	}
	fill := strings.NewReplacer("{left}", left).Replace
	e.Title, e.Why = fill(e.Title), fill(e.Why)
	do := make([]string, len(e.Do))
	for i, step := range e.Do {
		do[i] = fill(step)
	}
	e.Do = do
	return e
}

// SentenceFor is the text of a reason, its placeholders unfilled.
func SentenceFor(reason Reason, language Language) (Sentence, bool) {
	s, known := sentences(language)[reason]
	return s, known
}

func sentences(language Language) map[Reason]Sentence {
	if language == English {
		return english
	}
	return french
}

// ExplainQuirk says a card's deviation in words.
func ExplainQuirk(quirk ctap2.Quirk, language Language) string {
	if language == English {
		return englishQuirks[quirk]
	}
	return frenchQuirks[quirk]
}

// Quirks lists the deviations that can be explained.
func Quirks() []ctap2.Quirk {
	return []ctap2.Quirk{ctap2.QuirkSelectChained, ctap2.QuirkAnnouncesU2F, ctap2.QuirkUnknownVersion, ctap2.QuirkNotCanonical}
}
