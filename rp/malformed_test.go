package rp_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"cpsgate/internal/softkey"
	"cpsgate/rp"
)

func replace(old, new string) func([]byte) []byte {
	return func(b []byte) []byte {
		if !bytes.Contains(b, []byte(old)) {
			panic("nothing to replace: " + old)
		}
		return bytes.Replace(b, []byte(old), []byte(new), 1)
	}
}

func appended(s string) func([]byte) []byte {
	return func(b []byte) []byte { return append(b, s...) }
}

func inner(name string, v any) softkey.Lie {
	return softkey.AlterInner(func(m map[string]any) {
		if m[name] = v; v == nil {
			delete(m, name)
		}
	})
}

func outer(name string, v any) softkey.Lie {
	return softkey.Alter(func(m map[string]any) {
		if m[name] = v; v == nil {
			delete(m, name)
		}
	})
}

func client(f func([]byte) []byte) softkey.Lie {
	return func(d *softkey.Draft) { d.AlterClientData = f }
}

func object(f func([]byte) []byte) softkey.Lie {
	return func(d *softkey.Draft) { d.AlterObject = f }
}

func authData(f func([]byte) []byte) softkey.Lie {
	return func(d *softkey.Draft) { d.AlterAuthData = f }
}

func publicKey(f func(softkey.Map)) softkey.Lie {
	return func(d *softkey.Draft) { f(d.PublicKey.(softkey.Map)) }
}

type malformed struct {
	rule string
	lie  softkey.Lie
}

// what both ceremonies refuse in the text of a response.
var malformedBodies = []malformed{
	{"nothing", softkey.AlterBody(func([]byte) []byte { return nil })},
	{"a null", softkey.AlterBody(func([]byte) []byte { return []byte("null") })},
	{"an array", softkey.AlterBody(func(b []byte) []byte { return []byte("[" + string(b) + "]") })},
	{"half of it", softkey.AlterBody(func(b []byte) []byte { return b[:len(b)/2] })},
	{"bytes after it", softkey.AlterBody(appended("{}"))},
	{"a second id", softkey.AlterBody(replace(`{`, `{"id":"AAAA",`))},
	{"a second response, by an escaped name", softkey.AlterBody(replace(`{`, `{"\u0072esponse":{},`))},
	{"a second member deep inside", softkey.AlterBody(replace(`{`, `{"x":[{"a":1,"a":2}],`))},
	{"too deep", softkey.AlterBody(replace(`{`, `{"x":`+strings.Repeat("[", 20)+strings.Repeat("]", 20)+`,`))},
	{"too large", softkey.AlterBody(replace(`{`, `{"x":"`+strings.Repeat("A", rp.MaxResponse)+`",`))},
	{"too many members", softkey.AlterBody(replace(`{`, `{`+manyMembers(100)))},
	{"not UTF-8", softkey.AlterBody(replace(`{`, "{\"x\":\"\xFF\","))},
	{"no id", outer("id", nil)},
	{"an empty id", softkey.Alter(func(m map[string]any) { m["id"], m["rawId"] = "", "" })},
	{"another rawId", outer("rawId", "AAAA")},
	{"no rawId", outer("rawId", nil)},
	{"an id with padding", softkey.Alter(func(m map[string]any) { m["id"] = m["id"].(string) + "=" })},
	{"an id in plain base64", softkey.Alter(func(m map[string]any) { m["id"], m["rawId"] = "+/==", "+/==" })},
	{"an id with stray bits", softkey.Alter(func(m map[string]any) { m["id"], m["rawId"] = "AAB", "AAB" })},
	{"an id as a number", outer("id", 1)},
	{"another type", outer("type", "password")},
	{"no type", outer("type", nil)},
	{"a type in upper case", outer("type", "PUBLIC-KEY")},
	{"no response", outer("response", nil)},
	{"a response that is a string", outer("response", "x")},
	{"member names in another case", softkey.AlterBody(replace(`"clientDataJSON"`, `"ClientDataJSON"`))},
	{"credProps of another shape", outer("clientExtensionResults", map[string]any{"credProps": []int{1}})},
	{"credProps.rk of another shape", outer("clientExtensionResults", map[string]any{"credProps": map[string]any{"rk": "no"}})},
	{"extension results of another shape", outer("clientExtensionResults", []int{})},
	{"an attachment that is a number", outer("authenticatorAttachment", 4)},
	{"no client data", inner("clientDataJSON", nil)},
	{"client data that is no base64", inner("clientDataJSON", "{}")},
	{"client data that is no object", client(func([]byte) []byte { return []byte(`"x"`) })},
	{"bytes after client data", client(appended(" x"))},
	{"client data with a second type", client(replace(`{`, `{"type":"webauthn.create",`))},
	{"client data with a second challenge", client(replace(`{`, `{"challenge":"AAAA",`))},
	{"client data with a second origin, by an escaped name", client(replace(`{`, `{"origi\u006e":"https://evil.example",`))},
	{"client data without type", client(replace(`"type"`, `"kind"`))},
	{"client data without challenge", client(replace(`"challenge"`, `"Challenge"`))},
	{"client data without origin", client(replace(`"origin"`, `"ORIGIN"`))},
	{"a type that is no string", client(replace(`"type":"webauthn`, `"type":1,"x":"webauthn`))},
	{"an origin that is null", client(replace(`"origin":"`, `"origin":null,"x":"`))},
	{"crossOrigin as a string", softkey.CrossOrigin("false")},
	{"topOrigin as a number", softkey.TopOrigin(1)},
	{"client data with a control character", client(replace(`"type"`, "\"a\n\":1,\"type\""))},
	{"client data not UTF-8", client(replace(`{`, "{\"x\":\"\xC0\xAF\","))},
	{"bytes after the authenticator data", authData(appended("x"))},
	{"authenticator data cut short", authData(func(b []byte) []byte { return b[:36] })},
	{"extensions announced and missing", func(d *softkey.Draft) { d.Flags, d.Extensions = d.Flags|softkey.FlagED, nil }},
	{"extensions not announced", authData(func(b []byte) []byte {
		b[32] &^= softkey.FlagED
		return append(b, softkey.Encode(softkey.Map{"x": 1})...)
	})},
	{"extensions that are no map", func(d *softkey.Draft) {
		d.Flags |= softkey.FlagED
		d.Extensions, d.AlterAuthData = nil, appended("\x01")
	}},
}

