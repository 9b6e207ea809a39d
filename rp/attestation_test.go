package rp_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"sync"
	"testing"
	"time"

	"cpsgate/internal/softkey"
	"cpsgate/internal/testpki"
	"cpsgate/rp"
)

var pki = sync.OnceValue(func() *testpki.PKI {
	p, err := testpki.New(testpki.Options{Now: func() time.Time { return now }, Test: true})
	if err != nil {
		panic(err)
	}
	return p
})

func attestationRoots(testing.TB) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(pki().AttestationRoot())
	return pool
}

// certified makes a device attested by a certificate under the test root.
func certified(tb testing.TB, alter ...func(*testpki.Template)) func(*softkey.Options) {
	tb.Helper()
	pair, err := pki().Attestation(aaguid, alter...)
	if err != nil {
		tb.Fatal(err)
	}
	return func(o *softkey.Options) {
		o.Attestation, o.AttestationKey, o.Chain = softkey.Certified, pair.Key, [][]byte{pair.DER}
	}
}

func require(mode rp.Mode, models ...[16]byte) func(*testing.T, *rp.Options) {
	return func(t *testing.T, o *rp.Options) {
		o.AttestationMode, o.AllowedAAGUIDs = mode, models
		if mode == rp.ModeRequireTrustedRoots {
			o.Roots = attestationRoots(t)
		}
	}
}

func TestAttestationModes(t *testing.T) {
	self := func(o *softkey.Options) {}
	none := func(o *softkey.Options) { o.Attestation = softkey.None }
	genuine := certified(t)
	zero := func(of func(*softkey.Options)) func(*softkey.Options) {
		return func(o *softkey.Options) { of(o); o.AAGUID = [16]byte{} }
	}
	u2f := func(o *softkey.Options) { genuine(o); o.Attestation = softkey.U2F }
	withoutModel := certified(t, func(c *testpki.Template) { c.Remove(testpki.ExtensionFIDOGenCEAAGUID) })
	foreign := certified(t, func(c *testpki.Template) {
		// The right issuer's name under the key of somebody else.
		c.Signer = stranger()
	})
	record, known, trusted := require(rp.ModeRecord), require(rp.ModeRequireKnown, other, aaguid), require(rp.ModeRequireTrustedRoots)
	trustedKnown := require(rp.ModeRequireTrustedRoots, other)
	recordAll := func(t *testing.T, o *rp.Options) { o.AllowedAAGUIDs, o.Roots = [][16]byte{aaguid}, attestationRoots(t) }
	for _, c := range []struct {
		rule    string
		mode    func(*testing.T, *rp.Options)
		device  func(*softkey.Options)
		reason  rp.Reason
		verdict string
	}{
		{"record takes certified", record, genuine, "", rp.VerdictRecorded},
		{"record takes self", record, self, "", rp.VerdictRecorded},
		{"record takes none", record, none, "", rp.VerdictRecorded},
		{"record takes the zero AAGUID", record, zero(self), "", rp.VerdictRecorded},
		{"record takes a foreign root", record, foreign, "", rp.VerdictRecorded},
		{"record takes fido-u2f", record, u2f, "", rp.VerdictRecorded},
		{"record notes a trusted root", recordAll, genuine, "", rp.VerdictTrusted},
		{"record notes a known model", recordAll, self, "", rp.VerdictKnown},
		{"record notes nothing of a model without attestation", recordAll, none, "", rp.VerdictRecorded},
		{"record notes nothing of a foreign root", recordAll, foreign, "", rp.VerdictKnown},

		{"known takes a model of the list", known, genuine, "", rp.VerdictKnown},
		{"known takes its claim by self attestation", known, self, "", rp.VerdictKnown},
		{"known refuses another model", require(rp.ModeRequireKnown, other), self, rp.ReasonAAGUID, ""},
		{"known refuses the zero AAGUID", known, zero(self), rp.ReasonAAGUID, ""},
		{"known refuses none", known, none, rp.ReasonAttestation, ""},

		{"trusted takes a certificate under the root", trusted, genuine, "", rp.VerdictTrusted},
		{"trusted takes one that names no model", trusted, withoutModel, "", rp.VerdictTrusted},
		{"trusted refuses self", trusted, self, rp.ReasonAttestation, ""},
		{"trusted refuses none", trusted, none, rp.ReasonAttestation, ""},
		{"trusted refuses a foreign root", trusted, foreign, rp.ReasonAttestation, ""},
		{"trusted refuses the zero AAGUID", trusted, zero(withoutModel), rp.ReasonAAGUID, ""},
		{"trusted refuses a model off its list", trustedKnown, genuine, rp.ReasonAAGUID, ""},
	} {
		t.Run(c.rule, func(t *testing.T) {
			passkey, err := registration{options: func(o *rp.Options) { c.mode(t, o) }, device: c.device}.run(t)
			if reason := reasonOf(t, err); reason != c.reason {
				t.Errorf("reason %q instead of %q: %v", reason, c.reason, err)
			}
			if passkey.AttestationVerdict != c.verdict {
				t.Errorf("verdict %q instead of %q", passkey.AttestationVerdict, c.verdict)
			}
		})
	}
}

