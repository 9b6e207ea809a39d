package authenticator_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"testing"

	"cpsgate/internal/virtualcard/authenticator"
)

// asserted is an answer to getAssertion, taken apart.
func (p *platform) asserted(a answer) (id []byte, d data, signature []byte, user map[string]any) {
	p.Helper()
	credential := read[map[string]any](p, a, 1)
	if credential["type"] != "public-key" {
		p.Errorf("credential %v", credential)
	}
	if _, told := a[4]; told {
		user = read[map[string]any](p, a, 4)
	}
	return credential["id"].([]byte), p.parseData(read[[]byte](p, a, 2)), read[[]byte](p, a, 3), user
}

func TestGetAssertion(t *testing.T) {
	p := withPIN(t, authenticator.Options{})
	made := p.make(nil)
	status, a := p.assert(nil)
	p.want(ok, status)
	id, d, signature, user := p.asserted(a)
	if !bytes.Equal(id, made.data.id) || !signed(made.data.publicKey(t), d.raw, signature) {
		t.Error("not signed by the credential")
	}
	if d.flags != 0x01|0x04 || d.counter != made.data.counter+1 {
		t.Errorf("flags %#x, counter %d after %d", d.flags, d.counter, made.data.counter)
	}
	if fmt.Sprint(user) != fmt.Sprint(map[string]any{"id": []byte("user")}) {
		t.Errorf("user %v: a single account needs no name", user)
	}
	if _, several := a[5]; several {
		t.Error("one credential is counted")
	}
	status, a = p.call(0x02, assertParams(nil)) // without the PIN
	p.want(ok, status)
	if _, d, _, _ := p.asserted(a); d.flags != 0x01 {
		t.Errorf("flags %#x without the PIN", d.flags)
	}
	status, a = p.assert(m{5: map[string]any{"up": false}})
	p.want(ok, status)
	if _, d, _, _ := p.asserted(a); d.flags != 0x04 {
		t.Errorf("flags %#x without presence", d.flags)
	}
}

func TestAssertionsInTurn(t *testing.T) {
	p := withPIN(t, authenticator.Options{})
	for _, name := range []string{"un", "deux", "trois"} {
		p.make(m{3: map[string]any{"id": []byte(name), "name": name}})
	}
	p.make(m{2: map[string]any{"id": "other.test"}})
	status, a := p.assert(nil)
	p.want(ok, status)
	if count := read[int](p, a, 5); count != 3 {
		t.Fatalf("%d credentials", count)
	}
	var last uint32
	for i, want := range []string{"trois", "deux", "un"} { // the latest first
		if i > 0 {
			status, a = p.call(0x08, nil)
			p.want(ok, status)
		}
		_, d, _, user := p.asserted(a)
		if user["name"] != want || d.flags != 0x05 || d.counter <= last {
			t.Errorf("%d: user %v, flags %#x, counter %d after %d", i, user, d.flags, d.counter, last)
		}
		last = d.counter
	}
	status, _ = p.call(0x08, nil)
	p.want(notAllowed, status)

	status, a = p.call(0x02, assertParams(nil)) // without the PIN there are no names
	p.want(ok, status)
	if _, _, _, user := p.asserted(a); user["name"] != nil {
		t.Errorf("user %v told without verification", user)
	}
}

func TestAssertionsInTurnEnd(t *testing.T) {
	for _, test := range []struct {
		name string
		then func(p *platform)
		want byte
	}{
		{"not at once", func(*platform) {}, ok},
		{"not just in time", func(p *platform) { p.clock.advance(authenticator.RestLife) }, ok},
		{"with time", func(p *platform) { p.clock.advance(authenticator.RestLife + 1) }, notAllowed},
		{"with another command", func(p *platform) { p.call(0x04, nil) }, notAllowed},
		{"with the power", func(p *platform) { p.engine.PowerUp() }, notAllowed},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPlatform(t, authenticator.Options{})
			for _, name := range []string{"un", "deux"} {
				status, _ := p.call(0x01, makeParams(m{3: map[string]any{"id": []byte(name)}}))
				p.want(ok, status)
			}
			status, _ := p.call(0x02, assertParams(nil))
			p.want(ok, status)
			test.then(p)
			status, _ = p.call(0x08, nil)
			p.want(test.want, status)
		})
	}
}

// Who sees a credential, by its protection (CTAP 2.1 §12.1).
func TestCredentialProtection(t *testing.T) {
	for level, sees := range map[int]struct{ alone, listed byte }{
		1: {ok, ok}, 2: {noCredentials, ok}, 3: {noCredentials, noCredentials},
	} {
		for _, rk := range []bool{true, false} {
			t.Run(fmt.Sprintf("level %d, discoverable %t", level, rk), func(t *testing.T) {
				p := withPIN(t, authenticator.Options{})
				made := p.make(m{6: map[string]any{"credProtect": level}, 7: map[string]any{"rk": rk}})
				list := []any{descriptor(made.data.id)}
				if !rk {
					sees.alone = noCredentials
				}
				status, _ := p.call(0x02, assertParams(nil))
				p.want(sees.alone, status)
				status, _ = p.call(0x02, assertParams(m{3: list}))
				p.want(sees.listed, status)
				status, _ = p.assert(m{3: list})
				p.want(ok, status)
			})
		}
	}
}

