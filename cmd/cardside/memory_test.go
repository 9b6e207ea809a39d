//go:build linux && cgo

package main

import (
	"errors"
	"path/filepath"
	"testing"

	"cpsgate/cardside"
	"cpsgate/internal/cardlab"
	"cpsgate/internal/virtualcard"
)

// TestThreeWrongPINs: after three in a row no PIN is tried, the right one
// included, until the card has been without power.
func TestThreeWrongPINs(t *testing.T) {
	lab := cardlab.Start(t, 2)
	for i, protocol := range protocols(t) {
		o := virtualcard.Options{PIN: "271828"}
		protocol.set(&o)
		card, err := virtualcard.New(o)
		if err != nil {
			t.Fatal(err)
		}
		lab.Readers[i].Put(t, card)
		for _, engine := range []string{"ctap2", "libfido2"} {
			t.Run(protocol.name+", "+engine, func(t *testing.T) { threeWrongPINs(t, lab.Readers[i], card, engine) })
		}
	}
}

func threeWrongPINs(t *testing.T, reader *cardlab.Reader, card *virtualcard.Card, engine string) {
	assert := []string{"assert", "--rp", "sso.localhost", "--reader", reader.Name, "--engine", engine}
	info := []string{"info", "--reader", reader.Name}
	command(t, "000000\n", assert...).ends(cardside.ExitPINWrong).says("il reste 7 essais")
	command(t, "000000\n", assert...).ends(cardside.ExitPINWrong).says("il reste 6 essais")
	command(t, "000000\n", assert...).ends(cardside.ExitPINBlocked).says("Il reste 5 essais", "Retirez la carte et réinsérez-la")
	command(t, "271828\n", append(assert, "--json")...).ends(cardside.ExitPINBlocked).reason(cardside.ReasonPINPause)
	command(t, "", info...).ends(cardside.ExitDone).says("il reste 5 essais", "bloqués jusqu'à ce que la carte soit retirée et remise")
	if err := errors.Join(reader.Eject(), reader.Insert(card)); err != nil {
		t.Fatal(err)
	}
	command(t, "271828\n", append(assert, "--json")...).ends(cardside.ExitRefused).reason(cardside.ReasonNoCredentials) // the right PIN, and no key
	command(t, "", info...).ends(cardside.ExitDone).says("il reste 8 essais")
}

// TestACardKeptInAFileStaysEnrolled: the next card of that file, of another
// run, is the same one.
func TestACardKeptInAFileStaysEnrolled(t *testing.T) {
	lab := cardlab.Start(t, 2)
	for i, protocol := range protocols(t) {
		t.Run(protocol.name, func(t *testing.T) {
			o := virtualcard.Options{StateFile: filepath.Join(t.TempDir(), "card.json")}
			protocol.set(&o)
			reader := []string{"--reader", lab.Readers[i].Name}
			insert := func() {
				t.Helper()
				card, err := virtualcard.New(o)
				if err != nil {
					t.Fatal(err)
				}
				if err := lab.Readers[i].Insert(card); err != nil {
					t.Fatal(err)
				}
			}
			insert()
			var enrolled struct{ Credential struct{ ID string } }
			command(t, "271828\n", with(reader, "make", "--rp", "sso.localhost", "--set-pin", "--json")...).ends(cardside.ExitDone).json(&enrolled)
			if err := lab.Readers[i].Eject(); err != nil {
				t.Fatal(err)
			}
			insert()
			command(t, "000000\n", with(reader, "assert", "--rp", "sso.localhost")...).ends(cardside.ExitPINWrong)
			command(t, "271828\n", with(reader, "assert", "--rp", "sso.localhost", "--allow", enrolled.Credential.ID)...).
				ends(cardside.ExitDone).says("a signé pour sso.localhost")
			command(t, "271828\n", with(reader, "credentials", "list")...).ends(cardside.ExitDone).says(enrolled.Credential.ID)
		})
	}
}
