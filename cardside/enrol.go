package cardside

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"

	"cpsgate/cardside/ctap2"
)

// Enrolment asks for a credential, by this program alone: for diagnosis.
type Enrolment struct {
	// Creation without its ClientDataHash. Its PIN is set first if the card is
	// blank and SetPIN says so.
	ctap2.Creation
	SetPIN bool
	// Prove signs once with the new credential, in the same exchange.
	Prove bool
}

// Enrolled is a credential made.
type Enrolled struct {
	Ceremony    Ceremony              `json:"ceremony"`
	Credential  any                   `json:"credential"` // RegistrationResponseJSON
	AAGUID      ctap2.AAGUID          `json:"aaguid"`
	Format      string                `json:"attestationFormat"`
	Attestation AttestationVerdict    `json:"attestation"`
	Certificate *AttestingCertificate `json:"attestationCertificate,omitempty"`
	Verified    bool                  `json:"userVerified"`
	SignCount   uint32                `json:"signCount"`
	PINSet      bool                  `json:"pinSet"`
	Proof       *Signed               `json:"proof,omitempty"`

	Data ctap2.AuthenticatorData `json:"-"`
}

// AttestationVerdict is what the workstation can say of an attestation: whether
// its signature is right, not whose it is.
type AttestationVerdict string

// The verdicts.
const (
	AttestationSigned AttestationVerdict = "signed"    // by the certificate that comes with it
	AttestationSelf   AttestationVerdict = "self"      // by the credential's own key
	AttestationNone   AttestationVerdict = "none"      // there is none
	AttestationWrong  AttestationVerdict = "wrong"     // its signature does not verify
	AttestationOther  AttestationVerdict = "unchecked" // of a kind not verified here
)

// AttestingCertificate describes an attestation's first certificate.
type AttestingCertificate struct {
	Subject string `json:"subject"`
	Issuer  string `json:"issuer"`
	SHA256  string `json:"sha256"`
}

// Signed is an assertion made.
type Signed struct {
	Ceremony     Ceremony `json:"ceremony"`
	Credential   any      `json:"credential"` // AuthenticationResponseJSON
	Verified     bool     `json:"userVerified"`
	SignCount    uint32   `json:"signCount"`
	CredentialID URLBytes `json:"-"`
	// Signature is "right" or "wrong" by the public key known, "unchecked"
	// where none is.
	Signature string `json:"signature"`
}

// ErrProof is a new credential that did not sign as it should.
var ErrProof = errors.New("the new credential does not sign as it should")

// Enrol makes a credential, after setting the PIN if that is asked for, and
// proves it, all in one exchange: at most 16 APDUs on T=1 with the getInfo
// before it.
func (c *Card) Enrol(ctx context.Context, e Enrolment) (Enrolled, error) {
	ceremony, err := newCeremony(TypeCreate, e.RP.ID)
	if err != nil {
		return Enrolled{}, err
	}
	e.ClientDataHash = ceremony.Hash()
	enrolled := Enrolled{Ceremony: ceremony}
	err = c.Together(ctx, func() error {
		if e.SetPIN {
			if err := c.SetPIN(ctx, e.PIN); err != nil {
				return err
			}
			enrolled.PINSet = true
		}
		made, err := c.MakeCredential(ctx, e.Creation)
		if err != nil {
			return err
		}
		if err := enrolled.read(made, c); err != nil {
			return err
		}
		if e.Prove {
			enrolled.Proof, err = c.prove(ctx, e, enrolled.Data)
		}
		return err
	})
	return enrolled, err
}

// read fills in what the attestation says.
func (e *Enrolled) read(made ctap2.Attestation, c *Card) error {
	data, err := made.Data()
	if err != nil {
		return err
	}
	e.Credential = e.Ceremony.Registration(made, data, c.Transports())
	e.Data, e.AAGUID, e.Format = data, data.AAGUID, made.Format
	e.Verified, e.SignCount = data.Has(ctap2.FlagUserVerified), data.SignCount
	chain, err := made.Verify(e.Ceremony.Hash())
	e.Attestation = verdictOf(chain, err)
	if len(chain) > 0 {
		sum := sha256.Sum256(chain[0].Raw)
		e.Certificate = &AttestingCertificate{
			Subject: chain[0].Subject.String(), Issuer: chain[0].Issuer.String(), SHA256: fmt.Sprintf("%X", sum),
		}
	}
	return nil
}

func verdictOf(chain []*x509.Certificate, err error) AttestationVerdict {
	switch {
	case errors.Is(err, ctap2.ErrNoAttestation):
		return AttestationNone
	case errors.Is(err, ctap2.ErrUnverifiable):
		return AttestationOther
	case err != nil:
		return AttestationWrong
	case len(chain) == 0:
		return AttestationSelf
	}
	return AttestationSigned
}

// prove signs with the new credential and checks the signature by its key.
func (c *Card) prove(ctx context.Context, e Enrolment, data ctap2.AuthenticatorData) (*Signed, error) {
	signed, err := c.Sign(ctx, ctap2.Request{RPID: e.RP.ID, Allow: [][]byte{data.CredentialID}, PIN: e.PIN, UV: e.UV}, data.PublicKey)
	if err != nil {
		return nil, err
	}
	if signed[0].Signature != signatureRight {
		return &signed[0], fmt.Errorf("%w: signature %s", ErrProof, signed[0].Signature)
	}
	return &signed[0], nil
}

// What can be said of a signature.
const (
	signatureRight     = "right"
	signatureWrong     = "wrong"
	signatureUnchecked = "unchecked"
)

// Sign signs for a relying party with the credentials of the card, by this
// program alone: for diagnosis. With a COSE_Key, signatures are checked.
func (c *Card) Sign(ctx context.Context, request ctap2.Request, publicKey []byte) ([]Signed, error) {
	ceremony, err := newCeremony(TypeGet, request.RPID)
	if err != nil {
		return nil, err
	}
	request.ClientDataHash = ceremony.Hash()
	assertions, err := c.GetAssertion(ctx, request)
	if err != nil {
		return nil, err
	}
	var all []Signed
	for _, a := range assertions {
		signed, err := ceremony.signed(a, publicKey)
		if err != nil {
			return nil, err
		}
		all = append(all, signed)
	}
	return all, nil
}

// signed reads an assertion, and checks it if the key is known.
func (c Ceremony) signed(a ctap2.Assertion, publicKey []byte) (Signed, error) {
	data, err := ctap2.ParseAuthenticatorData(a.AuthData)
	if err != nil && !errors.Is(err, ctap2.ErrNotCanonical) {
		return Signed{}, err
	}
	s := Signed{
		Ceremony: c, Credential: c.Authentication(a), Signature: signatureUnchecked,
		Verified: data.Has(ctap2.FlagUserVerified), SignCount: data.SignCount, CredentialID: a.CredentialID,
	}
	if publicKey != nil {
		s.Signature = signatureRight
		err := ctap2.VerifyAssertion(publicKey, a, c.Hash())
		if err != nil || data.RPIDHash != sha256.Sum256([]byte(c.RPID)) {
			s.Signature = signatureWrong
		}
	}
	return s, nil
}
