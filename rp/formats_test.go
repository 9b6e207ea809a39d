package rp_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"testing"
	"time"

	"cpsgate/internal/softkey"
	"cpsgate/internal/testpki"
	"cpsgate/rp"
)

// WebAuthn L3 §8.6.
func TestU2FStatements(t *testing.T) {
	genuine := certified(t)
	u2f := func(change func(*softkey.Options)) func(*softkey.Options) {
		return func(o *softkey.Options) {
			genuine(o)
			o.Attestation = softkey.U2F
			if change != nil {
				change(o)
			}
		}
	}
	statement := softkey.AlterStatement
	for _, c := range []struct {
		rule   string
		device func(*softkey.Options)
		reason rp.Reason
		lies   []softkey.Lie
	}{
		{"a good one", u2f(nil), "", nil},
		{"a wrong signature", u2f(nil), rp.ReasonAttestation, []softkey.Lie{softkey.BadSignature()}},
		{"a second certificate", u2f(func(o *softkey.Options) { o.Chain = append(o.Chain, o.Chain[0]) }), rp.ReasonAttestation, nil},
		{"no certificate", u2f(nil), rp.ReasonAttestation, []softkey.Lie{statement(func(m softkey.Map) { delete(m, "x5c") })}},
		{"no signature", u2f(nil), rp.ReasonAttestation, []softkey.Lie{statement(func(m softkey.Map) { delete(m, "sig") })}},
		{"a further member", u2f(nil), rp.ReasonAttestation, []softkey.Lie{statement(func(m softkey.Map) { m["alg"] = -7 })}},
		{"an expired certificate", func(o *softkey.Options) {
			certified(t, func(c *testpki.Template) { c.NotAfter = now.Add(-time.Hour) })(o)
			o.Attestation = softkey.U2F
		}, rp.ReasonAttestation, nil},
		{"a certificate of an RSA key", func(o *softkey.Options) {
			certified(t, func(c *testpki.Template) { c.PublicKey = pki().WeakKey().Public() })(o)
			o.Attestation = softkey.U2F
		}, rp.ReasonAttestation, nil},
		{"a credential of another curve", u2f(func(o *softkey.Options) { o.Algorithms = []int{softkey.ES384} }), rp.ReasonAttestation, nil},
	} {
		t.Run(c.rule, func(t *testing.T) {
			_, err := registration{device: c.device, lies: c.lies}.run(t)
			if reason := reasonOf(t, err); reason != c.reason {
				t.Errorf("reason %q: %v", reason, err)
			}
		})
	}
}

// WebAuthn L3 §8.9: every statement must verify.
func TestCompoundStatements(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	// A credential of a key that the test holds, so that it can attest itself.
	own := func(d *softkey.Draft) { d.PublicKey = softkey.COSEKey(key.Public(), softkey.ES256) }
	self := func(authData, clientDataHash []byte) softkey.Map {
		sig, err := softkey.Sign(key, softkey.ES256, append(bytes.Clone(authData), clientDataHash...))
		if err != nil {
			t.Fatal(err)
		}
		return softkey.Map{"fmt": "packed", "attStmt": softkey.Map{"alg": softkey.ES256, "sig": sig}}
	}
	none := softkey.Map{"fmt": "none", "attStmt": softkey.Map{}}
	for _, c := range []struct {
		rule   string
		reason rp.Reason
		parts  func(self softkey.Map) any
	}{
		{"two good ones", "", func(self softkey.Map) any { return []any{self, none} }},
		{"one alone", rp.ReasonAttestation, func(self softkey.Map) any { return []any{self} }},
		{"none at all", rp.ReasonAttestation, func(softkey.Map) any { return []any{} }},
		{"a map", rp.ReasonAttestation, func(self softkey.Map) any { return self }},
		{"a compound in it", rp.ReasonAttestation, func(self softkey.Map) any {
			return []any{self, softkey.Map{"fmt": "compound", "attStmt": softkey.Map{}}}
		}},
		{"a wrong one", rp.ReasonAttestation, func(self softkey.Map) any {
			return []any{self, softkey.Map{"fmt": "packed", "attStmt": softkey.Map{"alg": softkey.ES256, "sig": []byte{1}}}}
		}},
		{"a further member", rp.ReasonAttestation, func(self softkey.Map) any {
			return []any{self, softkey.Map{"fmt": "none", "attStmt": softkey.Map{}, "x": 1}}
		}},
		{"no format", rp.ReasonAttestation, func(self softkey.Map) any { return []any{self, softkey.Map{"attStmt": softkey.Map{}}} }},
		{"no statement", rp.ReasonAttestation, func(self softkey.Map) any { return []any{self, softkey.Map{"fmt": "none"}} }},
		{"a part that is no map", rp.ReasonAttestation, func(self softkey.Map) any { return []any{self, 1} }},
	} {
		passkey, err := lies(own, softkey.Attest("compound", func(authData, hash []byte) any { return c.parts(self(authData, hash)) })).run(t)
		if reason := reasonOf(t, err); reason != c.reason || err == nil && passkey.AttestationType != "self" {
			t.Errorf("%s: reason %q: %v", c.rule, reason, err)
		}
	}
}