func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`"m` + string(rune('a'+i%26)) + strings.Repeat("x", i/26) + `":1,`)
	}
	return b.String()
}

func TestMalformedRegistrations(t *testing.T) {
	cases := append(slices.Clone(malformedBodies), []malformed{
		{"no attestation object", inner("attestationObject", nil)},
		{"an empty attestation object", inner("attestationObject", "")},
		{"transports that are no list", inner("transports", "usb")},
		{"a transport that is no string", inner("transports", []any{1})},
		{"too many transports", inner("transports", strings.Split(strings.Repeat("usb ", 40), " "))},
		{"too long a transport", inner("transports", []string{strings.Repeat("u", 100)})},
		{"bytes after the attestation object", object(appended("\x00"))},
		{"half an attestation object", object(func(b []byte) []byte { return b[:len(b)/2] })},
		{"an attestation object that is an array", object(func([]byte) []byte { return []byte{0x80} })},
		{"an attestation object that is null", object(func([]byte) []byte { return []byte{0xF6} })},
		{"no fmt", softkey.WithoutMember("fmt")},
		{"no attStmt", softkey.WithoutMember("attStmt")},
		{"no authData", softkey.WithoutMember("authData")},
		{"a further member", func(d *softkey.Draft) { d.Members = softkey.Map{"epAtt": true} }},
		{"FMT in upper case", func(d *softkey.Draft) { d.Without, d.Members = []string{"fmt"}, softkey.Map{"FMT": "none"} }},
		{"fmt as bytes", func(d *softkey.Draft) { d.Members = softkey.Map{"fmt": []byte("packed")} }},
		{"authData as a list of numbers", func(d *softkey.Draft) { d.Members = softkey.Map{"authData": []any{1, 2}} }},
		{"a member twice", object(func(b []byte) []byte {
			return append(append([]byte{b[0] + 1}, b[1:]...), softkey.Encode("fmt")[0], 'f', 'm', 't', 0x60)
		})},
		{"indefinite length", object(func(b []byte) []byte { return append(append([]byte{0xBF}, b[1:]...), 0xFF) })},
		{"a tag", object(func(b []byte) []byte { return append([]byte{0xC1}, b...) })},
		{"no attested data", softkey.Clear(softkey.FlagAT)},
		{"attested data without its flag", func(d *softkey.Draft) {
			d.AlterAuthData = func(b []byte) []byte { b[32] &^= softkey.FlagAT; return b }
		}},
		{"another credential id in the attested data", func(d *softkey.Draft) { d.CredentialID = bytes.Repeat([]byte{9}, 32) }},
		{"a credential id too long", func(d *softkey.Draft) {
			d.CredentialID = bytes.Repeat([]byte{9}, 1024)
			d.ID = d.CredentialID
		}},
		{"a credential id longer than the data", authData(func(b []byte) []byte { b[53] = 3; return b })},
		{"a public key that is no map", func(d *softkey.Draft) { d.PublicKey = softkey.Raw{0x01} }},
		{"a public key without algorithm", publicKey(func(m softkey.Map) { delete(m, 3) })},
		{"a public key without key type", publicKey(func(m softkey.Map) { delete(m, 1) })},
		{"a public key of another type than its algorithm", publicKey(func(m softkey.Map) { m[1] = 1 })},
		{"a public key of another curve than its algorithm", publicKey(func(m softkey.Map) { m[-1] = 2 })},
		{"a public key off its curve", publicKey(func(m softkey.Map) { m[-3] = bytes.Repeat([]byte{1}, 32) })},
		{"a public key without a coordinate", publicKey(func(m softkey.Map) { delete(m, -3) })},
		{"a public key with a short coordinate", publicKey(func(m softkey.Map) { m[-2] = m[-2].([]byte)[1:] })},
		{"a public key with a private part", publicKey(func(m softkey.Map) { m[-4] = []byte{1} })},
		{"a public key with a text label", publicKey(func(m softkey.Map) { m["alg"] = -7 })},
	}...)
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			_, err := lies(c.lie).run(t)
			if reason := reasonOf(t, err); reason != rp.ReasonMalformed {
				t.Errorf("reason %q: %v", reason, err)
			}
		})
	}
}

