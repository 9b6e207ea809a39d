package sso

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// SealingKeyFile is the sealing key's file within a data directory.
const SealingKeyFile = "sso-sealing.key"

// Errors of sealing keys. Callers compare with errors.Is.
var (
	ErrKeyPermissions = errors.New("others than its owner can reach the key: chmod 600")
	ErrNotSealedHere  = errors.New("sealed with another key than this file's")
)

// SealingKey encrypts what the store keeps of the provider's secrets, so that a
// copy of the store signs nothing: AES-256-GCM with random nonces (NIST SP
// 800-38D §8.2.2; a few keys a year are far from its bound).
type SealingKey struct{ aead cipher.AEAD }

// LoadSealingKey reads a key of 32 bytes, base64 on one line, from a file for
// its owner only.
func LoadSealingKey(path string) (SealingKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return SealingKey{}, fmt.Errorf("sealing key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return SealingKey{}, fmt.Errorf("sealing key %s (mode %04o): %w", path, info.Mode().Perm(), ErrKeyPermissions)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return SealingKey{}, fmt.Errorf("sealing key: %w", err)
	}
	line := strings.TrimSuffix(string(text), "\n")
	raw, err := base64.StdEncoding.DecodeString(line)
	if err != nil || len(raw) != 32 || base64.StdEncoding.EncodeToString(raw) != line {
		return SealingKey{}, fmt.Errorf("sealing key %s: not 32 bytes in base64 on one line", path)
	}
	return newSealingKey(raw)
}

// LoadOrMakeSealingKey is LoadSealingKey, and makes the key where there is no
// file and nothing was sealed yet: a new key in place of a lost one would open
// nothing.
func LoadOrMakeSealingKey(path string, sealedAlready bool) (SealingKey, error) {
	key, err := LoadSealingKey(path)
	switch {
	case !errors.Is(err, fs.ErrNotExist):
		return key, err
	case sealedAlready:
		return SealingKey{}, fmt.Errorf("%w: the store's signing keys are sealed with it; bring it back from the backup", err)
	}
	raw := make([]byte, 32)
	rand.Read(raw) // never fails since Go 1.24
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) { // another process was quicker
		return LoadSealingKey(path)
	}
	if err != nil {
		return SealingKey{}, fmt.Errorf("making the sealing key: %w", err)
	}
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(raw) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return SealingKey{}, fmt.Errorf("making the sealing key: %w", err)
	}
	return newSealingKey(raw)
}

func newSealingKey(raw []byte) (SealingKey, error) {
	block, err := aes.NewCipher(raw)
	if err != nil {
		return SealingKey{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return SealingKey{aead}, err
}

// seal encrypts a secret for one purpose and name, and open gives it back for
// the same ones only: what is moved to another row does not open.
func (k SealingKey) seal(secret []byte, purpose, name string) []byte {
	return k.aead.Seal(nil, nil, secret, sealedAs(purpose, name))
}

func (k SealingKey) open(sealed []byte, purpose, name string) ([]byte, error) {
	secret, err := k.aead.Open(nil, nil, sealed, sealedAs(purpose, name))
	if err != nil {
		return nil, ErrNotSealedHere
	}
	return secret, nil
}

func sealedAs(purpose, name string) []byte {
	return []byte("cpsgate sso 1\x00" + purpose + "\x00" + name)
}
