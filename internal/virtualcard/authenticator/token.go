package authenticator

import (
	"crypto/rand"
	"time"
)

// Permissions of a pinUvAuthToken (CTAP 2.1 §6.5.5.7).
const (
	permissionMake       = 0x01
	permissionAssert     = 0x02
	permissionManage     = 0x04
	permissionEnroll     = 0x08
	permissionLargeBlob  = 0x10
	permissionConfigure  = 0x20
	permissionsSupported = permissionMake | permissionAssert | permissionManage | permissionConfigure
	permissionsRefused   = permissionEnroll | permissionLargeBlob // this card has no finger to enrol and no large blobs
	permissionsDefault   = permissionMake | permissionAssert      // of getPinToken
)

// Limits on a token's use (CTAP 2.1 §6.5.2.1).
const (
	tokenFirstUse = 30 * time.Second
	tokenLife     = 10 * time.Minute
)

// token is the pinUvAuthToken in use, if value is not nil.
type token struct {
	value       []byte
	protocol    uint64
	permissions byte
	rpID        string // the only RP it serves; "" until bound
	legacy      bool   // by getPinToken, without permissions
	verified    bool   // userVerifiedFlagValue
	issued      time.Time
	used        bool
}

// issue replaces the token in use.
func (e *Engine) issue(protocol uint64, permissions byte, rpID string, legacy bool) []byte {
	value := make([]byte, 32)
	rand.Read(value) // never fails
	e.token = token{
		value: value, protocol: protocol, permissions: permissions, rpID: rpID,
		legacy: legacy, verified: true, issued: e.options.Now(),
	}
	return value
}

// pinAuth is a command's pinUvAuthParam with its protocol.
type pinAuth struct {
	present  bool
	param    []byte
	protocol uint64
}

func (e *Engine) parsePINAuth(p params, paramKey, protocolKey uint64) (auth pinAuth, err error) {
	if auth.param, auth.present, err = optional[[]byte](p, paramKey); err != nil {
		return auth, err
	}
	if !auth.present || len(auth.param) == 0 {
		return auth, nil
	}
	if auth.protocol, err = required[uint64](p, protocolKey); err != nil {
		return auth, err
	}
	return auth, e.checkProtocol(auth.protocol)
}

func (e *Engine) checkProtocol(protocol uint64) error {
	for _, known := range e.protocols() {
		if protocol == known {
			return nil
		}
	}
	return statusInvalidParameter
}

// verifyToken checks that auth was made over message with the token in use,
// and that the token has the permission.
func (e *Engine) verifyToken(auth pinAuth, message []byte, permission byte) error {
	e.expireToken()
	t := e.token
	if t.value == nil || t.protocol != auth.protocol || !macMatches(auth.protocol, t.value, message, auth.param) {
		return statusPINAuthInvalid
	}
	e.token.used = true
	if t.permissions&permission == 0 && !(t.legacy && !e.speaks21()) {
		return statusPINAuthInvalid
	}
	return nil
}

// expireToken drops a token past its time. CTAP 2.0 tokens last while there is power.
func (e *Engine) expireToken() {
	if e.token.value == nil || !e.speaks21() {
		return
	}
	age := e.options.Now().Sub(e.token.issued)
	if age > tokenLife || (age > tokenFirstUse && !e.token.used) {
		e.token = token{}
	}
}

// authorise lets auth speak for the user in makeCredential or getAssertion,
// and binds the token to the RP (CTAP 2.1 §6.1.2 step 11, §6.2.2 step 6).
func (e *Engine) authorise(auth pinAuth, clientDataHash []byte, permission byte, rpID string) error {
	if !e.protected() {
		return statusPINNotSet
	}
	if err := e.verifyToken(auth, clientDataHash, permission); err != nil {
		return err
	}
	if !e.speaks21() {
		return nil
	}
	if !e.token.verified || (e.token.rpID != "" && e.token.rpID != rpID) {
		return statusPINAuthInvalid
	}
	e.token.rpID = rpID
	return nil
}

// spendToken ends the user's word after it was used with presence:
// clearUserVerifiedFlag, clearPinUvAuthTokenPermissionsExceptLbw.
func (e *Engine) spendToken() {
	if e.speaks21() {
		e.token.verified = false
		e.token.permissions &= permissionLargeBlob
	}
}

// probe answers a zero-length pinUvAuthParam, by which platforms ask which
// authenticator is meant (CTAP 2.1 §6.1.2 step 1).
func (e *Engine) probe() error {
	if !e.pinSet() {
		return statusPINNotSet
	}
	return statusPINInvalid
}

// tokenByPIN is getPinToken (legacy) and
// getPinUvAuthTokenUsingPinWithPermissions (CTAP 2.1 §6.5.5.7.1 and .2).
func (e *Engine) tokenByPIN(protocol uint64, p params, legacy bool) (any, error) {
	hash, err := required[[]byte](p, pinKeyHash)
	if err != nil {
		return nil, err
	}
	permissions, rpID, err := tokenRequest(p, legacy)
	if err != nil {
		return nil, err
	}
	if err := e.pinUsable(); err != nil {
		return nil, err
	}
	shared, err := e.sharedSecret(protocol, p)
	if err != nil {
		return nil, err
	}
	if err := e.matchPIN(protocol, shared, hash); err != nil {
		return nil, err
	}
	if e.state.ForceChange {
		if legacy {
			return nil, statusPINInvalid // §6.5.5.7.1 step 11
		}
		return nil, statusPINPolicyViolation // §6.5.5.7.2 step 11
	}
	return e.sendToken(shared, permissions, rpID, legacy)
}

// tokenByUV is getPinUvAuthTokenUsingUvWithPermissions (CTAP 2.1 §6.5.5.7.3).
func (e *Engine) tokenByUV(protocol uint64, p params) (any, error) {
	permissions, rpID, err := tokenRequest(p, false)
	if err != nil {
		return nil, err
	}
	shared, err := e.sharedSecret(protocol, p)
	if err != nil {
		return nil, err
	}
	if err := e.tryUV(); err != nil {
		return nil, err
	}
	return e.sendToken(shared, permissions, rpID, false)
}

func (e *Engine) sendToken(shared secret, permissions byte, rpID string, legacy bool) (any, error) {
	encrypted, err := shared.encrypt(e.issue(shared.protocol, permissions, rpID, legacy))
	if err != nil {
		return nil, err
	}
	return map[uint64]any{pinAnswerToken: encrypted}, nil
}

// tokenRequest reads what a token is wanted for.
func tokenRequest(p params, legacy bool) (permissions byte, rpID string, err error) {
	wanted, present, err := optional[uint64](p, pinKeyPermissions)
	if err != nil {
		return 0, "", err
	}
	rpID, named, err := optional[string](p, pinKeyRPID)
	if err != nil {
		return 0, "", err
	}
	switch {
	case legacy && (present || named):
		return 0, "", statusInvalidParameter
	case legacy:
		return permissionsDefault, "", nil
	case !present:
		return 0, "", statusMissingParameter
	case wanted == 0:
		return 0, "", statusInvalidParameter
	case wanted&permissionsRefused != 0:
		return 0, "", statusUnauthorizedPermission
	case wanted&permissionsDefault != 0 && rpID == "": // the table of permissions requires it
		return 0, "", statusMissingParameter
	}
	return byte(wanted & permissionsSupported), rpID, nil // undefined ones are ignored
}
