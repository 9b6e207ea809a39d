package ctap2

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// AAGUID identifies an authenticator's model.
type AAGUID [16]byte

// String writes the AAGUID as metadata does: 8-4-4-4-12.
func (a AAGUID) String() string {
	h := hex.EncodeToString(a[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// MarshalText writes what String does.
func (a AAGUID) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (a *AAGUID) UnmarshalText(text []byte) error {
	raw, err := hex.DecodeString(strings.ReplaceAll(string(text), "-", ""))
	if err != nil || len(raw) != len(a) {
		return fmt.Errorf("%w: AAGUID %q", ErrMalformed, text)
	}
	copy(a[:], raw)
	return nil
}

// Names of options in Info.Options (CTAP 2.1 §6.4, table of option IDs).
const (
	OptionResidentKey       = "rk"
	OptionClientPIN         = "clientPin"
	OptionUserPresence      = "up"
	OptionUserVerification  = "uv"
	OptionPINUVAuthToken    = "pinUvAuthToken"
	OptionNoMcGaWithPIN     = "noMcGaPermissionsWithClientPin"
	OptionEnterprise        = "ep"
	OptionCredMgmt          = "credMgmt"
	OptionCredMgmtPreview   = "credentialMgmtPreview"
	OptionConfig            = "authnrCfg"
	OptionSetMinPINLength   = "setMinPINLength"
	OptionAlwaysUV          = "alwaysUv"
	OptionMakeCredUVNotReqd = "makeCredUvNotRqd"
)

// Info is what authenticatorGetInfo says (CTAP 2.1 §6.4).
type Info struct {
	Versions             []string        `json:"versions"`
	Extensions           []string        `json:"extensions,omitempty"`
	AAGUID               AAGUID          `json:"aaguid"`
	Options              map[string]bool `json:"options,omitempty"`
	MaxMsgSize           int             `json:"maxMsgSize,omitempty"`
	PINProtocols         []int           `json:"pinUvAuthProtocols,omitempty"`
	MaxCredentialsInList int             `json:"maxCredentialCountInList,omitempty"`
	MaxCredentialID      int             `json:"maxCredentialIdLength,omitempty"`
	Transports           []string        `json:"transports,omitempty"`
	Algorithms           []int           `json:"algorithms,omitempty"` // COSE, in the card's order
	MaxLargeBlobs        int             `json:"maxSerializedLargeBlobArray,omitempty"`
	ForcePINChange       bool            `json:"forcePINChange,omitempty"`
	MinPINLength         int             `json:"minPINLength,omitempty"` // code points; 0 = not said, 4 applies
	Firmware             uint64          `json:"firmwareVersion,omitempty"`
	MaxCredBlob          int             `json:"maxCredBlobLength,omitempty"`
	MaxMinPINRPIDs       int             `json:"maxRPIDsForSetMinPINLength,omitempty"`
	UVAttempts           int             `json:"preferredPlatformUvAttempts,omitempty"`
	UVModality           uint64          `json:"uvModality,omitempty"`
	Certifications       map[string]int  `json:"certifications,omitempty"`
	RemainingCredentials *int            `json:"remainingDiscoverableCredentials,omitempty"`
	VendorConfig         []uint64        `json:"vendorPrototypeConfigCommands,omitempty"`
	Other                []int           `json:"otherMembers,omitempty"` // keys this client does not know
}

// Option reports the value of an option and whether the card names it.
func (i Info) Option(name string) (value, named bool) {
	value, named = i.Options[name]
	return value, named
}

// Blank reports that the application can hold a PIN and none is set: a card as
// it is delivered.
func (i Info) Blank() bool {
	set, can := i.Option(OptionClientPIN)
	return can && !set
}

// HasPIN reports that a PIN is set.
func (i Info) HasPIN() bool { return i.Options[OptionClientPIN] }

// PINLength is the least number of code points a PIN has (§6.4: 4 by default).
func (i Info) PINLength() int { return max(i.MinPINLength, MinPINLength) }

// infoAnswer is getInfo's answer on the wire.
type infoAnswer struct {
	Versions             []string        `cbor:"1,keyasint"`
	Extensions           []string        `cbor:"2,keyasint"`
	AAGUID               []byte          `cbor:"3,keyasint"`
	Options              map[string]bool `cbor:"4,keyasint"`
	MaxMsgSize           uint32          `cbor:"5,keyasint"`
	PINProtocols         []uint8         `cbor:"6,keyasint"`
	MaxCredentialsInList uint32          `cbor:"7,keyasint"`
	MaxCredentialID      uint32          `cbor:"8,keyasint"`
	Transports           []string        `cbor:"9,keyasint"`
	Algorithms           []algorithm     `cbor:"10,keyasint"`
	MaxLargeBlobs        uint32          `cbor:"11,keyasint"`
	ForcePINChange       bool            `cbor:"12,keyasint"`
	MinPINLength         uint8           `cbor:"13,keyasint"`
	Firmware             uint64          `cbor:"14,keyasint"`
	MaxCredBlob          uint32          `cbor:"15,keyasint"`
	MaxMinPINRPIDs       uint32          `cbor:"16,keyasint"`
	UVAttempts           uint32          `cbor:"17,keyasint"`
	UVModality           uint64          `cbor:"18,keyasint"`
	Certifications       map[string]int  `cbor:"19,keyasint"`
	RemainingCredentials *uint32         `cbor:"20,keyasint"`
	VendorConfig         []uint64        `cbor:"21,keyasint"`
}

const lastKnownMember = 21

type algorithm struct {
	Type string `cbor:"type"`
	Alg  int    `cbor:"alg"`
}

// ParseInfo decodes getInfo's answer. With ErrNotCanonical comes the Info that
// could be read all the same.
func ParseInfo(data []byte) (Info, error) {
	var answer infoAnswer
	form := decode(data, &answer)
	if form != nil && !errors.Is(form, ErrNotCanonical) {
		return Info{}, form
	}
	if len(answer.AAGUID) != len(AAGUID{}) {
		return Info{}, fmt.Errorf("%w: AAGUID of %d bytes", ErrMalformed, len(answer.AAGUID))
	}
	if len(answer.Versions) == 0 {
		return Info{}, fmt.Errorf("%w: no version", ErrMalformed)
	}
	info := answer.info()
	info.Other = unknownMembers(data)
	return info, form
}

func (a infoAnswer) info() Info {
	info := Info{
		Versions: a.Versions, Extensions: a.Extensions, AAGUID: AAGUID(a.AAGUID), Options: a.Options,
		MaxMsgSize: int(a.MaxMsgSize), MaxCredentialsInList: int(a.MaxCredentialsInList),
		MaxCredentialID: int(a.MaxCredentialID), Transports: a.Transports, MaxLargeBlobs: int(a.MaxLargeBlobs),
		ForcePINChange: a.ForcePINChange, MinPINLength: int(a.MinPINLength), Firmware: a.Firmware,
		MaxCredBlob: int(a.MaxCredBlob), MaxMinPINRPIDs: int(a.MaxMinPINRPIDs), UVAttempts: int(a.UVAttempts),
		UVModality: a.UVModality, Certifications: a.Certifications, VendorConfig: a.VendorConfig,
	}
	for _, p := range a.PINProtocols {
		info.PINProtocols = append(info.PINProtocols, int(p))
	}
	for _, alg := range a.Algorithms {
		if alg.Type == publicKeyType {
			info.Algorithms = append(info.Algorithms, alg.Alg)
		}
	}
	if a.RemainingCredentials != nil {
		n := int(*a.RemainingCredentials)
		info.RemainingCredentials = &n
	}
	return info
}

// unknownMembers lists the keys beyond CTAP 2.1's, which are ignored (§8).
func unknownMembers(data []byte) []int {
	var members map[int]any
	if err := decoder.Unmarshal(data, &members); err != nil {
		return nil
	}
	var other []int
	for key := range members {
		if key < 1 || key > lastKnownMember {
			other = append(other, key)
		}
	}
	slices.Sort(other)
	return other
}

// Info asks the card what it is and can do. With ErrNotCanonical comes the
// Info that could be read all the same.
func (c *Client) Info(ctx context.Context) (Info, error) {
	var info Info
	err := c.Together(ctx, func() error {
		c.info = nil
		var err error
		info, err = c.readInfo(ctx)
		return err
	})
	return info, err
}

func (c *Client) readInfo(ctx context.Context) (Info, error) {
	if err := ctx.Err(); err != nil {
		return Info{}, err
	}
	answer, err := c.message([]byte{cmdGetInfo})
	if err != nil {
		return Info{}, fmt.Errorf("getInfo: %w", err)
	}
	info, err := ParseInfo(answer)
	if err = c.accept(err); err != nil {
		return info, fmt.Errorf("getInfo: %w", err)
	}
	c.info = &info
	return info, nil
}

// known returns what getInfo said, asking if it was not asked since it may
// have changed. Within an exchange.
func (c *Client) known(ctx context.Context) (Info, error) {
	if c.info != nil {
		return *c.info, nil
	}
	return c.readInfo(ctx)
}