var stranger = sync.OnceValue(func() crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
})

// An intermediate between root and attestation certificate, sent in x5c.
func TestTrustPathOverIntermediate(t *testing.T) {
	issuer := testpki.Name{testpki.Single(testpki.AttributeCommonName, "TEST attestation intermediate")}
	intermediate := func(ca bool) []byte {
		pair, err := pki().Attestation(aaguid, func(c *testpki.Template) {
			c.Subject, c.PublicKey = issuer, stranger().Public()
			c.Extensions = []pkix.Extension{testpki.BasicConstraints(ca, -1)}
		})
		if err != nil {
			t.Fatal(err)
		}
		return pair.DER
	}
	below := certified(t, func(c *testpki.Template) { c.Issuer, c.Signer = issuer.DER(), stranger() })
	chain := func(more ...[]byte) func(*softkey.Options) {
		return func(o *softkey.Options) { below(o); o.Chain = append(o.Chain, more...) }
	}
	trusted := func(o *rp.Options) { require(rp.ModeRequireTrustedRoots)(t, o) }
	for _, c := range []struct {
		rule   string
		device func(*softkey.Options)
		reason rp.Reason
	}{
		{"with it", chain(intermediate(true)), ""},
		{"with it and the root", chain(intermediate(true), pki().AttestationRoot().Raw), ""},
		{"without it", chain(), rp.ReasonAttestation},
		{"an intermediate that is no CA", chain(intermediate(false)), rp.ReasonAttestation},
	} {
		_, err := registration{options: trusted, device: c.device}.run(t)
		if reason := reasonOf(t, err); reason != c.reason {
			t.Errorf("%s: reason %q: %v", c.rule, reason, err)
		}
	}
}

