package authenticator_test

import (
	"bytes"
	"slices"
	"testing"

	"cpsgate/internal/virtualcard/authenticator"
)

func TestBlankCardTellsAboutItself(t *testing.T) {
	p := newPlatform(t, authenticator.Options{})
	status, a := p.call(0x04, nil)
	p.want(ok, status)
	if got := read[[]string](p, a, 1); !slices.Equal(got, []string{"FIDO_2_0", "FIDO_2_1_PRE", "FIDO_2_1"}) {
		t.Errorf("versions %q", got)
	}
	if got := read[[]byte](p, a, 3); !bytes.Equal(got, authenticator.DefaultAAGUID[:]) {
		t.Errorf("AAGUID %x", got)
	}
	want := map[string]bool{
		"plat": false, "rk": true, "up": true, "clientPin": false, "pinUvAuthToken": true, "credMgmt": true,
		"credentialMgmtPreview": true, "authnrCfg": true, "setMinPINLength": true, "alwaysUv": false, "makeCredUvNotRqd": false,
	}
	got := read[map[string]bool](p, a, 4)
	if len(got) != len(want) {
		t.Errorf("options %v", got)
	}
	for name, value := range want {
		if here, present := got[name]; !present || here != value {
			t.Errorf("option %s: %t, present %t", name, here, present)
		}
	}
	for key, want := range map[uint64]int{0x05: 2048, 0x07: 8, 0x08: 128, 0x0D: 4, 0x10: 4, 0x14: 8} {
		if got := read[int](p, a, key); got != want {
			t.Errorf("info %#x: %d, want %d", key, got, want)
		}
	}
	if got := read[[]uint64](p, a, 6); !slices.Equal(got, []uint64{2, 1}) {
		t.Errorf("PIN protocols %v", got)
	}
	if got := read[[]string](p, a, 9); !slices.Equal(got, []string{"smart-card"}) {
		t.Errorf("transports %v", got)
	}
}

func TestInfoFollowsState(t *testing.T) {
	p := withPIN(t, authenticator.Options{ResidentKeys: 2, MinPINLength: 4, HMACSecret: true})
	p.make(nil)
	_, a := p.call(0x04, nil)
	if options := read[map[string]bool](p, a, 4); !options["clientPin"] {
		t.Error("the PIN does not show")
	}
	if got := read[int](p, a, 0x14); got != 1 {
		t.Errorf("%d credentials remain", got)
	}
	if got := read[[]string](p, a, 2); !slices.Contains(got, "hmac-secret") {
		t.Errorf("extensions %q", got)
	}
}

func TestInfoIsCanonicalUnlessAskedOtherwise(t *testing.T) {
	for _, test := range []struct {
		name      string
		disorder  bool
		canonical bool
	}{{"by default", false, true}, {"disorderly", true, false}} {
		t.Run(test.name, func(t *testing.T) {
			p := newPlatform(t, authenticator.Options{NonCanonicalInfo: test.disorder})
			_, a := p.call(0x04, nil)
			response := p.engine.Handle([]byte{0x04})
			if got := bytes.Equal(response[1:], encode(t, a)); got != test.canonical {
				t.Errorf("canonical: %t\n%x", got, response)
			}
			if len(a) < 10 { // it says the same, in another order
				t.Errorf("%d entries", len(a))
			}
		})
	}
}

func TestOlderVersionsOfCTAP(t *testing.T) {
	for _, test := range []struct {
		name     string
		version  authenticator.Version
		versions []string
		absent   []byte // commands it does not know
	}{
		{"2.1", authenticator.CTAP21, []string{"FIDO_2_0", "FIDO_2_1_PRE", "FIDO_2_1"}, []byte{0x00, 0x03, 0x09, 0x0C, 0x40, 0xFF}},
		{"2.1 preview", authenticator.CTAP21Pre, []string{"FIDO_2_0", "FIDO_2_1_PRE"}, []byte{0x0A, 0x0B, 0x0D, 0x0C}},
		{"2.0", authenticator.CTAP20, []string{"FIDO_2_0"}, []byte{0x0A, 0x0B, 0x0D, 0x41}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPlatform(t, authenticator.Options{Version: test.version})
			_, a := p.call(0x04, nil)
			if got := read[[]string](p, a, 1); !slices.Equal(got, test.versions) {
				t.Errorf("versions %q", got)
			}
			for _, command := range test.absent {
				for _, parameters := range []m{nil, {1: 1}} {
					status, _ := p.call(command, parameters)
					p.want(invalidCommand, status)
				}
			}
		})
	}
}

