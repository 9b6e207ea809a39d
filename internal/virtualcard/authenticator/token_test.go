package authenticator_test

import (
	"bytes"
	"crypto/rand"
	"testing"

	"cpsgate/internal/virtualcard/authenticator"
)

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
