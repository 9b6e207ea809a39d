package rp

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"
)

// The attestation types of WebAuthn L3 §6.5.4, as kept in
// identity.Passkey.AttestationType. A format that leaves open whether its
// certificates are Basic or AttCA is given typeBasic.
const (
	typeNone   = "none"
	typeSelf   = "self"
	typeBasic  = "basic"
	typeAttCA  = "attca"
	typeAnonCA = "anonca"
)

// attestationObject is WebAuthn L3 §6.5.4, parsed.
type attestationObject struct {
	format    string
	authData  []byte
	statement []byte // CBOR, by the format's syntax
}

// readAttestationObject demands the three members of the specification and no
// other, by their exact names. (go-webauthn matches them without case and
// takes an absent attStmt for an empty one.)
func readAttestationObject(raw []byte) (attestationObject, error) {
	members, err := readCBORMap(raw)
	if err != nil {
		return attestationObject{}, fmt.Errorf("attestation object: %w", err)
	}
	var o attestationObject
	if err := members.only("fmt", "authData", "attStmt"); err != nil {
		return attestationObject{}, fmt.Errorf("attestation object: %w", err)
	}
	if o.format, err = members.text("fmt"); err != nil {
		return attestationObject{}, fmt.Errorf("attestation object: %w", err)
	}
	if o.authData, err = members.bytes("authData"); err != nil {
		return attestationObject{}, fmt.Errorf("attestation object: %w", err)
	}
	if o.statement = members["attStmt"]; o.statement == nil {
		return attestationObject{}, fmt.Errorf("attestation object: attStmt: %w", errMember)
	}
	return o, nil
}

// attested is what a statement speaks of.
type attested struct {
	authenticatorData
	key            coseKey
	clientDataHash [sha256.Size]byte
}

// signed is what most formats sign: authenticatorData || clientDataHash.
func (a attested) signed() []byte { return slices.Concat(a.raw, a.clientDataHash[:]) }

// statement is what a verified attestation statement says.
type statement struct {
	kind string
	path []*x509.Certificate // the trust path, leaf first
}

// verifyStatement runs the verification procedure of the format named
// (WebAuthn L3 §8). It tells a correct statement from a wrong one; whether the
// trust path leads anywhere is assess's to say. android-safetynet is not
// supported: its service has ended.
func verifyStatement(format string, raw []byte, a attested, now time.Time) (statement, error) {
	members, err := readCBORMap(raw)
	if err != nil {
		return statement{}, err
	}
	switch format {
	case "none":
		return statement{kind: typeNone}, members.only() // §8.7
	case "packed":
		return verifyPacked(members, a, now)
	}
	return statement{}, errors.New("unsupported attestation statement format")
}

// assess is WebAuthn L3 §7.1 steps 22 and 23 under the party's mode.
func (p *RelyingParty) assess(data authenticatorData, s statement, now time.Time) (verdict string, _ *Refusal) {
	untrusted := p.checkTrustPath(s, now)
	known := slices.Contains(p.o.AllowedAAGUIDs, data.aaguid)
	if p.o.AttestationMode != ModeRecord {
		if s.kind == typeNone {
			return "", refuse(ReasonAttestation, "no attestation, and mode is %s", p.o.AttestationMode)
		}
		if data.aaguid == [16]byte{} {
			return "", refuse(ReasonAAGUID, "the zero AAGUID, and mode is %s", p.o.AttestationMode)
		}
		if len(p.o.AllowedAAGUIDs) > 0 && !known {
			return "", refuse(ReasonAAGUID, "model %s is not allowed", FormatAAGUID(data.aaguid))
		}
	}
	if p.o.AttestationMode == ModeRequireTrustedRoots && untrusted != nil {
		return "", refuse(ReasonAttestation, "%w", untrusted)
	}
	switch {
	case untrusted == nil:
		return VerdictTrusted, nil
	case known && s.kind != typeNone:
		return VerdictKnown, nil
	}
	return VerdictRecorded, nil
}

