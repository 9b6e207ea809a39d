package authenticator_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"cpsgate/internal/testpki"
	"cpsgate/internal/virtualcard/authenticator"
)

// testAttestation is a packed attestation under the test root.
func testAttestation(t *testing.T) (authenticator.Attestation, *x509.CertPool) {
	t.Helper()
	pki, err := testpki.New(testpki.Options{Test: true})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := pki.Attestation(authenticator.DefaultAAGUID)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(pki.AttestationRoot())
	return authenticator.Attestation{Key: pair.Key, Chain: [][]byte{pair.DER}}, roots
}

// publicKey is the credential's key as crypto/ecdsa has it.
func (d data) publicKey(t *testing.T) *ecdsa.PublicKey {
	t.Helper()
	if d.key.Kty != 2 || d.key.Alg != -7 || d.key.Crv != 1 {
		t.Fatalf("credential key %+v", d.key)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, d.key.X...), d.key.Y...))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signed(key *ecdsa.PublicKey, raw, signature []byte) bool {
	digest := sha256.Sum256(append(bytes.Clone(raw), clientDataHash[:]...))
	return ecdsa.VerifyASN1(key, digest[:], signature)
}

func field[T any](t *testing.T, fields map[string]cbor.RawMessage, name string) (value T) {
	t.Helper()
	if err := cbor.Unmarshal(fields[name], &value); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return value
}

func TestMakeCredential(t *testing.T) {
	attestation, roots := testAttestation(t)
	p := withPIN(t, authenticator.Options{Attestation: attestation})
	made := p.make(nil)
	hash := sha256.Sum256([]byte(testRP))
	if !bytes.Equal(made.data.rpIDHash, hash[:]) || !bytes.Equal(made.data.aaguid, authenticator.DefaultAAGUID[:]) {
		t.Errorf("RP ID hash %x, AAGUID %x", made.data.rpIDHash, made.data.aaguid)
	}
	if made.data.flags != 0x01|0x04|0x40 || made.data.counter != 1 {
		t.Errorf("flags %#x, counter %d", made.data.flags, made.data.counter)
	}
	if made.format != "packed" || field[int](t, made.statement, "alg") != -7 {
		t.Errorf("attestation %s", made.format)
	}
	chain := field[[][]byte](t, made.statement, "x5c")
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		t.Errorf("the attestation's chain: %v", err)
	}
	if !signed(leaf.PublicKey.(*ecdsa.PublicKey), made.data.raw, field[[]byte](t, made.statement, "sig")) {
		t.Error("the attestation's signature is bad")
	}
	if made.data.publicKey(t).Equal(leaf.PublicKey) {
		t.Error("the credential's key is the attestation's")
	}
}

func TestAttestationFaults(t *testing.T) {
	for _, fault := range append(authenticator.AttestationFaults(), authenticator.FaultNone) {
		t.Run("fault "+string(fault), func(t *testing.T) {
			attestation, roots := testAttestation(t)
			p := withPIN(t, authenticator.Options{Attestation: attestation, Fault: fault})
			made := p.make(nil)
			if fault == authenticator.FaultNoStatement {
				if made.format != "none" || len(made.statement) != 0 {
					t.Errorf("%s %v", made.format, made.statement)
				}
				return
			}
			key, trusted := made.data.publicKey(t), false
			if _, attested := made.statement["x5c"]; attested == (fault == authenticator.FaultSelf) {
				t.Fatalf("x5c present: %t", attested)
			} else if attested {
				leaf, err := x509.ParseCertificate(field[[][]byte](t, made.statement, "x5c")[0])
				if err != nil {
					t.Fatal(err)
				}
				_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
				key, trusted = leaf.PublicKey.(*ecdsa.PublicKey), err == nil
			}
			sound := signed(key, made.data.raw, field[[]byte](t, made.statement, "sig"))
			if sound == (fault == authenticator.FaultBadSignature) {
				t.Errorf("signature verifies: %t", sound)
			}
			if trusted == (fault == authenticator.FaultStranger || fault == authenticator.FaultSelf) {
				t.Errorf("chain verifies: %t", trusted)
			}
			if same := bytes.Equal(made.data.aaguid, authenticator.DefaultAAGUID[:]); same == (fault == authenticator.FaultWrongAAGUID) {
				t.Errorf("AAGUID is the model's: %t", same)
			}
		})
	}
}
