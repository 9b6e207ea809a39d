package cardside

import (
	"errors"
	"fmt"
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
	if errors.As(err, &refused) {
		e.Left = &refused.Left
		e.fill(Tries(refused.Left, language))
	} else {
		e.fill(language.pick("des essais", "some tries"))
	}
	return e
}

// SentenceFor is the text of a reason, where no number of tries is known.
func SentenceFor(reason Reason, language Language) (Sentence, bool) {
	s, known := sentences(language)[reason]
	s.fill(language.pick("des essais", "some tries"))
	return s, known
}

// fill puts the tries left where the text has a place for them.
func (s *Sentence) fill(tries string) {
	replace := strings.NewReplacer("{tries}", tries).Replace
	s.Title, s.Why = replace(s.Title), replace(s.Why)
	do := make([]string, len(s.Do))
	for i, step := range s.Do {
		do[i] = replace(step)
	}
	s.Do = do
}

// Tries counts PIN tries in words.
func Tries(n int, language Language) string {
	if n == 1 || n == 0 && language != English {
		return fmt.Sprintf("%d %s", n, language.pick("essai", "try"))
	}
	return fmt.Sprintf("%d %s", n, language.pick("essais", "tries"))
}

func (l Language) pick(fr, en string) string {
	if l == English {
		return en
	}
	return fr
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
