package testpki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"embed"
	"encoding/pem"
	"fmt"
	"sync"
)

//go:embed keys/*.pem
var keyFiles embed.FS

// keyring hands out the embedded keys, each file parsed once and on first use.
type keyring struct {
	mu    sync.Mutex
	files map[string][]crypto.Signer // guarded by mu
}

// file returns the keys of keys/<name>.pem. The files are part of the package:
// one that does not parse is a broken build.
func (k *keyring) file(name string) []crypto.Signer {
	k.mu.Lock()
	defer k.mu.Unlock()
	if keys := k.files[name]; keys != nil {
		return keys
	}
	keys, err := parseKeys(name)
	if err != nil {
		panic("testpki: embedded key " + name + ": " + err.Error())
	}
	if k.files == nil {
		k.files = map[string][]crypto.Signer{}
	}
	k.files[name] = keys
	return keys
}

func (k *keyring) one(name string) crypto.Signer { return k.file(name)[0] }

// nth deals the keys of a file out in turn.
func (k *keyring) nth(name string, n uint64) crypto.Signer {
	keys := k.file(name)
	return keys[n%uint64(len(keys))]
}

func parseKeys(name string) ([]crypto.Signer, error) {
	rest, err := keyFiles.ReadFile("keys/" + name + ".pem")
	if err != nil {
		return nil, err
	}
	var keys []crypto.Signer
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		key, err := parseKey(block)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("no PEM block")
	}
	return keys, nil
}

func parseKey(block *pem.Block) (crypto.Signer, error) {
	if block.Type == "RSA PRIVATE KEY" {
		return x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("key of type %T cannot sign", key)
	}
	return signer, nil
}

// keyBytes is the content of subjectPublicKey, over which a key identifier is
// computed (RFC 5280 §4.2.1.2, method 1).
func keyBytes(public crypto.PublicKey) ([]byte, error) {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return x509.MarshalPKCS1PublicKey(key), nil
	case *ecdsa.PublicKey:
		return key.Bytes()
	}
	return nil, fmt.Errorf("public key of type %T", public)
}
