package authenticator_test

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"cpsgate/internal/virtualcard/authenticator"
)

// manageWith sends a subcommand of credential management with a token.
func (p *platform) manageWith(token []byte, command byte, subcommand byte, sub m) (byte, answer) {
	p.Helper()
	message := []byte{subcommand}
	parameters := m{1: subcommand, 3: p.protocol}
	if sub != nil {
		message = append(message, encode(p.T, sub)...)
		parameters[2] = sub
	}
	parameters[4] = p.mac(token, message)
	return p.call(command, parameters)
}

func (p *platform) manage(command, subcommand byte, sub m) (byte, answer) {
	p.Helper()
	return p.manageWith(p.token(cm, ""), command, subcommand, sub)
}

// configure sends a subcommand of authenticatorConfig with the PIN.
func (p *platform) configure(subcommand byte, sub m) byte {
	p.Helper()
	message := make([]byte, 32, 64)
	for i := range message {
		message[i] = 0xFF
	}
	message = append(message, 0x0D, subcommand)
	parameters := m{1: subcommand, 3: p.protocol}
	if sub != nil {
		message = append(message, encode(p.T, sub)...)
		parameters[2] = sub
	}
	parameters[4] = p.mac(p.token(acfg, ""), message)
	status, _ := p.call(0x0D, parameters)
	return status
}

func hashOf(rpID string) []byte {
	hash := sha256.Sum256([]byte(rpID))
	return hash[:]
}

// stocked is a card with credentials of two RPs.
func stocked(t *testing.T) (*platform, map[string][]byte) {
	t.Helper()
	p := withPIN(t, authenticator.Options{})
	ids := map[string][]byte{}
	for _, c := range []struct{ rpID, user string }{{testRP, "un"}, {"other.test", "deux"}, {testRP, "trois"}} {
		made := p.make(m{2: map[string]any{"id": c.rpID, "name": "EXEMPLE"}, 3: map[string]any{"id": []byte(c.user), "name": c.user}})
		ids[c.user] = made.data.id
	}
	return p, ids
}

func TestListCredentials(t *testing.T) {
	for _, command := range []byte{0x0A, 0x41} {
		t.Run(fmt.Sprintf("by %#x", command), func(t *testing.T) {
			p, _ := stocked(t)
			status, a := p.manage(command, 0x01, nil)
			p.want(ok, status)
			if existing, remaining := read[int](p, a, 1), read[int](p, a, 2); existing != 3 || remaining != 5 {
				t.Errorf("%d credentials, %d remain", existing, remaining)
			}
			status, a = p.manage(command, 0x02, nil)
			p.want(ok, status)
			if total := read[int](p, a, 5); total != 2 {
				t.Fatalf("%d RPs", total)
			}
			if rp := read[map[string]any](p, a, 3); rp["id"] != testRP || rp["name"] != "EXEMPLE" {
				t.Errorf("RP %v", rp)
			}
			status, a = p.call(command, m{1: 0x03})
			p.want(ok, status)
			if string(read[[]byte](p, a, 4)) != string(hashOf("other.test")) {
				t.Errorf("second RP %v", read[map[string]any](p, a, 3))
			}
			status, _ = p.call(command, m{1: 0x03})
			p.want(notAllowed, status)

			status, a = p.manage(command, 0x04, m{1: hashOf(testRP)})
			p.want(ok, status)
			if total := read[int](p, a, 9); total != 2 {
				t.Fatalf("%d credentials", total)
			}
			names := []any{read[map[string]any](p, a, 6)["name"]}
			status, a = p.call(command, m{1: 0x05})
			p.want(ok, status)
			names = append(names, read[map[string]any](p, a, 6)["name"])
			if fmt.Sprint(names) != "[un trois]" || read[int](p, a, 0x0A) != 1 || read[cose](p, a, 8).Alg != -7 {
				t.Errorf("users %v", names)
			}
			status, _ = p.call(command, m{1: 0x05})
			p.want(notAllowed, status)
			status, _ = p.manage(command, 0x04, m{1: hashOf("unknown.test")})
			p.want(noCredentials, status)
		})
	}
}

