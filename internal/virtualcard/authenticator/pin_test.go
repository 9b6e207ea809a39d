package authenticator_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"cpsgate/internal/virtualcard/authenticator"
)

// eachProtocol runs a test with both PIN/UV auth protocols.
func eachProtocol(t *testing.T, test func(t *testing.T, protocol uint64)) {
	for _, protocol := range []uint64{1, 2} {
		t.Run(fmt.Sprintf("protocol %d", protocol), func(t *testing.T) { test(t, protocol) })
	}
}

func TestSetPIN(t *testing.T) {
	eachProtocol(t, func(t *testing.T, protocol uint64) {
		for _, test := range []struct {
			name, pin string
			want      byte
		}{
			{"four digits", "4829", ok},
			{"63 bytes", strings.Repeat("7", 63), ok},
			{"four code points of several bytes", "éàüß", ok},
			{"three digits", "482", pinPolicyViolation},
			{"three code points in six bytes", "éàü", pinPolicyViolation},
			{"64 bytes", strings.Repeat("7", 64), pinPolicyViolation},
			{"a zero inside", "48\x0029", pinPolicyViolation},
			{"not UTF-8", "\xFF\xFE\xFD\xFC", pinPolicyViolation},
			{"padded to 80 bytes", "4829" + strings.Repeat("\x00", 76), invalidParameter},
		} {
			t.Run(test.name, func(t *testing.T) {
				p := newPlatform(t, authenticator.Options{})
				p.protocol = protocol
				p.want(test.want, p.setPIN(test.pin))
				if test.want != ok {
					return
				}
				p.want(pinAuthInvalid, p.setPIN("9999")) // one is set
				status, _ := p.tryToken(test.pin, mc|ga, testRP)
				p.want(ok, status)
			})
		}
	})
}

func TestSetPINRefusesForgeries(t *testing.T) {
	eachProtocol(t, func(t *testing.T, protocol uint64) {
		p := newPlatform(t, authenticator.Options{})
		p.protocol = protocol
		for _, test := range []struct {
			name  string
			alter func(parameters m)
			want  byte
		}{
			{"a MAC of another key", func(q m) { q[4] = p.mac(make([]byte, 32), q[5].([]byte)) }, pinAuthInvalid},
			{"no MAC", func(q m) { delete(q, 4) }, missingParameter},
			{"no PIN", func(q m) { delete(q, 5) }, missingParameter},
			{"no key agreement key", func(q m) { delete(q, 3) }, missingParameter},
			{"no protocol", func(q m) { delete(q, 1) }, missingParameter},
			{"an unknown protocol", func(q m) { q[1] = 3 }, invalidParameter},
			{"a point off the curve", func(q m) { k := q[3].(cose); k.Y = make([]byte, 32); q[3] = k }, invalidParameter},
			{"a short coordinate", func(q m) { k := q[3].(cose); k.X = k.X[1:]; q[3] = k }, invalidParameter},
			{"another curve", func(q m) { k := q[3].(cose); k.Crv = 2; q[3] = k }, invalidParameter},
			{"another algorithm", func(q m) { k := q[3].(cose); k.Alg = -7; q[3] = k }, invalidParameter},
			{"a key that is no map", func(q m) { q[3] = 1 }, unexpectedType},
		} {
			t.Run(test.name, func(t *testing.T) {
				p := p.in(t)
				s := p.agree()
				encrypted := s.encrypt(padded(testPIN))
				parameters := m{1: p.protocol, 2: 0x03, 3: s.public, 4: p.mac(s.hmac, encrypted), 5: encrypted}
				test.alter(parameters)
				status, _ := p.call(0x06, parameters)
				p.want(test.want, status)
			})
		}
		s := p.agree()
		broken := []byte{1, 2, 3} // no whole block
		status, _ := p.call(0x06, m{1: p.protocol, 2: 0x03, 3: s.public, 4: p.mac(s.hmac, broken), 5: broken})
		p.want(pinAuthInvalid, status)
		p.want(ok, p.setPIN(testPIN))
	})
}

