package authenticator_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"cpsgate/internal/virtualcard/authenticator"
)

func TestMakeCredentialRefuses(t *testing.T) {
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
		{"not an unknown option", m{7: map[string]any{"rk": true, "loud": 1}}, ok},
		{"not an unknown algorithm beside a known", m{4: []any{
			map[string]any{"alg": -257, "type": "public-key"}, map[string]any{"alg": -7, "type": "public-key"},
		}}, ok},
		{"no client data hash", m{1: nil}, missingParameter},
		{"a client data hash too short", m{1: make([]byte, 31)}, invalidLength},
		{"no RP", m{2: nil}, missingParameter},
		{"an RP without id", m{2: map[string]any{"name": "EXEMPLE"}}, missingParameter},
		{"an RP whose id is no text", m{2: map[string]any{"id": 1}}, unexpectedType},
		{"no user", m{3: nil}, missingParameter},
		{"a user without id", m{3: map[string]any{"name": "exemple"}}, missingParameter},
		{"a user id of 65 bytes", m{3: map[string]any{"id": make([]byte, 65)}}, invalidLength},
		{"no algorithms", m{4: nil}, missingParameter},
		{"an algorithm it does not have", m{4: []any{map[string]any{"alg": -257, "type": "public-key"}}}, unsupportedAlgorithm},
		{"another credential type", m{4: []any{map[string]any{"alg": -7, "type": "password"}}}, unsupportedAlgorithm},
		{"an algorithm without type", m{4: []any{map[string]any{"alg": -7}}}, missingParameter},
		{"algorithms that are no list", m{4: 1}, unexpectedType},
		{"an exclude list too long", m{5: long}, limitExceeded},
		{"an excluded credential without id", m{5: []any{map[string]any{"type": "public-key"}}}, missingParameter},
		{"extensions that are no map", m{6: 1}, unexpectedType},
		{"up false", m{7: map[string]any{"up": false}}, invalidOption},
		{"uv without a finger", m{7: map[string]any{"uv": true}, 8: nil}, invalidOption},
		{"an option that is no boolean", m{7: map[string]any{"rk": 1}}, unexpectedType},
		{"an option that is null", m{7: map[string]any{"rk": nil}}, unexpectedType},
		{"a PIN set and not given", m{8: nil, 9: nil}, puatRequired},
		{"a token without protocol", m{9: nil}, missingParameter},
		{"an unknown protocol", m{9: 3}, invalidParameter},
		{"a MAC that is no byte string", m{8: 1}, unexpectedType},
		{"a probe by an empty MAC", m{8: []byte{}}, pinInvalid},
		{"enterprise attestation it does not have", m{0x0A: 1}, invalidParameter},
		{"an unknown enterprise attestation", m{0x0A: 3}, invalidOption},
		{"protection of no level", m{6: map[string]any{"credProtect": 4}}, invalidParameter},
		{"protection that is null", m{6: map[string]any{"credProtect": nil}}, unexpectedType},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := withPIN(t, authenticator.Options{})
			status, _ := p.call(0x01, p.verified(p.token(mc, testRP), test.changes))
			p.want(test.want, status)
			if _, a := p.call(0x04, nil); test.want != ok && read[int](p, a, 0x14) != 8 {
				t.Error("a credential was kept all the same")
			}
		})
	}
}

func TestWithoutAPINNoneIsNeeded(t *testing.T) {
	p := newPlatform(t, authenticator.Options{})
	status, a := p.call(0x01, makeParams(nil))
	p.want(ok, status)
	if d := p.parseMade(a).data; d.flags != 0x01|0x40 {
		t.Errorf("flags %#x: nobody was verified", d.flags)
	}
	status, _ = p.call(0x01, makeParams(m{8: []byte{}}))
	p.want(pinNotSet, status)
	status, _ = p.call(0x01, makeParams(m{8: make([]byte, 32), 9: 2}))
	p.want(pinNotSet, status)
}

func TestUnverifiedCredentials(t *testing.T) {
	for _, test := range []struct {
		name string
		o    authenticator.Options
		rk   bool
		want byte
	}{
		{"not by default", authenticator.Options{}, false, puatRequired},
		{"where the option allows them", authenticator.Options{MakeCredUVNotRqd: true}, false, ok},
		{"never discoverable", authenticator.Options{MakeCredUVNotRqd: true}, true, puatRequired},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := withPIN(t, test.o)
			status, _ := p.call(0x01, makeParams(m{7: map[string]any{"rk": test.rk}}))
			p.want(test.want, status)
		})
	}
}

func TestCredentialsThatFit(t *testing.T) {
	p := withPIN(t, authenticator.Options{ResidentKeys: 2})
	user := func(id string) m { return m{3: map[string]any{"id": []byte(id)}} }
	first := p.make(user("a"))
	p.make(user("b"))
	status, _ := p.call(0x01, p.verified(p.token(mc, testRP), user("c")))
	p.want(keyStoreFull, status)
	again := p.make(user("a")) // the same account's is replaced
	if bytes.Equal(first.data.id, again.data.id) {
		t.Error("the old credential was given again")
	}
	status, _ = p.assert(m{3: []any{descriptor(first.data.id)}})
	p.want(noCredentials, status)
	apart := p.make(m{2: map[string]any{"id": "apart.test"}, 7: nil})
	if _, a := p.call(0x04, nil); read[int](p, a, 0x14) != 0 {
		t.Error("a credential that is not discoverable took room")
	}
	status, _ = p.assert(m{1: "apart.test", 3: []any{descriptor(apart.data.id)}})
	p.want(ok, status)
}

