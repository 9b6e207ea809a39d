package cardside

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"cpsgate/cardside/ctap2"
)

// URLBytes are written in base64url without padding, as WebAuthn's JSON is.
type URLBytes []byte

// MarshalText writes base64url.
func (b URLBytes) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, b), nil
}

// UnmarshalText reads base64url.
func (b *URLBytes) UnmarshalText(text []byte) error {
	decoded, err := base64.RawURLEncoding.AppendDecode(nil, text)
	*b = decoded
	return err
}

// clientData is CollectedClientData (WebAuthn L3 §5.8.1), in the order of its
// serialisation.
type clientData struct {
	Type        string   `json:"type"`
	Challenge   URLBytes `json:"challenge"`
	Origin      string   `json:"origin"`
	CrossOrigin bool     `json:"crossOrigin"`
}

// Ceremony is one WebAuthn ceremony that this program plays the browser in.
type Ceremony struct {
	Challenge  URLBytes `json:"challenge"`
	Origin     string   `json:"origin"`
	RPID       string   `json:"rpId"`
	clientData []byte
}

// The types of client data.
const (
	typeCreate = "webauthn.create"
	typeGet    = "webauthn.get"
)

// newCeremony makes one for a relying party that is here in name only, with a
// challenge of our own.
func newCeremony(kind, rpID string) (Ceremony, error) {
	c := Ceremony{Challenge: make([]byte, 32), Origin: "https://" + rpID, RPID: rpID}
	if _, err := rand.Read(c.Challenge); err != nil {
		return Ceremony{}, fmt.Errorf("making a challenge: %w", err)
	}
	var err error
	c.clientData, err = json.Marshal(clientData{Type: kind, Challenge: c.Challenge, Origin: c.Origin})
	return c, err
}

func (c Ceremony) hash() []byte {
	sum := sha256.Sum256(c.clientData)
	return sum[:]
}

// publicKeyCredential is RegistrationResponseJSON or AuthenticationResponseJSON
// (WebAuthn L3 §5.1).
type publicKeyCredential struct {
	ID         URLBytes `json:"id"`
	RawID      URLBytes `json:"rawId"`
	Type       string   `json:"type"`
	Attachment string   `json:"authenticatorAttachment"`
	Response   any      `json:"response"`
	Extensions struct{} `json:"clientExtensionResults"`
}

type attestationResponse struct {
	ClientData        URLBytes `json:"clientDataJSON"`
	AuthenticatorData URLBytes `json:"authenticatorData"`
	Transports        []string `json:"transports"`
	Algorithm         int      `json:"publicKeyAlgorithm"`
	AttestationObject URLBytes `json:"attestationObject"`
}

type assertionResponse struct {
	ClientData        URLBytes `json:"clientDataJSON"`
	AuthenticatorData URLBytes `json:"authenticatorData"`
	Signature         URLBytes `json:"signature"`
	UserHandle        URLBytes `json:"userHandle,omitempty"`
}

// transportSmartCard is the transport of a contact card (WebAuthn L3 §5.8.4).
const transportSmartCard = "smart-card"

// registration is the new credential as a browser would hand it to a page.
func (c Ceremony) registration(a ctap2.Attestation, data ctap2.AuthenticatorData, transports []string) publicKeyCredential {
	_, alg, err := ctap2.ParsePublicKey(data.PublicKey)
	if err != nil {
		alg = 0 // of no kind known here; the relying party reads it itself
	}
	return publicKeyCredential{
		ID: data.CredentialID, RawID: data.CredentialID, Type: "public-key", Attachment: "cross-platform",
		Response: attestationResponse{
			ClientData: c.clientData, AuthenticatorData: a.AuthData, Transports: transports,
			Algorithm: alg, AttestationObject: a.Object(),
		},
	}
}

// authentication is an assertion as a browser would hand it to a page.
func (c Ceremony) authentication(a ctap2.Assertion) publicKeyCredential {
	response := assertionResponse{ClientData: c.clientData, AuthenticatorData: a.AuthData, Signature: a.Signature}
	if a.User != nil {
		response.UserHandle = a.User.ID
	}
	return publicKeyCredential{
		ID: a.CredentialID, RawID: a.CredentialID, Type: "public-key", Attachment: "cross-platform", Response: response,
	}
}
