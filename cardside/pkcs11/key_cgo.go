//go:build cgo

package pkcs11

import "C"

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"slices"
	"unsafe"

	"github.com/miekg/pkcs11"
)

// Key is a card's authentication key: a crypto.Signer once it is unlocked.
type Key struct {
	Token       Token
	Certificate *x509.Certificate
	Profile     Profile

	module  *Module
	choice  Choice
	session pkcs11.SessionHandle
	id      []byte // CKA_ID of certificate and key
	handle  pkcs11.ObjectHandle
	open    bool // handle is the private key's
	pss     bool // it can make RSA-PSS signatures
}

// Unlock presents the PIN and finds the private key.
func (k *Key) Unlock(ctx context.Context) error {
	if err := k.module.unlock(ctx, k); err != nil {
		return fmt.Errorf("unlocking the card: %w", err)
	}
	return k.findKey()
}

// findKey finds the private key that shares the certificate's id and, where
// the card shows it, its modulus.
func (k *Key) findKey() error {
	m := k.module
	m.mu.Lock()
	defer m.mu.Unlock()
	objects, err := m.find(k.session,
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY),
		pkcs11.NewAttribute(pkcs11.CKA_ID, k.id))
	if err != nil {
		return err
	}
	public, ok := k.Certificate.PublicKey.(*rsa.PublicKey)
	if !ok {
		return fmt.Errorf("%w: a key of type %T", ErrUnsupported, k.Certificate.PublicKey)
	}
	for _, object := range objects {
		read, err := m.lib.GetAttributeValue(k.session, object, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_MODULUS, nil)})
		if err == nil && new(big.Int).SetBytes(read[0].Value).Cmp(public.N) != 0 {
			continue
		}
		k.handle, k.open, k.pss = object, true, k.hasPSS(object)
		return nil
	}
	return ErrNoKey
}

// Public is the certificate's public key.
func (k *Key) Public() crypto.PublicKey { return k.Certificate.PublicKey }

// Sign signs a digest: PKCS#1 v1.5, or PSS where the card can (CPS4). The
// signature is checked before it is returned.
func (k *Key) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if !k.open {
		return nil, ErrLocked
	}
	mechanism, input, err := k.mechanism(digest, opts)
	if err != nil {
		return nil, err
	}
	k.module.mu.Lock()
	defer k.module.mu.Unlock()
	lib := k.module.lib
	if err := lib.SignInit(k.session, []*pkcs11.Mechanism{mechanism}, k.handle); err != nil {
		return nil, translate("signing", err)
	}
	signature, err := lib.Sign(k.session, input)
	if err != nil {
		return nil, translate("signing", err)
	}
	if err := verify(k.Certificate.PublicKey, digest, signature, opts); err != nil {
		return nil, fmt.Errorf("%w: its signature does not verify: %w", ErrNoKey, err)
	}
	return signature, nil
}

func verify(public crypto.PublicKey, digest, signature []byte, opts crypto.SignerOpts) error {
	key, ok := public.(*rsa.PublicKey)
	if !ok {
		return ErrUnsupported
	}
	if pss, is := opts.(*rsa.PSSOptions); is {
		return rsa.VerifyPSS(key, opts.HashFunc(), digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto, Hash: pss.Hash})
	}
	return rsa.VerifyPKCS1v15(key, opts.HashFunc(), digest, signature)
}

var pssParameters = map[crypto.Hash]struct{ hash, mgf uint }{
	crypto.SHA256: {pkcs11.CKM_SHA256, pkcs11.CKG_MGF1_SHA256},
	crypto.SHA384: {pkcs11.CKM_SHA384, pkcs11.CKG_MGF1_SHA384},
	crypto.SHA512: {pkcs11.CKM_SHA512, pkcs11.CKG_MGF1_SHA512},
}

// mechanism chooses PKCS#11's mechanism, and what is given to it.
func (k *Key) mechanism(digest []byte, opts crypto.SignerOpts) (*pkcs11.Mechanism, []byte, error) {
	hash := opts.HashFunc()
	pss, is := opts.(*rsa.PSSOptions)
	if !is {
		input, err := digestInfo(hash, digest)
		return pkcs11.NewMechanism(pkcs11.CKM_RSA_PKCS, nil), input, err
	}
	parameters, known := pssParameters[hash]
	if !known || len(digest) != hash.Size() {
		return nil, nil, fmt.Errorf("%w: %d bytes of %v", ErrUnsupported, len(digest), hash)
	}
	salt, err := saltLength(pss, hash)
	if err != nil {
		return nil, nil, err
	}
	return pkcs11.NewMechanism(pkcs11.CKM_RSA_PKCS_PSS, pkcs11.NewPSSParams(parameters.hash, parameters.mgf, uint(salt))), digest, nil
}

// hasPSS asks the module, then the key, which may be allowed less than its card
// can: a CPS3 signs PKCS#1 v1.5 alone. The module's lock is held.
func (k *Key) hasPSS(object pkcs11.ObjectHandle) bool {
	lib := k.module.lib
	listed, err := lib.GetMechanismList(k.Token.Slot)
	if err != nil || !slices.ContainsFunc(listed, func(m *pkcs11.Mechanism) bool { return m.Mechanism == pkcs11.CKM_RSA_PKCS_PSS }) {
		return false
	}
	read, err := lib.GetAttributeValue(k.session, object, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_ALLOWED_MECHANISMS, nil)})
	if err != nil || len(read[0].Value) == 0 {
		return true // modules need not keep such a list
	}
	allowed, err := mechanisms(read[0].Value, int(unsafe.Sizeof(C.ulong(0))))
	return err == nil && slices.Contains(allowed, pkcs11.CKM_RSA_PKCS_PSS)
}

// TLS is the client certificate for mutual TLS: the leaf alone, as browsers
// send it, with the signature schemes that the unlocked key can make.
func (k *Key) TLS() tls.Certificate {
	schemes := []tls.SignatureScheme{tls.PKCS1WithSHA256, tls.PKCS1WithSHA384, tls.PKCS1WithSHA512}
	if k.pss {
		schemes = append(schemes, tls.PSSWithSHA256, tls.PSSWithSHA384, tls.PSSWithSHA512)
	}
	return tls.Certificate{
		Certificate: [][]byte{k.Certificate.Raw}, Leaf: k.Certificate,
		PrivateKey: k, SupportedSignatureAlgorithms: schemes,
	}
}

// Close ends the session, and with it the card's being unlocked here.
func (k *Key) Close() {
	k.module.mu.Lock()
	defer k.module.mu.Unlock()
	k.open = false
	k.module.lib.Logout(k.session)       //nolint:errcheck // nobody may be logged in
	k.module.lib.CloseSession(k.session) //nolint:errcheck // nothing is left to be done
}
