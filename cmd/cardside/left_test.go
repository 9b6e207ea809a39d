package main

import (
	"bytes"
	"strings"
	"testing"

	"cpsgate/cardside"
	"cpsgate/cardside/desk"
)

// TestWhatIsLeftOnTheCard: it is said, and where the card fell silent, that it may
// be so.
func TestWhatIsLeftOnTheCard(t *testing.T) {
	for name, c := range map[string]struct {
		left   desk.Remains
		fr, en string
	}{
		"nothing":                {desk.Remains{}, "rien n'a changé", "nothing has changed"},
		"emptied":                {desk.Remains{Erased: true}, "l'application FIDO2 est vierge", "the FIDO2 application is blank"},
		"perhaps emptied":        {desk.Remains{Perhaps: desk.ChangeErase}, "est peut-être déjà vide", "may be blank already"},
		"a PIN":                  {desk.Remains{PIN: true}, "le code FIDO2 est en place, et aucune clé", "the FIDO2 PIN is set, and no key"},
		"perhaps a PIN":          {desk.Remains{Erased: true, Perhaps: desk.ChangePIN}, "le code choisi est peut-être déjà en place", "the PIN that was chosen may be set already"},
		"a PIN, perhaps a key":   {desk.Remains{PIN: true, Perhaps: desk.ChangePasskey}, "et peut-être une clé à moitié faite", "and perhaps a half-made key"},
		"a key":                  {desk.Remains{PIN: true, Passkey: true}, "et une clé à moitié faite", "and a half-made key"},
		"a key that may be good": {desk.Remains{PIN: true, Passkey: true, Used: true}, "La page du guichet dit si la clé est active", "The desk's page says whether the key is active"},
	} {
		for language, want := range map[cardside.Language]string{cardside.French: c.fr, cardside.English: c.en} {
			var said bytes.Buffer
			wordsFor(language).unfinished(&said, &desk.Unfinished{Left: c.left, Told: true})
			if !strings.Contains(said.String(), want) || strings.Count(said.String(), "\n") != 2 {
				t.Errorf("%s: %s", name, &said)
			}
		}
	}
}