func TestGetAssertionRefuses(t *testing.T) {
	p := withPIN(t, authenticator.Options{})
	made := p.make(nil)
	long := make([]any, 9)
	for i := range long {
		long[i] = descriptor([]byte{1})
	}
	for _, test := range []struct {
		name    string
		changes m
		want    byte
	}{
		{"nothing", nil, ok},
		{"not a list in which it finds its own", m{3: []any{descriptor([]byte("another")), descriptor(made.data.id)}}, ok},
		{"no RP", m{1: nil}, missingParameter},
		{"an RP that is no text", m{1: []byte("a")}, unexpectedType},
		{"no client data hash", m{2: nil}, missingParameter},
		{"a client data hash too long", m{2: make([]byte, 33)}, invalidLength},
		{"an empty list", m{3: []any{}}, missingParameter},
		{"a list too long", m{3: long}, limitExceeded},
		{"a list of strangers", m{3: []any{descriptor([]byte("another"))}}, noCredentials},
		{"its own under another type", m{3: []any{map[string]any{"id": made.data.id, "type": "password"}}}, noCredentials},
		{"a list that is none", m{3: 1}, unexpectedType},
		{"the option rk", m{5: map[string]any{"rk": true}}, unsupportedOption},
		{"uv without a finger", m{5: map[string]any{"uv": true}, 6: nil}, invalidOption},
		{"options that are none", m{5: 1}, unexpectedType},
		{"a MAC of another token", m{6: make([]byte, 32)}, pinAuthInvalid},
		{"a token without protocol", m{7: nil}, missingParameter},
		{"a probe by an empty MAC", m{6: []byte{}}, pinInvalid},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := p.in(t)
			token := p.token(ga, testRP)
			status, _ := p.call(0x02, change(assertParams(m{6: p.mac(token, clientDataHash[:]), 7: p.protocol}), test.changes))
			p.want(test.want, status)
		})
	}
	status, _ := p.assert(m{1: "other.test"})
	p.want(noCredentials, status)
	status, _ = p.assert(m{1: "other.test", 3: []any{descriptor(made.data.id)}})
	p.want(noCredentials, status)
}

// secretOf asks for hmac-secret and decrypts it.
func (p *platform) secretOf(salts []byte, alter func(input m)) (byte, []byte) {
	p.Helper()
	token := p.token(ga, testRP)
	s := p.agree()
	encrypted := s.encrypt(salts)
	input := m{1: s.public, 2: encrypted, 3: p.mac(s.hmac, encrypted), 4: p.protocol}
	if alter != nil {
		alter(input)
	}
	status, a := p.call(0x02, assertParams(m{
		4: map[string]any{"hmac-secret": input}, 6: p.mac(token, clientDataHash[:]), 7: p.protocol,
	}))
	if status != ok {
		return status, nil
	}
	_, d, _, _ := p.asserted(a)
	return status, s.decrypt(d.extensions["hmac-secret"].([]byte))
}

func TestHMACSecret(t *testing.T) {
	eachProtocol(t, func(t *testing.T, protocol uint64) {
		p := withPIN(t, authenticator.Options{HMACSecret: true})
		p.protocol = protocol
		p.make(m{6: map[string]any{"hmac-secret": true}})
		one, two := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
		status, first := p.secretOf(one, nil)
		p.want(ok, status)
		status, both := p.secretOf(append(bytes.Clone(one), two...), nil)
		p.want(ok, status)
		if len(first) != 32 || len(both) != 64 || !bytes.Equal(both[:32], first) || bytes.Equal(both[32:], first) {
			t.Errorf("one salt %x, two salts %x", first, both)
		}
		for name, test := range map[string]struct {
			salts []byte
			alter func(input m)
			want  byte
		}{
			"a MAC of another":     {one, func(in m) { in[3] = make([]byte, 32) }, pinAuthInvalid},
			"three salts":          {make([]byte, 96), nil, invalidParameter},
			"half a salt":          {make([]byte, 16), nil, invalidParameter},
			"no key":               {one, func(in m) { delete(in, 1) }, invalidParameter},
			"an unknown protocol":  {one, func(in m) { in[4] = 9 }, invalidParameter},
			"a salt of other type": {one, func(in m) { in[2] = 1 }, unexpectedType},
		} {
			status, _ := p.secretOf(test.salts, test.alter)
			if status != test.want {
				t.Errorf("%s: status %#04x, want %#04x", name, status, test.want)
			}
		}
	})
}

func TestHMACSecretWantsPresence(t *testing.T) {
	p := newPlatform(t, authenticator.Options{HMACSecret: true})
	status, _ := p.call(0x01, makeParams(nil))
	p.want(ok, status)
	s := p.agree()
	encrypted := s.encrypt(make([]byte, 32))
	input := map[string]any{"hmac-secret": m{1: s.public, 2: encrypted, 3: hmacOf(s.hmac, encrypted), 4: 2}}
	status, _ = p.call(0x02, assertParams(m{4: input, 5: map[string]any{"up": false}}))
	p.want(unsupportedOption, status)
	status, _ = p.call(0x02, assertParams(m{4: input}))
	p.want(ok, status)
}

func hmacOf(key, message []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(message)
	return h.Sum(nil)
}
