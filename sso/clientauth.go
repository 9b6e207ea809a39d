package sso

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// checkAuth wants what the client proves itself with, and nothing else.
func (c *Client) checkAuth() error {
	if c.Auth != AuthTLS && c.TLSSubject+c.TLSName != "" {
		return errors.New("tls_subject, tls_name: are for tls_client_auth")
	}
	switch c.Auth {
	case AuthNone:
		return nil
	case AuthSecretBasic, AuthSecretPost:
		if _, err := hex.DecodeString(c.SecretHash); err != nil || len(c.SecretHash) != hex.EncodedLen(sha256.Size) {
			return errors.New("secret: one is needed")
		}
		return nil
	case AuthPrivateKeyJWT:
		_, err := c.keys()
		return err
	case AuthTLS:
		if (c.TLSSubject == "") == (c.TLSName == "") || len(c.TLSSubject+c.TLSName) > maxAddress {
			return errors.New("tls_subject or tls_name: one of them is needed (RFC 8705 §2.1.2)")
		}
		return nil
	}
	return fmt.Errorf("auth: %q is not known", c.Auth)
}

// leastRSA is the least size of a client's RSA key, in bits (RFC 7518 §3.3).
const leastRSA = 2048

// keys are the client's public keys. Private and symmetric ones are refused: a
// secret that was sent is none.
func (c *Client) keys() (jose.JSONWebKeySet, error) {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(c.JWKS, &set); err != nil || len(set.Keys) == 0 {
		return set, errors.New("jwks: a set of public keys is needed (RFC 7517 §5)")
	}
	for _, k := range set.Keys {
		if !k.Valid() || !k.IsPublic() {
			return set, errors.New("jwks: holds a key that is not public")
		}
		if weak, is := k.Key.(*rsa.PublicKey); is && weak.N.BitLen() < leastRSA {
			return set, fmt.Errorf("jwks: holds an RSA key under %d bits", leastRSA)
		}
	}
	return set, nil
}