// checkTrustPath: the attestation certificate chains to our roots, or is one.
func (p *RelyingParty) checkTrustPath(s statement, now time.Time) error {
	if p.o.Roots == nil {
		return errors.New("no attestation roots")
	}
	if len(s.path) == 0 {
		return fmt.Errorf("attestation of type %s has no certificate", s.kind)
	}
	intermediates := x509.NewCertPool()
	for _, c := range s.path[1:] {
		intermediates.AddCert(c)
	}
	_, err := s.path[0].Verify(x509.VerifyOptions{
		Roots:         p.o.Roots,
		Intermediates: intermediates,
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return fmt.Errorf("attestation certificate: %w", err)
	}
	return nil
}

// checkStored is assess for a login: the mode may be stricter than it was when
// the passkey was registered.
func (p *RelyingParty) checkStored(format, verdict string, aaguid [16]byte) *Refusal {
	if p.o.AttestationMode == ModeRecord {
		return nil
	}
	switch {
	case format == "" || format == "none":
		return refuse(ReasonAttestation, "registered without attestation, and mode is %s", p.o.AttestationMode)
	case aaguid == [16]byte{}:
		return refuse(ReasonAAGUID, "the zero AAGUID, and mode is %s", p.o.AttestationMode)
	case len(p.o.AllowedAAGUIDs) > 0 && !slices.Contains(p.o.AllowedAAGUIDs, aaguid):
		return refuse(ReasonAAGUID, "model %s is not allowed", FormatAAGUID(aaguid))
	case p.o.AttestationMode == ModeRequireTrustedRoots && verdict != VerdictTrusted:
		return refuse(ReasonAttestation, "registered with verdict %q, and mode is %s", verdict, p.o.AttestationMode)
	}
	return nil
}

// idFIDOGenCEAAGUID is id-fido-gen-ce-aaguid, WebAuthn L3 §8.2.1.
var idFIDOGenCEAAGUID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}

// checkCertificateAAGUID: when the certificate names a model, it is the one
// claimed (WebAuthn L3 §8.2, §8.2.1).
func checkCertificateAAGUID(c *x509.Certificate, aaguid [16]byte) error {
	for _, e := range c.Extensions {
		if !e.Id.Equal(idFIDOGenCEAAGUID) {
			continue
		}
		if e.Critical {
			return errors.New("attestation certificate: the AAGUID extension is critical")
		}
		var certified []byte
		if rest, err := asn1.Unmarshal(e.Value, &certified); err != nil || len(rest) > 0 {
			return errors.New("attestation certificate: the AAGUID extension is no OCTET STRING")
		}
		if !slices.Equal(certified, aaguid[:]) {
			return errors.New("attestation certificate: issued for another AAGUID")
		}
	}
	return nil
}

// maxPath bounds the work of path validation; real paths hold one to four.
const maxPath = 8

// readPath parses x5c, leaf first.
func readPath(m cborMap) ([]*x509.Certificate, error) {
	elements, err := m.array("x5c")
	if err != nil {
		return nil, err
	}
	if len(elements) == 0 || len(elements) > maxPath {
		return nil, fmt.Errorf("x5c has %d certificates", len(elements))
	}
	path := make([]*x509.Certificate, len(elements))
	for i, element := range elements {
		der, err := cborMap{"certificate": element}.bytes("certificate")
		if err != nil {
			return nil, fmt.Errorf("x5c[%d]: %w", i, err)
		}
		if path[i], err = x509.ParseCertificate(der); err != nil {
			return nil, fmt.Errorf("x5c[%d]: %w", i, err)
		}
	}
	return path, nil
}

// checkInForce refuses a path with a certificate out of its validity: §8 leaves
// it to path validation, which mode "record" does not run.
func checkInForce(path []*x509.Certificate, now time.Time) error {
	for i, c := range path {
		if now.Before(c.NotBefore) || now.After(c.NotAfter) {
			return fmt.Errorf("x5c[%d] is valid from %s to %s only", i,
				c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly))
		}
	}
	return nil
}
