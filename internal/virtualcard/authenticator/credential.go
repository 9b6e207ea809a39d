package authenticator

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"slices"
)

// publicKey is the only credential type (WebAuthn §5.8.2).
const publicKey = "public-key"

// Levels of credProtect (CTAP 2.1 §12.1).
const (
	protectOptional = 1 // userVerificationOptional
	protectListed   = 2 // userVerificationOptionalWithCredentialIDList
	protectRequired = 3 // userVerificationRequired
)

// descriptor is a PublicKeyCredentialDescriptor.
type descriptor struct {
	ID   []byte `cbor:"id"`
	Type string `cbor:"type"`
}

// source is a credential found, whether discoverable or wrapped in its id.
type source struct {
	id          []byte
	key         *ecdsa.PrivateKey
	protection  int
	user        userEntity // of a discoverable credential
	discovering bool       // it is discoverable
}

// visible tells whether a credential may be used, given what was verified and
// whether the platform named its id (CTAP 2.1 §12.1.1).
func visible(protection int, verified, listed bool) bool {
	switch protection {
	case protectRequired:
		return verified
	case protectListed:
		return verified || listed
	default:
		return true
	}
}

// readList reads an allow or exclude list.
func readList(p params, key uint64) (list []descriptor, present bool, err error) {
	list, present, err = optional[[]descriptor](p, key)
	if err != nil {
		return nil, present, err
	}
	if len(list) > maxListed {
		return nil, present, statusLimitExceeded
	}
	for _, d := range list {
		if len(d.ID) == 0 || d.Type == "" {
			return nil, present, statusMissingParameter
		}
	}
	return list, present, nil
}

// find looks a listed credential up among the discoverable ones, and in its id.
func (e *Engine) find(d descriptor, rpID string) (source, bool) {
	if d.Type != publicKey {
		return source{}, false
	}
	for _, c := range e.state.Credentials {
		if c.RPID == rpID && bytes.Equal(c.ID, d.ID) {
			s, err := c.source()
			return s, err == nil
		}
	}
	return e.unwrap(d.ID, rpID)
}

// discoverable lists an RP's visible credentials, the latest first.
func (e *Engine) discoverable(rpID string, verified bool) []Credential {
	var found []Credential
	for _, c := range slices.Backward(e.state.Credentials) {
		if c.RPID == rpID && visible(c.Protection, verified, false) {
			found = append(found, c)
		}
	}
	return found
}

func (c Credential) source() (source, error) {
	key, err := privateKey(c.PrivateKey)
	if err != nil {
		return source{}, err
	}
	return source{
		id: c.ID, key: key, protection: c.Protection, discovering: true,
		user: userEntity{ID: c.UserID, Name: c.UserName, DisplayName: c.DisplayName},
	}, nil
}

// keep stores a discoverable credential, over the same account's if there is one.
func (e *Engine) keep(c Credential) error {
	same := func(o Credential) bool { return o.RPID == c.RPID && bytes.Equal(o.UserID, c.UserID) }
	others := slices.DeleteFunc(slices.Clone(e.state.Credentials), same)
	if len(others) >= e.options.ResidentKeys {
		return statusKeyStoreFull
	}
	e.state.Credentials, e.dirty = append(others, c), true
	return nil
}

// wrap seals a credential that is not discoverable into its id, bound to the RP.
func (e *Engine) wrap(key *ecdsa.PrivateKey, protection int, rpID string) ([]byte, error) {
	scalar, err := key.Bytes()
	if err != nil {
		return nil, err
	}
	aead, err := e.wrapping()
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize())
	rand.Read(nonce) // never fails
	return aead.Seal(nonce, nonce, append(scalar, byte(protection)), []byte(rpID)), nil
}

func (e *Engine) unwrap(id []byte, rpID string) (source, bool) {
	aead, err := e.wrapping()
	if err != nil || len(id) < aead.NonceSize() {
		return source{}, false
	}
	plain, err := aead.Open(nil, id[:aead.NonceSize()], id[aead.NonceSize():], []byte(rpID))
	if err != nil || len(plain) != coordinateLen+1 {
		return source{}, false
	}
	key, err := privateKey(plain[:coordinateLen])
	if err != nil {
		return source{}, false
	}
	return source{id: id, key: key, protection: int(plain[coordinateLen])}, true
}

func (e *Engine) wrapping() (cipher.AEAD, error) {
	block, err := aes.NewCipher(e.state.MasterKey)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// hmacSeed is the credential's CredRandom, one with and one without user
// verification (CTAP 2.1 §12.5).
func (e *Engine) hmacSeed(key *ecdsa.PrivateKey, verified bool) ([]byte, error) {
	scalar, err := key.Bytes()
	if err != nil {
		return nil, err
	}
	h := hmac.New(sha256.New, e.state.MasterKey)
	fmt.Fprintf(h, "CredRandom %t ", verified)
	h.Write(scalar)
	return h.Sum(nil), nil
}

func newKey() (*ecdsa.PrivateKey, error) {
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// privateKey reads a scalar as newKey's Bytes wrote it.
func privateKey(scalar []byte) (*ecdsa.PrivateKey, error) {
	return ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar)
}

// cosePublic is the credential's public key as COSE_Key (RFC 9053 §7.1.1).
func cosePublic(key *ecdsa.PrivateKey) (coseKey, error) {
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return coseKey{}, err
	}
	return coseKey{KeyType: coseEC2, Algorithm: algES256, Curve: coseP256, X: point[1:33], Y: point[33:65]}, nil
}
