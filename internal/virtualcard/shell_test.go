package virtualcard_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"cpsgate/internal/virtualcard"
	"cpsgate/internal/virtualcard/authenticator"
)

// Application identifiers, in hexadecimal (facts §4).
const (
	aidCPS3    = "E828BD080F8025000001FF0010"
	aidCPS2ter = "8025000001FF0002"
	aidCrypto  = "8025000001FF0100"
	aidFIDO    = "A0000006472F0001"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func newCard(t testing.TB, o virtualcard.Options) *virtualcard.Card {
	t.Helper()
	card, err := virtualcard.New(o)
	if err != nil {
		t.Fatal(err)
	}
	card.PowerOn()
	return card
}

// send transmits an APDU in hexadecimal and returns the answer likewise.
func send(t testing.TB, card *virtualcard.Card, apdu string) string {
	t.Helper()
	answer, err := card.Transmit(unhex(t, apdu))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%X", answer)
}

// selectAID is SELECT by name with Le.
func selectAID(aid string) string { return fmt.Sprintf("00A40400%02X%s00", len(aid)/2, aid) }

// conversation sends APDUs and compares: lines "> command" and "< answer".
func conversation(t *testing.T, card *virtualcard.Card, lines string) {
	t.Helper()
	var got string
	for _, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		line = strings.TrimSpace(line)
		kind, text := line[:1], strings.ReplaceAll(line[1:], " ", "")
		switch kind {
		case ">":
			got = send(t, card, text)
		case "<":
			if got != text {
				t.Fatalf("answer %s, want %s", got, text)
			}
		}
	}
}

const (
	versionFIDO = "4649444F5F325F30" // FIDO_2_0
	versionU2F  = "5532465F5632"     // U2F_V2
)

func TestPowersUpAsACPS3(t *testing.T) {
	card := newCard(t, virtualcard.Options{Protocol: virtualcard.T1})
	conversation(t, card, `
		> 00 A4 00 00 02 3F00
		< 9000
		> 00 A4 00 00 02 2F00
		< 6A82
		> 80 10 00 00 01 04 00
		< 6E00
		> 00 B0 00 00 00
		< 6D00
	`)
	card.PowerOff()
	if _, err := card.Transmit([]byte{0, 0xA4, 4, 0}); !errors.Is(err, virtualcard.ErrUnpowered) {
		t.Errorf("without power: %v", err)
	}
}

// Which applications each card has.
func TestSelectByName(t *testing.T) {
	for _, test := range []struct {
		name    string
		options virtualcard.Options
		want    map[string]string
	}{
		{"CPS4", virtualcard.Options{Protocol: virtualcard.T1}, map[string]string{
			aidCPS3:    "6F0F840D" + aidCPS3 + "9000",
			aidCPS2ter: "6F0A8408" + aidCPS2ter + "9000",
			aidCrypto:  "6F0A8408" + aidCrypto + "9000",
			aidFIDO:    versionFIDO + "9000",
			"A0000001": "6A82",
		}},
		{"CPS3, on T=0", virtualcard.Options{Generation: virtualcard.CPS3}, map[string]string{
			aidCPS3: "6111", aidCPS2ter: "610C", aidCrypto: "6A82", aidFIDO: "6A82",
		}},
		{"no FIDO2 applet", virtualcard.Options{Protocol: virtualcard.T1, Applet: virtualcard.AppletAbsent}, map[string]string{
			aidCrypto: "6F0A8408" + aidCrypto + "9000", aidFIDO: "6A82",
		}},
		{"dead applet", virtualcard.Options{Protocol: virtualcard.T1, Applet: virtualcard.AppletDead}, map[string]string{
			aidCPS2ter: "6F0A8408" + aidCPS2ter + "9000", aidFIDO: "6985",
		}},
		{"U2F_V2", virtualcard.Options{Protocol: virtualcard.T1, U2FVersion: true}, map[string]string{aidFIDO: versionU2F + "9000"}},
		{"61xx", virtualcard.Options{Protocol: virtualcard.T1, SelectMore: true}, map[string]string{aidFIDO: "6108", aidCPS3: "6111"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for aid, want := range test.want {
				if got := send(t, newCard(t, test.options), selectAID(aid)); got != want {
					t.Errorf("SELECT %s: %s, want %s", aid, got, want)
				}
			}
		})
	}
}

func TestSelectForms(t *testing.T) {
	card := newCard(t, virtualcard.Options{Protocol: virtualcard.T1})
	conversation(t, card, `
		> 00 A4 04 0C 08 A0000006472F0001
		< 9000
		> 80 10 00 00 01 0B 00
		< 00 9000
		> 00 A4 04 02 08 A0000006472F0001
		< 6A86
		> 00 A4 04 00 08 A0000006472F0002
		< 6A82
		> 80 10 00 00 01 0B 00
		< 00 9000
		> 00 A4 04 00 08 A0000006472F0001
		< `+versionFIDO+` 9000
		> 10 A4 04 00 04 A0000006
		< 6884
		> 00 A4 04 00 08 8025000001FF0100 00
		< 6F0A8408 8025000001FF0100 9000
		> 80 10 00 00 01 04 00
		< 6E00
	`)
}

