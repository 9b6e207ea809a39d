package rp_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"testing"

	"golang.org/x/crypto/cryptobyte"

	"cpsgate/internal/softkey"
	"cpsgate/internal/testpki"
	"cpsgate/rp"
)

// tpm is what a TPM says, with every part to bend.
type tpm struct {
	alg              int // of the credential key: ES256 or RS256
	public           []byte
	magic            uint32
	kind             uint16
	nameAlg          uint16
	extraData, after []byte
	name             []byte
	aik              []func(*testpki.Template)
	members          func(softkey.Map)
}

var (
	tpmSAN  = asn1.ObjectIdentifier{2, 5, 29, 17}
	tpmEKU  = asn1.ObjectIdentifier{2, 5, 29, 37}
	tpmAIK  = asn1.ObjectIdentifier{2, 23, 133, 8, 3}
	tpmName = testpki.Name{
		testpki.Single(asn1.ObjectIdentifier{2, 23, 133, 2, 1}, "id:00000000"),
		testpki.Single(asn1.ObjectIdentifier{2, 23, 133, 2, 2}, "TEST TPM"),
		testpki.Single(asn1.ObjectIdentifier{2, 23, 133, 2, 3}, "id:00000001"),
	}
)

func directoryName(tb testing.TB, name testpki.Name) []byte {
	return der(tb, []asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 4, IsCompound: true, Bytes: name.DER()}}, "")
}

// aikShape turns the packed attestation certificate into one of §8.3.1.
func aikShape(tb testing.TB) func(*testpki.Template) {
	return func(c *testpki.Template) {
		c.Subject = nil
		c.Set(pkix.Extension{Id: tpmSAN, Critical: true, Value: directoryName(tb, tpmName)})
		c.Set(pkix.Extension{Id: tpmEKU, Value: der(tb, []asn1.ObjectIdentifier{tpmAIK}, "")})
	}
}

func sized(b *cryptobyte.Builder, value []byte) {
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(value) })
}

// tpmtPublic writes TPMT_PUBLIC (TPM 2.0 Part 2 §12.2.4).
func tpmtPublic(public any, nameAlg uint16) []byte {
	var b cryptobyte.Builder
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			panic(err)
		}
		b.AddUint16(0x0023)
		b.AddUint16(nameAlg)
		b.AddUint32(0x00020072)
		sized(&b, []byte("policy"))
		b.AddUint16(0x0010) // symmetric: null
		b.AddUint16(0x0018) // scheme: ECDSA
		b.AddUint16(0x000B) // with SHA-256
		b.AddUint16(0x0003) // P-256
		b.AddUint16(0x0010) // kdf: null
		sized(&b, point[1:33])
		sized(&b, point[33:])
	case *rsa.PublicKey:
		b.AddUint16(0x0001)
		b.AddUint16(nameAlg)
		b.AddUint32(0x00020072)
		sized(&b, nil)
		b.AddUint16(0x0006) // symmetric: AES
		b.AddUint16(128)
		b.AddUint16(0x0043)
		b.AddUint16(0x0010) // scheme: null
		b.AddUint16(2048)
		b.AddUint32(0) // 65537
		sized(&b, k.N.Bytes())
	}
	return b.BytesOrPanic()
}

func (s tpm) statement(tb testing.TB, credential any, authData, hash []byte) softkey.Map {
	tb.Helper()
	public := s.public
	if public == nil {
		public = tpmtPublic(credential, s.nameAlg)
	}
	toBeSigned := sha256.Sum256(slices.Concat(authData, hash))
	extra, name := s.extraData, s.name
	if extra == nil {
		extra = toBeSigned[:]
	}
	if name == nil {
		digest := sha256.Sum256(public)
		name = append([]byte{byte(s.nameAlg >> 8), byte(s.nameAlg)}, digest[:]...)
	}
	var b cryptobyte.Builder
	b.AddUint32(s.magic)
	b.AddUint16(s.kind)
	sized(&b, []byte("signer"))
	sized(&b, extra)
	b.AddBytes(make([]byte, 17+8))
	sized(&b, name)
	sized(&b, []byte("qualified"))
	b.AddBytes(s.after)
	info := b.BytesOrPanic()
	aik := newPlatformKey(tb)
	m := softkey.Map{
		"ver": "2.0", "alg": softkey.ES256, "certInfo": info, "pubArea": public,
		"sig": aik.sign(tb, info),
		"x5c": []any{certificate(tb, aik.Public(), append([]func(*testpki.Template){aikShape(tb)}, s.aik...)...)},
	}
	if s.members != nil {
		s.members(m)
	}
	return m
}

