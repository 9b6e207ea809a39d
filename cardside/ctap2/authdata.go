package ctap2

import (
	"encoding/binary"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// Flags of authenticator data (WebAuthn L3 §6.1).
const (
	FlagUserPresent    = 0x01
	FlagUserVerified   = 0x04
	FlagBackupEligible = 0x08
	FlagBackedUp       = 0x10
	FlagCredential     = 0x40
	FlagExtensions     = 0x80
)

// AuthenticatorData is what a card signs (WebAuthn L3 §6.1). The credential
// members are empty in an assertion.
type AuthenticatorData struct {
	RPIDHash     [32]byte
	Flags        byte
	SignCount    uint32
	AAGUID       AAGUID
	CredentialID []byte
	PublicKey    []byte // COSE_Key, as the card wrote it
	Extensions   map[string]cbor.RawMessage
}

// Has reports whether a flag is set.
func (a AuthenticatorData) Has(flag byte) bool { return a.Flags&flag != 0 }

const (
	authDataFixed   = 32 + 1 + 4
	maxCredentialID = 1023 // WebAuthn L3 §4, Credential ID
)

// ParseAuthenticatorData reads authenticator data to its last byte. With
// ErrNotCanonical comes what could be read all the same.
func ParseAuthenticatorData(data []byte) (AuthenticatorData, error) {
	var a AuthenticatorData
	if len(data) < authDataFixed {
		return a, fmt.Errorf("%w: authenticator data of %d bytes", ErrMalformed, len(data))
	}
	copy(a.RPIDHash[:], data)
	a.Flags = data[32]
	a.SignCount = binary.BigEndian.Uint32(data[33:])
	rest, clean := data[authDataFixed:], true
	if a.Has(FlagCredential) {
		var err error
		if rest, clean, err = a.parseCredential(rest); err != nil {
			return AuthenticatorData{}, err
		}
	}
	if a.Has(FlagExtensions) {
		after, err := decoder.UnmarshalFirst(rest, &a.Extensions)
		if err != nil {
			return AuthenticatorData{}, fmt.Errorf("%w: extensions: %w", ErrMalformed, err)
		}
		clean = clean && canonical(rest[:len(rest)-len(after)])
		rest = after
	}
	if len(rest) > 0 {
		return AuthenticatorData{}, fmt.Errorf("%w: %d bytes after authenticator data", ErrMalformed, len(rest))
	}
	if !clean {
		return a, ErrNotCanonical
	}
	return a, nil
}

// parseCredential reads attested credential data (WebAuthn L3 §6.5.1).
func (a *AuthenticatorData) parseCredential(b []byte) (rest []byte, clean bool, err error) {
	if len(b) < 16+2 {
		return nil, false, fmt.Errorf("%w: credential data of %d bytes", ErrMalformed, len(b))
	}
	copy(a.AAGUID[:], b)
	n := int(binary.BigEndian.Uint16(b[16:]))
	b = b[18:]
	if n == 0 || n > maxCredentialID || n > len(b) {
		return nil, false, fmt.Errorf("%w: credential id of %d bytes", ErrMalformed, n)
	}
	a.CredentialID, b = append([]byte(nil), b[:n]...), b[n:]
	var key map[int]any
	rest, err = decoder.UnmarshalFirst(b, &key)
	if err != nil {
		return nil, false, fmt.Errorf("%w: public key: %w", ErrMalformed, err)
	}
	a.PublicKey = append([]byte(nil), b[:len(b)-len(rest)]...)
	return rest, canonical(a.PublicKey), nil
}