func TestFIDOApplet(t *testing.T) {
	card := newCard(t, virtualcard.Options{Protocol: virtualcard.T1})
	conversation(t, card, "> "+selectAID(aidFIDO)+"\n< "+versionFIDO+`9000
		> 80 10 00 00 01 0B 00
		< 00 9000
		> 80 10 80 00 01 0B 00
		< 00 9000
		> 80 10 00 00 01 99 00
		< 01 9000
		> 80 10 00 00
		< 03 9000
		> 80 10 01 00 01 04 00
		< 6A86
		> 80 10 00 01 01 04 00
		< 6A86
		> 80 11 00 00 00
		< 6985
		> 80 20 00 00 00
		< 6D00
		> 00 03 00 00 00
		< 6D00
		> 84 10 00 00 01 04 00
		< 6E00
		> 80 12 01 01
		< 6D00
		> 80 12 01 00
		< 9000
		> 80 10 00 00 01 04 00
		< 6E00
	`)
	u2f := newCard(t, virtualcard.Options{Protocol: virtualcard.T1, U2FVersion: true})
	conversation(t, u2f, "> "+selectAID(aidFIDO)+"\n< "+versionU2F+`9000
		> 00 03 00 00 00
		< `+versionU2F+`9000
		> 80 10 00 00 01 0B 00
		< 00 9000
	`)
	mute := newCard(t, virtualcard.Options{Protocol: virtualcard.T1, Applet: virtualcard.AppletMute})
	conversation(t, mute, "> "+selectAID(aidFIDO)+"\n< "+versionFIDO+`9000
		> 80 10 00 00 01 04 00
		< 6985
		> 00 03 00 00 00
		< 6985
	`)
}

// Malformed and unwanted lengths (ISO 7816-4 §5.2).
func TestLengths(t *testing.T) {
	const selection = "80 10 00 00 01 0B"
	for _, test := range []struct {
		name     string
		extended bool
		apdu     string
		want     string
	}{
		{"case 4, short", false, selection + "00", "009000"},
		{"case 3, short", false, selection, "009000"},
		{"too short for a header", false, "80 10 00", "6700"},
		{"empty", false, "", "6700"},
		{"Lc beyond the data", false, "80 10 00 00 02 0B", "6700"},
		{"data beyond Lc and Le", false, "80 10 00 00 01 0B 00 00", "6700"},
		{"extended, to a card without", false, "80 10 00 00 00 00 01 0B 00 00", "6700"},
		{"case 2, extended, to a card without", false, "80 10 00 00 00 01 00", "6700"},
		{"case 4, extended", true, "80 10 00 00 00 00 01 0B 00 00", "009000"},
		{"case 3, extended", true, "80 10 00 00 00 00 01 0B", "009000"},
		{"case 2, extended", true, "80 10 00 00 00 00 00", "039000"},
		{"extended Lc of zero", true, "80 10 00 00 00 00 00 04", "6700"},
		{"extended, cut in its length", true, "80 10 00 00 00 00", "6700"},
		{"extended Lc beyond the data", true, "80 10 00 00 00 00 02 0B", "6700"},
		{"case 4, short, to a card with extended", true, selection + "00", "009000"},
	} {
		t.Run(test.name, func(t *testing.T) {
			card := newCard(t, virtualcard.Options{Protocol: virtualcard.T1, Extended: test.extended})
			send(t, card, selectAID(aidFIDO))
			if got := send(t, card, test.apdu); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

// "At work" is said to programs that allow it only (CTAP 2.1 §11.3.5.2).
func TestKeepAlive(t *testing.T) {
	card := newCard(t, virtualcard.Options{Protocol: virtualcard.T1, KeepAlive: 2})
	send(t, card, selectAID(aidFIDO))
	conversation(t, card, `
		> 80 10 00 00 01 0B 00
		< 00 9000
		> 80 10 80 00 01 0B 00
		< 01 9100
		> 80 11 00 00 00
		< 01 9100
		> 80 11 00 00 00
		< 00 9000
		> 80 11 00 00 00
		< 6985
	`)
}

func TestForgettingAtSelect(t *testing.T) {
	for _, forget := range []bool{false, true} {
		card := newCard(t, virtualcard.Options{Protocol: virtualcard.T1, FIDO: authenticator.Options{ForgetOnSelect: forget}})
		agreement := func() string {
			send(t, card, selectAID(aidFIDO))
			return send(t, card, "80 10 00 00 06 06 A2 01 02 02 02 00")
		}
		if first, second := agreement(), agreement(); (first != second) != forget || len(first) < 100 {
			t.Errorf("forgetting %t: %s then %s", forget, first, second)
		}
	}
}

func FuzzShell(f *testing.F) {
	for _, apdu := range []string{
		"", "00A40400", selectAID(aidFIDO), "8010000001 04 00", "80100000 000001 04 0000", "90100000 01 06", "00C0000000", "8011000000", "80120100",
	} {
		f.Add(unhex(f, apdu), unhex(f, apdu), byte(0))
	}
	f.Fuzz(func(t *testing.T, first, second []byte, knobs byte) {
		o := virtualcard.Options{
			GetResponse: virtualcard.GetResponseRule(knobs % 3), SelectMore: knobs&4 != 0, U2FVersion: knobs&8 != 0,
			KeepAlive: int(knobs >> 6), FIDO: authenticator.Options{ResidentKeys: 1},
		}
		if knobs&16 != 0 {
			o.Protocol, o.Extended = virtualcard.T1, knobs&32 != 0
		}
		card := newCard(t, o)
		for _, apdu := range [][]byte{first, second, unhex(t, selectAID(aidFIDO)), first, second} {
			answer, err := card.Transmit(apdu)
			if err != nil || len(answer) < 2 || answer[len(answer)-2] < 0x61 {
				t.Fatalf("%x: %x, %v", apdu, answer, err)
			}
			if o.Protocol == virtualcard.T0 && len(answer) > 258 {
				t.Errorf("%d bytes on T=0", len(answer))
			}
		}
	})
}
