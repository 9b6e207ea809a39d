package cardside

import (
	"context"
	"errors"

	"cpsgate/cardside/ctap2"
	"cpsgate/cardside/libfido2"
)

// Authenticator makes credentials and signs with them.
type Authenticator interface {
	// Info says what the card is. With ctap2.ErrNotCanonical comes the Info
	// that could be read all the same.
	Info(ctx context.Context) (ctap2.Info, error)
	// MakeCredential makes a credential; the PIN in the request stays the
	// caller's to clear.
	MakeCredential(ctx context.Context, creation ctap2.Creation) (ctap2.Attestation, error)
	// GetAssertion returns at least one assertion, the newest credential's
	// first, or an error.
	GetAssertion(ctx context.Context, request ctap2.Request) ([]ctap2.Assertion, error)
}

// PINHolder keeps a PIN and counts the tries at it. Every method that takes a
// current PIN reads the counter first and keeps the last try unless told
// otherwise; a refused PIN is a *ctap2.PINError.
type PINHolder interface {
	Retries(ctx context.Context) (ctap2.Retries, error)
	SetPIN(ctx context.Context, pin []byte) error
	ChangePIN(ctx context.Context, current, next []byte) error
}

// Keeper keeps discoverable credentials.
type Keeper interface {
	Credentials(ctx context.Context, pin []byte) ([]ctap2.Stored, error)
	DeleteCredential(ctx context.Context, id, pin []byte) error
	// Reset erases everything; it must come within ten seconds of power-up.
	Reset(ctx context.Context) error
}

// Engine is a way to speak CTAP with an authenticator. Its errors are those of
// packages ctap2 and pcsc.
type Engine interface {
	Authenticator
	PINHolder
	Keeper
}

// Both engines are one.
var (
	_ Engine = (*ctap2.Client)(nil)
	_ Engine = (*libfido2.Client)(nil)
)

// EngineName names an engine on the command line.
type EngineName string

// The engines; auto is ctap2 for cards and libfido2 for security keys.
const (
	EngineAuto     EngineName = "auto"
	EngineCTAP2    EngineName = "ctap2"
	EngineLibfido2 EngineName = "libfido2"
)

// ErrEngine is an engine that cannot do what is asked: ctap2 reaches no
// security key on USB.
var ErrEngine = errors.New("this engine does not reach this device")

// choose resolves auto.
func (e EngineName) choose(securityKey bool) (EngineName, error) {
	switch {
	case e == EngineCTAP2 && securityKey:
		return "", ErrEngine
	case e == EngineLibfido2 || securityKey:
		return EngineLibfido2, nil
	default:
		return EngineCTAP2, nil
	}
}
