package rp

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"hash"
	"math/big"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"cpsgate/identity"
)

// This file is the border with go-webauthn. The library writes the options,
// parses authenticator data and COSE keys and verifies signatures. Each call
// here has one meaning, so its failure has one reason; the library's error
// texts are kept for the operator and never read by the program.
//
// Its ceremonies (CreateCredential, ValidatePasskeyLogin) are not used: they
// read the clock, give one error type to a dozen verdicts, take the zero AAGUID
// and an empty x5c for permitted, accept an absent attStmt, compare member names
// of JSON and CBOR without case, and carry vendors' roots of their own.

const attachmentSeparate = string(protocol.CrossPlatform)

func checkRPID(id string) error { return protocol.ValidateRPID(id) }

func (p *RelyingParty) creationOptions(who identity.Professional, exclude []identity.Passkey, pending PendingRegistration) protocol.PublicKeyCredentialCreationOptions {
	name, display := shownName(who)
	o := protocol.PublicKeyCredentialCreationOptions{
		RelyingParty: protocol.RelyingPartyEntity{
			CredentialEntity: protocol.CredentialEntity{Name: p.o.Name},
			ID:               p.o.ID,
		},
		User: protocol.UserEntity{
			CredentialEntity: protocol.CredentialEntity{Name: name},
			DisplayName:      display,
			ID:               protocol.URLEncodedBase64(who.UserHandle),
		},
		Challenge: pending.Challenge,
		Timeout:   int(p.o.Timeout.Milliseconds()),
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			AuthenticatorAttachment: protocol.AuthenticatorAttachment(pending.Attachment),
			RequireResidentKey:      protocol.ResidentKeyRequired(),
			ResidentKey:             protocol.ResidentKeyRequirementRequired,
			UserVerification:        protocol.UserVerificationRequirement(pending.UserVerification),
		},
		Hints:       []protocol.PublicKeyCredentialHints{protocol.PublicKeyCredentialHintSecurityKey},
		Attestation: protocol.PreferDirectAttestation,
		Extensions: protocol.AuthenticationExtensions{
			CredProps:    true,
			MinPinLength: true,
			// Without its PIN a lost card then tells nobody whose it is.
			// Not enforced: an authenticator without the extension is no worse.
			CredentialProtectionPolicy: protocol.CredentialProtectionPolicyUserVerificationRequired,
		},
	}
	for _, alg := range pending.Algorithms {
		o.Parameters = append(o.Parameters, protocol.CredentialParameter{
			Type:      protocol.PublicKeyCredentialType,
			Algorithm: webauthncose.COSEAlgorithmIdentifier(alg),
		})
	}
	for _, k := range exclude {
		o.CredentialExcludeList = append(o.CredentialExcludeList, descriptor(k.ID, k.Transports))
	}
	return o
}

func (p *RelyingParty) requestOptions(pending PendingLogin) protocol.PublicKeyCredentialRequestOptions {
	return protocol.PublicKeyCredentialRequestOptions{
		Challenge:        pending.Challenge,
		Timeout:          int(p.o.Timeout.Milliseconds()),
		RelyingPartyID:   p.o.ID,
		UserVerification: protocol.UserVerificationRequirement(pending.UserVerification),
		Hints:            []protocol.PublicKeyCredentialHints{protocol.PublicKeyCredentialHintSecurityKey},
	}
}

func descriptor(id []byte, transports []string) protocol.CredentialDescriptor {
	d := protocol.CredentialDescriptor{Type: protocol.PublicKeyCredentialType, CredentialID: id}
	for _, t := range transports {
		d.Transport = append(d.Transport, protocol.AuthenticatorTransport(t))
	}
	return d
}

// authenticatorData is WebAuthn L3 §6.1, parsed and not yet believed.
type authenticatorData struct {
	raw          []byte
	rpIDHash     []byte
	flags        protocol.AuthenticatorFlags
	signCount    uint32
	aaguid       [16]byte
	credentialID []byte
	publicKey    []byte // COSE_Key, in CTAP2 canonical form
	minPINLength int
}

// parseAuthenticatorData refuses bytes after the structure, and attested data
// or extensions that the flags do not announce.
func parseAuthenticatorData(raw []byte) (authenticatorData, error) {
	var parsed protocol.AuthenticatorData
	if err := parsed.Unmarshal(raw); err != nil {
		return authenticatorData{}, fmt.Errorf("authenticator data: %w", err)
	}
	d := authenticatorData{
		raw:          raw,
		rpIDHash:     parsed.RPIDHash,
		flags:        parsed.Flags,
		signCount:    parsed.Counter,
		credentialID: parsed.AttData.CredentialID,
		publicKey:    parsed.AttData.CredentialPublicKey,
	}
	copy(d.aaguid[:], parsed.AttData.AAGUID)
	if parsed.Ext != nil && parsed.Ext.MinPinLength != nil && *parsed.Ext.MinPinLength <= maxPINLength {
		d.minPINLength = int(*parsed.Ext.MinPinLength)
	}
	return d, nil
}

