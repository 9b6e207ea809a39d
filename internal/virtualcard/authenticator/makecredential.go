package authenticator

import (
	"crypto/ecdsa"
	"crypto/rand"
	"slices"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"
)

// Keys of authenticatorMakeCredential's parameters (CTAP 2.1 §6.1).
const (
	makeKeyHash       = 0x01
	makeKeyRP         = 0x02
	makeKeyUser       = 0x03
	makeKeyAlgorithms = 0x04
	makeKeyExclude    = 0x05
	makeKeyExtensions = 0x06
	makeKeyOptions    = 0x07
	makeKeyAuthParam  = 0x08
	makeKeyProtocol   = 0x09
	makeKeyEnterprise = 0x0A
)

// maxName is what is kept of a name, in bytes (WebAuthn §6.4.1.2).
const maxName = 64

// rpEntity is a PublicKeyCredentialRpEntity.
type rpEntity struct {
	ID   string `cbor:"id"`
	Name string `cbor:"name,omitempty"`
}

// userEntity is a PublicKeyCredentialUserEntity.
type userEntity struct {
	ID          []byte `cbor:"id"`
	Name        string `cbor:"name,omitempty"`
	DisplayName string `cbor:"displayName,omitempty"`
}

// makeRequest is a makeCredential read and checked for form.
type makeRequest struct {
	hash       []byte
	rp         rpEntity
	user       userEntity
	exclude    []descriptor
	extensions extensionInputs
	options    map[string]bool
	auth       pinAuth
	enterprise uint64 // 0: not asked for
}

// makeCredential is authenticatorMakeCredential (CTAP 2.1 §6.1.2).
func (e *Engine) makeCredential(p params) (any, error) {
	r, err := e.readMake(p)
	if err != nil {
		return nil, err
	}
	attestation, enterprise, err := e.chooseAttestation(r)
	if err != nil {
		return nil, err
	}
	verified, err := e.verifyForMake(r)
	if err != nil {
		return nil, err
	}
	for _, d := range r.exclude { // step 12
		if found, ok := e.find(d, r.rp.ID); ok && visible(found.protection, verified, true) {
			return nil, statusCredentialExcluded
		}
	}
	e.spendToken() // step 14: in the reader counts as touched
	protection, extensions, err := e.makeExtensions(r.extensions, r.rp.ID)
	if err != nil {
		return nil, err
	}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	id, err := e.store(r, key, protection)
	if err != nil {
		return nil, err
	}
	data, err := e.encode(authData{
		rpID: r.rp.ID, up: true, uv: verified, aaguid: e.attestedAAGUID(),
		credential: id, key: key, extensions: extensions,
	})
	if err != nil {
		return nil, err
	}
	format, statement, err := e.statement(attestation, key, data, r.hash)
	if err != nil {
		return nil, err
	}
	answer := map[uint64]any{0x01: format, 0x02: data, 0x03: statement}
	if enterprise {
		answer[0x04] = true // epAtt
	}
	return answer, nil
}

// readMake reads the parameters, in the order of the specification's steps.
func (e *Engine) readMake(p params) (r makeRequest, err error) {
	if r.auth, err = e.parsePINAuth(p, makeKeyAuthParam, makeKeyProtocol); err != nil {
		return r, err
	}
	if r.auth.present && len(r.auth.param) == 0 { // step 1
		return r, e.probe()
	}
	if r.hash, err = required[[]byte](p, makeKeyHash); err != nil {
		return r, err
	}
	if r.rp, err = required[rpEntity](p, makeKeyRP); err != nil {
		return r, err
	}
	if r.user, err = required[userEntity](p, makeKeyUser); err != nil {
		return r, err
	}
	if r.rp.ID == "" || len(r.user.ID) == 0 {
		return r, statusMissingParameter
	}
	if len(r.hash) != 32 || len(r.user.ID) > 64 { // WebAuthn §5.4.3: a user handle is at most 64 bytes
		return r, statusInvalidLength
	}
	if err = checkAlgorithms(p); err != nil {
		return r, err
	}
	if r.exclude, _, err = readList(p, makeKeyExclude); err != nil {
		return r, err
	}
	if r.extensions, _, err = optional[extensionInputs](p, makeKeyExtensions); err != nil {
		return r, err
	}
	if r.enterprise, err = readEnterprise(p); err != nil {
		return r, err
	}
	r.options, err = e.readMakeOptions(p)
	return r, err
}

