package authenticator

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"unicode/utf8"
)

// Subcommands of authenticatorClientPIN (CTAP 2.1 §6.5.5).
const (
	subGetRetries   = 0x01
	subGetAgreement = 0x02
	subSetPIN       = 0x03
	subChangePIN    = 0x04
	subPINToken     = 0x05
	subTokenByUV    = 0x06
	subGetUVRetries = 0x07
	subTokenByPIN   = 0x09
)

// Keys of its parameters and of its answer.
const (
	pinKeyProtocol    = 0x01
	pinKeySubcommand  = 0x02
	pinKeyAgreement   = 0x03
	pinKeyAuthParam   = 0x04
	pinKeyNewPIN      = 0x05
	pinKeyHash        = 0x06
	pinKeyPermissions = 0x09
	pinKeyRPID        = 0x0A

	pinAnswerAgreement  = 0x01
	pinAnswerToken      = 0x02
	pinAnswerRetries    = 0x03
	pinAnswerPowerCycle = 0x04
	pinAnswerUVRetries  = 0x05
)

// paddedPIN is the length of a PIN on its way (CTAP 2.1 §6.5.5.5).
const paddedPIN = 64

// mismatchesAllowed in a row before a power cycle is needed (CTAP 2.1 §6.5.5.7.1).
const mismatchesAllowed = 3

// clientPIN is authenticatorClientPIN (CTAP 2.1 §6.5).
func (e *Engine) clientPIN(p params) (any, error) {
	subcommand, err := required[uint64](p, pinKeySubcommand)
	if err != nil {
		return nil, err
	}
	switch subcommand {
	case subGetRetries:
		return map[uint64]any{
			pinAnswerRetries:    e.state.PINRetries,
			pinAnswerPowerCycle: e.mismatches >= mismatchesAllowed,
		}, nil
	case subGetUVRetries:
		if e.options.BuiltInUV == nil {
			return nil, statusInvalidSubcommand
		}
		return map[uint64]any{pinAnswerUVRetries: e.state.UVRetries}, nil
	}
	protocol, err := required[uint64](p, pinKeyProtocol)
	if err != nil {
		return nil, err
	}
	if err := e.checkProtocol(protocol); err != nil {
		return nil, err
	}
	switch subcommand {
	case subGetAgreement:
		return e.keyAgreement(protocol)
	case subSetPIN:
		return nil, e.setPIN(protocol, p)
	case subChangePIN:
		return nil, e.changePIN(protocol, p)
	case subPINToken:
		return e.tokenByPIN(protocol, p, true)
	case subTokenByPIN:
		if e.speaks21() {
			return e.tokenByPIN(protocol, p, false)
		}
	case subTokenByUV:
		if e.speaks21() && e.options.BuiltInUV != nil {
			return e.tokenByUV(protocol, p)
		}
	}
	return nil, statusInvalidSubcommand
}

func (e *Engine) keyAgreement(protocol uint64) (any, error) {
	key, err := e.agreement(protocol)
	if err != nil {
		return nil, err
	}
	point := key.PublicKey().Bytes()
	return map[uint64]any{pinAnswerAgreement: coseKey{
		KeyType: coseEC2, Algorithm: algECDHHKDF, Curve: coseP256, X: point[1:33], Y: point[33:65],
	}}, nil
}

// sharedSecret reads the platform's key and derives the secret.
func (e *Engine) sharedSecret(protocol uint64, p params) (secret, error) {
	peer, err := required[coseKey](p, pinKeyAgreement)
	if err != nil {
		return secret{}, err
	}
	return e.decapsulate(protocol, peer)
}

// setPIN sets the first PIN (CTAP 2.1 §6.5.5.5).
func (e *Engine) setPIN(protocol uint64, p params) error {
	newPIN, err := required[[]byte](p, pinKeyNewPIN)
	if err != nil {
		return err
	}
	auth, err := required[[]byte](p, pinKeyAuthParam)
	if err != nil {
		return err
	}
	shared, err := e.sharedSecret(protocol, p)
	if err != nil {
		return err
	}
	if e.pinSet() || !shared.verify(newPIN, auth) {
		return statusPINAuthInvalid
	}
	return e.storePIN(shared, newPIN)
}

// changePIN replaces the PIN by one who knows it (CTAP 2.1 §6.5.5.6).
func (e *Engine) changePIN(protocol uint64, p params) error {
	newPIN, err := required[[]byte](p, pinKeyNewPIN)
	if err != nil {
		return err
	}
	hash, err := required[[]byte](p, pinKeyHash)
	if err != nil {
		return err
	}
	auth, err := required[[]byte](p, pinKeyAuthParam)
	if err != nil {
		return err
	}
	if err := e.pinUsable(); err != nil {
		return err
	}
	shared, err := e.sharedSecret(protocol, p)
	if err != nil {
		return err
	}
	if !shared.verify(append(bytes.Clone(newPIN), hash...), auth) {
		return statusPINAuthInvalid
	}
	if err := e.matchPIN(protocol, shared, hash); err != nil {
		return err
	}
	if err := e.storePIN(shared, newPIN); err != nil {
		return err
	}
	e.token = token{}
	return nil
}

// storePIN decrypts, judges and keeps a new PIN.
func (e *Engine) storePIN(shared secret, encrypted []byte) error {
	padded, err := shared.decrypt(encrypted)
	if err != nil {
		return statusPINAuthInvalid
	}
	if len(padded) != paddedPIN {
		return statusInvalidParameter
	}
	pin := bytes.TrimRight(padded, "\x00")
	length := utf8.RuneCount(pin)
	if len(pin) > maxPINLength || bytes.IndexByte(pin, 0) >= 0 || !utf8.Valid(pin) || length < e.state.MinPINLength {
		return statusPINPolicyViolation
	}
	digest := sha256.Sum256(pin)
	if e.state.ForceChange && hmac.Equal(digest[:16], e.state.PINHash) {
		return statusPINPolicyViolation // the change that was asked for must change something
	}
	e.state.PINHash, e.state.PINLength, e.state.ForceChange = digest[:16], length, false
	e.state.PINRetries, e.dirty = e.options.PINTries, true
	e.mismatches = 0
	return nil
}

// pinUsable refuses a PIN that is absent, or blocked for good or until power-off.
func (e *Engine) pinUsable() error {
	switch {
	case !e.pinSet():
		return statusPINNotSet
	case e.state.PINRetries == 0:
		return statusPINBlocked
	case e.mismatches >= mismatchesAllowed:
		return statusPINAuthBlocked
	}
	return nil
}

// matchPIN spends a try, and gives all back if the PIN is right.
func (e *Engine) matchPIN(protocol uint64, shared secret, encrypted []byte) error {
	e.state.PINRetries--
	e.dirty = true
	hash, err := shared.decrypt(encrypted)
	if err == nil && hmac.Equal(hash, e.state.PINHash) {
		e.state.PINRetries, e.state.UVRetries = e.options.PINTries, maxUVTries
		e.mismatches = 0
		return nil
	}
	e.mismatches++
	if _, err := e.regenerate(protocol); err != nil {
		return err
	}
	switch {
	case e.state.PINRetries == 0:
		return statusPINBlocked
	case e.mismatches >= mismatchesAllowed:
		return statusPINAuthBlocked
	default:
		return statusPINInvalid
	}
}