func TestMalformedLogins(t *testing.T) {
	l := newLogin(t, party(t, nil))
	cases := append(slices.Clone(malformedBodies), []malformed{
		{"no authenticator data", inner("authenticatorData", nil)},
		{"no signature", inner("signature", nil)},
		{"an empty signature", inner("signature", "")},
		{"a user handle that is a number", inner("userHandle", 1)},
		{"attested data in an assertion", func(d *softkey.Draft) {
			d.Flags |= softkey.FlagAT
			d.PublicKey, d.CredentialID = softkey.Map{1: 2, 3: -7}, []byte{1}
		}},
	}...)
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			l.begin(t)
			_, err := l.party.FinishLogin(l.pending, l.answer(t, c.lie), l.find, now)
			if reason := reasonOf(t, err); reason != rp.ReasonMalformed {
				t.Errorf("reason %q: %v", reason, err)
			}
		})
	}
}

// A body may have 64 KiB and not a byte more.
func TestResponsesAreBounded(t *testing.T) {
	filled := func(size int) softkey.Lie {
		return softkey.AlterBody(func(b []byte) []byte { return append(b, bytes.Repeat([]byte{' '}, size-len(b))...) })
	}
	l := newLogin(t, party(t, nil))
	for _, c := range []struct {
		rule   string
		size   int
		reason rp.Reason
	}{
		{"64 KiB", 64 << 10, ""},
		{"one byte more", 64<<10 + 1, rp.ReasonMalformed},
	} {
		if _, err := lies(filled(c.size)).run(t); reasonOf(t, err) != c.reason {
			t.Errorf("a registration of %s: %v", c.rule, err)
		}
		l.begin(t)
		if _, err := l.party.FinishLogin(l.pending, l.answer(t, filled(c.size)), l.find, now); reasonOf(t, err) != c.reason {
			t.Errorf("a login of %s: %v", c.rule, err)
		}
	}
}

// Unknown members are a later browser's, and nulls an older one's.
func TestToleratedResponses(t *testing.T) {
	for rule, lie := range map[string]softkey.Lie{
		"unknown members":       outer("x", map[string]any{"a": []any{1.5e3, -0.25, true, nil, "é\n"}}),
		"unknown inner members": inner("x", 1),
		"unknown transports":    inner("transports", []string{"carrier-pigeon"}),
		"no transports":         inner("transports", nil),
		"null transports":       softkey.AlterInner(func(m map[string]any) { m["transports"] = nil }),
		"null attachment":       softkey.Alter(func(m map[string]any) { m["authenticatorAttachment"] = nil }),
		"null extensions":       softkey.Alter(func(m map[string]any) { m["clientExtensionResults"] = nil }),
		"no extensions":         outer("clientExtensionResults", nil),
		"made up publicKey":     inner("publicKey", "AAAA"),
		"indented": softkey.AlterBody(func(b []byte) []byte {
			var out bytes.Buffer
			if err := json.Indent(&out, b, " ", "\t"); err != nil {
				panic(err)
			}
			return out.Bytes()
		}),
		"escaped":             softkey.AlterBody(replace(`"type":"public-key"`, `"typ\u0065":"public\u002dkey"`)),
		"client data escaped": client(replace(`https://`, `https:\/\/`)),
	} {
		if _, err := lies(lie).run(t); err != nil {
			t.Errorf("%s: %v", rule, err)
		}
	}
}