func TestChangePIN(t *testing.T) {
	eachProtocol(t, func(t *testing.T, protocol uint64) {
		p := newPlatform(t, authenticator.Options{})
		p.protocol = protocol
		p.want(pinNotSet, p.changePIN("4829", "7777"))
		p.want(ok, p.setPIN(testPIN))
		token := p.token(mc, testRP)
		p.want(pinInvalid, p.changePIN("0000", "7777"))
		p.want(pinPolicyViolation, p.changePIN(testPIN, "777"))
		p.want(ok, p.changePIN(testPIN, "7777"))
		status, _ := p.call(0x01, p.verified(token, nil))
		p.want(pinAuthInvalid, status) // tokens end with the PIN they came by
		status, _ = p.tryToken("7777", mc, testRP)
		p.want(ok, status)
		status, _ = p.tryToken(testPIN, mc, testRP)
		p.want(pinInvalid, status)
	})
}

func TestChangePINRefusesAForgedMAC(t *testing.T) {
	p := withPIN(t, authenticator.Options{})
	s := p.agree()
	encrypted, hash := s.encrypt(padded("7777")), s.encrypt(pinHash(testPIN))
	status, _ := p.call(0x06, m{1: 2, 2: 0x04, 3: s.public, 4: p.mac(s.hmac, encrypted), 5: encrypted, 6: hash})
	p.want(pinAuthInvalid, status)
	if left, _ := p.retries(); left != 8 {
		t.Errorf("%d tries left: a forgery spent one", left)
	}
}

// Three wrong PINs in a row block until power-off; eight, for good
// (CTAP 2.1 §6.5.5.7.1).
func TestPINTries(t *testing.T) {
	p := withPIN(t, authenticator.Options{})
	wrong := func(want byte) {
		t.Helper()
		status, _ := p.tryToken("0000", ga, testRP)
		p.want(want, status)
	}
	state := func(left int, blocked bool) {
		t.Helper()
		if gotLeft, gotBlocked := p.retries(); gotLeft != left || gotBlocked != blocked {
			t.Fatalf("%d tries left, blocked %t; want %d, %t", gotLeft, gotBlocked, left, blocked)
		}
	}
	wrong(pinInvalid)
	state(7, false)
	status, _ := p.tryToken(testPIN, ga, testRP) // the right one gives all back
	p.want(ok, status)
	state(8, false)

	wrong(pinInvalid)
	wrong(pinInvalid)
	wrong(pinAuthBlocked)
	state(5, true)
	status, _ = p.tryToken(testPIN, ga, testRP)
	p.want(pinAuthBlocked, status) // even the right one, and it costs nothing
	p.engine.WarmReset()
	status, _ = p.tryToken(testPIN, ga, testRP)
	p.want(pinAuthBlocked, status)
	state(5, true)
	p.engine.PowerUp()
	state(5, false)
	wrong(pinInvalid)
	wrong(pinInvalid)
	wrong(pinAuthBlocked)
	p.engine.PowerUp()
	state(2, false)
	wrong(pinInvalid)
	wrong(pinBlocked)
	state(0, false)
	p.engine.PowerUp()
	status, _ = p.tryToken(testPIN, ga, testRP)
	p.want(pinBlocked, status)
	p.want(pinBlocked, p.changePIN(testPIN, "7777"))
	status, _ = p.call(0x07, nil) // a reset is the way out
	p.want(ok, status)
	p.want(ok, p.setPIN(testPIN))
	state(8, false)
}

func TestWrongPINRenewsKeyAgreement(t *testing.T) {
	eachProtocol(t, func(t *testing.T, protocol uint64) {
		p := withPIN(t, authenticator.Options{})
		p.protocol = protocol
		s := p.agree()
		for i, want := range []byte{pinInvalid, pinInvalid} {
			pin := []string{"0000", testPIN}[i] // the second is right, but under the old secret
			status, _ := p.call(0x06, m{1: protocol, 2: 0x09, 3: s.public, 6: s.encrypt(pinHash(pin)), 9: ga, 0x0A: testRP})
			p.want(want, status)
		}
	})
}

func TestFewerTries(t *testing.T) {
	p := withPIN(t, authenticator.Options{PINTries: 2})
	status, _ := p.tryToken("0000", ga, testRP)
	p.want(pinInvalid, status)
	status, _ = p.tryToken("0000", ga, testRP)
	p.want(pinBlocked, status)
}

