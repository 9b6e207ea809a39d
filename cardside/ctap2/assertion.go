package ctap2

import (
	"context"
	"errors"
	"fmt"
)

// Request asks for assertions.
type Request struct {
	RPID           string
	ClientDataHash []byte
	// Allow lists the credentials wanted, tried one at a time: some cards fail
	// on longer lists. Empty: every discoverable one.
	Allow [][]byte
	PIN   []byte
	UV    bool // as Creation.UV
	// Silent asks for no user presence (up=false): a probe, which relying
	// parties do not accept.
	Silent bool
}

// Assertion is a card's signature for a relying party.
type Assertion struct {
	CredentialID []byte
	AuthData     []byte
	Signature    []byte
	User         *User // of discoverable credentials; the card may hold back names
}

type assertionRequest struct {
	RPID           string          `cbor:"1,keyasint"`
	ClientDataHash []byte          `cbor:"2,keyasint"`
	Allow          []descriptor    `cbor:"3,keyasint,omitempty"`
	Options        map[string]bool `cbor:"5,keyasint,omitempty"`
	AuthParam      []byte          `cbor:"6,keyasint,omitempty"`
	Protocol       int             `cbor:"7,keyasint,omitempty"`
}

type assertionAnswer struct {
	Credential *descriptor `cbor:"1,keyasint"`
	AuthData   []byte      `cbor:"2,keyasint"`
	Signature  []byte      `cbor:"3,keyasint"`
	User       *User       `cbor:"4,keyasint"`
	Count      uint16      `cbor:"5,keyasint"`
}

// maxAssertions bounds what getNextAssertion is asked for.
const maxAssertions = 256

// GetAssertion signs with a credential of the card (CTAP 2.1 §6.2). Without an
// allow list it returns one assertion for each discoverable credential of the
// relying party, the newest first (§6.3).
func (c *Client) GetAssertion(ctx context.Context, request Request) ([]Assertion, error) {
	var found []Assertion
	err := c.Together(ctx, func() error {
		info, err := c.known(ctx)
		if err != nil {
			return err
		}
		auth, err := c.verify(ctx, info, request.PIN, request.UV, mayGetAssertion, request.RPID)
		if err != nil {
			return err
		}
		defer auth.destroy()
		if len(request.Allow) == 0 {
			found, err = c.assertAll(ctx, request, auth)
		} else {
			found, err = c.assertOne(ctx, request, auth)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	return found, nil
}

func wireRequest(request Request, auth *authorisation, allow []byte) assertionRequest {
	wire := assertionRequest{RPID: request.RPID, ClientDataHash: request.ClientDataHash}
	if allow != nil {
		wire.Allow = descriptors([][]byte{allow})
	}
	if request.Silent {
		wire.Options = map[string]bool{OptionUserPresence: false}
	}
	if auth.uvOption {
		wire.Options = withOption(wire.Options, OptionUserVerification)
	}
	wire.AuthParam, wire.Protocol = auth.parameter(request.ClientDataHash)
	return wire
}

// assertOne tries the credentials of the allow list in turn. A card keeps the
// token's permission while it finds none (§6.2.2).
func (c *Client) assertOne(ctx context.Context, request Request, auth *authorisation) ([]Assertion, error) {
	for _, id := range request.Allow {
		var answer assertionAnswer
		err := c.call(ctx, cmdGetAssertion, wireRequest(request, auth, id), &answer)
		if errors.Is(err, StatusNoCredentials) || errors.Is(err, StatusInvalidCredential) {
			continue
		}
		if err != nil {
			return nil, err
		}
		assertion, err := c.assertion(answer, id)
		if err != nil {
			return nil, err
		}
		return []Assertion{assertion}, nil
	}
	return nil, StatusNoCredentials
}

// assertAll collects the assertions of all discoverable credentials.
func (c *Client) assertAll(ctx context.Context, request Request, auth *authorisation) ([]Assertion, error) {
	var answer assertionAnswer
	if err := c.call(ctx, cmdGetAssertion, wireRequest(request, auth, nil), &answer); err != nil {
		return nil, err
	}
	first, err := c.assertion(answer, nil)
	if err != nil {
		return nil, err
	}
	found := []Assertion{first}
	for range min(int(answer.Count), maxAssertions) - 1 {
		var next assertionAnswer
		if err := c.call(ctx, cmdGetNextAssertion, nil, &next); err != nil {
			return nil, fmt.Errorf("next assertion: %w", err)
		}
		assertion, err := c.assertion(next, nil)
		if err != nil {
			return nil, err
		}
		found = append(found, assertion)
	}
	return found, nil
}

// assertion checks an answer. A card may leave out the credential when it was
// asked for one alone (§6.2.2).
func (c *Client) assertion(answer assertionAnswer, asked []byte) (Assertion, error) {
	id := asked
	if answer.Credential != nil {
		id = answer.Credential.ID
	}
	if len(id) == 0 || len(answer.Signature) == 0 {
		return Assertion{}, fmt.Errorf("%w: assertion without credential or signature", ErrMalformed)
	}
	if _, err := ParseAuthenticatorData(answer.AuthData); c.accept(err) != nil {
		return Assertion{}, err
	}
	return Assertion{CredentialID: id, AuthData: answer.AuthData, Signature: answer.Signature, User: answer.User}, nil
}
