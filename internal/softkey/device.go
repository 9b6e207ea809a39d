package softkey

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Attestation is how a Device attests its credentials.
type Attestation int

// The attestations. Certified and U2F need Options.AttestationKey and Chain.
const (
	None      Attestation = iota // fmt none
	Self                         // fmt packed, signed by the credential's own key
	Certified                    // fmt packed with x5c
	U2F                          // fmt fido-u2f
)

// Options describe a Device. At zero: ES256, no attestation, user verified, a
// counter, no extensions.
type Options struct {
	AAGUID         [16]byte
	Algorithms     []int // supported; nil = ES256
	Attestation    Attestation
	AttestationKey crypto.Signer
	Chain          [][]byte // DER, the attestation certificate first

	BackupEligible bool
	BackedUp       bool
	NoCounter      bool // sign count stays at zero
	MinPINLength   int  // told when asked; 0 = extension not supported
	NoCredProtect  bool // extension credProtect not supported
	Transports     []string
	Attachment     string // "" = cross-platform
}

// Device is an authenticator and its browser. It is safe for concurrent use.
type Device struct {
	o Options

	mu          sync.Mutex // guards what follows
	credentials []*credential
}

// credential is a discoverable credential kept in the device.
type credential struct {
	id, userHandle []byte
	rpID           string
	key            crypto.Signer
	alg            int
	count          uint32
}

// New makes an empty device.
func New(o Options) *Device {
	if len(o.Algorithms) == 0 {
		o.Algorithms = []int{ES256}
	}
	if o.Transports == nil {
		o.Transports = []string{"smart-card"}
	}
	if o.Attachment == "" {
		o.Attachment = "cross-platform"
	}
	return &Device{o: o}
}

// The errors of a browser: what navigator.credentials rejects with.
var (
	ErrInvalidState = errors.New("InvalidStateError: the authenticator holds an excluded credential")
	ErrNotAllowed   = errors.New("NotAllowedError: no credential for this site")
	ErrNotSupported = errors.New("NotSupportedError: no algorithm in common")
	ErrSecurity     = errors.New("SecurityError: the RP ID is not of this origin's domain")
)

// Create answers PublicKeyCredentialCreationOptionsJSON, asked by a page of
// origin, with a RegistrationResponseJSON.
func (d *Device) Create(origin string, options []byte, lies ...Lie) ([]byte, error) {
	o, err := readCreationOptions(origin, options)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.credentials {
		if c.rpID == o.RP.ID && slices.ContainsFunc(o.Exclude, func(e descriptor) bool { return bytes.Equal(e.ID, c.id) }) {
			return nil, ErrInvalidState
		}
	}
	c, err := d.newCredential(o)
	if err != nil {
		return nil, err
	}
	draft := d.draft(c, "webauthn.create", o.Challenge, origin, FlagAT)
	draft.CredentialID, draft.AAGUID = c.id, d.o.AAGUID
	draft.public, draft.PublicKey = c.key.Public(), COSEKey(c.key.Public(), c.alg)
	draft.Transports, draft.Extensions = d.o.Transports, d.extensions(o)
	draft.Results["credProps"] = map[string]any{"rk": true}
	attestation := d.o.Attestation
	if o.Attestation == "" || o.Attestation == "none" {
		attestation, draft.AAGUID = None, [16]byte{} // L3 §5.1.3 step 22
	}
	draft.Format = [...]string{"none", "packed", "packed", "fido-u2f"}[attestation]
	if attestation == Certified || attestation == U2F {
		draft.Signer = d.o.AttestationKey
		if draft.Algorithm, err = algorithmOf(d.o.AttestationKey); err != nil {
			return nil, err
		}
	}
	for _, lie := range lies {
		lie(draft)
	}
	// §6.3.2 step 7: one discoverable credential for a user of a site.
	d.credentials = slices.DeleteFunc(d.credentials, func(old *credential) bool {
		return old.rpID == c.rpID && bytes.Equal(old.userHandle, c.userHandle)
	})
	d.credentials = append(d.credentials, c)
	return draft.registration(attestation, d.o.Chain)
}