func TestTokenRequests(t *testing.T) {
	p := withPIN(t, authenticator.Options{})
	for _, test := range []struct {
		name        string
		permissions int
		rpID        string
		want        byte
	}{
		{"make and assert for an RP", mc | ga, testRP, ok},
		{"manage for all RPs", cm, "", ok},
		{"configure", acfg, "", ok},
		{"undefined permissions besides", mc | 0x80, testRP, ok},
		{"none", 0, testRP, invalidParameter},
		{"make without RP", mc, "", missingParameter},
		{"assert without RP", ga | cm, "", missingParameter},
		{"enrol a finger", 0x08, "", unauthorizedPermission},
		{"write large blobs", mc | 0x10, testRP, unauthorizedPermission},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := p.in(t)
			status, _ := p.tryToken(testPIN, test.permissions, test.rpID)
			p.want(test.want, status)
		})
	}
	s := p.agree()
	hash := s.encrypt(pinHash(testPIN))
	for _, test := range []struct {
		name       string
		parameters m
		want       byte
	}{
		{"permissions missing", m{1: 2, 2: 0x09, 3: s.public, 6: hash}, missingParameter},
		{"PIN hash missing", m{1: 2, 2: 0x09, 3: s.public, 9: mc, 0x0A: testRP}, missingParameter},
		{"getPinToken with permissions", m{1: 2, 2: 0x05, 3: s.public, 6: hash, 9: mc}, invalidParameter},
		{"getPinToken with an RP", m{1: 2, 2: 0x05, 3: s.public, 6: hash, 0x0A: testRP}, invalidParameter},
		{"by a finger it does not have", m{1: 2, 2: 0x06, 3: s.public, 9: mc, 0x0A: testRP}, invalidSubcommand},
		{"retries of that finger", m{2: 0x07}, invalidSubcommand},
		{"an unknown subcommand", m{1: 2, 2: 0x20}, invalidSubcommand},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := p.in(t)
			status, _ := p.call(0x06, test.parameters)
			p.want(test.want, status)
		})
	}
}

func TestTokenLimits(t *testing.T) {
	for _, test := range []struct {
		name  string
		token func(p *platform) []byte
		then  func(p *platform)
		want  byte
	}{
		{"for this RP, at once", func(p *platform) []byte { return p.token(mc, testRP) }, nil, ok},
		{"legacy", func(p *platform) []byte { _, token := p.legacyToken(testPIN); return token }, nil, ok},
		{"for another RP", func(p *platform) []byte { return p.token(mc, "other.test") }, nil, pinAuthInvalid},
		{"for another act", func(p *platform) []byte { return p.token(ga, testRP) }, nil, pinAuthInvalid},
		{"after power was off", func(p *platform) []byte { return p.token(mc, testRP) }, func(p *platform) { p.engine.PowerUp() }, pinAuthInvalid},
		{"after a warm reset", func(p *platform) []byte { return p.token(mc, testRP) }, func(p *platform) { p.engine.WarmReset() }, pinAuthInvalid},
		{"after a SELECT", func(p *platform) []byte { return p.token(mc, testRP) }, func(p *platform) { p.engine.Select() }, ok},
		{"after another was issued", func(p *platform) []byte { return p.token(mc, testRP) }, func(p *platform) { p.token(mc, testRP) }, pinAuthInvalid},
		{"first used in time", func(p *platform) []byte { return p.token(mc, testRP) }, func(p *platform) { p.clock.advance(authenticator.TokenFirstUse) }, ok},
		{"first used too late", func(p *platform) []byte { return p.token(mc, testRP) }, func(p *platform) { p.clock.advance(authenticator.TokenFirstUse + 1) }, pinAuthInvalid},
		{"guessed", func(*platform) []byte { return make([]byte, 32) }, nil, pinAuthInvalid},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := withPIN(t, authenticator.Options{})
			token := test.token(p)
			if test.then != nil {
				test.then(p)
			}
			status, _ := p.call(0x01, p.verified(token, nil))
			p.want(test.want, status)
		})
	}
}

