package authenticator

import (
	"github.com/fxamacker/cbor/v2"
)

// Keys of authenticatorGetAssertion's parameters (CTAP 2.1 §6.2).
const (
	assertKeyRPID       = 0x01
	assertKeyHash       = 0x02
	assertKeyAllow      = 0x03
	assertKeyExtensions = 0x04
	assertKeyOptions    = 0x05
	assertKeyAuthParam  = 0x06
	assertKeyProtocol   = 0x07
)

// assertion is a getAssertion read and checked for form; what is verified of
// the user is filled in along the way.
type assertion struct {
	rpID     string
	hash     []byte
	listed   bool // an allow list was sent
	allow    []descriptor
	hmac     *hmacRequest
	up, uv   bool // the options
	auth     pinAuth
	verified bool
	several  bool // one of several accounts
}

// getAssertion is authenticatorGetAssertion (CTAP 2.1 §6.2.2).
func (e *Engine) getAssertion(p params) (any, error) {
	a, err := e.readAssertion(p)
	if err != nil {
		return nil, err
	}
	if a.verified, err = e.verifyForAssertion(a); err != nil {
		return nil, err
	}
	if a.listed {
		return e.assertListed(a)
	}
	found := e.discoverable(a.rpID, a.verified)
	if len(found) == 0 {
		return nil, statusNoCredentials
	}
	if a.up {
		e.spendToken()
	}
	a.several = len(found) > 1
	answer, err := e.assertDiscoverable(a, found[0])
	if err != nil {
		return nil, err
	}
	if a.several {
		answer[0x05] = len(found) // numberOfCredentials
		e.rest = rest{at: e.options.Now(), assertion: a, credentials: found[1:]}
	}
	return answer, nil
}

// nextAssertion is authenticatorGetNextAssertion (CTAP 2.1 §6.3).
func (e *Engine) nextAssertion(was rest) (any, error) {
	now := e.options.Now()
	if was.assertion.hash == nil || len(was.credentials) == 0 || now.Sub(was.at) > restLife {
		return nil, statusNotAllowed
	}
	answer, err := e.assertDiscoverable(was.assertion, was.credentials[0])
	if err != nil {
		return nil, err
	}
	e.rest = rest{at: now, assertion: was.assertion, credentials: was.credentials[1:]}
	return answer, nil
}

func (e *Engine) readAssertion(p params) (a assertion, err error) {
	if a.auth, err = e.parsePINAuth(p, assertKeyAuthParam, assertKeyProtocol); err != nil {
		return a, err
	}
	if a.auth.present && len(a.auth.param) == 0 {
		return a, e.probe()
	}
	if a.rpID, err = required[string](p, assertKeyRPID); err != nil {
		return a, err
	}
	if a.hash, err = required[[]byte](p, assertKeyHash); err != nil {
		return a, err
	}
	if len(a.hash) != 32 {
		return a, statusInvalidLength
	}
	if a.allow, a.listed, err = readList(p, assertKeyAllow); err != nil {
		return a, err
	}
	if a.listed && len(a.allow) == 0 { // "MUST NOT be empty", §6.2
		return a, statusMissingParameter
	}
	raw, _, err := optional[map[string]cbor.RawMessage](p, assertKeyOptions)
	if err != nil {
		return a, err
	}
	if err = a.readOptions(raw); err != nil {
		return a, err
	}
	extensions, _, err := optional[extensionInputs](p, assertKeyExtensions)
	if err != nil {
		return a, err
	}
	a.hmac, err = e.readHMAC(extensions, a.up)
	return a, err
}

// readOptions judges the options (step 4).
func (a *assertion) readOptions(raw map[string]cbor.RawMessage) error {
	options, err := understood(raw)
	if err != nil {
		return err
	}
	if _, present := options["rk"]; present {
		return statusUnsupportedOption
	}
	up, present := options["up"]
	a.up, a.uv = up || !present, options["uv"]
	return nil
}

// verifyForAssertion decides what is known of the user (steps 5 and 6).
func (e *Engine) verifyForAssertion(a assertion) (verified bool, err error) {
	if a.auth.present {
		return true, e.authorise(a.auth, a.hash, permissionAssert, a.rpID)
	}
	if a.uv || (a.up && e.state.AlwaysUV && e.options.BuiltInUV != nil) {
		return true, e.builtInUV()
	}
	if a.up && e.state.AlwaysUV {
		return false, statusPUATRequired
	}
	return false, nil
}

// assertListed signs with the first credential of the allow list that is here.
func (e *Engine) assertListed(a assertion) (any, error) {
	for _, d := range a.allow {
		found, ok := e.find(d, a.rpID)
		if ok && visible(found.protection, a.verified, true) {
			if a.up {
				e.spendToken()
			}
			return e.assert(a, found)
		}
	}
	return nil, statusNoCredentials
}

func (e *Engine) assertDiscoverable(a assertion, c Credential) (map[uint64]any, error) {
	s, err := c.source()
	if err != nil {
		return nil, err
	}
	return e.assert(a, s)
}

// assert signs (steps 11 to 13).
func (e *Engine) assert(a assertion, s source) (map[uint64]any, error) {
	extensions := map[string]any{}
	if a.hmac != nil {
		output, err := e.hmacOutput(*a.hmac, s.key, a.verified)
		if err != nil {
			return nil, err
		}
		extensions[extensionHMACSecret] = output
	}
	data, err := e.encode(authData{rpID: a.rpID, up: a.up, uv: a.verified, extensions: extensions})
	if err != nil {
		return nil, err
	}
	signature, err := sign(s.key, data, a.hash)
	if err != nil {
		return nil, err
	}
	answer := map[uint64]any{
		0x01: map[string]any{"id": s.id, "type": publicKey},
		0x02: data,
		0x03: signature,
	}
	if s.discovering {
		answer[0x04] = namedUser(s.user, a.verified && a.several)
	}
	return answer, nil
}

// namedUser is the user as told to the platform: names only where they help to
// choose, and never without user verification (CTAP 2.1 §6.2, user).
func namedUser(u userEntity, named bool) userEntity {
	if named {
		return u
	}
	return userEntity{ID: u.ID}
}
