package desk

import (
	"encoding/json"
	"fmt"
	"slices"

	"cpsgate/cardside"
	"cpsgate/cardside/ctap2"
)

// creationOptions is what this program takes of
// PublicKeyCredentialCreationOptionsJSON (WebAuthn L3 §5.4); members that it
// does not know are ignored, as a browser does.
type creationOptions struct {
	RP struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"rp"`
	User struct {
		ID          cardside.URLBytes `json:"id"`
		Name        string            `json:"name"`
		DisplayName string            `json:"displayName"`
	} `json:"user"`
	Challenge  cardside.URLBytes `json:"challenge"`
	Parameters []struct {
		Type string `json:"type"`
		Alg  int    `json:"alg"`
	} `json:"pubKeyCredParams"`
	Exclude    []descriptor `json:"excludeCredentials"`
	Extensions struct {
		CredProtect  string `json:"credentialProtectionPolicy"`
		MinPINLength bool   `json:"minPinLength"`
	} `json:"extensions"`
}

// requestOptions is the same of PublicKeyCredentialRequestOptionsJSON (§5.5).
type requestOptions struct {
	Challenge cardside.URLBytes `json:"challenge"`
	RPID      string            `json:"rpId"`
	Allow     []descriptor      `json:"allowCredentials"`
}

type descriptor struct {
	Type string            `json:"type"`
	ID   cardside.URLBytes `json:"id"`
}

// Bounds of options.
const (
	publicKey    = "public-key"
	minChallenge = 16 // bytes; WebAuthn L3 §13.4.3
	maxChallenge = 1024
	maxUserID    = 64 // §5.4.3
)

func readCreation(text json.RawMessage) (creationOptions, error) {
	var o creationOptions
	if err := json.Unmarshal(text, &o); err != nil {
		return o, fmt.Errorf("%w: creation options: %w", cardside.ErrServerAnswer, err)
	}
	if !goodChallenge(o.Challenge) || o.RP.ID == "" || len(o.User.ID) == 0 || len(o.User.ID) > maxUserID || len(o.algorithms()) == 0 {
		return o, fmt.Errorf("%w: creation options that lack something", cardside.ErrServerAnswer)
	}
	return o, nil
}

func readRequest(text json.RawMessage) (requestOptions, error) {
	var o requestOptions
	if err := json.Unmarshal(text, &o); err != nil {
		return o, fmt.Errorf("%w: request options: %w", cardside.ErrServerAnswer, err)
	}
	if !goodChallenge(o.Challenge) || o.RPID == "" {
		return o, fmt.Errorf("%w: request options that lack something", cardside.ErrServerAnswer)
	}
	return o, nil
}

func goodChallenge(c []byte) bool { return len(c) >= minChallenge && len(c) <= maxChallenge }

func (o creationOptions) algorithms() []int {
	var all []int
	for _, p := range o.Parameters {
		if p.Type == publicKey {
			all = append(all, p.Alg)
		}
	}
	return all
}

func ids(all []descriptor) [][]byte {
	var found [][]byte
	for _, d := range all {
		if d.Type == publicKey {
			found = append(found, d.ID)
		}
	}
	return found
}

// protections are the names of the credProtect extension (CTAP 2.1 §12.1.1).
var protections = map[string]ctap2.CredProtect{
	"userVerificationOptional":                     ctap2.ProtectUVOptional,
	"userVerificationOptionalWithCredentialIDList": ctap2.ProtectUVOptionalWithID,
	"userVerificationRequired":                     ctap2.ProtectUVRequired,
}

// creation is what the applet is asked for. What the hospital's policy demands
// is demanded; what the options would like is asked of applets that have it.
func (o creationOptions) creation(info ctap2.Info, p policy, hash []byte) ctap2.Creation {
	c := ctap2.Creation{
		ClientDataHash: hash, RP: ctap2.RelyingParty{ID: o.RP.ID, Name: o.RP.Name},
		User:       ctap2.User{ID: o.User.ID, Name: o.User.Name, DisplayName: o.User.DisplayName},
		Algorithms: o.algorithms(), Exclude: ids(o.Exclude), ResidentKey: true,
		CredProtect:  ctap2.CredProtect(p.CredProtect),
		MinPINLength: o.Extensions.MinPINLength && slices.Contains(info.Extensions, "minPinLength"),
	}
	if slices.Contains(info.Extensions, "credProtect") {
		c.CredProtect = max(c.CredProtect, protections[o.Extensions.CredProtect])
	}
	if p.EnterpriseAttestation {
		c.Enterprise = platformManaged
	}
	return c
}

// platformManaged asks for enterprise attestation wherever the platform has
// enabled it (CTAP 2.1 §7.1.3).
const platformManaged = 2