func TestTPMStatements(t *testing.T) {
	key := newPlatformKey(t)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	aik := func(f func(*testpki.Template)) func(*tpm) { return func(s *tpm) { s.aik = append(s.aik, f) } }
	extension := func(id asn1.ObjectIdentifier, value []byte) func(*tpm) {
		return aik(func(c *testpki.Template) { c.Set(pkix.Extension{Id: id, Value: value}) })
	}
	member := func(name string, v any) func(*tpm) {
		return func(s *tpm) {
			s.members = func(m softkey.Map) {
				if m[name] = v; v == nil {
					delete(m, name)
				}
			}
		}
	}
	public := func(f func([]byte) []byte) func(*tpm) {
		return func(s *tpm) { s.public = f(tpmtPublic(key.Public(), s.nameAlg)) }
	}
	for _, c := range []struct {
		rule   string
		reason rp.Reason
		bend   func(*tpm)
	}{
		{"an EC key", "", func(*tpm) {}},
		{"an RSA key", "", func(s *tpm) { s.alg = softkey.RS256 }},
		{"another version", rp.ReasonAttestation, member("ver", "1.2")},
		{"no version", rp.ReasonAttestation, member("ver", nil)},
		{"no algorithm", rp.ReasonAttestation, member("alg", nil)},
		{"another algorithm", rp.ReasonAttestation, member("alg", -257)},
		{"no signature", rp.ReasonAttestation, member("sig", nil)},
		{"a wrong signature", rp.ReasonAttestation, member("sig", []byte{1})},
		{"no certInfo", rp.ReasonAttestation, member("certInfo", nil)},
		{"no pubArea", rp.ReasonAttestation, member("pubArea", nil)},
		{"no x5c", rp.ReasonAttestation, member("x5c", nil)},
		{"ECDAA", rp.ReasonAttestation, member("ecdaaKeyId", []byte{1})},
		{"not made by a TPM", rp.ReasonAttestation, func(s *tpm) { s.magic = 1 }},
		{"not a certification", rp.ReasonAttestation, func(s *tpm) { s.kind = 0x8018 }},
		{"another ceremony", rp.ReasonAttestation, func(s *tpm) { s.extraData = make([]byte, 32) }},
		{"another name", rp.ReasonAttestation, func(s *tpm) { s.name = make([]byte, 34) }},
		{"a name algorithm unknown", rp.ReasonAttestation, func(s *tpm) { s.nameAlg = 0x0004 }},
		{"bytes after certInfo", rp.ReasonAttestation, func(s *tpm) { s.after = []byte{0} }},
		{"half of certInfo", rp.ReasonAttestation, member("certInfo", []byte{0xFF, 0x54, 0x43, 0x47, 0x80, 0x17, 0})},
		{"a pubArea of another key", rp.ReasonAttestation, func(s *tpm) { s.public = tpmtPublic(stranger().Public(), s.nameAlg) }},
		{"a pubArea of a key of another type", rp.ReasonAttestation, func(s *tpm) { s.public = tpmtPublic(&rsaKey.PublicKey, s.nameAlg) }},
		{"a pubArea on another curve", rp.ReasonAttestation, public(replace("\x00\x03\x00\x10", "\x00\x04\x00\x10"))},
		{"a pubArea on an unknown curve", rp.ReasonAttestation, public(replace("\x00\x03\x00\x10", "\x00\x20\x00\x10"))},
		{"a pubArea of an unknown type", rp.ReasonAttestation, public(func(b []byte) []byte { b[1] = 8; return b })},
		{"half a pubArea", rp.ReasonAttestation, public(func(b []byte) []byte { return b[:len(b)-1] })},
		{"bytes after pubArea", rp.ReasonAttestation, public(appended("\x00"))},
		{"an empty pubArea", rp.ReasonAttestation, member("pubArea", []byte{})},
		{"an AIK certificate with a subject", rp.ReasonAttestation, aik(func(c *testpki.Template) { c.Subject = tpmName })},
		{"an AIK certificate of version 1", rp.ReasonAttestation, aik(func(c *testpki.Template) { c.Version, c.Extensions = -1, nil })},
		{"an AIK certificate that is a CA", rp.ReasonAttestation, aik(func(c *testpki.Template) { c.Set(testpki.BasicConstraints(true, -1)) })},
		{"an AIK certificate without basic constraints", rp.ReasonAttestation, aik(func(c *testpki.Template) { c.Remove(asn1.ObjectIdentifier{2, 5, 29, 19}) })},
		{"an AIK certificate without usage", rp.ReasonAttestation, aik(func(c *testpki.Template) { c.Remove(tpmEKU) })},
		{"an AIK certificate of another usage", rp.ReasonAttestation, extension(tpmEKU, der(t, []asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 2}}, ""))},
		{"an AIK certificate of another model", rp.ReasonAttestation, aik(func(c *testpki.Template) { c.Set(testpki.AAGUID(other)) })},
		{"an AIK certificate without TPM", rp.ReasonAttestation, aik(func(c *testpki.Template) { c.Remove(tpmSAN) })},
		{"an AIK certificate without version of the TPM", rp.ReasonAttestation, extension(tpmSAN, directoryName(t, tpmName[:2]))},
		{"an AIK certificate of a DNS name", rp.ReasonAttestation, extension(tpmSAN, der(t, []asn1.RawValue{{Class: 2, Tag: 2, Bytes: []byte("tpm.example")}}, ""))},
		{"bytes after the TPM's name", rp.ReasonAttestation, extension(tpmSAN, append(directoryName(t, tpmName), 0))},
		{"an AIK certificate expired", rp.ReasonAttestation, aik(func(c *testpki.Template) { c.NotAfter = now.AddDate(0, 0, -1) })},
		{"an AIK certificate under another root", rp.ReasonAttestation, aik(func(c *testpki.Template) { c.Signer = stranger() })},
	} {
		t.Run(c.rule, func(t *testing.T) {
			s := tpm{alg: softkey.ES256, magic: 0xFF544347, kind: 0x8017, nameAlg: 0x000B}
			c.bend(&s)
			credential := any(key.Public())
			if s.alg == softkey.RS256 {
				credential = &rsaKey.PublicKey
			}
			is := func(d *softkey.Draft) { d.PublicKey = softkey.COSEKey(credential, s.alg) }
			attest := softkey.Attest("tpm", func(authData, hash []byte) any { return s.statement(t, credential, authData, bytes.Clone(hash)) })
			passkey, err := registration{options: trustedRoots(t), lies: []softkey.Lie{is, attest}}.run(t)
			if reason := reasonOf(t, err); reason != c.reason || err == nil && passkey.AttestationType != "attca" {
				t.Errorf("reason %q: %v", reason, err)
			}
		})
	}
}
