package pkcs11

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// Errors of modules, tokens and PINs.
var (
	ErrNotBuilt      = errors.New("this program was built without PKCS#11 (cgo is needed)")
	ErrNoModule      = errors.New("no PKCS#11 module")
	ErrModule        = errors.New("the PKCS#11 module failed")
	ErrNoToken       = errors.New("the PKCS#11 module sees no such card")
	ErrSeveralTokens = errors.New("the PKCS#11 module sees several cards")
	ErrNoCertificate = errors.New("no authentication certificate on the card")
	ErrNoKey         = errors.New("no private key for the certificate on the card")
	ErrLocked        = errors.New("the key is used before its PIN was given")
	ErrPINWrong      = errors.New("wrong PIN")
	ErrPINBlocked    = errors.New("PIN blocked")
	ErrLastTry       = errors.New("one PIN try is left and is not to be spent")
	ErrPINCancelled  = errors.New("PIN entry was cancelled")
	ErrRemoved       = errors.New("the card was removed")
	ErrUnsupported   = errors.New("the card does not sign this way")
)

// DefaultModules lists where the Cryptolib CPS puts its module on this system.
func DefaultModules() []string { return defaultModules(runtime.GOOS, os.Getenv) }

func defaultModules(system string, getenv func(string) string) []string {
	switch system {
	case "linux":
		return []string{"/opt/santesocial/CPS/lib/libcps3_pkcs11_lux.so"}
	case "darwin":
		return []string{"/usr/local/lib/libcps3_pkcs11_osx.dylib"}
	case "windows":
		if root := getenv("SystemRoot"); root != "" {
			return []string{root + `\System32\cps3_pkcs11_w64.dll`}
		}
	}
	return nil
}

// FindModule returns path if it is an absolute one, or for an empty path the
// first of the Cryptolib's that is there.
func FindModule(path string) (string, error) {
	if path != "" {
		if !filepath.IsAbs(path) {
			return "", fmt.Errorf("%w: %q is not an absolute path", ErrNoModule, path)
		}
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("%w: %w", ErrNoModule, err)
		}
		return path, nil
	}
	for _, known := range DefaultModules() {
		if _, err := os.Stat(known); err == nil {
			return known, nil
		}
	}
	return "", fmt.Errorf("%w: none of the Cryptolib's at %q", ErrNoModule, DefaultModules())
}

// Token is a card that a module sees.
type Token struct {
	Slot       uint   `json:"slot"`
	Reader     string `json:"reader,omitempty"` // as the module calls it
	Label      string `json:"label"`            // "CPS4v1-<serial>"
	Serial     string `json:"serial,omitempty"`
	Keypad     bool   `json:"keypad,omitempty"`   // the reader asks for the PIN
	FewTries   bool   `json:"fewTries,omitempty"` // a wrong PIN was given since the last right one
	LastTry    bool   `json:"lastTry,omitempty"`
	PINBlocked bool   `json:"pinBlocked,omitempty"`
}

// Certificate is a certificate on a token.
type Certificate struct {
	Label       string
	ID          []byte // CKA_ID, which its private key shares
	Certificate *x509.Certificate
}

// PIN is asked for when a key is unlocked; the answer is cleared after use.
type PIN func(ctx context.Context, token Token) ([]byte, error)

// Choice says which card is meant and how its PIN is come by.
type Choice struct {
	TokenID string // "8025000001/…"; "": any
	Reader  string // as the module calls it; "": any
	// PIN asks for the PIN; unused where the reader has a keypad.
	PIN          PIN
	SpendLastTry bool
	// Now chooses among several valid certificates; zero: any time.
	Now time.Time
}

// allow says whether a PIN may be presented to a token.
func (c Choice) allow(t Token) error {
	switch {
	case t.PINBlocked:
		return ErrPINBlocked
	case t.LastTry && !c.SpendLastTry:
		return ErrLastTry
	}
	return nil
}

// candidate is a certificate of the right profile, on its token.
type candidate struct {
	token       Token
	certificate Certificate
	profile     Profile
}

// choose picks the one card meant, and on it the certificate valid at now that
// began last: a CPS4 keeps its old one after a renewal.
func choose(all []candidate, c Choice) (candidate, error) {
	var best candidate
	found := false
	for _, each := range all {
		if c.TokenID != "" && each.profile.TokenID != c.TokenID || c.Reader != "" && each.token.Reader != c.Reader {
			continue
		}
		if found && each.profile.TokenID != best.profile.TokenID {
			return candidate{}, fmt.Errorf("%w: %s and %s", ErrSeveralTokens, best.profile.TokenID, each.profile.TokenID)
		}
		if !found || better(each.certificate.Certificate, best.certificate.Certificate, c.Now) {
			best, found = each, true
		}
	}
	if !found {
		return candidate{}, ErrNoCertificate
	}
	return best, nil
}

func better(a, b *x509.Certificate, now time.Time) bool {
	if va, vb := valid(a, now), valid(b, now); va != vb {
		return va
	}
	return a.NotBefore.After(b.NotBefore)
}

func valid(c *x509.Certificate, now time.Time) bool {
	return now.IsZero() || !now.Before(c.NotBefore) && !now.After(c.NotAfter)
}
