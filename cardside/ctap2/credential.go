package ctap2

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fxamacker/cbor/v2"
)

// RelyingParty names the site that a credential is for.
type RelyingParty struct {
	ID   string `cbor:"id" json:"id"`
	Name string `cbor:"name,omitempty" json:"name,omitempty"`
}

// User names the account that a credential is for. Cards may answer with less
// than they were given.
type User struct {
	ID          []byte `cbor:"id" json:"id"`
	Name        string `cbor:"name,omitempty" json:"name,omitempty"`
	DisplayName string `cbor:"displayName,omitempty" json:"displayName,omitempty"`
}

// UnmarshalCBOR repairs names that a card cut in the middle of a character
// (WebAuthn L3 §6.4.1.2).
func (u *User) UnmarshalCBOR(data []byte) error {
	type plain User
	if err := lenient.Unmarshal(data, (*plain)(u)); err != nil {
		return err
	}
	u.Name = strings.ToValidUTF8(u.Name, "")
	u.DisplayName = strings.ToValidUTF8(u.DisplayName, "")
	return nil
}

// descriptor is a PublicKeyCredentialDescriptor.
type descriptor struct {
	ID   []byte `cbor:"id"`
	Type string `cbor:"type"`
}

const publicKeyType = "public-key"

// COSE algorithms (IANA COSE registry).
const (
	ES256 = -7
	EdDSA = -8
	ES384 = -35
	RS256 = -257
)

// CredProtect is a credential's protection policy (CTAP 2.1 §12.1); 0 leaves
// it to the card.
type CredProtect uint8

// The policies.
const (
	ProtectUVOptional       CredProtect = 1
	ProtectUVOptionalWithID CredProtect = 2
	ProtectUVRequired       CredProtect = 3
)

// Creation asks for a credential.
type Creation struct {
	ClientDataHash []byte
	RP             RelyingParty
	User           User
	Algorithms     []int // in order of preference; ES256 if empty
	// Exclude lists credentials of which the card must hold none.
	Exclude      [][]byte
	ResidentKey  bool
	CredProtect  CredProtect
	MinPINLength bool // ask for the minPinLength extension (§12.4)
	Enterprise   int  // 1 or 2: enterprise attestation (§6.1.3); 0: none
	// PIN verifies the user; nil where the card has none.
	PIN []byte
	// UV asks the card to verify the user by its own means, when PIN is nil.
	UV bool
}

// Attestation is a new credential and the card's word on it.
type Attestation struct {
	Format     string
	AuthData   []byte
	Statement  []byte // CBOR, as the card wrote it
	Enterprise bool
}

type makeRequest struct {
	ClientDataHash []byte          `cbor:"1,keyasint"`
	RP             RelyingParty    `cbor:"2,keyasint"`
	User           User            `cbor:"3,keyasint"`
	Parameters     []algorithm     `cbor:"4,keyasint"`
	Exclude        []descriptor    `cbor:"5,keyasint,omitempty"`
	Extensions     *makeExtensions `cbor:"6,keyasint,omitempty"`
	Options        map[string]bool `cbor:"7,keyasint,omitempty"`
	AuthParam      []byte          `cbor:"8,keyasint,omitempty"`
	Protocol       int             `cbor:"9,keyasint,omitempty"`
	Enterprise     int             `cbor:"10,keyasint,omitempty"`
}

type makeExtensions struct {
	CredProtect  CredProtect `cbor:"credProtect,omitempty"`
	MinPINLength bool        `cbor:"minPinLength,omitempty"`
}

type makeAnswer struct {
	Format     string          `cbor:"1,keyasint"`
	AuthData   []byte          `cbor:"2,keyasint"`
	Statement  cbor.RawMessage `cbor:"3,keyasint"`
	Enterprise bool            `cbor:"4,keyasint"`
}

// MakeCredential makes a credential on the card (CTAP 2.1 §6.1).
func (c *Client) MakeCredential(ctx context.Context, creation Creation) (Attestation, error) {
	var made Attestation
	err := c.write(ctx, func() error {
		info, err := c.known(ctx)
		if err != nil {
			return err
		}
		made, err = c.makeCredential(ctx, info, creation)
		return err
	})
	if err != nil {
		return Attestation{}, fmt.Errorf("making a credential: %w", err)
	}
	return made, nil
}

func (c *Client) makeCredential(ctx context.Context, info Info, creation Creation) (Attestation, error) {
	request, err := newMakeRequest(info, creation)
	if err != nil {
		return Attestation{}, err
	}
	may := mayMakeCredential
	probe := !fitsList(info, creation.Exclude)
	if probe {
		may |= mayGetAssertion
	}
	auth, err := c.verify(ctx, info, creation.PIN, creation.UV, may, creation.RP.ID)
	if err != nil {
		return Attestation{}, err
	}
	defer auth.destroy()
	if probe {
		request.Exclude = nil
		if err := c.probeExcluded(ctx, creation, auth); err != nil {
			return Attestation{}, err
		}
	}
	if auth.uvOption {
		request.Options = withOption(request.Options, OptionUserVerification)
	}
	request.AuthParam, request.Protocol = auth.parameter(creation.ClientDataHash)
	var answer makeAnswer
	if err := c.call(ctx, cmdMakeCredential, request, &answer); err != nil {
		return Attestation{}, err
	}
	made := answer.attestation()
	if err := c.accept(made.check()); err != nil {
		return Attestation{}, err
	}
	return made, nil
}