// checkAlgorithms looks for one the authenticator has (step 3).
func checkAlgorithms(p params) error {
	list, err := required[[]struct {
		Algorithm *int64  `cbor:"alg"`
		Type      *string `cbor:"type"`
	}](p, makeKeyAlgorithms)
	if err != nil {
		return err
	}
	supported := false
	for _, item := range list {
		if item.Algorithm == nil || item.Type == nil {
			return statusMissingParameter
		}
		supported = supported || (*item.Algorithm == algES256 && *item.Type == publicKey)
	}
	if !supported {
		return statusUnsupportedAlgorithm
	}
	return nil
}

// readMakeOptions judges the options (step 5).
func (e *Engine) readMakeOptions(p params) (map[string]bool, error) {
	raw, _, err := optional[map[string]cbor.RawMessage](p, makeKeyOptions)
	if err != nil {
		return nil, err
	}
	options, err := understood(raw)
	if err != nil {
		return nil, err
	}
	if up, present := options["up"]; present && !up {
		return nil, statusInvalidOption
	}
	if options["rk"] && e.options.ResidentKeys == 0 {
		return nil, statusUnsupportedOption
	}
	return options, nil
}

// understood keeps the options that mean something; unknown ones are as absent.
func understood(raw map[string]cbor.RawMessage) (map[string]bool, error) {
	options := map[string]bool{}
	for _, name := range []string{"rk", "up", "uv"} {
		encoded, present := raw[name]
		if !present {
			continue
		}
		var value *bool
		if err := decode(encoded, &value); err != nil || value == nil {
			return nil, statusUnexpectedType
		}
		options[name] = *value
	}
	return options, nil
}

// verifyForMake decides what is known of the user (steps 6 to 11).
func (e *Engine) verifyForMake(r makeRequest) (verified bool, err error) {
	if r.auth.present {
		return true, e.authorise(r.auth, r.hash, permissionMake, r.rp.ID)
	}
	if r.options["uv"] || (e.state.AlwaysUV && e.options.BuiltInUV != nil) {
		return true, e.builtInUV()
	}
	unverified := e.options.MakeCredUVNotRqd && !r.options["rk"] && e.speaks21()
	if e.state.AlwaysUV || (e.protected() && !unverified) {
		return false, statusPUATRequired
	}
	return false, nil
}

func readEnterprise(p params) (uint64, error) {
	wanted, present, err := optional[uint64](p, makeKeyEnterprise)
	if err != nil {
		return 0, err
	}
	if present && wanted != 1 && wanted != 2 {
		return 0, statusInvalidOption
	}
	return wanted, nil
}

// chooseAttestation answers the wish for an enterprise attestation (step 9).
func (e *Engine) chooseAttestation(r makeRequest) (a Attestation, enterprise bool, err error) {
	if r.enterprise == 0 {
		return e.options.Attestation, false, nil
	}
	if e.options.Enterprise.Key == nil || !e.state.Enterprise {
		return a, false, statusInvalidParameter
	}
	if r.enterprise == 2 || slices.Contains(e.options.EnterpriseRPs, r.rp.ID) {
		return e.options.Enterprise, true, nil
	}
	return e.options.Attestation, false, nil
}

// store keeps the new credential, or seals it into its id (steps 17 and 18).
func (e *Engine) store(r makeRequest, key *ecdsa.PrivateKey, protection int) (id []byte, err error) {
	if !r.options["rk"] {
		return e.wrap(key, protection, r.rp.ID)
	}
	scalar, err := key.Bytes()
	if err != nil {
		return nil, err
	}
	id = make([]byte, 32)
	rand.Read(id) // never fails
	return id, e.keep(Credential{
		ID: id, PrivateKey: scalar, Protection: protection,
		RPID: r.rp.ID, RPName: truncate(r.rp.Name), UserID: r.user.ID,
		UserName: truncate(r.user.Name), DisplayName: truncate(r.user.DisplayName),
	})
}

// truncate cuts a name to what is kept, between code points.
func truncate(name string) string {
	if len(name) <= maxName {
		return name
	}
	cut := maxName
	for cut > 0 && !utf8.RuneStart(name[cut]) {
		cut--
	}
	return name[:cut]
}