// WebAuthn L3 §8.2.
func TestPackedStatements(t *testing.T) {
	statement := softkey.AlterStatement
	genuine := certified(t)
	for _, c := range []struct {
		rule   string
		device func(*softkey.Options)
		reason rp.Reason
		lies   []softkey.Lie
	}{
		{"certified", genuine, "", nil},
		{"self", nil, "", nil},
		{"self with another algorithm than the key", nil, rp.ReasonAttestation, []softkey.Lie{statement(func(m softkey.Map) { m["alg"] = -257 })}},
		{"self with ES256 by another name", nil, rp.ReasonAttestation, []softkey.Lie{statement(func(m softkey.Map) { m["alg"] = -9 })}},
		{"self with a wrong signature", nil, rp.ReasonAttestation, []softkey.Lie{softkey.BadSignature()}},
		{"self by another key", nil, rp.ReasonAttestation, []softkey.Lie{softkey.SignWith(stranger())}},
		{"no alg", nil, rp.ReasonAttestation, []softkey.Lie{statement(func(m softkey.Map) { delete(m, "alg") })}},
		{"alg as text", nil, rp.ReasonAttestation, []softkey.Lie{statement(func(m softkey.Map) { m["alg"] = "ES256" })}},
		{"no sig", nil, rp.ReasonAttestation, []softkey.Lie{statement(func(m softkey.Map) { delete(m, "sig") })}},
		{"sig as text", nil, rp.ReasonAttestation, []softkey.Lie{statement(func(m softkey.Map) { m["sig"] = "x" })}},
		{"a further member", nil, rp.ReasonAttestation, []softkey.Lie{statement(func(m softkey.Map) { m["ver"] = "2.0" })}},
		{"ECDAA", nil, rp.ReasonAttestation, []softkey.Lie{statement(func(m softkey.Map) { m["ecdaaKeyId"] = []byte{1} })}},
		{"self with an empty x5c", nil, rp.ReasonAttestation, []softkey.Lie{statement(func(m softkey.Map) { m["x5c"] = []any{} })}},
		{"self with an x5c that is no list", nil, rp.ReasonAttestation, []softkey.Lie{statement(func(m softkey.Map) { m["x5c"] = []byte{1} })}},
		{"an empty x5c", genuine, rp.ReasonAttestation, []softkey.Lie{statement(func(m softkey.Map) { m["x5c"] = []any{} })}},
		{"an x5c of text", genuine, rp.ReasonAttestation, []softkey.Lie{statement(func(m softkey.Map) { m["x5c"] = []any{"x"} })}},
		{"an x5c of no certificate", genuine, rp.ReasonAttestation, []softkey.Lie{statement(func(m softkey.Map) { m["x5c"] = []any{[]byte{0x30, 0}} })}},
		{"an x5c of ten", genuine, rp.ReasonAttestation, []softkey.Lie{statement(func(m softkey.Map) {
			for len(m["x5c"].([]any)) < 10 {
				m["x5c"] = append(m["x5c"].([]any), m["x5c"].([]any)[0])
			}
		})}},
		{"an x5c with a broken second", genuine, rp.ReasonAttestation, []softkey.Lie{statement(func(m softkey.Map) { m["x5c"] = append(m["x5c"].([]any), []byte{1}) })}},
		{"no x5c where the signature needs it", genuine, rp.ReasonAttestation, []softkey.Lie{statement(func(m softkey.Map) { delete(m, "x5c") })}},
		{"certified with a wrong signature", genuine, rp.ReasonAttestation, []softkey.Lie{softkey.BadSignature()}},
		{"certified with another algorithm", genuine, rp.ReasonAttestation, []softkey.Lie{statement(func(m softkey.Map) { m["alg"] = -257 })}},
		{"certified with an unknown algorithm", genuine, rp.ReasonAttestation, []softkey.Lie{statement(func(m softkey.Map) { m["alg"] = 7 })}},
		{"authenticator data changed after signing", genuine, rp.ReasonAttestation, []softkey.Lie{func(d *softkey.Draft) {
			d.SwapAuthData = func(b []byte) []byte { b[36]++; return b }
		}}},
		{"client data changed after signing", genuine, rp.ReasonAttestation, []softkey.Lie{func(d *softkey.Draft) { d.SwapClient = appended(" ") }}},
		{"a statement that is a list", nil, rp.ReasonAttestation, []softkey.Lie{softkey.Statement([]any{})}},
		{"a statement that is null", nil, rp.ReasonAttestation, []softkey.Lie{softkey.Statement(softkey.Raw{0xF6})}},
		{"a statement of fmt none", nil, rp.ReasonAttestation, []softkey.Lie{softkey.Format("none")}},
		{"no statement under fmt packed", nil, rp.ReasonAttestation, []softkey.Lie{softkey.Statement(softkey.Map{})}},
		{"an unknown format", nil, rp.ReasonAttestation, []softkey.Lie{softkey.Format("Packed")}},
		{"an empty format", nil, rp.ReasonAttestation, []softkey.Lie{softkey.Format("")}},
		{"android-safetynet", nil, rp.ReasonAttestation, []softkey.Lie{softkey.Format("android-safetynet")}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			_, err := registration{device: c.device, lies: c.lies}.run(t)
			if reason := reasonOf(t, err); reason != c.reason {
				t.Errorf("reason %q: %v", reason, err)
			}
		})
	}
}

