package softkey

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// octets is binary data in the JSON of WebAuthn L3 §5.1: base64url.
type octets []byte

func (o *octets) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	*o = b
	return err
}

type descriptor struct {
	ID octets `json:"id"`
}

type creationOptions struct {
	RP struct {
		ID string `json:"id"`
	} `json:"rp"`
	User struct {
		ID octets `json:"id"`
	} `json:"user"`
	Challenge  octets `json:"challenge"`
	Parameters []struct {
		Type string `json:"type"`
		Alg  int    `json:"alg"`
	} `json:"pubKeyCredParams"`
	Exclude     []descriptor `json:"excludeCredentials"`
	Attestation string       `json:"attestation"`
	Extensions  struct {
		CredProtect  string `json:"credentialProtectionPolicy"`
		MinPINLength bool   `json:"minPinLength"`
	} `json:"extensions"`
}

type requestOptions struct {
	RPID      string       `json:"rpId"`
	Challenge octets       `json:"challenge"`
	Allow     []descriptor `json:"allowCredentials"`
}

func readCreationOptions(origin string, raw []byte) (o creationOptions, err error) {
	if err := json.Unmarshal(raw, &o); err != nil {
		return o, fmt.Errorf("reading creation options: %w", err)
	}
	return o, bind(origin, &o.RP.ID)
}

func readRequestOptions(origin string, raw []byte) (o requestOptions, err error) {
	if err := json.Unmarshal(raw, &o); err != nil {
		return o, fmt.Errorf("reading request options: %w", err)
	}
	return o, bind(origin, &o.RPID)
}

// bind is what makes WebAuthn resist phishing: an RP ID is of the domain of the
// page that asks (§5.1.3 step 8), and by default its host.
func bind(origin string, rpID *string) error {
	u, err := url.Parse(origin)
	if err != nil {
		return fmt.Errorf("origin: %w", err)
	}
	if *rpID == "" {
		*rpID = u.Hostname()
	}
	if host := u.Hostname(); host != *rpID && !strings.HasSuffix(host, "."+*rpID) {
		return ErrSecurity
	}
	return nil
}

// clientData writes CollectedClientData as §5.8.1.1 serialises it.
func (d *Draft) clientData() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `{"type":%s,"challenge":%s,"origin":%s`, quoted(d.Type), quoted(d.Challenge), quoted(d.Origin))
	if d.CrossOrigin != nil {
		fmt.Fprintf(&b, `,"crossOrigin":%s`, quoted(d.CrossOrigin))
	}
	if d.TopOrigin != nil {
		fmt.Fprintf(&b, `,"topOrigin":%s`, quoted(d.TopOrigin))
	}
	for name, v := range d.ClientMembers {
		fmt.Fprintf(&b, `,%s:%s`, quoted(name), quoted(v))
	}
	b.WriteByte('}')
	return altered([]byte(b.String()), d.AlterClientData)
}

// quoted is JSON without the HTML escapes, as CCDToString demands.
func quoted(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// assertion signs and writes an AuthenticationResponseJSON.
func (d *Draft) assertion() ([]byte, error) {
	client, data := d.clientData(), d.authData()
	hash := sha256.Sum256(client)
	sig, err := Sign(d.Signer, d.Algorithm, slices.Concat(data, hash[:]))
	if err != nil {
		return nil, err
	}
	inner := map[string]any{
		"clientDataJSON":    b64(altered(client, d.SwapClient)),
		"authenticatorData": b64(altered(data, d.SwapAuthData)),
		"signature":         b64(altered(sig, d.AlterSignature)),
	}
	if d.UserHandle != nil {
		inner["userHandle"] = b64(d.UserHandle)
	}
	return d.body(inner)
}

// registration attests and writes a RegistrationResponseJSON.
func (d *Draft) registration(attestation Attestation, chain [][]byte) ([]byte, error) {
	client, data := d.clientData(), d.authData()
	hash := sha256.Sum256(client)
	statement := d.Statement
	if statement == nil && d.Attest != nil {
		statement = d.Attest(data, hash[:])
	}
	if statement == nil {
		made, err := d.attest(attestation, chain, data, hash)
		if err != nil {
			return nil, err
		}
		if d.AlterStatement != nil {
			d.AlterStatement(made)
		}
		statement = made
	}
	data = altered(data, d.SwapAuthData)
	object := Map{"fmt": d.Format, "attStmt": statement, "authData": data}
	for k, v := range d.Members {
		object[k] = v
	}
	for _, k := range d.Without {
		delete(object, k)
	}
	inner := map[string]any{
		"clientDataJSON":    b64(altered(client, d.SwapClient)),
		"attestationObject": b64(altered(Encode(object), d.AlterObject)),
		"authenticatorData": b64(data),
		"transports":        d.Transports,
	}
	return d.body(inner)
}

// attest makes an attestation statement: §8.7, §8.2 or §8.6.
func (d *Draft) attest(attestation Attestation, chain [][]byte, data []byte, clientDataHash [sha256.Size]byte) (Map, error) {
	if attestation == None {
		return Map{}, nil
	}
	message := slices.Concat(data, clientDataHash[:])
	if attestation == U2F {
		key := d.PublicKey.(Map)
		rpIDHash := sha256.Sum256([]byte(d.RPID))
		message = slices.Concat([]byte{0}, rpIDHash[:], clientDataHash[:], d.CredentialID, []byte{4}, key[-2].([]byte), key[-3].([]byte))
	}
	sig, err := Sign(d.Signer, d.Algorithm, message)
	if err != nil {
		return nil, err
	}
	statement := Map{"sig": altered(sig, d.AlterSignature)}
	if attestation != U2F {
		statement["alg"] = d.Algorithm
	}
	if attestation != Self {
		var x5c []any
		for _, der := range chain {
			x5c = append(x5c, der)
		}
		statement["x5c"] = x5c
	}
	return statement, nil
}

// body writes what PublicKeyCredential.toJSON gives.
func (d *Draft) body(inner map[string]any) ([]byte, error) {
	outer := map[string]any{
		"id": b64(d.ID), "rawId": b64(d.ID), "type": "public-key",
		"authenticatorAttachment": d.Attachment,
		"clientExtensionResults":  d.Results,
		"response":                inner,
	}
	if key, ok := d.PublicKey.(Map); ok {
		if spki, err := x509.MarshalPKIXPublicKey(d.public); err == nil {
			inner["publicKey"] = b64(spki)
		}
		inner["publicKeyAlgorithm"] = key[3]
	}
	if d.Alter != nil {
		d.Alter(outer)
	}
	body, err := json.Marshal(outer)
	if err != nil {
		return nil, fmt.Errorf("writing the response: %w", err)
	}
	return altered(body, d.AlterBody), nil
}
