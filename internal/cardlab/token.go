package cardlab

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cpsgate/internal/testpki"
)

// Token is a PKCS#11 token of SoftHSM2 that looks like a CPS: its label, the
// labels of its objects (facts §4), a PIN of four digits.
type Token struct {
	Label         string
	PIN           string
	Module        string // PKCS#11 library
	Configuration string // SoftHSM2's configuration file, which names the token's directory
}

// TokenOptions says what a token looks like. The zero value is a CPS4 with the
// card's own number and PIN 1234.
type TokenOptions struct {
	Serial string // "": the card's number
	PIN    string // "": 1234
	CPS3   bool   // a CPS3: other label, no RSA-PSS (facts §4)
}

// object is a key with its certificate on a token.
type object struct {
	id, key, certificate string
	pair                 testpki.Pair
}

// NewToken makes a token for the time of a test, and points this process's
// SoftHSM2 at it. It skips the test where that cannot be.
func NewToken(t testing.TB, card *testpki.Card, o TokenOptions) Token {
	t.Helper()
	NeedTokens(t)
	token, err := MakeToken(t.Context(), t.TempDir(), card, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", token.Configuration)
	return token
}

// MakeToken makes a token in a directory, with the card's authentication and
// signature certificates and their keys. Programs see it with Env.
func MakeToken(ctx context.Context, directory string, card *testpki.Card, o TokenOptions) (Token, error) {
	if o.Serial == "" {
		_, o.Serial, _ = strings.Cut(card.TokenID, "/")
	}
	token := Token{
		Label: "CPS4v1-" + o.Serial, PIN: o.PIN,
		Module: softHSMPath, Configuration: filepath.Join(directory, "softhsm2.conf"),
	}
	if o.CPS3 {
		token.Label = "CPS3v3-" + o.Serial
	}
	if token.PIN == "" {
		token.PIN = "1234"
	}
	if err := token.initialise(ctx, directory, o); err != nil {
		return token, fmt.Errorf("making the token %s: %w", token.Label, err)
	}
	for _, object := range []object{
		{"01", "CPS_PRIV_AUT", "Certificat d'Authentification CPS", card.Authentication},
		{"02", "CPS_PRIV_SIG", "Certificat de Signature CPS", card.Signature},
	} {
		if object.pair.Key == nil {
			continue // a card made without it
		}
		if err := token.write(ctx, directory, object); err != nil {
			return token, fmt.Errorf("writing %s: %w", object.certificate, err)
		}
	}
	return token, nil
}

// Env is what a process needs in its environment to see the token.
func (token Token) Env() []string { return []string{"SOFTHSM2_CONF=" + token.Configuration} }

// initialise writes the configuration and makes the empty token.
func (token Token) initialise(ctx context.Context, directory string, o TokenOptions) error {
	objects := filepath.Join(directory, "tokens")
	if err := os.MkdirAll(objects, 0o700); err != nil {
		return err
	}
	conf := "directories.tokendir = " + objects + "\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = true\n"
	if o.CPS3 {
		conf += "slots.mechanisms = -CKM_RSA_X_509,CKM_RSA_PKCS_PSS,CKM_SHA1_RSA_PKCS_PSS,CKM_SHA224_RSA_PKCS_PSS," +
			"CKM_SHA256_RSA_PKCS_PSS,CKM_SHA384_RSA_PKCS_PSS,CKM_SHA512_RSA_PKCS_PSS\n"
	}
	if err := os.WriteFile(token.Configuration, []byte(conf), 0o600); err != nil {
		return err
	}
	return token.run(ctx, "softhsm2-util", "--init-token", "--free", "--label", token.Label,
		"--so-pin", "12345678", "--pin", token.PIN) // a PUK has eight digits
}

// write puts a key, its public key and its certificate on the token. Browsers
// take a certificate for the user's own only beside a public key of its id.
func (token Token) write(ctx context.Context, directory string, o object) error {
	key, err := pkcs8(o.pair.Key)
	if err != nil {
		return err
	}
	keyFile, certificateFile := filepath.Join(directory, "key.pem"), filepath.Join(directory, "certificate.der")
	defer os.Remove(keyFile)
	defer os.Remove(certificateFile)
	if err := errors.Join(os.WriteFile(keyFile, key, 0o600), os.WriteFile(certificateFile, o.pair.DER, 0o600)); err != nil {
		return err
	}
	err = token.run(ctx, "softhsm2-util", "--import", keyFile, "--token", token.Label, "--label", o.key, "--id", o.id, "--pin", token.PIN)
	if err != nil {
		return err
	}
	return token.run(ctx, "pkcs11-tool", "--module", token.Module, "--token-label", token.Label, "--login", "--pin", token.PIN,
		"--write-object", certificateFile, "--type", "cert", "--id", o.id, "--label", o.certificate)
}

func pkcs8(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// run runs a program that sees the token.
func (token Token) run(ctx context.Context, program string, arguments ...string) error {
	command := exec.CommandContext(ctx, program, arguments...)
	command.Env = append(os.Environ(), token.Env()...)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, strings.TrimSpace(string(output)))
	}
	return nil
}
