package authenticator

import (
	"bytes"
	"slices"
)

// Subcommands of authenticatorConfig (CTAP 2.1 §6.11).
const (
	configEnterprise    = 0x01
	configAlwaysUV      = 0x02
	configMinPINLength  = 0x03
	configKeySubcommand = 0x01
	configKeyParams     = 0x02
	configKeyProtocol   = 0x03
	configKeyAuthParam  = 0x04
	configParamLength   = 0x01
	configParamRPIDs    = 0x02
	configParamForce    = 0x03
)

// config is authenticatorConfig (CTAP 2.1 §6.11).
func (e *Engine) config(p params) error {
	subcommand, err := required[uint64](p, configKeySubcommand)
	if err != nil {
		return err
	}
	if subcommand < configEnterprise || subcommand > configMinPINLength {
		return statusInvalidSubcommand
	}
	raw, sub, err := subParams(p, configKeyParams)
	if err != nil {
		return err
	}
	if err := e.authoriseConfig(p, byte(subcommand), raw); err != nil {
		return err
	}
	switch subcommand {
	case configEnterprise:
		if e.options.Enterprise.Key == nil {
			return statusInvalidSubcommand // not a feature of this card
		}
		e.state.Enterprise = true
	case configAlwaysUV:
		e.state.AlwaysUV = !e.state.AlwaysUV
	case configMinPINLength:
		return e.setMinPINLength(sub)
	}
	e.dirty = true
	return nil
}

// authoriseConfig wants a token with the permission acfg once there is
// something to verify the user by (§6.11.1 step 4).
func (e *Engine) authoriseConfig(p params, subcommand byte, raw []byte) error {
	enforced := e.state.AlwaysUV && subcommand != configAlwaysUV
	if !e.protected() && !enforced {
		return nil
	}
	auth, err := e.parsePINAuth(p, configKeyAuthParam, configKeyProtocol)
	if err != nil {
		return err
	}
	if !auth.present {
		return statusPUATRequired
	}
	message := append(bytes.Repeat([]byte{0xFF}, 32), commandConfig, subcommand)
	return e.verifyToken(auth, append(message, raw...), permissionConfigure)
}

// setMinPINLength raises the minimum PIN length, names who may see it, and can
// ask for a new PIN (CTAP 2.1 §6.11.4).
func (e *Engine) setMinPINLength(sub params) error {
	length, present, err := optional[int](sub, configParamLength)
	if err != nil {
		return err
	}
	if !present {
		length = e.state.MinPINLength
	}
	rpIDs, named, err := optional[[]string](sub, configParamRPIDs)
	if err != nil {
		return err
	}
	force, _, err := optional[bool](sub, configParamForce)
	if err != nil {
		return err
	}
	switch {
	case length < e.state.MinPINLength, length > maxPINLength:
		return statusPINPolicyViolation
	case len(rpIDs) > maxMinPINRPs:
		return statusKeyStoreFull // §6.11.4 step 5
	case force && !e.pinSet():
		return statusPINNotSet
	}
	if named {
		e.state.MinPINRPs = slices.Clone(rpIDs)
	}
	e.state.MinPINLength = length
	e.state.ForceChange = e.state.ForceChange || force || (e.pinSet() && e.state.PINLength < length)
	e.dirty = true
	return nil
}
