//go:build !cgo

package pkcs11

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"io"
)

// Available reports whether this program was built with PKCS#11.
const Available = false

// Module is a PKCS#11 library in use; in this build there is none.
type Module struct{}

// Open answers ErrNotBuilt.
func Open(string) (*Module, error) { return nil, ErrNotBuilt }

// No Module is ever opened, so nothing below is reached.

// Close does nothing.
func (*Module) Close() {}

// Tokens answers ErrNotBuilt.
func (*Module) Tokens() ([]Token, error) { return nil, ErrNotBuilt }

// Certificates answers ErrNotBuilt.
func (*Module) Certificates(Token) ([]Certificate, error) { return nil, ErrNotBuilt }

// Authentication answers ErrNotBuilt.
func (*Module) Authentication(Choice) (*Key, error) { return nil, ErrNotBuilt }

// Key is a card's authentication key; in this build there is none.
type Key struct {
	Token       Token
	Certificate *x509.Certificate
	Profile     Profile
}

// Unlock answers ErrNotBuilt.
func (*Key) Unlock(context.Context) error { return ErrNotBuilt }

// Public returns nothing.
func (*Key) Public() crypto.PublicKey { return nil }

// Sign answers ErrNotBuilt.
func (*Key) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, ErrNotBuilt }

// TLS returns nothing.
func (*Key) TLS() tls.Certificate { return tls.Certificate{} }

// Close does nothing.
func (*Key) Close() {}
