package authenticator

import (
	"bytes"
	"crypto/sha256"
	"slices"

	"github.com/fxamacker/cbor/v2"
)

// Subcommands of authenticatorCredentialManagement (CTAP 2.1 §6.8).
const (
	manageMetadata        = 0x01
	manageRPs             = 0x02
	manageNextRP          = 0x03
	manageCredentials     = 0x04
	manageNextCredential  = 0x05
	manageDelete          = 0x06
	manageUpdateUser      = 0x07
	manageKeySubcommand   = 0x01
	manageKeyParams       = 0x02
	manageKeyProtocol     = 0x03
	manageKeyAuthParam    = 0x04
	manageParamRPIDHash   = 0x01
	manageParamCredential = 0x02
	manageParamUser       = 0x03
)

// credentialManagement is authenticatorCredentialManagement (CTAP 2.1 §6.8)
// and, as 0x41, what came before it in FIDO_2_1_PRE.
func (e *Engine) credentialManagement(command byte, p params, was rest) (any, error) {
	subcommand, err := required[uint64](p, manageKeySubcommand)
	if err != nil {
		return nil, err
	}
	switch subcommand {
	case manageNextRP:
		return e.nextRP(was)
	case manageNextCredential:
		return e.nextCredential(was)
	}
	if subcommand > manageUpdateUser || subcommand == 0 ||
		(subcommand == manageUpdateUser && command == commandCredentialsBefore) {
		return nil, statusInvalidSubcommand
	}
	raw, sub, err := subParams(p, manageKeyParams)
	if err != nil {
		return nil, err
	}
	if err := e.authoriseManaging(p, byte(subcommand), raw); err != nil {
		return nil, err
	}
	switch subcommand {
	case manageMetadata:
		return e.metadata()
	case manageRPs:
		return e.firstRP()
	case manageCredentials:
		return e.firstCredential(sub)
	case manageDelete:
		return nil, e.deleteCredential(sub)
	default:
		return nil, e.updateUser(sub)
	}
}

// subParams reads the parameters of a subcommand, with their bytes as sent:
// those are what the platform authenticated.
func subParams(p params, key uint64) (cbor.RawMessage, params, error) {
	raw, present := p[key]
	if !present {
		return nil, nil, nil
	}
	var sub params
	if isNull(raw) {
		return nil, nil, statusUnexpectedType
	}
	return raw, sub, decode(raw, &sub)
}

// authoriseManaging wants a token with the permission cm.
func (e *Engine) authoriseManaging(p params, subcommand byte, raw []byte) error {
	auth, err := e.parsePINAuth(p, manageKeyAuthParam, manageKeyProtocol)
	if err != nil {
		return err
	}
	if !auth.present {
		return statusPUATRequired
	}
	return e.verifyToken(auth, append([]byte{subcommand}, raw...), permissionManage)
}

// unbound wants a token that serves no single RP.
func (e *Engine) unbound() error {
	if e.token.rpID != "" {
		return statusPINAuthInvalid
	}
	return nil
}

// mayManage wants a token that serves the RP, or none in particular.
func (e *Engine) mayManage(rpID string) error {
	if e.token.rpID != "" && e.token.rpID != rpID {
		return statusPINAuthInvalid
	}
	return nil
}

func (e *Engine) metadata() (any, error) {
	if err := e.unbound(); err != nil {
		return nil, err
	}
	used := len(e.state.Credentials)
	return map[uint64]any{0x01: used, 0x02: max(e.options.ResidentKeys-used, 0)}, nil
}

func (e *Engine) firstRP() (any, error) {
	if err := e.unbound(); err != nil {
		return nil, err
	}
	var rpIDs []string
	for _, c := range e.state.Credentials {
		if !slices.Contains(rpIDs, c.RPID) {
			rpIDs = append(rpIDs, c.RPID)
		}
	}
	if len(rpIDs) == 0 {
		return nil, statusNoCredentials
	}
	answer := e.rpAnswer(rpIDs[0])
	answer[0x05] = len(rpIDs) // totalRPs
	e.rest = rest{rpIDs: rpIDs[1:]}
	return answer, nil
}

