package authenticator

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"slices"

	"github.com/fxamacker/cbor/v2"
)

// Extension identifiers (CTAP 2.1 §12).
const (
	extensionCredProtect  = "credProtect"
	extensionHMACSecret   = "hmac-secret"
	extensionMinPINLength = "minPinLength"
)

// extensionInputs are a command's extensions, each still encoded.
type extensionInputs map[string]cbor.RawMessage

// input reads an extension's input if the platform sent one and the
// authenticator offers it; others are ignored.
func input[T any](e *Engine, in extensionInputs, name string) (value T, present bool, err error) {
	raw, sent := in[name]
	if !sent || !slices.Contains(e.extensions(), name) {
		return value, false, nil
	}
	if isNull(raw) {
		return value, true, statusUnexpectedType
	}
	return value, true, decode(raw, &value)
}

// makeExtensions processes the extensions of makeCredential: the level of
// protection, and what authenticator data says of them.
func (e *Engine) makeExtensions(in extensionInputs, rpID string) (protection int, out map[string]any, err error) {
	out, protection = map[string]any{}, protectOptional
	level, present, err := input[int](e, in, extensionCredProtect)
	switch {
	case err != nil:
		return 0, nil, err
	case present && (level < protectOptional || level > protectRequired):
		return 0, nil, statusInvalidParameter
	case present:
		protection, out[extensionCredProtect] = level, level
	}
	asked, _, err := input[bool](e, in, extensionMinPINLength)
	if err != nil {
		return 0, nil, err
	}
	if asked && slices.Contains(e.state.MinPINRPs, rpID) { // CTAP 2.1 §12.4
		out[extensionMinPINLength] = e.state.MinPINLength
	}
	asked, _, err = input[bool](e, in, extensionHMACSecret)
	if err != nil {
		return 0, nil, err
	}
	if asked {
		out[extensionHMACSecret] = true
	}
	return protection, out, nil
}

// hmacRequest is the input of hmac-secret in getAssertion (CTAP 2.1 §12.5).
type hmacRequest struct {
	Agreement coseKey `cbor:"1,keyasint"`
	SaltEnc   []byte  `cbor:"2,keyasint"`
	SaltAuth  []byte  `cbor:"3,keyasint"`
	Protocol  uint64  `cbor:"4,keyasint"`
}

// readHMAC reads and checks a request for hmac-secret; nil if there is none.
func (e *Engine) readHMAC(in extensionInputs, up bool) (*hmacRequest, error) {
	request, present, err := input[hmacRequest](e, in, extensionHMACSecret)
	if err != nil || !present {
		return nil, err
	}
	if !up {
		return nil, statusUnsupportedOption // it is a secret of the user's presence
	}
	if request.Protocol == 0 {
		request.Protocol = 1 // absent means one
	}
	return &request, e.checkProtocol(request.Protocol)
}

// hmacOutput computes hmac-secret's output for a credential.
func (e *Engine) hmacOutput(request hmacRequest, key *ecdsa.PrivateKey, verified bool) ([]byte, error) {
	shared, err := e.decapsulate(request.Protocol, request.Agreement)
	if err != nil {
		return nil, err
	}
	if !shared.verify(request.SaltEnc, request.SaltAuth) {
		return nil, statusPINAuthInvalid
	}
	salts, err := shared.decrypt(request.SaltEnc)
	if err != nil {
		return nil, err
	}
	if len(salts) != 32 && len(salts) != 64 {
		return nil, statusInvalidParameter
	}
	seed, err := e.hmacSeed(key, verified)
	if err != nil {
		return nil, err
	}
	var out []byte
	for salt := range slices.Chunk(salts, 32) {
		h := hmac.New(sha256.New, seed)
		h.Write(salt)
		out = h.Sum(out)
	}
	return shared.encrypt(out)
}
