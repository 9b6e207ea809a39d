package ctap2

import (
	"context"
	"errors"
	"fmt"
)

// mayTry reads the retry counter, warns, and refuses what would block the card.
func (c *Client) mayTry(ctx context.Context, info Info) (Retries, error) {
	retries, err := c.readRetries(ctx, protocolOf(info))
	if err != nil {
		return Retries{}, err
	}
	if err := retries.Allow(c.opts.SpendLastTry); err != nil {
		return retries, err
	}
	if retries.Left <= WarnTries && c.opts.FewTries != nil {
		c.opts.FewTries(retries.Left)
	}
	return retries, nil
}

// pinRefused adds the tries left to a refused PIN. The card has made a new key
// agreement key (§6.5.5.6 and .7), so the secret shared is void.
func (c *Client) pinRefused(err error, before Retries) error {
	var status Status
	if !errors.As(err, &status) {
		return err
	}
	c.dropShared()
	switch status {
	case StatusPINInvalid, StatusPINAuthBlocked:
		return &PINError{Status: status, Left: max(before.Left-1, 0)}
	case StatusPINBlocked:
		return &PINError{Status: status}
	}
	return err
}

// pinToken authorises commands (§6.5.5.7).
type pinToken struct {
	protocol int
	key      []byte
}

func (t *pinToken) authenticate(parts ...[]byte) []byte {
	return authenticate(t.protocol, t.key, parts...)
}

func (t *pinToken) destroy() { clear(t.key) }

// token obtains a PIN token: with permissions where the card knows them
// (§6.5.5.7.2), else the all-purpose one (§6.5.5.7.1).
func (c *Client) token(ctx context.Context, info Info, pin []byte, may permission, rpID string) (*pinToken, error) {
	if !info.HasPIN() {
		return nil, StatusPINNotSet
	}
	if info.ForcePINChange {
		return nil, ErrPINMustChange
	}
	retries, err := c.mayTry(ctx, info)
	if err != nil {
		return nil, err
	}
	shared, err := c.agree(ctx, info)
	if err != nil {
		return nil, err
	}
	request := pinRequest{Protocol: shared.protocol, Subcommand: pinGetToken, KeyAgreement: &shared.platform}
	if request.PINHash, err = sealPIN(shared, pin); err != nil {
		return nil, err
	}
	if info.Options[OptionPINUVAuthToken] {
		request.Subcommand, request.Permissions, request.RPID = pinGetTokenUsingPIN, may, rpID
	}
	return c.tokenBy(ctx, request, shared, func(err error) error { return c.pinRefused(err, retries) })
}

// tokenByUV obtains a PIN/UV token by the card's own user verification
// (§6.5.5.7.3).
func (c *Client) tokenByUV(ctx context.Context, info Info, may permission, rpID string) (*pinToken, error) {
	shared, err := c.agree(ctx, info)
	if err != nil {
		return nil, err
	}
	request := pinRequest{
		Protocol: shared.protocol, Subcommand: pinGetTokenUsingUV, KeyAgreement: &shared.platform,
		Permissions: may, RPID: rpID,
	}
	return c.tokenBy(ctx, request, shared, func(err error) error { return err })
}

func (c *Client) tokenBy(ctx context.Context, request pinRequest, shared *sharedSecret, refused func(error) error) (*pinToken, error) {
	var answer pinAnswer
	if err := c.call(ctx, cmdClientPIN, request, &answer); err != nil {
		return nil, fmt.Errorf("obtaining a PIN token: %w", refused(err))
	}
	key, err := shared.decrypt(answer.Token)
	if err != nil {
		return nil, fmt.Errorf("obtaining a PIN token: %w", err)
	}
	// §6.5.6: 16 or 32 bytes in protocol one; §6.5.7: 32 in protocol two.
	if len(key) != 32 && (len(key) != 16 || shared.protocol != 1) {
		return nil, fmt.Errorf("obtaining a PIN token: %w: %d bytes", ErrMalformed, len(key))
	}
	return &pinToken{protocol: shared.protocol, key: key}, nil
}

// authorisation is how the user is verified for one command.
type authorisation struct {
	token    *pinToken // nil: no PIN token
	uvOption bool      // the uv option does it instead
}

// verify obtains the user's verification: by PIN, by the card's own means if
// asked, or not at all.
func (c *Client) verify(ctx context.Context, info Info, pin []byte, uv bool, may permission, rpID string) (*authorisation, error) {
	switch {
	case pin != nil:
		token, err := c.token(ctx, info, pin, may, rpID)
		return &authorisation{token: token}, err
	case !uv:
		if may&mayMakeCredential != 0 && info.HasPIN() && !info.Options[OptionMakeCredUVNotReqd] {
			return nil, ErrPINRequired // §6.1.2 step 6: saves the card the refusal
		}
		return &authorisation{}, nil
	case !info.Options[OptionUserVerification]:
		return nil, fmt.Errorf("%w: user verification by the card itself", ErrUnsupported)
	case info.Options[OptionPINUVAuthToken]:
		token, err := c.tokenByUV(ctx, info, may, rpID)
		return &authorisation{token: token}, err
	default:
		return &authorisation{uvOption: true}, nil
	}
}

// parameter is the pinUvAuthParam over a client data hash (§6.1.2, §6.2.2).
func (a *authorisation) parameter(clientDataHash []byte) (param []byte, protocol int) {
	if a.token == nil {
		return nil, 0
	}
	return a.token.authenticate(clientDataHash), a.token.protocol
}

func (a *authorisation) destroy() {
	if a.token != nil {
		a.token.destroy()
	}
}