func (e *Engine) nextRP(was rest) (any, error) {
	if len(was.rpIDs) == 0 {
		return nil, statusNotAllowed
	}
	e.rest = rest{rpIDs: was.rpIDs[1:]}
	return e.rpAnswer(was.rpIDs[0]), nil
}

func (e *Engine) rpAnswer(rpID string) map[uint64]any {
	rp := rpEntity{ID: rpID}
	for _, c := range e.state.Credentials {
		if c.RPID == rpID {
			rp.Name = c.RPName
		}
	}
	hash := sha256.Sum256([]byte(rpID))
	return map[uint64]any{0x03: rp, 0x04: hash[:]}
}

func (e *Engine) firstCredential(sub params) (any, error) {
	wanted, err := required[[]byte](sub, manageParamRPIDHash)
	if err != nil {
		return nil, err
	}
	var found []Credential
	for _, c := range e.state.Credentials {
		if hash := sha256.Sum256([]byte(c.RPID)); bytes.Equal(hash[:], wanted) {
			found = append(found, c)
		}
	}
	if own := sha256.Sum256([]byte(e.token.rpID)); e.token.rpID != "" && !bytes.Equal(own[:], wanted) {
		return nil, statusPINAuthInvalid
	}
	if len(found) == 0 {
		return nil, statusNoCredentials
	}
	answer, err := e.credentialAnswer(found[0])
	if err != nil {
		return nil, err
	}
	answer[0x09] = len(found) // totalCredentials
	e.rest = rest{credentials: found[1:]}
	return answer, nil
}

func (e *Engine) nextCredential(was rest) (any, error) {
	if was.assertion.hash != nil || len(was.credentials) == 0 {
		return nil, statusNotAllowed
	}
	e.rest = rest{credentials: was.credentials[1:]}
	return e.credentialAnswer(was.credentials[0])
}

func (e *Engine) credentialAnswer(c Credential) (map[uint64]any, error) {
	key, err := privateKey(c.PrivateKey)
	if err != nil {
		return nil, err
	}
	public, err := cosePublic(key)
	if err != nil {
		return nil, err
	}
	return map[uint64]any{
		0x06: userEntity{ID: c.UserID, Name: c.UserName, DisplayName: c.DisplayName},
		0x07: map[string]any{"id": c.ID, "type": publicKey},
		0x08: public,
		0x0A: c.Protection,
	}, nil
}

// named finds the credential a subcommand names, if the token may manage it.
func (e *Engine) named(sub params) (index int, err error) {
	wanted, err := required[descriptor](sub, manageParamCredential)
	if err != nil {
		return 0, err
	}
	index = slices.IndexFunc(e.state.Credentials, func(c Credential) bool { return bytes.Equal(c.ID, wanted.ID) })
	if index < 0 {
		return 0, statusNoCredentials
	}
	return index, e.mayManage(e.state.Credentials[index].RPID)
}

func (e *Engine) deleteCredential(sub params) error {
	index, err := e.named(sub)
	if err != nil {
		return err
	}
	e.state.Credentials = slices.Delete(e.state.Credentials, index, index+1)
	e.dirty = true
	return nil
}

func (e *Engine) updateUser(sub params) error {
	user, err := required[userEntity](sub, manageParamUser)
	if err != nil {
		return err
	}
	index, err := e.named(sub)
	if err != nil {
		return err
	}
	c := &e.state.Credentials[index]
	if !bytes.Equal(c.UserID, user.ID) {
		return statusInvalidParameter
	}
	c.UserName, c.DisplayName = truncate(user.Name), truncate(user.DisplayName)
	e.dirty = true
	return nil
}
