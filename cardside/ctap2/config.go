package ctap2

import (
	"bytes"
	"context"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// Subcommands of authenticatorConfig (CTAP 2.1 §6.11).
const (
	configEnterprise   = 0x01
	configToggleUV     = 0x02
	configMinPINLength = 0x03
)

type configRequest struct {
	Subcommand int             `cbor:"1,keyasint"`
	Parameters cbor.RawMessage `cbor:"2,keyasint,omitempty"`
	Protocol   int             `cbor:"3,keyasint,omitempty"`
	AuthParam  []byte          `cbor:"4,keyasint,omitempty"`
}

// PINPolicy changes the demands on PINs (§6.11.4). The least length can be
// raised, never lowered, until the application is reset.
type PINPolicy struct {
	MinLength   int      // 0: unchanged
	RPIDs       []string // relying parties that may read the least length
	ForceChange bool     // demand a new PIN before the next use
}

type pinPolicyParameters struct {
	MinLength   int      `cbor:"1,keyasint,omitempty"`
	RPIDs       []string `cbor:"2,keyasint,omitempty"`
	ForceChange bool     `cbor:"3,keyasint,omitempty"`
}

// SetPINPolicy sets the least PIN length, who may read it, or demands a new PIN.
func (c *Client) SetPINPolicy(ctx context.Context, policy PINPolicy, pin []byte) error {
	return c.config(ctx, configMinPINLength, pinPolicyParameters(policy), OptionSetMinPINLength, pin)
}

// ToggleAlwaysUV turns the demand for user verification at every use on, or
// off again (§6.11.3).
func (c *Client) ToggleAlwaysUV(ctx context.Context, pin []byte) error {
	return c.config(ctx, configToggleUV, nil, OptionAlwaysUV, pin)
}

// EnableEnterpriseAttestation enables enterprise attestation until the next
// reset (§6.11.2).
func (c *Client) EnableEnterpriseAttestation(ctx context.Context, pin []byte) error {
	return c.config(ctx, configEnterprise, nil, OptionEnterprise, pin)
}

// config sends one subcommand, if the card names the option that goes with it.
func (c *Client) config(ctx context.Context, subcommand int, parameters any, option string, pin []byte) error {
	err := c.write(ctx, func() error {
		info, err := c.known(ctx)
		if err != nil {
			return err
		}
		if _, named := info.Option(option); !named || !info.Options[OptionConfig] {
			return fmt.Errorf("%w: option %s", ErrUnsupported, option)
		}
		return c.sendConfig(ctx, info, subcommand, parameters, pin)
	})
	c.info = nil // options have changed
	if err != nil {
		return fmt.Errorf("configuring: %w", err)
	}
	return nil
}

// sendConfig authorises the subcommand by the PIN where one is set; a blank
// application takes it without (§6.11.1).
func (c *Client) sendConfig(ctx context.Context, info Info, subcommand int, parameters any, pin []byte) error {
	request := configRequest{Subcommand: subcommand}
	if parameters != nil {
		request.Parameters = encode(parameters)
	}
	if info.HasPIN() {
		token, err := c.token(ctx, info, pin, mayConfigure, "")
		if err != nil {
			return err
		}
		defer token.destroy()
		// §6.11.1: 32 × FF || 0D || subcommand || parameters
		prefix := append(bytes.Repeat([]byte{0xFF}, 32), cmdConfig, byte(subcommand))
		request.Protocol, request.AuthParam = token.protocol, token.authenticate(prefix, request.Parameters)
	}
	return c.call(ctx, cmdConfig, request, nil)
}

// Reset erases the application: PIN, credentials, settings (§6.6). Cards take it
// only within ten seconds of power-up; the caller sees to that.
func (c *Client) Reset(ctx context.Context) error {
	err := c.write(ctx, func() error { return c.call(ctx, cmdReset, nil, nil) })
	c.info = nil
	if err != nil {
		return fmt.Errorf("resetting: %w", err)
	}
	return nil
}

// Selection asks the person to confirm this card among several (§6.9).
func (c *Client) Selection(ctx context.Context) error {
	err := c.Together(ctx, func() error { return c.call(ctx, cmdSelection, nil, nil) })
	if err != nil {
		return fmt.Errorf("selecting this card: %w", err)
	}
	return nil
}
