package rp

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// The attestation types of WebAuthn L3 §6.5.3, as kept in
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
	if format == "compound" {
		return verifyCompound(raw, a, now)
	}
	return verifySingle(format, raw, a, now)
}

func verifySingle(format string, raw []byte, a attested, now time.Time) (statement, error) {
	members, err := readCBORMap(raw)
	if err != nil {
		return statement{}, err
	}
	switch format {
	case "none":
		return statement{kind: typeNone}, members.only() // §8.7
	case "packed":
		return verifyPacked(members, a, now)
	case "fido-u2f":
		return verifyU2F(members, a, now)
	case "tpm":
		return verifyTPM(members, a, now)
	case "android-key":
		return verifyAndroidKey(members, a)
	case "apple":
		return verifyApple(members, a)
	}
	return statement{}, errors.New("unsupported attestation statement format")
}

// verifyCompound is WebAuthn L3 §8.9, under the policy that every statement
// must verify. Type and trust path are those of the first one.
func verifyCompound(raw []byte, a attested, now time.Time) (statement, error) {
	parts, err := cborMap{"attStmt": raw}.array("attStmt")
	if err != nil {
		return statement{}, err
	}
	if len(parts) < 2 || len(parts) > maxPath {
		return statement{}, fmt.Errorf("compound of %d statements", len(parts))
	}
	var first statement
	for i, part := range parts {
		members, err := readCBORMap(part)
		if err != nil {
			return statement{}, fmt.Errorf("statement %d: %w", i, err)
		}
		format, err := members.text("fmt")
		if err != nil {
			return statement{}, fmt.Errorf("statement %d: %w", i, err)
		}
		s, err := verifySingle(format, members["attStmt"], a, now)
		if err := errors.Join(members.only("fmt", "attStmt"), err); err != nil {
			return statement{}, fmt.Errorf("statement %d, %s: %w", i, printable(format), err)
		}
		if i == 0 {
			first = s
		}
	}
	return first, nil
}

// assess is WebAuthn L3 §7.1 steps 23 and 24 under the party's mode.
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
