package cardside

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

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
	Type        CeremonyType `json:"type"`
	Challenge   URLBytes     `json:"challenge"`
	Origin      string       `json:"origin"`
	CrossOrigin bool         `json:"crossOrigin"`
}

// Ceremony is one WebAuthn ceremony that this program plays the browser in.
type Ceremony struct {
	Challenge  URLBytes `json:"challenge"`
	Origin     string   `json:"origin"`
	RPID       string   `json:"rpId"`
	clientData []byte
}

// CeremonyType is the type of client data (WebAuthn L3 §5.8.1).
type CeremonyType string

// The types.
const (
	TypeCreate CeremonyType = "webauthn.create"
	TypeGet    CeremonyType = "webauthn.get"
)

// ErrOrigin is a relying party that is not the site spoken with.
var ErrOrigin = errors.New("the relying party is another site than the one spoken with")

// NewCeremony makes the client data for a site at origin that asks with this
// challenge. Its rpID must be the origin's host or a domain above it (WebAuthn
// L3 §5.1.3 step 8); which domains are public suffixes is not known here, so one
// of a single label never is such a domain.
func NewCeremony(kind CeremonyType, origin, rpID string, challenge []byte) (Ceremony, error) {
	site, err := url.Parse(origin)
	if err != nil || site.Scheme != "https" || site.Scheme+"://"+site.Host != origin {
		return Ceremony{}, fmt.Errorf("%w: origin %q", ErrOrigin, origin)
	}
	host := site.Hostname()
	if rpID != host && (!strings.Contains(rpID, ".") || !strings.HasSuffix(host, "."+rpID)) {
		return Ceremony{}, fmt.Errorf("%w: %q for %q", ErrOrigin, rpID, origin)
	}
	return ceremony(kind, Ceremony{Challenge: challenge, Origin: origin, RPID: rpID})
}

// newCeremony makes one for a relying party that is here in name only, with a
// challenge of our own.
func newCeremony(kind CeremonyType, rpID string) (Ceremony, error) {
	c := Ceremony{Challenge: make([]byte, 32), Origin: "https://" + rpID, RPID: rpID}
	if _, err := rand.Read(c.Challenge); err != nil {
		return Ceremony{}, fmt.Errorf("making a challenge: %w", err)
	}
	return ceremony(kind, c)
}

func ceremony(kind CeremonyType, c Ceremony) (Ceremony, error) {
	var err error
	c.clientData, err = json.Marshal(clientData{Type: kind, Challenge: c.Challenge, Origin: c.Origin})
	return c, err
}

// Hash is SHA-256 over the client data, which authenticators sign.
func (c Ceremony) Hash() []byte {
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

// Transports are how an authenticator is reached, as WebAuthn says it (L3
// §5.8.4).
func (c *Card) Transports() []string {
	if c.card == nil {
		return []string{"usb"}
	}
	return []string{transportSmartCard}
}

// Registration is the new credential as a browser would hand it to a page.
func (c Ceremony) Registration(a ctap2.Attestation, data ctap2.AuthenticatorData, transports []string) any {
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

// Authentication is an assertion as a browser would hand it to a page.
func (c Ceremony) Authentication(a ctap2.Assertion) any {
	response := assertionResponse{ClientData: c.clientData, AuthenticatorData: a.AuthData, Signature: a.Signature}
	if a.User != nil {
		response.UserHandle = a.User.ID
	}
	return publicKeyCredential{
		ID: a.CredentialID, RawID: a.CredentialID, Type: "public-key", Attachment: "cross-platform", Response: response,
	}
}