// The rest of one list is not the rest of another.
func TestListsAreNotMixed(t *testing.T) {
	p, _ := stocked(t)
	status, _ := p.manage(0x0A, 0x02, nil)
	p.want(ok, status)
	status, _ = p.call(0x0A, m{1: 0x05})
	p.want(notAllowed, status)
	status, _ = p.manage(0x0A, 0x04, m{1: hashOf(testRP)})
	p.want(ok, status)
	status, _ = p.call(0x08, nil)
	p.want(notAllowed, status)
	status, _ = p.assert(nil)
	p.want(ok, status)
	status, _ = p.call(0x0A, m{1: 0x05})
	p.want(notAllowed, status)
}

func TestDeleteAndRename(t *testing.T) {
	p, ids := stocked(t)
	user := map[string]any{"id": []byte("un"), "name": "premier"}
	status, _ := p.manage(0x0A, 0x07, m{2: descriptor(ids["un"]), 3: user})
	p.want(ok, status)
	if c := p.engine.State().Credentials[0]; c.UserName != "premier" || c.DisplayName != "" {
		t.Errorf("user %q %q", c.UserName, c.DisplayName)
	}
	status, _ = p.manage(0x0A, 0x07, m{2: descriptor(ids["trois"]), 3: user})
	p.want(invalidParameter, status) // another user's
	status, _ = p.manage(0x41, 0x07, m{2: descriptor(ids["un"]), 3: user})
	p.want(invalidSubcommand, status) // the preview cannot
	status, _ = p.manage(0x0A, 0x06, m{2: descriptor(ids["un"])})
	p.want(ok, status)
	status, _ = p.manage(0x0A, 0x06, m{2: descriptor(ids["un"])})
	p.want(noCredentials, status)
	status, _ = p.assert(m{3: []any{descriptor(ids["un"])}})
	p.want(noCredentials, status)
	status, _ = p.assert(m{3: []any{descriptor(ids["trois"])}})
	p.want(ok, status)
}

func TestManagingNeedsTheRightToken(t *testing.T) {
	p, ids := stocked(t)
	for _, test := range []struct {
		name       string
		permission int
		rpID       string
		subcommand byte
		sub        m
		want       byte
	}{
		{"bound to the RP whose credentials it lists", cm, testRP, 0x04, m{1: hashOf(testRP)}, ok},
		{"bound to another RP, listing", cm, "other.test", 0x04, m{1: hashOf(testRP)}, pinAuthInvalid},
		{"bound to another RP, deleting", cm, "other.test", 0x06, m{2: descriptor(ids["un"])}, pinAuthInvalid},
		{"bound to an RP, counting all", cm, testRP, 0x01, nil, pinAuthInvalid},
		{"bound to an RP, listing RPs", cm, testRP, 0x02, nil, pinAuthInvalid},
		{"without the permission", ga, testRP, 0x01, nil, pinAuthInvalid},
		{"an RP without hash", cm, "", 0x04, m{}, missingParameter},
		{"no parameters where some are needed", cm, "", 0x06, nil, missingParameter},
		{"a rename without user", cm, "", 0x07, m{2: descriptor(ids["un"])}, missingParameter},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := p.in(t)
			status, _ := p.manageWith(p.token(test.permission, test.rpID), 0x0A, test.subcommand, test.sub)
			p.want(test.want, status)
		})
	}
	for name, test := range map[string]struct {
		parameters m
		want       byte
	}{
		"no token":              {m{1: 0x01}, puatRequired},
		"no subcommand":         {m{3: 2}, missingParameter},
		"an unknown one":        {m{1: 0x08}, invalidSubcommand},
		"zero":                  {m{1: 0x00}, invalidSubcommand},
		"parameters of no form": {m{1: 0x04, 2: 1}, unexpectedType},
	} {
		if status, _ := p.call(0x0A, test.parameters); status != test.want {
			t.Errorf("%s: status %#04x, want %#04x", name, status, test.want)
		}
	}
}

func TestManagingAnEmptyCard(t *testing.T) {
	p := withPIN(t, authenticator.Options{})
	status, _ := p.manage(0x0A, 0x02, nil)
	p.want(noCredentials, status)
}

