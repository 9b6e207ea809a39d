package softkey_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"cpsgate/internal/softkey"
)

// The examples of RFC 8949 appendix A, and the key order of CTAP 2.2 §8: by
// major type, then length, then bytes.
func TestEncode(t *testing.T) {
	for want, v := range map[string]any{
		"00":                       0,
		"17":                       23,
		"1818":                     24,
		"1903e8":                   1000,
		"1a000f4240":               1000000,
		"20":                       -1,
		"3903e7":                   -1000,
		"4401020304":               []byte{1, 2, 3, 4},
		"6449455446":               "IETF",
		"83010203":                 []any{1, 2, 3},
		"f5":                       true,
		"f4":                       false,
		"a0":                       softkey.Map{},
		"a201020304":               softkey.Map{1: 2, 3: 4},
		"a50100030020002100616100": softkey.Map{-2: 0, 3: 0, -1: 0, 1: 0, "a": 0},
		"a26161016262620a":         softkey.Map{"bb": 10, "a": 1},
	} {
		if got := hex.EncodeToString(softkey.Encode(v)); got != want {
			t.Errorf("%v is %s instead of %s", v, got, want)
		}
	}
}

const (
	creation = `{"rp":{"id":"sso.example","name":"x"},"user":{"id":"AQID","name":"n","displayName":"d"},"challenge":"Y2hhbGxlbmdl",` +
		`"pubKeyCredParams":[{"type":"public-key","alg":-257},{"type":"public-key","alg":-7}],"attestation":"direct",` +
		`"extensions":{"minPinLength":true,"credentialProtectionPolicy":"userVerificationRequired"}}`
	request = `{"rpId":"sso.example","challenge":"Y2hhbGxlbmdl"}`
	page    = "https://sso.example"
)

type answer struct {
	ID       string
	Response struct {
		ClientDataJSON, AttestationObject, AuthenticatorData, Signature, UserHandle, PublicKey string
	}
}

func read(t *testing.T, body []byte) (a answer) {
	t.Helper()
	if err := json.Unmarshal(body, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

func octets(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A registration and an assertion, verified with the standard library alone.
func TestDeviceSignsWhatItSays(t *testing.T) {
	device := softkey.New(softkey.Options{AAGUID: [16]byte{7}, Attestation: softkey.Self, MinPINLength: 6})
	body, err := device.Create(page, []byte(creation))
	if err != nil {
		t.Fatal(err)
	}
	made := read(t, body)
	public, err := x509.ParsePKIXPublicKey(octets(t, made.Response.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	var object struct {
		Format    string `cbor:"fmt"`
		AuthData  []byte `cbor:"authData"`
		Statement struct {
			Alg int    `cbor:"alg"`
			Sig []byte `cbor:"sig"`
		} `cbor:"attStmt"`
	}
	if err := cbor.Unmarshal(octets(t, made.Response.AttestationObject), &object); err != nil {
		t.Fatal(err)
	}
	if object.Format != "packed" || object.Statement.Alg != softkey.ES256 {
		t.Errorf("attestation %q by %d", object.Format, object.Statement.Alg)
	}
	verify(t, public.(*ecdsa.PublicKey), object.AuthData, made, object.Statement.Sig)
	if !bytes.HasSuffix(object.AuthData, softkey.Encode(softkey.Map{"credProtect": 3, "minPinLength": 6})) {
		t.Error("extension outputs are missing")
	}

	if body, err = device.Get(page, []byte(request)); err != nil {
		t.Fatal(err)
	}
	got := read(t, body)
	if got.ID != made.ID || got.Response.UserHandle != "AQID" {
		t.Errorf("credential %s of %s", got.ID, got.Response.UserHandle)
	}
	data := octets(t, got.Response.AuthenticatorData)
	rpIDHash := sha256.Sum256([]byte("sso.example"))
	want := slices.Concat(rpIDHash[:], []byte{softkey.FlagUP | softkey.FlagUV, 0, 0, 0, 2})
	if !bytes.Equal(data, want) {
		t.Errorf("authenticator data %x", data)
	}
	verify(t, public.(*ecdsa.PublicKey), data, got, octets(t, got.Response.Signature))
	client := `{"type":"webauthn.get","challenge":"Y2hhbGxlbmdl","origin":"https://sso.example","crossOrigin":false}`
	if s := string(octets(t, got.Response.ClientDataJSON)); s != client {
		t.Errorf("client data %s", s)
	}
}

func verify(t *testing.T, public *ecdsa.PublicKey, data []byte, a answer, sig []byte) {
	t.Helper()
	client := sha256.Sum256(octets(t, a.Response.ClientDataJSON))
	digest := sha256.Sum256(slices.Concat(data, client[:]))
	if !ecdsa.VerifyASN1(public, digest[:], sig) {
		t.Error("the signature does not verify")
	}
}

func TestDeviceRefusesAsABrowserDoes(t *testing.T) {
	device := softkey.New(softkey.Options{})
	if _, err := device.Get(page, []byte(request)); !errors.Is(err, softkey.ErrNotAllowed) {
		t.Errorf("no credential: %v", err)
	}
	if _, err := device.Create("https://sso.example.evil.example", []byte(creation)); !errors.Is(err, softkey.ErrSecurity) {
		t.Errorf("another site's RP ID: %v", err)
	}
	body, err := device.Create(page, []byte(creation))
	if err != nil {
		t.Fatal(err)
	}
	excluding := creation[:len(creation)-1] + `,"excludeCredentials":[{"type":"public-key","id":"` + read(t, body).ID + `"}]}`
	if _, err := device.Create(page, []byte(excluding)); !errors.Is(err, softkey.ErrInvalidState) {
		t.Errorf("excluded credential: %v", err)
	}
	only := softkey.New(softkey.Options{Algorithms: []int{softkey.EdDSA}})
	if _, err := only.Create(page, []byte(creation)); !errors.Is(err, softkey.ErrNotSupported) {
		t.Errorf("no algorithm in common: %v", err)
	}
	// One discoverable credential for a user of a site.
	if _, err := device.Create(page, []byte(creation)); err != nil || len(device.Credentials()) != 1 {
		t.Errorf("second credential of a user: %v, %d held", err, len(device.Credentials()))
	}
}