// A CTAP 2.0 card's PIN token has no permissions, and lasts.
func TestPINTokenOfCTAP20(t *testing.T) {
	p := newPlatform(t, authenticator.Options{Version: authenticator.CTAP20})
	p.protocol = 1
	p.want(ok, p.setPIN(testPIN))
	status, _ := p.tryToken(testPIN, mc, testRP)
	p.want(invalidSubcommand, status)
	_, token := p.legacyToken(testPIN)
	for range 2 {
		p.clock.advance(authenticator.TokenLife)
		status, _ = p.call(0x01, p.verified(token, nil))
		p.want(ok, status)
	}
	status, _ = p.call(0x02, assertParams(m{6: p.mac(token, clientDataHash[:]), 7: 1}))
	p.want(ok, status)
	p.protocol = 2
	status, _ = p.call(0x06, m{1: 2, 2: 0x02})
	p.want(invalidParameter, status)
}

func TestPreviewManagesWithAPINToken(t *testing.T) {
	p := withPIN(t, authenticator.Options{Version: authenticator.CTAP21Pre})
	_, token := p.legacyToken(testPIN)
	status, a := p.call(0x41, m{1: 0x01, 3: p.protocol, 4: p.mac(token, []byte{0x01})})
	p.want(ok, status)
	if existing, remaining := read[int](p, a, 1), read[int](p, a, 2); existing != 0 || remaining != 8 {
		t.Errorf("%d credentials, %d remain", existing, remaining)
	}
	status, _ = p.call(0x41, m{1: 0x07, 3: p.protocol, 4: p.mac(token, []byte{0x07})})
	p.want(invalidSubcommand, status)
}

func TestOptionsThatMakeNoCard(t *testing.T) {
	for name, o := range map[string]authenticator.Options{
		"minimum PIN length under the specification's": {MinPINLength: 3},
		"minimum PIN length over what a PIN can have":  {MinPINLength: 64},
		"more PIN tries than allowed":                  {PINTries: 9},
		"messages too short":                           {MaxMsgSize: 512},
		"negative number of credentials":               {ResidentKeys: -1},
		"an unknown fault":                             {Fault: "loud"},
		"an unknown version":                           {Version: 7},
		"a chain without key":                          {Attestation: authenticator.Attestation{Chain: [][]byte{{1}}}},
	} {
		if _, err := authenticator.New(o); err == nil {
			t.Errorf("%s: made", name)
		}
		if _, err := authenticator.Blank(o); err == nil {
			t.Errorf("%s: a blank state was made", name)
		}
	}
}

func TestMessagesOfNoForm(t *testing.T) {
	p := newPlatform(t, authenticator.Options{MaxMsgSize: 1024})
	for _, test := range []struct {
		name    string
		message []byte
		want    byte
	}{
		{"empty", nil, invalidLength},
		{"longer than the card takes", append([]byte{0x06}, make([]byte, 1024)...), requestTooLarge},
		{"no parameters where some are needed", []byte{0x06}, missingParameter},
		{"not CBOR", []byte{0x06, 0xFF}, invalidCBOR},
		{"cut short", []byte{0x06, 0xA1, 0x02}, invalidCBOR},
		{"something after the map", []byte{0x06, 0xA1, 0x02, 0x01, 0x00}, invalidCBOR},
		{"not a map", []byte{0x06, 0x80}, unexpectedType},
		{"key of another type", []byte{0x06, 0xA1, 0x61, 0x61, 0x01}, unexpectedType},
		{"integer in a longer form", []byte{0x06, 0xA1, 0x02, 0x18, 0x01}, invalidCBOR},
		{"keys out of order", []byte{0x06, 0xA2, 0x02, 0x01, 0x01, 0x02}, invalidCBOR},
		{"key twice", []byte{0x06, 0xA2, 0x02, 0x01, 0x02, 0x01}, invalidCBOR},
		{"indefinite length", []byte{0x06, 0xBF, 0x02, 0x01, 0xFF}, invalidCBOR},
		{"a tag", []byte{0x06, 0xA1, 0x02, 0xC1, 0x01}, invalidCBOR},
		{"five levels deep", []byte{0x06, 0xA2, 0x02, 0x01, 0x03, 0x81, 0x81, 0x81, 0x81, 0x00}, invalidCBOR},
		{"text that is not UTF-8", []byte{0x06, 0xA2, 0x02, 0x01, 0x0A, 0x61, 0xFF}, invalidCBOR},
		{"null for a number", []byte{0x06, 0xA1, 0x02, 0xF6}, unexpectedType},
		{"text for a number", []byte{0x06, 0xA1, 0x02, 0x61, 0x61}, unexpectedType},
		{"no subcommand", []byte{0x06, 0xA1, 0x01, 0x01}, missingParameter},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := p.engine.Handle(test.message); len(got) != 1 || got[0] != test.want {
				t.Errorf("%x, want %#04x", got, test.want)
			}
		})
	}
	status, _ := p.call(0x0B, nil) // selection: in the reader counts as touched
	p.want(ok, status)
}