// WebAuthn L3 §8.2.1, and the AAGUID of §8.2.
func TestPackedCertificates(t *testing.T) {
	subject := func(id asn1.ObjectIdentifier, value string) func(*testpki.Template) {
		return func(c *testpki.Template) {
			for _, rdn := range c.Subject {
				if rdn[0].Type.Equal(id) {
					rdn[0].Value = value
				}
			}
		}
	}
	without := func(id asn1.ObjectIdentifier) func(*testpki.Template) {
		return func(c *testpki.Template) { c.Subject = c.Subject.Without(id) }
	}
	model := func(value []byte, critical bool) func(*testpki.Template) {
		return func(c *testpki.Template) {
			c.Set(pkix.Extension{Id: testpki.ExtensionFIDOGenCEAAGUID, Value: value, Critical: critical})
		}
	}
	for _, c := range []struct {
		rule   string
		alter  func(*testpki.Template)
		reason rp.Reason
	}{
		{"a good one", func(*testpki.Template) {}, ""},
		{"one that names no model", func(c *testpki.Template) { c.Remove(testpki.ExtensionFIDOGenCEAAGUID) }, ""},
		{"one without basic constraints", func(c *testpki.Template) { c.Remove(asn1.ObjectIdentifier{2, 5, 29, 19}) }, ""},
		{"version 1", func(c *testpki.Template) { c.Version, c.Extensions = -1, nil }, rp.ReasonAttestation},
		{"version 2", func(c *testpki.Template) { c.Version, c.Extensions = 1, nil }, rp.ReasonAttestation},
		{"no country", without(testpki.AttributeCountry), rp.ReasonAttestation},
		{"a country that is no code", subject(testpki.AttributeCountry, "FRA"), rp.ReasonAttestation},
		{"a country in lower case", subject(testpki.AttributeCountry, "fr"), rp.ReasonAttestation},
		{"no organisation", without(testpki.AttributeOrganization), rp.ReasonAttestation},
		{"no unit", without(testpki.AttributeUnit), rp.ReasonAttestation},
		{"another unit", subject(testpki.AttributeUnit, "Authenticator attestation"), rp.ReasonAttestation},
		{"a second unit", func(c *testpki.Template) { c.Subject = append(c.Subject, testpki.Single(testpki.AttributeUnit, "x")) }, rp.ReasonAttestation},
		{"no common name", without(testpki.AttributeCommonName), rp.ReasonAttestation},
		{"a CA", func(c *testpki.Template) { c.Set(testpki.BasicConstraints(true, -1)) }, rp.ReasonAttestation},
		{"another model", func(c *testpki.Template) { c.Set(testpki.AAGUID(other)) }, rp.ReasonAttestation},
		{"the model in a critical extension", model(testpki.AAGUID(aaguid).Value, true), rp.ReasonAttestation},
		{"the model in one OCTET STRING only", model(aaguid[:], false), rp.ReasonAttestation},
		{"bytes after the model", model(append(testpki.AAGUID(aaguid).Value, 0), false), rp.ReasonAttestation},
		{"expired", func(c *testpki.Template) { c.NotAfter = now.Add(-time.Hour) }, rp.ReasonAttestation},
		{"not yet valid", func(c *testpki.Template) { c.NotBefore = now.Add(time.Hour) }, rp.ReasonAttestation},
	} {
		t.Run(c.rule, func(t *testing.T) {
			_, err := registration{device: certified(t, c.alter)}.run(t)
			if reason := reasonOf(t, err); reason != c.reason {
				t.Errorf("reason %q: %v", reason, err)
			}
		})
	}
}

// The verdict belongs to the moment judged, not to the one of the judge.
func TestAttestationIsJudgedAtItsTime(t *testing.T) {
	p := party(t, func(o *rp.Options) { require(rp.ModeRequireTrustedRoots)(t, o) })
	options, pending, err := p.BeginRegistration(holder, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := device(certified(t)).Create(origin, options)
	if err != nil {
		t.Fatal(err)
	}
	pending.Expires = now.AddDate(100, 0, 0)
	for years, reason := range map[int]rp.Reason{0: "", 8: "", 10: rp.ReasonAttestation, -1: rp.ReasonAttestation} {
		_, err := p.FinishRegistration(pending, body, now.AddDate(years, 0, 0))
		if got := reasonOf(t, err); got != reason {
			t.Errorf("after %d years: %v", years, err)
		}
	}
}