func TestExcludeList(t *testing.T) {
	p := withPIN(t, authenticator.Options{})
	discoverable := p.make(nil)
	wrapped := p.make(m{7: nil})
	hidden := p.make(m{3: map[string]any{"id": []byte("hidden")}, 6: map[string]any{"credProtect": 3}})
	for _, test := range []struct {
		name string
		rpID string
		list []any
		want byte
	}{
		{"its own, discoverable", testRP, []any{descriptor(discoverable.data.id)}, credentialExcluded},
		{"its own, not discoverable", testRP, []any{descriptor(wrapped.data.id)}, credentialExcluded},
		{"its own behind another's", testRP, []any{descriptor([]byte("another")), descriptor(wrapped.data.id)}, credentialExcluded},
		{"its own, protected, to one verified", testRP, []any{descriptor(hidden.data.id)}, credentialExcluded},
		{"another card's", testRP, []any{descriptor(make([]byte, 61))}, ok},
		{"its own, for another RP", "other.test", []any{descriptor(discoverable.data.id), descriptor(wrapped.data.id)}, ok},
		{"its own, of another type", testRP, []any{map[string]any{"id": discoverable.data.id, "type": "password"}}, ok},
		{"empty", testRP, []any{}, ok},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := p.in(t)
			changes := m{2: map[string]any{"id": test.rpID}, 3: map[string]any{"id": []byte("someone else")}, 5: test.list}
			status, _ := p.call(0x01, p.verified(p.token(mc, test.rpID), changes))
			p.want(test.want, status)
		})
	}
}

func TestMakeCredentialExtensions(t *testing.T) {
	p := withPIN(t, authenticator.Options{HMACSecret: true})
	sub := m{1: 6, 2: []string{testRP}}
	p.want(ok, p.configure(0x03, sub))
	p.want(ok, p.changePIN(testPIN, "482916"))
	for _, test := range []struct {
		name string
		rpID string
		in   map[string]any
		want string
	}{
		{"none", testRP, nil, "map[]"},
		{"protection", testRP, map[string]any{"credProtect": 2}, "map[credProtect:2]"},
		{"minimum PIN length, to an RP that may know", testRP, map[string]any{"minPinLength": true}, "map[minPinLength:6]"},
		{"minimum PIN length, to another", "other.test", map[string]any{"minPinLength": true}, "map[]"},
		{"hmac-secret", testRP, map[string]any{"hmac-secret": true}, "map[hmac-secret:true]"},
		{"hmac-secret not wanted", testRP, map[string]any{"hmac-secret": false}, "map[]"},
		{"unknown ones", testRP, map[string]any{"loud": true}, "map[]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := p.in(t)
			status, token := p.tryToken("482916", mc, test.rpID)
			p.want(ok, status)
			changes := m{2: map[string]any{"id": test.rpID}}
			if test.in != nil {
				changes[6] = test.in
			}
			status, a := p.call(0x01, p.verified(token, changes))
			p.want(ok, status)
			if got := fmt.Sprint(p.parseMade(a).data.extensions); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

func TestEnterpriseAttestation(t *testing.T) {
	attestation, _ := testAttestation(t)
	enterprise := attestation
	enterprise.Chain = [][]byte{attestation.Chain[0], attestation.Chain[0]} // told apart by its length
	p := withPIN(t, authenticator.Options{Attestation: attestation, Enterprise: enterprise, EnterpriseRPs: []string{"named.test"}})
	made := func(rpID string, kind int) (byte, bool, int) {
		t.Helper()
		status, a := p.call(0x01, p.verified(p.token(mc, rpID), m{2: map[string]any{"id": rpID}, 0x0A: kind}))
		if status != ok {
			return status, false, 0
		}
		_, told := a[4]
		return status, told, len(field[[][]byte](t, p.parseMade(a).statement, "x5c"))
	}
	status, _, _ := made("named.test", 1)
	p.want(invalidParameter, status) // not before it is enabled
	p.want(ok, p.configure(0x01, nil))
	for _, test := range []struct {
		rpID string
		kind int
		told bool
	}{{"named.test", 1, true}, {testRP, 1, false}, {testRP, 2, true}} {
		status, told, chain := made(test.rpID, test.kind)
		p.want(ok, status)
		if told != test.told || (chain == 2) != test.told {
			t.Errorf("%s, kind %d: enterprise %t with a chain of %d", test.rpID, test.kind, told, chain)
		}
	}
}

func TestLongNamesAreCut(t *testing.T) {
	p := withPIN(t, authenticator.Options{})
	name := strings.Repeat("é", 33) // 66 bytes
	p.make(m{3: map[string]any{"id": []byte("user"), "name": name, "displayName": name}})
	if got := p.engine.State().Credentials[0].UserName; got != strings.Repeat("é", 32) {
		t.Errorf("kept %q", got)
	}
}
