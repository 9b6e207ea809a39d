package demo

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"cpsgate/identity"
	"cpsgate/internal/testpki"
)

// Sample is a card of the demonstration; its person is nobody.
type Sample struct {
	File          string // of its certificate, without an ending
	Family, Given string
	Profession    identity.Profession
	IdNat         string // PS_IdNat
	Revoked       bool
}

// Holder is the person's name as pages write it.
func (s Sample) Holder() string { return s.Family + " " + s.Given }

// Samples are the cards: of who keeps the desk, of who is enrolled there (that
// card is in the workstation's reader too), and one reported lost.
func Samples() []Sample {
	return []Sample{
		{File: "guichet", Family: "SPECIMEN", Given: "Camille", Profession: 10, IdNat: "8" + testpki.RPPS(101)},
		{File: deskCard, Family: "EXEMPLE", Given: "Sacha", Profession: 60, IdNat: "8" + testpki.RPPS(102)},
		{File: "opposition", Family: "MODELE", Given: "Dominique", Profession: 60, IdNat: "8" + testpki.RPPS(103), Revoked: true},
	}
}

// deskCard is the file name of the card in the workstation's reader.
const deskCard = "cps4"

// cards writes each sample as a PKCS#12 file for browsers, and the one in the
// reader with both its keys for the workstation.
func (p Places) cards(pki *testpki.PKI, now time.Time) error {
	for _, s := range Samples() {
		card, err := pki.Card(testpki.CardSpec{
			IdNat: s.IdNat, FamilyName: s.Family, GivenName: s.Given, Profession: s.Profession, NotBefore: now.AddDate(0, 0, -7),
		})
		if err != nil {
			return err
		}
		file := filepath.Join(p.Public, cardsFolder, s.File)
		if err := writePEM(file+".pem", "CERTIFICATE", card.Authentication.DER); err != nil {
			return err
		}
		bundle, err := testpki.PKCS12(card.Authentication, nil, CardPassword)
		if err != nil {
			return err
		}
		if err := write(file+".p12", bundle); err != nil {
			return err
		}
		if s.File != deskCard {
			continue
		}
		if err := p.reader(card); err != nil {
			return err
		}
	}
	return nil
}

// reader writes what the card in the workstation's reader holds: its number,
// its certificates and their keys.
func (p Places) reader(card *testpki.Card) error {
	_, number, _ := strings.Cut(card.TokenID, "/")
	if err := write(filepath.Join(p.Desk, "number"), []byte(number+"\n")); err != nil {
		return err
	}
	for name, pair := range map[string]testpki.Pair{"authentication": card.Authentication, "signature": card.Signature} {
		file := filepath.Join(p.Desk, name)
		if err := os.WriteFile(file+".der", pair.DER, 0o600); err != nil {
			return err
		}
		if err := writeKey(file+"-key.pem", pair.Key); err != nil {
			return err
		}
	}
	return nil
}