func TestConfigWithoutAPIN(t *testing.T) {
	p := newPlatform(t, authenticator.Options{})
	call := func(parameters m) byte { status, _ := p.call(0x0D, parameters); return status }
	p.want(pinNotSet, call(m{1: 3, 2: m{3: true}}))
	p.want(ok, call(m{1: 3, 2: m{1: 6}}))
	p.want(pinPolicyViolation, call(m{1: 3, 2: m{1: 5}})) // never shorter again
	p.want(pinPolicyViolation, call(m{1: 3, 2: m{1: 64}}))
	p.want(keyStoreFull, call(m{1: 3, 2: m{2: []string{"a", "b", "c", "d", "e"}}}))
	p.want(unexpectedType, call(m{1: 3, 2: m{1: "6"}}))
	p.want(invalidSubcommand, call(m{1: 1})) // no enterprise attestation on this card
	p.want(invalidSubcommand, call(m{1: 9}))
	p.want(pinPolicyViolation, p.setPIN("48291"))
	p.want(ok, p.setPIN("482916"))
	p.want(puatRequired, call(m{1: 3, 2: m{1: 7}})) // from now on with the PIN
}

func TestAPINTooShortMustChange(t *testing.T) {
	p := withPIN(t, authenticator.Options{})
	p.want(ok, p.configure(0x03, m{1: 4}))
	if _, a := p.call(0x04, nil); read[bool](p, a, 0x0C) {
		t.Error("a change is forced though the PIN is long enough")
	}
	p.want(ok, p.configure(0x03, m{1: 6}))
	if _, a := p.call(0x04, nil); !read[bool](p, a, 0x0C) || read[int](p, a, 0x0D) != 6 {
		t.Error("no change is forced")
	}
	status, _ := p.tryToken(testPIN, ga, testRP)
	p.want(pinPolicyViolation, status)
	status, _ = p.legacyToken(testPIN)
	p.want(pinInvalid, status)
	p.want(ok, p.changePIN(testPIN, "482916"))
	status, _ = p.tryToken("482916", ga, testRP)
	p.want(ok, status)
}

func TestForcedChangeMustChange(t *testing.T) {
	p := withPIN(t, authenticator.Options{})
	p.want(ok, p.configure(0x03, m{3: true}))
	p.want(pinPolicyViolation, p.changePIN(testPIN, testPIN))
	p.want(ok, p.changePIN(testPIN, "7777"))
}

func TestAlwaysUV(t *testing.T) {
	p := withPIN(t, authenticator.Options{MakeCredUVNotRqd: true})
	p.make(nil)
	status, _ := p.call(0x02, assertParams(nil))
	p.want(ok, status)
	p.want(ok, p.configure(0x02, nil))
	_, a := p.call(0x04, nil)
	if options := read[map[string]bool](p, a, 4); !options["alwaysUv"] || options["makeCredUvNotRqd"] {
		t.Errorf("options %v", options)
	}
	status, _ = p.call(0x02, assertParams(nil))
	p.want(puatRequired, status)
	status, _ = p.call(0x01, makeParams(m{7: nil}))
	p.want(puatRequired, status)
	status, _ = p.call(0x02, assertParams(m{5: map[string]any{"up": false}}))
	p.want(ok, status)
	status, _ = p.assert(nil)
	p.want(ok, status)
	p.want(ok, p.configure(0x02, nil)) // and back
	status, _ = p.call(0x02, assertParams(nil))
	p.want(ok, status)
}

// Without a PIN alwaysUv can be switched, and forbids the rest.
func TestAlwaysUVOnABlankCard(t *testing.T) {
	p := newPlatform(t, authenticator.Options{})
	status, _ := p.call(0x0D, m{1: 2})
	p.want(ok, status)
	status, _ = p.call(0x01, makeParams(nil))
	p.want(puatRequired, status)
	status, _ = p.call(0x0D, m{1: 3, 2: m{1: 6}})
	p.want(puatRequired, status)
	status, _ = p.call(0x0D, m{1: 2})
	p.want(ok, status)
}
