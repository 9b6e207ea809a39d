package ctap2

import (
	"context"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// Subcommands of authenticatorCredentialManagement (CTAP 2.1 §6.8).
const (
	mgmtMetadata       = 0x01
	mgmtRPsBegin       = 0x02
	mgmtRPsNext        = 0x03
	mgmtCredsBegin     = 0x04
	mgmtCredsNext      = 0x05
	mgmtDelete         = 0x06
	mgmtUpdateUser     = 0x07
	maxRelyingParties  = 1024 // bound on what enumerations are asked for
	maxCredentialsOfRP = 1024
)

// Stored is a discoverable credential on the card.
type Stored struct {
	RP           RelyingParty `json:"rp"`
	CredentialID []byte       `json:"id"`
	User         User         `json:"user"`
	PublicKey    []byte       `json:"publicKey,omitempty"` // COSE_Key
	CredProtect  CredProtect  `json:"credProtect,omitempty"`
}

// Capacity counts discoverable credentials.
type Capacity struct {
	Stored    int `json:"stored"`
	Remaining int `json:"remaining"` // at most, says the card
}

type mgmtRequest struct {
	Subcommand int             `cbor:"1,keyasint"`
	Parameters cbor.RawMessage `cbor:"2,keyasint,omitempty"`
	Protocol   int             `cbor:"3,keyasint,omitempty"`
	AuthParam  []byte          `cbor:"4,keyasint,omitempty"`
}

type mgmtParameters struct {
	RPIDHash   []byte      `cbor:"1,keyasint,omitempty"`
	Credential *descriptor `cbor:"2,keyasint,omitempty"`
	User       *User       `cbor:"3,keyasint,omitempty"`
}

type mgmtAnswer struct {
	Existing         uint32          `cbor:"1,keyasint"`
	Remaining        uint32          `cbor:"2,keyasint"`
	RP               *RelyingParty   `cbor:"3,keyasint"`
	RPIDHash         []byte          `cbor:"4,keyasint"`
	TotalRPs         uint32          `cbor:"5,keyasint"`
	User             *User           `cbor:"6,keyasint"`
	Credential       *descriptor     `cbor:"7,keyasint"`
	PublicKey        cbor.RawMessage `cbor:"8,keyasint"`
	TotalCredentials uint32          `cbor:"9,keyasint"`
	CredProtect      CredProtect     `cbor:"10,keyasint"`
}

// manager is a session of credential management within one exchange.
type manager struct {
	client  *Client
	command byte
	token   *pinToken
}

// manage runs f with a manager: by 0x0A, or by the preview's 0x41 on cards of
// CTAP 2.1 PRE.
func (c *Client) manage(ctx context.Context, around func(context.Context, func() error) error, pin []byte, f func(*manager) error) error {
	return around(ctx, func() error {
		info, err := c.known(ctx)
		if err != nil {
			return err
		}
		m := &manager{client: c, command: cmdCredentialManagement}
		if !info.Options[OptionCredMgmt] {
			if !info.Options[OptionCredMgmtPreview] {
				return fmt.Errorf("%w: credential management", ErrUnsupported)
			}
			m.command = cmdCredMgmtPreview
		}
		if m.token, err = c.token(ctx, info, pin, mayManage, ""); err != nil {
			return err
		}
		defer m.token.destroy()
		return f(m)
	})
}

// call sends a subcommand authorised by the token over its own bytes (§6.8.2).
func (m *manager) call(ctx context.Context, subcommand int, parameters *mgmtParameters, answer any) error {
	request := mgmtRequest{Subcommand: subcommand, Protocol: m.token.protocol}
	if parameters != nil {
		request.Parameters = encode(parameters)
	}
	request.AuthParam = m.token.authenticate([]byte{byte(subcommand)}, request.Parameters)
	return m.client.call(ctx, m.command, request, answer)
}

// next continues an enumeration; it needs no authorisation of its own.
func (m *manager) next(ctx context.Context, subcommand int, answer any) error {
	return m.client.call(ctx, m.command, mgmtRequest{Subcommand: subcommand}, answer)
}

// Capacity counts the discoverable credentials (§6.8.2).
func (c *Client) Capacity(ctx context.Context, pin []byte) (Capacity, error) {
	var answer mgmtAnswer
	err := c.manage(ctx, c.Together, pin, func(m *manager) error {
		return m.call(ctx, mgmtMetadata, nil, &answer)
	})
	if err != nil {
		return Capacity{}, fmt.Errorf("counting credentials: %w", err)
	}
	return Capacity{Stored: int(answer.Existing), Remaining: int(answer.Remaining)}, nil
}

// Credentials lists the discoverable credentials (§6.8.3, §6.8.4).
func (c *Client) Credentials(ctx context.Context, pin []byte) ([]Stored, error) {
	var all []Stored
	err := c.manage(ctx, c.Together, pin, func(m *manager) error {
		parties, err := m.relyingParties(ctx)
		if err != nil {
			return err
		}
		for _, party := range parties {
			stored, err := m.credentialsOf(ctx, party)
			if err != nil {
				return err
			}
			all = append(all, stored...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing credentials: %w", err)
	}
	return all, nil
}

func (m *manager) relyingParties(ctx context.Context) ([]mgmtAnswer, error) {
	var first mgmtAnswer
	err := m.call(ctx, mgmtRPsBegin, nil, &first)
	if errors.Is(err, StatusNoCredentials) || err == nil && first.TotalRPs == 0 {
		return nil, nil // some cards answer the one, some the other
	}
	if err != nil {
		return nil, err
	}
	parties := []mgmtAnswer{first}
	for range min(int(first.TotalRPs), maxRelyingParties) - 1 {
		var next mgmtAnswer
		if err := m.next(ctx, mgmtRPsNext, &next); err != nil {
			return nil, err
		}
		parties = append(parties, next)
	}
	for _, party := range parties {
		if party.RP == nil || len(party.RPIDHash) != 32 {
			return nil, fmt.Errorf("%w: relying party without name or hash", ErrMalformed)
		}
	}
	return parties, nil
}

func (m *manager) credentialsOf(ctx context.Context, party mgmtAnswer) ([]Stored, error) {
	var first mgmtAnswer
	err := m.call(ctx, mgmtCredsBegin, &mgmtParameters{RPIDHash: party.RPIDHash}, &first)
	if errors.Is(err, StatusNoCredentials) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	answers := []mgmtAnswer{first}
	for range min(int(first.TotalCredentials), maxCredentialsOfRP) - 1 {
		var next mgmtAnswer
		if err := m.next(ctx, mgmtCredsNext, &next); err != nil {
			return nil, err
		}
		answers = append(answers, next)
	}
	var stored []Stored
	for _, a := range answers {
		if a.Credential == nil || len(a.Credential.ID) == 0 || a.User == nil {
			return nil, fmt.Errorf("%w: credential without id or user", ErrMalformed)
		}
		stored = append(stored, Stored{
			RP: *party.RP, CredentialID: a.Credential.ID, User: *a.User,
			PublicKey: a.PublicKey, CredProtect: a.CredProtect,
		})
	}
	return stored, nil
}

// DeleteCredential deletes one discoverable credential (§6.8.5).
func (c *Client) DeleteCredential(ctx context.Context, id, pin []byte) error {
	err := c.manage(ctx, c.write, pin, func(m *manager) error {
		return m.call(ctx, mgmtDelete, &mgmtParameters{Credential: &descriptor{ID: id, Type: publicKeyType}}, nil)
	})
	if err != nil {
		return fmt.Errorf("deleting a credential: %w", err)
	}
	c.info = nil // its count of free places has changed
	return nil
}

// UpdateUser rewrites the names kept with a discoverable credential (§6.8.6);
// the preview has no such subcommand.
func (c *Client) UpdateUser(ctx context.Context, id []byte, user User, pin []byte) error {
	err := c.manage(ctx, c.write, pin, func(m *manager) error {
		if m.command == cmdCredMgmtPreview {
			return fmt.Errorf("%w: updating a user", ErrUnsupported)
		}
		parameters := &mgmtParameters{Credential: &descriptor{ID: id, Type: publicKeyType}, User: &user}
		return m.call(ctx, mgmtUpdateUser, parameters, nil)
	})
	if err != nil {
		return fmt.Errorf("updating a credential's user: %w", err)
	}
	return nil
}
