package rp_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"cpsgate/identity"
	"cpsgate/internal/softkey"
	"cpsgate/rp"
)

// hexBytes is a value of the test vectors.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	*h = b
	return err
}

func (h hexBytes) url() string { return base64.RawURLEncoding.EncodeToString(h) }

type vector struct {
	Section      string
	Registration struct {
		Challenge         hexBytes
		CredentialID      hexBytes `json:"credential_id"`
		ClientDataJSON    hexBytes
		AttestationObject hexBytes
	}
	Authentication struct {
		Challenge         hexBytes
		ClientDataJSON    hexBytes
		AuthenticatorData hexBytes
		Signature         hexBytes
	}
}

func (v vector) registration() []byte {
	r := v.Registration
	return mustJSON(map[string]any{
		"id": r.CredentialID.url(), "rawId": r.CredentialID.url(), "type": "public-key",
		"clientExtensionResults": map[string]any{},
		"response": map[string]any{
			"clientDataJSON":    r.ClientDataJSON.url(),
			"attestationObject": r.AttestationObject.url(),
		},
	})
}

func (v vector) authentication() []byte {
	a := v.Authentication
	return mustJSON(map[string]any{
		"id": v.Registration.CredentialID.url(), "rawId": v.Registration.CredentialID.url(), "type": "public-key",
		"clientExtensionResults": map[string]any{},
		"response": map[string]any{
			"clientDataJSON":    a.ClientDataJSON.url(),
			"authenticatorData": a.AuthenticatorData.url(),
			"signature":         a.Signature.url(),
		},
	})
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// vectors reads W3C's own test vectors, named in the file.
func vectors(tb testing.TB) (list []vector, root *x509.Certificate) {
	tb.Helper()
	raw, err := os.ReadFile("testdata/webauthn-l3-section-16.json")
	if err != nil {
		tb.Fatal(err)
	}
	var file struct {
		Root    hexBytes `json:"attestation_root"`
		Vectors []vector
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		tb.Fatal(err)
	}
	if root, err = x509.ParseCertificate(file.Root); err != nil {
		tb.Fatal(err)
	}
	return file.Vectors, root
}

func vectorParty(tb testing.TB, change func(*rp.Options)) *rp.RelyingParty {
	return party(tb, func(o *rp.Options) {
		o.ID, o.Origins = "example.org", []string{"https://example.org"}
		if change != nil {
			change(o)
		}
	})
}

func (v vector) pending() rp.PendingRegistration {
	return rp.PendingRegistration{
		Challenge: v.Registration.Challenge, Algorithms: rp.Algorithms(),
		UserVerification: rp.UserVerificationPreferred, Expires: now.Add(time.Minute),
	}
}

// outcome is what becomes of a vector here. The vectors have every flag that
// the specification permits: what our policy refuses of them has passed the
// specification first, as the tampered twin shows.
type outcome struct {
	registration rp.Reason
	kind         string    // attestation type, when accepted
	tampered     rp.Reason // registration with the attestation's last byte changed
}

var outcomes = map[string]outcome{
	"none-es256":                    {rp.ReasonBackupEligible, "", rp.ReasonMalformed},
	"packed-self-es256":             {rp.ReasonBackupEligible, "", rp.ReasonAttestation},
	"none-es256-crossOrigin":        {rp.ReasonOrigin, "", rp.ReasonOrigin},
	"none-es256-topOrigin":          {rp.ReasonOrigin, "", rp.ReasonOrigin},
	"none-es256-long-credential-id": {rp.ReasonBackupEligible, "", rp.ReasonMalformed},
	"packed-es256":                  {rp.ReasonBackupEligible, "", rp.ReasonAttestation},
	"packed-es384":                  {rp.ReasonBackupEligible, "", rp.ReasonAttestation},
	"packed-es512":                  {rp.ReasonBackupEligible, "", rp.ReasonAttestation},
	"packed-rs256":                  {rp.ReasonBackupEligible, "", rp.ReasonAlgorithm},
	"packed-eddsa":                  {"", "basic", rp.ReasonAttestation},
	"tpm-es256":                     {rp.ReasonBackupEligible, "", rp.ReasonAttestation},
	"apple-es256":                   {rp.ReasonBackupEligible, "", rp.ReasonAttestation},
	"fido-u2f-es256":                {"", "basic", rp.ReasonAttestation},
	// Its authorization lists are empty, and §8.4 wants an origin and a purpose.
	"android-key-es256": {rp.ReasonAttestation, "", rp.ReasonAttestation},
}

func TestSpecificationVectors(t *testing.T) {
	list, _ := vectors(t)
	if len(list) != len(outcomes) {
		t.Fatalf("%d vectors", len(list))
	}
	p := vectorParty(t, nil)
	for _, v := range list {
		name := strings.TrimPrefix(v.Section, "sctn-test-vectors-")
		t.Run(name, func(t *testing.T) {
			want := outcomes[name]
			passkey, err := p.FinishRegistration(v.pending(), v.registration(), now)
			if reasonOf(t, err) != want.registration {
				t.Errorf("registration: %v", err)
			}
			if passkey.AttestationType != want.kind {
				t.Errorf("attestation type %q", passkey.AttestationType)
			}
			// The last byte is in the key's y coordinate, in the exponent of an
			// RSA one, or in an Ed25519 one.
			o := v.Registration.AttestationObject
			o[len(o)-1] ^= 1
			_, err = p.FinishRegistration(v.pending(), v.registration(), now)
			if reason := reasonOf(t, err); reason != want.tampered && reason != rp.ReasonMalformed {
				t.Errorf("tampered registration: %v", err)
			}
		})
	}
}

func TestSpecificationVectorsSignIn(t *testing.T) {
	list, _ := vectors(t)
	p := vectorParty(t, nil)
	for _, v := range list {
		name := strings.TrimPrefix(v.Section, "sctn-test-vectors-")
		t.Run(name, func(t *testing.T) {
			if outcomes[name].registration == rp.ReasonOrigin {
				if reason := v.signIn(t, p); reason != rp.ReasonOrigin {
					t.Errorf("reason %q", reason)
				}
				return
			}
			want := rp.Reason("")
			if v.passkey(t).BackupEligible {
				want = rp.ReasonBackupEligible
			}
			if reason := v.signIn(t, p); reason != want {
				t.Errorf("reason %q instead of %q", reason, want)
			}
			v.Authentication.Signature[len(v.Authentication.Signature)-1] ^= 1
			if reason := v.signIn(t, p); reason != rp.ReasonSignature {
				t.Errorf("tampered: reason %q", reason)
			}
		})
	}
}

// passkey is the credential record of a vector, taken from its attestation
// object without judging it.
func (v vector) passkey(tb testing.TB) identity.Passkey {
	tb.Helper()
	var object struct {
		AuthData []byte `cbor:"authData"`
	}
	if err := cbor.Unmarshal(v.Registration.AttestationObject, &object); err != nil {
		tb.Fatal(err)
	}
	const fixed = 32 + 1 + 4 + 16 + 2 // WebAuthn L3 §6.1, §6.5.1
	id := v.Registration.CredentialID
	return identity.Passkey{
		ID: id, PublicKey: object.AuthData[fixed+len(id):], BackupEligible: object.AuthData[32]&softkey.FlagBE != 0,
	}
}

func (v vector) signIn(tb testing.TB, p *rp.RelyingParty) rp.Reason {
	tb.Helper()
	_, err := p.FinishLogin(rp.PendingLogin{
		Challenge: v.Authentication.Challenge, Allowed: [][]byte{v.Registration.CredentialID},
		UserVerification: rp.UserVerificationPreferred, Expires: now.Add(time.Minute),
	}, v.authentication(), func(_, _ []byte) (identity.Passkey, error) { return v.passkey(tb), nil }, now)
	return reasonOf(tb, err)
}

// W3C's root is above the certificates of its vectors.
func TestSpecificationVectorsChainToTheirRoot(t *testing.T) {
	list, root := vectors(t)
	roots := x509.NewCertPool()
	roots.AddCert(root)
	p := vectorParty(t, func(o *rp.Options) { o.AttestationMode, o.Roots = rp.ModeRequireTrustedRoots, roots })
	for _, v := range list {
		passkey, err := p.FinishRegistration(v.pending(), v.registration(), now)
		switch name := strings.TrimPrefix(v.Section, "sctn-test-vectors-"); name {
		case "packed-eddsa", "fido-u2f-es256":
			if err != nil || passkey.AttestationVerdict != rp.VerdictTrusted {
				t.Errorf("%s: %v", name, err)
			}
		default:
			if reason := reasonOf(t, err); reason != outcomes[name].registration {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