func (a makeAnswer) attestation() Attestation {
	return Attestation{Format: a.Format, AuthData: a.AuthData, Statement: a.Statement, Enterprise: a.Enterprise}
}

// newMakeRequest refuses what the card has said that it cannot do.
func newMakeRequest(info Info, creation Creation) (makeRequest, error) {
	request := makeRequest{
		ClientDataHash: creation.ClientDataHash, RP: creation.RP, User: creation.User,
		Enterprise: creation.Enterprise, Exclude: descriptors(creation.Exclude),
	}
	for _, alg := range creation.Algorithms {
		request.Parameters = append(request.Parameters, algorithm{Type: publicKeyType, Alg: alg})
	}
	if len(request.Parameters) == 0 {
		request.Parameters = []algorithm{{Type: publicKeyType, Alg: ES256}}
	}
	if creation.ResidentKey {
		if !info.Options[OptionResidentKey] {
			return makeRequest{}, fmt.Errorf("%w: discoverable credentials", ErrUnsupported)
		}
		request.Options = withOption(nil, OptionResidentKey)
	}
	if creation.Enterprise != 0 && !info.Options[OptionEnterprise] {
		return makeRequest{}, fmt.Errorf("%w: enterprise attestation is not enabled", ErrUnsupported)
	}
	if creation.CredProtect != 0 || creation.MinPINLength {
		if err := supportsExtensions(info, creation); err != nil {
			return makeRequest{}, err
		}
		request.Extensions = &makeExtensions{CredProtect: creation.CredProtect, MinPINLength: creation.MinPINLength}
	}
	return request, nil
}

func supportsExtensions(info Info, creation Creation) error {
	if creation.CredProtect != 0 && !slices.Contains(info.Extensions, "credProtect") {
		return fmt.Errorf("%w: credProtect", ErrUnsupported)
	}
	if creation.MinPINLength && !slices.Contains(info.Extensions, "minPinLength") {
		return fmt.Errorf("%w: minPinLength", ErrUnsupported)
	}
	return nil
}

func withOption(options map[string]bool, name string) map[string]bool {
	if options == nil {
		options = map[string]bool{}
	}
	options[name] = true
	return options
}

func descriptors(ids [][]byte) []descriptor {
	var list []descriptor
	for _, id := range ids {
		list = append(list, descriptor{ID: id, Type: publicKeyType})
	}
	return list
}

// fitsList reports whether the card takes the whole list in one command
// (§6.4: maxCredentialCountInList, maxCredentialIdLength; none said, none known).
func fitsList(info Info, ids [][]byte) bool {
	if limit := info.MaxCredentialsInList; limit > 0 && len(ids) > limit {
		return false
	}
	size := 0
	for _, id := range ids {
		size += len(id)
	}
	return size <= 512 // leaves room for the rest within the least maxMsgSize, 1024
}

// probeExcluded asks for each excluded credential in turn, silently
// (up=false), where the card takes no list of them all (§6.1.1).
func (c *Client) probeExcluded(ctx context.Context, creation Creation, auth *authorisation) error {
	for _, id := range creation.Exclude {
		request := assertionRequest{
			RPID: creation.RP.ID, ClientDataHash: creation.ClientDataHash,
			Allow: descriptors([][]byte{id}), Options: map[string]bool{OptionUserPresence: false},
		}
		request.AuthParam, request.Protocol = auth.parameter(creation.ClientDataHash)
		var answer assertionAnswer
		switch err := c.call(ctx, cmdGetAssertion, request, &answer); {
		case err == nil:
			return StatusCredentialExcluded
		case !errors.Is(err, StatusNoCredentials) && !errors.Is(err, StatusInvalidCredential):
			return err
		}
	}
	return nil
}

// check reads the authenticator data once, so that a malformed one fails here.
func (a Attestation) check() error {
	data, err := ParseAuthenticatorData(a.AuthData)
	if err != nil {
		return err
	}
	if !data.Has(FlagCredential) {
		return fmt.Errorf("%w: attestation without a credential", ErrMalformed)
	}
	return nil
}

// Data reads the authenticator data.
func (a Attestation) Data() (AuthenticatorData, error) {
	data, err := ParseAuthenticatorData(a.AuthData)
	if errors.Is(err, ErrNotCanonical) {
		return data, nil // the client's policy judged it when it was made
	}
	return data, err
}

// Object is the attestation object that a relying party reads (WebAuthn L3
// §6.5.4).
func (a Attestation) Object() []byte {
	return encode(struct {
		Format    string          `cbor:"fmt"`
		Statement cbor.RawMessage `cbor:"attStmt"`
		AuthData  []byte          `cbor:"authData"`
	}{a.Format, a.Statement, a.AuthData})
}