func TestTokenIsSpentByAnActOfPresence(t *testing.T) {
	p := withPIN(t, authenticator.Options{})
	token := p.token(mc|ga, testRP)
	status, _ := p.call(0x01, p.verified(token, nil))
	p.want(ok, status)
	status, _ = p.call(0x02, assertParams(m{6: p.mac(token, clientDataHash[:]), 7: 2}))
	p.want(pinAuthInvalid, status)

	token = p.token(ga, testRP)
	silent := assertParams(m{5: map[string]any{"up": false}, 6: p.mac(token, clientDataHash[:]), 7: 2})
	for range 2 { // without presence it is not
		status, _ = p.call(0x02, silent)
		p.want(ok, status)
	}
	p.clock.advance(authenticator.TokenLife + 1)
	status, _ = p.call(0x02, silent)
	p.want(pinAuthInvalid, status)
}

// A legacy token serves the RP it was first used for.
func TestLegacyTokenIsBoundByUse(t *testing.T) {
	p := withPIN(t, authenticator.Options{})
	p.make(nil)
	_, token := p.legacyToken(testPIN)
	silent := m{5: map[string]any{"up": false}, 6: p.mac(token, clientDataHash[:]), 7: 2}
	status, _ := p.call(0x02, assertParams(silent))
	p.want(ok, status)
	silent[1] = "other.test"
	status, _ = p.call(0x02, assertParams(silent))
	p.want(pinAuthInvalid, status)
}

func TestTokenOfOneProtocolIsNoneOfTheOther(t *testing.T) {
	p := withPIN(t, authenticator.Options{})
	token := p.token(mc, testRP)
	p.protocol = 1
	status, _ := p.call(0x01, p.verified(token, nil))
	p.want(pinAuthInvalid, status)
}

func TestForgettingOnSelect(t *testing.T) {
	p := withPIN(t, authenticator.Options{ForgetOnSelect: true})
	token := p.token(mc, testRP)
	p.engine.Select()
	status, _ := p.call(0x01, p.verified(token, nil))
	p.want(pinAuthInvalid, status)
}

// A card with a finger of its own: the tries are counted apart from the PIN's.
func TestBuiltInVerification(t *testing.T) {
	finger := true
	p := newPlatform(t, authenticator.Options{BuiltInUV: func() bool { return finger }})
	_, a := p.call(0x04, nil)
	if !read[map[string]bool](p, a, 4)["uv"] {
		t.Error("the option uv does not show")
	}
	byFinger := func() byte {
		t.Helper()
		s := p.agree()
		status, token := p.receiveToken(s, m{1: 2, 2: 0x06, 3: s.public, 9: mc, 0x0A: testRP})
		if status == ok {
			status, _ = p.call(0x01, p.verified(token, nil))
		}
		return status
	}
	left := func(want int) {
		t.Helper()
		_, a := p.call(0x06, m{2: 0x07})
		if got := read[int](p, a, 5); got != want {
			t.Fatalf("%d tries left, want %d", got, want)
		}
	}
	withUV := makeParams(m{7: map[string]any{"uv": true}})
	p.want(ok, byFinger())
	status, a := p.call(0x01, withUV)
	p.want(ok, status)
	if d := p.parseMade(a).data; d.flags&0x04 == 0 {
		t.Error("the verification does not show")
	}
	finger = false
	status, _ = p.call(0x01, withUV)
	p.want(operationDenied, status)
	left(2)
	p.want(uvInvalid, byFinger())
	p.want(uvBlocked, byFinger())
	left(0)
	finger = true
	p.want(uvBlocked, byFinger())
	p.want(ok, p.setPIN(testPIN))
	status, _ = p.call(0x01, withUV)
	p.want(puatRequired, status) // the PIN is the way on
	p.token(ga, testRP)          // and gives the finger its tries back
	left(3)
	p.want(ok, byFinger())
}

func TestSecretsDifferByProtocolAndCall(t *testing.T) {
	p := withPIN(t, authenticator.Options{})
	first, second := p.token(mc, testRP), p.token(mc, testRP)
	if bytes.Equal(first, second) || bytes.Equal(first, make([]byte, 32)) {
		t.Error("tokens are not random")
	}
	random := make([]byte, 32)
	rand.Read(random)
	status, _ := p.call(0x01, p.verified(random, nil))
	p.want(pinAuthInvalid, status)
}
