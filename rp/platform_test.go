package rp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"testing"

	"cpsgate/internal/softkey"
	"cpsgate/internal/testpki"
	"cpsgate/rp"
)

// The formats of platform authenticators (WebAuthn L3 §8.3, §8.4, §8.8), made
// here by hand: a key of the test's is the credential's, and the certificate
// is under the test root.

type platformKey struct{ *ecdsa.PrivateKey }

func newPlatformKey(tb testing.TB) platformKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return platformKey{key}
}

// is makes the key the credential's.
func (k platformKey) is(d *softkey.Draft) { d.PublicKey = softkey.COSEKey(k.Public(), softkey.ES256) }

func (k platformKey) sign(tb testing.TB, parts ...[]byte) []byte {
	tb.Helper()
	sig, err := softkey.Sign(k, softkey.ES256, slices.Concat(parts...))
	if err != nil {
		tb.Fatal(err)
	}
	return sig
}

func der(tb testing.TB, v any, params string) []byte {
	tb.Helper()
	b, err := asn1.MarshalWithParams(v, params)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// certificate is an attestation certificate over key, bent by alter.
func certificate(tb testing.TB, key any, alter ...func(*testpki.Template)) []byte {
	tb.Helper()
	pair, err := pki().Attestation(aaguid, append([]func(*testpki.Template){func(c *testpki.Template) { c.PublicKey = key }}, alter...)...)
	if err != nil {
		tb.Fatal(err)
	}
	return pair.DER
}

func trustedRoots(tb testing.TB) func(*rp.Options) {
	return func(o *rp.Options) {
		o.AttestationMode, o.Roots = rp.ModeRequireTrustedRoots, attestationRoots(tb)
	}
}

func TestAppleStatements(t *testing.T) {
	key := newPlatformKey(t)
	nonceID := asn1.ObjectIdentifier{1, 2, 840, 113635, 100, 8, 2}
	extension := func(nonce []byte) pkix.Extension {
		return pkix.Extension{Id: nonceID, Value: der(t, struct {
			Nonce []byte `asn1:"tag:1,explicit"`
		}{nonce}, "")}
	}
	for _, c := range []struct {
		rule   string
		reason rp.Reason
		alter  func(*testpki.Template)
		bend   func(softkey.Map)
	}{
		{rule: "a good one"},
		{"another nonce", rp.ReasonAttestation, func(c *testpki.Template) { c.Set(extension(make([]byte, 32))) }, nil},
		{"no nonce", rp.ReasonAttestation, func(c *testpki.Template) { c.Remove(nonceID) }, nil},
		{"a nonce of another shape", rp.ReasonAttestation, func(c *testpki.Template) { c.Set(pkix.Extension{Id: nonceID, Value: []byte{5, 0}}) }, nil},
		{"bytes after the nonce", rp.ReasonAttestation, func(c *testpki.Template) { e := c.Extension(nonceID); e.Value = append(e.Value, 0) }, nil},
		{"a certificate of another key", rp.ReasonAttestation, func(c *testpki.Template) { c.PublicKey = stranger().Public() }, nil},
		{"a certificate of a key of another kind", rp.ReasonAttestation, func(c *testpki.Template) { c.PublicKey = pki().WeakKey().Public() }, nil},
		{"a certificate under another root", rp.ReasonAttestation, func(c *testpki.Template) { c.Signer = stranger() }, nil},
		{"a further member", rp.ReasonAttestation, nil, func(m softkey.Map) { m["alg"] = -7 }},
		{"no x5c", rp.ReasonAttestation, nil, func(m softkey.Map) { delete(m, "x5c") }},
	} {
		t.Run(c.rule, func(t *testing.T) {
			attest := softkey.Attest("apple", func(authData, hash []byte) any {
				nonce := sha256.Sum256(slices.Concat(authData, hash))
				alters := []func(*testpki.Template){func(t *testpki.Template) { t.Set(extension(nonce[:])) }}
				if c.alter != nil {
					alters = append(alters, c.alter)
				}
				m := softkey.Map{"x5c": []any{certificate(t, key.Public(), alters...)}}
				if c.bend != nil {
					c.bend(m)
				}
				return m
			})
			passkey, err := registration{options: trustedRoots(t), lies: []softkey.Lie{key.is, attest}}.run(t)
			if reason := reasonOf(t, err); reason != c.reason || err == nil && passkey.AttestationType != "anonca" {
				t.Errorf("reason %q: %v", reason, err)
			}
		})
	}
}

// authorization is one explicitly tagged field of an AuthorizationList.
func authorization(tb testing.TB, tag int, value []byte) []byte {
	return der(tb, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: true, Bytes: value}, "")
}

