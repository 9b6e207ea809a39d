package web

import (
	"fmt"
	"io/fs"
	"math"
	"net/http"
	"strings"
	"time"

	"golang.org/x/text/language"

	"cpsgate/identity"
)

// tongue is one of the languages that the pages are written in: its words and
// how it writes dates, in the hospital's time zone.
type tongue struct {
	tag   string // "fr", "en"
	other string // the one the switch offers
	words catalogue
	zone  *time.Location
	day   string // layouts
	clock string
}

// tongues are the languages by tag. French comes first in every choice.
type tongues map[string]*tongue

const (
	french  = "fr"
	english = "en"
)

// newTongues reads both languages and refuses to go on when one lacks a text.
func newTongues(zone *time.Location) (tongues, error) {
	all := tongues{
		french:  {tag: french, other: english, zone: zone, day: "02/01/2006", clock: "15:04"},
		english: {tag: english, other: french, zone: zone, day: "2006-01-02", clock: "15:04"},
	}
	finish := map[string]func(string) string{french: frenchTypography, english: englishTypography}
	for tag, t := range all {
		text, err := wordsOf(tag)
		if err != nil {
			return nil, fmt.Errorf("reading words: %w", err)
		}
		if t.words, err = readWords(text, finish[tag]); err != nil {
			return nil, fmt.Errorf("words/%s*.txt, read as one: %w", tag, err)
		}
	}
	if err := sameShape(all[french].words, all[english].words); err != nil {
		return nil, fmt.Errorf("words: %w", err)
	}
	return all, nil
}

// wordsOf puts a language's files together.
func wordsOf(tag string) (string, error) {
	files, err := fs.Glob(wordFiles, "words/"+tag+"*.txt")
	if err != nil {
		return "", err
	}
	var all strings.Builder
	for _, file := range files {
		text, err := fs.ReadFile(wordFiles, file)
		if err != nil {
			return "", err
		}
		all.Write(text)
		all.WriteByte('\n')
	}
	return all.String(), nil
}

// spoken matches Accept-Language (RFC 9110 §12.5.4); the first is the default.
var spoken = language.NewMatcher([]language.Tag{language.French, language.English})

// choose takes the switch's cookie when it names a language of ours, else what
// the browser asks for, else French.
func (all tongues) choose(cookie string, r *http.Request) *tongue {
	if t, ours := all[cookie]; ours {
		return t
	}
	header := r.Header.Get("Accept-Language")
	if len(header) > maxAcceptLanguage {
		return all[french]
	}
	wanted, _, err := language.ParseAcceptLanguage(header)
	if err != nil || len(wanted) == 0 {
		return all[french]
	}
	if _, i, sure := spoken.Match(wanted...); sure != language.No && i == 1 {
		return all[english]
	}
	return all[french]
}

// maxAcceptLanguage bounds what is parsed of a header that anyone may send.
const maxAcceptLanguage = 256

// date writes a day, moment a day and its time.
func (t *tongue) date(at time.Time) string   { return at.In(t.zone).Format(t.day) }
func (t *tongue) moment(at time.Time) string { return at.In(t.zone).Format(t.day + " " + t.clock) }

// duration writes a length of time in whole minutes, never less than one.
func (t *tongue) duration(d time.Duration) string {
	minutes := max(int(math.Ceil(d.Minutes())), 1)
	key, args := "duration.minutes", []any{"n", minutes}
	switch h, m := minutes/60, minutes%60; {
	case minutes == 1:
		key, args = "duration.minute", nil
	case minutes == 60:
		key, args = "duration.hour", nil
	case h > 0 && m == 0:
		key, args = "duration.hours", []any{"n", h}
	case h > 0:
		key, args = "duration.hours-minutes", []any{"h", h, "m", m}
	}
	text, err := t.words.say(key, args...)
	if err != nil { // the keys above are held to exist by a test
		return fmt.Sprintf("%d min", minutes)
	}
	return text
}

// person writes a professional as "Family NAME Given name — profession — PS_IdNat".
func person(p identity.Professional) string {
	parts := []string{strings.TrimSpace(strings.ToUpper(p.FamilyName) + " " + p.GivenName)}
	if title := profession(p); title != "" {
		parts = append(parts, title)
	}
	return strings.Join(append(parts, string(p.IdNat)), " — ")
}

func profession(p identity.Professional) string {
	if p.Profession.Known() {
		return p.Profession.String()
	}
	return p.Title
}

// cardNumber writes a token id's card number in groups that the eye can
// follow: 8025000001/0123456789 is shown as 01 2345 6789.
func cardNumber(tokenID string) string {
	_, number, found := strings.Cut(tokenID, "/")
	if !found || len(number) <= 4 {
		return tokenID
	}
	head := len(number) % 4
	groups := make([]string, 0, len(number)/4+1)
	if head > 0 {
		groups = append(groups, number[:head])
	}
	for i := head; i < len(number); i += 4 {
		groups = append(groups, number[i:i+4])
	}
	return strings.Join(groups, noBreak)
}
