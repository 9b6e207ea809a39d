package authenticator_test

import (
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
