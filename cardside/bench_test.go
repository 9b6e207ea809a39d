//go:build linux && cgo

package cardside_test

import (
	"encoding/hex"
	"slices"
	"testing"

	"cpsgate/cardside"
	"cpsgate/cardside/ctap2"
	"cpsgate/internal/cardlab"
	"cpsgate/internal/virtualcard"
)

const (
	goodPIN = "271828"
	badPIN  = "000000"
	rpID    = "sso.localhost"
)

// place is a reader with its virtual card.
type place struct {
	name   string
	reader *cardlab.Reader
	card   *virtualcard.Card
}

// t0ATR is an ATR of a CPS4 that makes PC/SC speak T=0: the others offer T=1
// too, which pcsc-lite prefers.
func t0ATR(t testing.TB) []byte {
	t.Helper()
	atr, err := hex.DecodeString(virtualcard.ATRCPS4Variant)
	if err != nil {
		t.Fatal(err)
	}
	return atr
}

// onT0 and onT1 make a card speak one protocol.
func onT0(t testing.TB, o virtualcard.Options) virtualcard.Options {
	o.Protocol, o.ATR = virtualcard.T0, t0ATR(t)
	return o
}

func onT1(_ testing.TB, o virtualcard.Options) virtualcard.Options {
	o.Protocol, o.KeepATR = virtualcard.T1, true
	return o
}

// put makes a card and inserts it for the rest of the test.
func put(t *testing.T, reader *cardlab.Reader, name string, o virtualcard.Options) *place {
	t.Helper()
	card, err := virtualcard.New(o)
	if err != nil {
		t.Fatal(err)
	}
	reader.Put(t, card)
	return &place{name, reader, card}
}

// both puts a card into each of two readers, on T=1 and on T=0.
func both(t *testing.T, o virtualcard.Options) []*place {
	t.Helper()
	lab := cardlab.Start(t, 2)
	return []*place{
		put(t, lab.Readers[0], "T=1", onT1(t, o)),
		put(t, lab.Readers[1], "T=0", onT0(t, o)),
	}
}

// wipe makes the card as delivered, without taking it out.
func (p *place) wipe(t *testing.T) {
	t.Helper()
	engine := p.card.Engine()
	engine.PowerUp()
	if answer := engine.Handle([]byte{0x07}); len(answer) != 1 || answer[0] != 0 {
		t.Fatalf("wiping the virtual card: % X", answer)
	}
}

func (p *place) open(t *testing.T, choice cardside.Choice) *cardside.Card {
	t.Helper()
	choice.Reader = p.reader.Name
	card, err := cardside.Open(t.Context(), choice)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(card.Close)
	return card
}

// withPIN is a wiped card whose PIN is set.
func (p *place) withPIN(t *testing.T, choice cardside.Choice) *cardside.Card {
	t.Helper()
	p.wipe(t)
	card := p.open(t, choice)
	if err := card.SetPIN(t.Context(), []byte(goodPIN)); err != nil {
		t.Fatal(err)
	}
	return card
}

func creation(user string) ctap2.Creation {
	return ctap2.Creation{
		RP:          ctap2.RelyingParty{ID: rpID, Name: "Hôpital"},
		User:        ctap2.User{ID: []byte("id of " + user), Name: user, DisplayName: "EXEMPLE " + user},
		ResidentKey: true, PIN: []byte(goodPIN), Algorithms: []int{ctap2.ES256},
		ClientDataHash: slices.Repeat([]byte{7}, 32),
	}
}

func request(ids ...[]byte) ctap2.Request {
	return ctap2.Request{RPID: rpID, ClientDataHash: slices.Repeat([]byte{8}, 32), Allow: ids, PIN: []byte(goodPIN)}
}

func made(t *testing.T, card *cardside.Card, c ctap2.Creation) ctap2.AuthenticatorData {
	t.Helper()
	attestation, err := card.MakeCredential(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	data, err := attestation.Data()
	if err != nil {
		t.Fatal(err)
	}
	return data
}