// maxPINLength: CTAP 2.2 §6.5.1, a PIN has at most 63 bytes.
const maxPINLength = 63

var (
	errKeyKind = errors.New("key of a kind not supported")
	errRSAKey  = errors.New("RSA key too weak or too large")
)

// The RSA keys taken: RFC 8230 §2 (PS256) and RFC 8812 §2 (RS256) demand 2048
// bits at least; more than 4096 only cost time. Under exponent 1 anybody signs,
// an even one is none of RSA, and crypto/rsa takes none beyond 31 bits.
const (
	minRSABits     = 2048
	maxRSABits     = 4096
	minRSAExponent = 3
	maxRSAExponent = 1<<31 - 1
)

// coseKey is a credential public key (RFC 9052 §7).
type coseKey struct {
	alg    int
	public any // *ecdsa.PublicKey, ed25519.PublicKey or *rsa.PublicKey
	parsed any // the library's form
}

// readCOSEKey parses a credential public key and checks that it is one of its
// algorithm: curve, coordinates on it, modulus and exponent.
func readCOSEKey(raw []byte) (coseKey, error) {
	parsed, err := webauthncose.ParsePublicKey(raw)
	if err != nil {
		return coseKey{}, fmt.Errorf("credential public key: %w", err)
	}
	switch k := parsed.(type) {
	case webauthncose.EC2PublicKeyData:
		public, err := k.ToECDSA()
		if err != nil {
			return coseKey{}, fmt.Errorf("credential public key: %w", err)
		}
		return coseKey{alg: int(k.Algorithm), public: public, parsed: parsed}, nil
	case webauthncose.OKPPublicKeyData:
		return coseKey{alg: int(k.Algorithm), public: ed25519.PublicKey(k.XCoord), parsed: parsed}, nil
	case webauthncose.RSAPublicKeyData:
		e, err := webauthncose.ParseRSAPublicKeyDataExponent(&k)
		if err != nil {
			return coseKey{}, fmt.Errorf("credential public key: %w", err)
		}
		public := &rsa.PublicKey{N: new(big.Int).SetBytes(k.Modulus), E: e}
		if err := checkRSAKey(public); err != nil {
			return coseKey{}, fmt.Errorf("credential public key: %w", err)
		}
		return coseKey{alg: int(k.Algorithm), public: public, parsed: parsed}, nil
	}
	return coseKey{}, errKeyKind
}

func checkRSAKey(k *rsa.PublicKey) error {
	if bits := k.N.BitLen(); bits < minRSABits || bits > maxRSABits || k.N.Bit(0) == 0 {
		return fmt.Errorf("%w: a modulus of %d bits", errRSAKey, bits)
	}
	if k.E < minRSAExponent || k.E > maxRSAExponent || k.E%2 == 0 {
		return fmt.Errorf("%w: exponent %d", errRSAKey, k.E)
	}
	return nil
}

// CheckPublicKey parses a COSE_Key as FinishLogin will, and gives its algorithm.
func CheckPublicKey(raw []byte) (algorithm int, err error) {
	key, err := readCOSEKey(raw)
	return key.alg, err
}

// equals reports whether a certificate's key is this one.
func (k coseKey) equals(certified any) bool {
	switch own := k.public.(type) {
	case *ecdsa.PublicKey:
		return own.Equal(certified)
	case ed25519.PublicKey:
		return own.Equal(certified)
	case *rsa.PublicKey:
		return own.Equal(certified)
	}
	return false
}

var errSignature = errors.New("signature does not verify")

// verifySignature verifies sig over message with a COSE key.
func verifySignature(rawKey, message, sig []byte) error {
	key, err := readCOSEKey(rawKey)
	if err != nil {
		return err
	}
	valid, err := webauthncose.VerifySignature(key.parsed, message, sig)
	if err != nil {
		return fmt.Errorf("%w: %w", errSignature, err)
	}
	if !valid {
		return errSignature
	}
	return nil
}

// certificateAlgorithm is the X.509 name of a COSE signature algorithm.
func certificateAlgorithm(alg int64) (x509.SignatureAlgorithm, bool) {
	a := webauthncose.SigAlgFromCOSEAlg(webauthncose.COSEAlgorithmIdentifier(alg))
	return a, a != x509.UnknownSignatureAlgorithm
}

// coseHash is the hash of a COSE signature algorithm.
func coseHash(alg int64) (hash.Hash, bool) {
	return webauthncose.HasherFromCOSEAlg(webauthncose.COSEAlgorithmIdentifier(alg))
}

// unmarshalCBOR decodes exactly one item of CTAP2 CBOR: no duplicate keys, no
// tags, no indefinite lengths, nothing after it.
func unmarshalCBOR(data []byte, into any) error { return webauthncbor.Unmarshal(data, into) }
