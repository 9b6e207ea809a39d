package virtualcard_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"cpsgate/internal/virtualcard"
	"cpsgate/internal/virtualcard/authenticator"
)

// longMessage is a CTAP message over 255 bytes that the card answers 12:
// getInfo takes no parameters, clientPIN wants CBOR.
var longMessage = append([]byte{0x06}, bytes.Repeat([]byte{0xFF}, 600)...)

func segment(cla byte, data []byte, le string) string {
	return fmt.Sprintf("%02X100000%02X%X%s", cla, len(data), data, le)
}

func TestChaining(t *testing.T) {
	card := newCard(t, virtualcard.Options{Protocol: virtualcard.T1})
	send(t, card, selectAID(aidFIDO))
	conversation(t, card, "> "+segment(0x90, longMessage[:255], "")+"\n< 9000"+
		"\n> "+segment(0x90, longMessage[255:510], "")+"\n< 9000"+
		"\n> "+segment(0x80, longMessage[510:], "00")+"\n< 129000")
	t.Run("Le in a segment that is not the last", func(t *testing.T) {
		conversation(t, card, "> "+segment(0x90, longMessage[:255], "00")+"\n< 6700"+
			"\n> "+segment(0x80, []byte{0x0B}, "00")+"\n< 009000") // and the chain is forgotten
	})
	t.Run("another command ends the chain", func(t *testing.T) {
		conversation(t, card, "> "+segment(0x90, longMessage[:255], "")+"\n< 9000"+
			"\n> "+selectAID(aidFIDO)+"\n< "+versionFIDO+"9000"+
			"\n> "+segment(0x80, []byte{0x0B}, "00")+"\n< 009000")
	})
	t.Run("a warm reset ends the chain", func(t *testing.T) {
		send(t, card, segment(0x90, longMessage[:255], ""))
		card.Reset()
		send(t, card, selectAID(aidFIDO))
		conversation(t, card, "> "+segment(0x80, []byte{0x0B}, "00")+"\n< 009000")
	})
	t.Run("a chain without end", func(t *testing.T) {
		refused := false
		for range 40 {
			refused = refused || send(t, card, segment(0x90, longMessage[:255], "")) == "6700"
		}
		if !refused {
			t.Error("more than the card can hold was taken")
		}
	})
	t.Run("a message longer than the authenticator takes", func(t *testing.T) {
		send(t, card, selectAID(aidFIDO))
		for range 9 {
			send(t, card, segment(0x90, longMessage[:255], ""))
		}
		conversation(t, card, "> "+segment(0x80, []byte{0}, "00")+"\n< 399000")
	})
}

// An answer longer than Le comes in parts.
func TestGetResponse(t *testing.T) {
	info := func(card *virtualcard.Card) string { return fmt.Sprintf("%X", card.Engine().Handle([]byte{4})) }
	for _, test := range []struct {
		name    string
		options virtualcard.Options
		lines   func(info string) string
	}{
		{"T=1, at once", virtualcard.Options{Protocol: virtualcard.T1}, func(info string) string {
			return "> 80 10 00 00 01 04 00 \n< " + info + "9000"
		}},
		{"T=1, Le too small", virtualcard.Options{Protocol: virtualcard.T1}, func(info string) string {
			n := len(info)/2 - 100
			return fmt.Sprintf("> 80 10 00 00 01 04 64 \n< %s61%02X \n> 80 C0 00 00 10 \n< %s61%02X \n> 00 C0 00 00 00 \n< %s9000 \n> 00 C0 00 00 00 \n< 6985",
				info[:200], n, info[200:232], n-16, info[232:])
		}},
		{"T=0, all of it waits", virtualcard.Options{}, func(info string) string {
			n := len(info) / 2
			return fmt.Sprintf("> 80 10 00 00 01 04 00 \n< 61%02X \n> 80 C0 00 00 00 \n< 6C%02X \n> 80 C0 00 00 10 \n< %s61%02X \n> 80 C0 00 00 %02X \n< %s9000",
				n, n, info[:32], n-16, n-16, info[32:])
		}},
		{"T=0, another command drops it", virtualcard.Options{}, func(info string) string {
			return fmt.Sprintf("> 80 10 00 00 01 04 \n< 61%02X \n> 80 10 00 00 01 99 00 \n< 6101 \n> 80 C0 00 00 01 \n< 019000 \n> 80 C0 00 00 01 \n< 6985", len(info)/2)
		}},
		{"only 00 C0", virtualcard.Options{GetResponse: virtualcard.GetResponseISO}, func(info string) string {
			n := len(info) / 2
			return fmt.Sprintf("> 80 10 00 00 01 04 00 \n< 61%02X \n> 80 C0 00 00 %02X \n< 6E00 \n> 00 C0 00 00 %02X \n< %s9000", n, n, n, info)
		}},
		{"only the command's class", virtualcard.Options{GetResponse: virtualcard.GetResponseCommand}, func(info string) string {
			n := len(info) / 2
			return fmt.Sprintf("> %s \n< 6108 \n> 80 C0 00 00 08 \n< 6E00 \n> 00 C0 00 00 08 \n< %s9000 \n> 80 10 00 00 01 04 00 \n< 61%02X \n> 00 C0 00 00 %02X \n< 6E00 \n> 80 C0 00 00 %02X \n< %s9000",
				selectAID(aidFIDO), versionFIDO, n, n, n, info)
		}},
		{"a foreign class", virtualcard.Options{}, func(string) string {
			return "> 80 10 00 00 01 99 00 \n< 6101 \n> A0 C0 00 00 01 \n< 6E00 \n> 00 C0 00 00 01 \n< 019000"
		}},
		{"with data", virtualcard.Options{}, func(string) string {
			return "> 80 10 00 00 01 99 00 \n< 6101 \n> 00 C0 00 00 01 00 01 \n< 6985"
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.options.FIDO.Version = authenticator.CTAP21Pre // its getInfo is short
			card := newCard(t, test.options)
			send(t, card, selectAID(aidFIDO))
			conversation(t, card, test.lines(info(card)))
		})
	}
}

// 256 bytes or more waiting are announced as 6100.
func TestLongAnswers(t *testing.T) {
	options := virtualcard.Options{FIDO: authenticator.Options{Transports: []string{strings.Repeat("x", 300)}}}
	for _, protocol := range []virtualcard.Protocol{virtualcard.T0, virtualcard.T1} {
		options.Protocol = protocol
		card := newCard(t, options)
		info := fmt.Sprintf("%X", card.Engine().Handle([]byte{4}))
		send(t, card, selectAID(aidFIDO))
		got := send(t, card, "80 10 00 00 01 04 00")
		var data string
		for range 5 {
			data += got[:len(got)-4]
			if !strings.HasPrefix(got[len(got)-4:], "61") {
				break
			}
			got = send(t, card, "00 C0 00 00"+got[len(got)-2:])
		}
		if data != info || got[len(got)-4:] != "9000" {
			t.Errorf("protocol %d: %s, ending in %s", protocol, data, got[len(got)-4:])
		}
	}
	options.Protocol, options.Extended = virtualcard.T1, true
	card := newCard(t, options)
	send(t, card, selectAID(aidFIDO))
	if got := send(t, card, "80 10 00 00 00 00 01 04 00 00"); len(got)/2 < 400 || !strings.HasSuffix(got, "9000") {
		t.Errorf("extended: %d bytes, ending in %s", len(got)/2, got[len(got)-4:])
	}
}