func TestAndroidKeyStatements(t *testing.T) {
	key := newPlatformKey(t)
	descriptionID := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 1, 17}
	sequence := func(fields ...[]byte) asn1.RawValue {
		return asn1.RawValue{FullBytes: der(t, asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: slices.Concat(fields...)}, "")}
	}
	sign := authorization(t, 1, der(t, []int{3, 2}, "set"))
	verify := authorization(t, 1, der(t, []int{3}, "set"))
	generated := authorization(t, 702, der(t, 0, ""))
	imported := authorization(t, 702, der(t, 2, ""))
	everyone := authorization(t, 600, []byte{5, 0})
	algorithm := authorization(t, 2, der(t, 3, ""))
	type lists struct{ software, tee [][]byte }
	good := lists{tee: [][]byte{sign, algorithm, generated}}
	for _, c := range []struct {
		rule   string
		reason rp.Reason
		lists  lists
		alter  func(*testpki.Template)
		bend   func(softkey.Map)
	}{
		{rule: "in hardware", lists: good},
		{rule: "in software", lists: lists{software: [][]byte{sign, generated}}},
		{"all applications", rp.ReasonAttestation, lists{tee: good.tee, software: [][]byte{everyone}}, nil, nil},
		{"an imported key", rp.ReasonAttestation, lists{tee: [][]byte{sign, imported}}, nil, nil},
		{"an imported key behind a generated one", rp.ReasonAttestation, lists{tee: good.tee, software: [][]byte{imported}}, nil, nil},
		{"no origin", rp.ReasonAttestation, lists{tee: [][]byte{sign}}, nil, nil},
		{"no purpose", rp.ReasonAttestation, lists{tee: [][]byte{generated}}, nil, nil},
		{"another purpose", rp.ReasonAttestation, lists{tee: [][]byte{verify, generated}}, nil, nil},
		{"a field that is not tagged", rp.ReasonAttestation, lists{tee: [][]byte{sign, generated, {5, 0}}}, nil, nil},
		{"an origin that is no number", rp.ReasonAttestation, lists{tee: [][]byte{sign, authorization(t, 702, []byte{5, 0})}}, nil, nil},
		{"bytes after an origin", rp.ReasonAttestation, lists{tee: [][]byte{sign, authorization(t, 702, []byte{2, 1, 0, 0})}}, nil, nil},
		{"a purpose that is no set", rp.ReasonAttestation, lists{tee: [][]byte{authorization(t, 1, []byte{2, 1, 2}), generated}}, nil, nil},
		{"half a field", rp.ReasonAttestation, lists{tee: [][]byte{sign, generated, {0xBF}}}, nil, nil},
		{"no description", rp.ReasonAttestation, good, func(c *testpki.Template) { c.Remove(descriptionID) }, nil},
		{"bytes after the description", rp.ReasonAttestation, good, func(c *testpki.Template) { e := c.Extension(descriptionID); e.Value = append(e.Value, 0) }, nil},
		{"another challenge", rp.ReasonAttestation, good, func(c *testpki.Template) {
			e := c.Extension(descriptionID)
			e.Value[20] ^= 1
		}, nil},
		{"a certificate of another key", rp.ReasonAttestation, good, func(c *testpki.Template) { c.PublicKey = stranger().Public() }, nil},
		{"a wrong signature", rp.ReasonAttestation, good, nil, func(m softkey.Map) { m["sig"] = []byte{1} }},
		{"a signature by a key other than the credential's", rp.ReasonAttestation, good, func(c *testpki.Template) { c.PublicKey = stranger().Public() },
			func(m softkey.Map) {
				sig, err := softkey.Sign(stranger(), softkey.ES256, m["sig over"].([]byte))
				if err != nil {
					t.Fatal(err)
				}
				m["sig"] = sig
			}},
		{"no alg", rp.ReasonAttestation, good, nil, func(m softkey.Map) { delete(m, "alg") }},
		{"no sig", rp.ReasonAttestation, good, nil, func(m softkey.Map) { delete(m, "sig") }},
		{"no x5c", rp.ReasonAttestation, good, nil, func(m softkey.Map) { delete(m, "x5c") }},
		{"a further member", rp.ReasonAttestation, good, nil, func(m softkey.Map) { m["ver"] = "2.0" }},
	} {
		t.Run(c.rule, func(t *testing.T) {
			attest := softkey.Attest("android-key", func(authData, hash []byte) any {
				description := der(t, struct {
					Version           int
					SecurityLevel     asn1.Enumerated
					KeymasterVersion  int
					KeymasterSecurity asn1.Enumerated
					Challenge, Unique []byte
					Software, TEE     asn1.RawValue
				}{300, 1, 300, 1, hash, []byte{}, sequence(c.lists.software...), sequence(c.lists.tee...)}, "")
				alters := []func(*testpki.Template){func(t *testpki.Template) {
					t.Set(pkix.Extension{Id: descriptionID, Value: description})
				}}
				if c.alter != nil {
					alters = append(alters, c.alter)
				}
				m := softkey.Map{
					"alg": softkey.ES256, "sig": key.sign(t, authData, hash), "sig over": slices.Concat(authData, hash),
					"x5c": []any{certificate(t, key.Public(), alters...)},
				}
				if c.bend != nil {
					c.bend(m)
				}
				delete(m, "sig over")
				return m
			})
			passkey, err := registration{options: trustedRoots(t), lies: []softkey.Lie{key.is, attest}}.run(t)
			if reason := reasonOf(t, err); reason != c.reason || err == nil && passkey.AttestationType != "basic" {
				t.Errorf("reason %q: %v", reason, err)
			}
		})
	}
}