// Get answers PublicKeyCredentialRequestOptionsJSON, asked by a page of origin,
// with an AuthenticationResponseJSON by the newest credential that fits.
func (d *Device) Get(origin string, options []byte, lies ...Lie) ([]byte, error) {
	o, err := readRequestOptions(origin, options)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range slices.Backward(d.credentials) {
		listed := slices.ContainsFunc(o.Allow, func(a descriptor) bool { return bytes.Equal(a.ID, c.id) })
		if c.rpID != o.RPID || len(o.Allow) > 0 && !listed {
			continue
		}
		draft := d.draft(c, "webauthn.get", o.Challenge, origin, 0)
		draft.UserHandle = c.userHandle
		for _, lie := range lies {
			lie(draft)
		}
		return draft.assertion()
	}
	return nil, ErrNotAllowed
}

// Credentials are the ids of the credentials held, oldest first.
func (d *Device) Credentials() [][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	var ids [][]byte
	for _, c := range d.credentials {
		ids = append(ids, c.id)
	}
	return ids
}

func (d *Device) newCredential(o creationOptions) (*credential, error) {
	for _, p := range o.Parameters {
		if p.Type != "public-key" || !slices.Contains(d.o.Algorithms, p.Alg) {
			continue
		}
		key, err := newKey(p.Alg)
		if err != nil {
			return nil, err
		}
		c := &credential{id: make([]byte, 32), userHandle: o.User.ID, rpID: o.RP.ID, key: key, alg: p.Alg}
		if _, err := rand.Read(c.id); err != nil {
			return nil, fmt.Errorf("making a credential id: %w", err)
		}
		return c, nil
	}
	return nil, ErrNotSupported
}

// draft is the part of an answer that both ceremonies share.
func (d *Device) draft(c *credential, ceremony string, challenge []byte, origin string, flags byte) *Draft {
	if !d.o.NoCounter {
		c.count++
	}
	flags |= FlagUP | FlagUV
	if d.o.BackupEligible {
		flags |= FlagBE
	}
	if d.o.BackedUp {
		flags |= FlagBS
	}
	return &Draft{
		Type: ceremony, Challenge: b64(challenge), Origin: origin, CrossOrigin: false,
		RPID: c.rpID, Flags: flags, SignCount: c.count,
		Signer: c.key, Algorithm: c.alg,
		ID: c.id, Attachment: d.o.Attachment, Results: map[string]any{},
	}
}

// extensions are the authenticator extension outputs (CTAP 2.2 §12.1, §12.5).
func (d *Device) extensions(o creationOptions) Map {
	out := Map{}
	if level, ok := map[string]int{
		"userVerificationOptional":                     1,
		"userVerificationOptionalWithCredentialIDList": 2,
		"userVerificationRequired":                     3,
	}[o.Extensions.CredProtect]; ok && !d.o.NoCredProtect {
		out["credProtect"] = level
	}
	if o.Extensions.MinPINLength && d.o.MinPINLength > 0 {
		out["minPinLength"] = d.o.MinPINLength
	}
	return out
}

// authData encodes §6.1 and, with flag AT, §6.5.1.
func (d *Draft) authData() []byte {
	if len(d.Extensions) > 0 {
		d.Flags |= FlagED
	}
	hash := sha256.Sum256([]byte(d.RPID))
	out := append(hash[:], d.Flags)
	out = binary.BigEndian.AppendUint32(out, d.SignCount)
	if d.Flags&FlagAT != 0 {
		out = append(out, d.AAGUID[:]...)
		out = binary.BigEndian.AppendUint16(out, uint16(len(d.CredentialID)))
		out = append(out, d.CredentialID...)
		out = append(out, Encode(d.PublicKey)...)
	}
	if len(d.Extensions) > 0 {
		out = append(out, Encode(d.Extensions)...)
	}
	return altered(out, d.AlterAuthData)
}

func altered(b []byte, f func([]byte) []byte) []byte {
	if f == nil {
		return b
	}
	return f(bytes.Clone(b))
}
