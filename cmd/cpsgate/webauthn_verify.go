package main

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"cpsgate/identity"
	"cpsgate/rp"
)

// ceremonyTime is how long before its end a captured ceremony is judged: when
// it was begun is not known offline, so that it never counts as late.
const ceremonyTime = time.Minute

// Run judges the ceremony. The verdict goes to standard output; standard error
// carries nothing but what makes the input unusable.
func (c *webauthnVerifyCommand) Run(env *environment) error {
	at := c.At
	if at.IsZero() {
		at = env.now()
	}
	passkey, err := c.judge(env, at)
	var refusal *rp.Refusal
	if err != nil && !errors.As(err, &refusal) {
		return unusable(err)
	}
	if err := c.write(env, reportCeremony(passkey, refusal, at)); err != nil {
		return err
	}
	if refusal != nil {
		return refused()
	}
	return nil
}

// judge is the server's own judgement over a pending value made of the flags.
// An error that is no *rp.Refusal means that the input cannot be used.
func (c *webauthnVerifyCommand) judge(env *environment, at time.Time) (identity.Passkey, error) {
	party, err := c.party(env)
	if err != nil {
		return identity.Passkey{}, err
	}
	challenge, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(c.Challenge, "="))
	if err != nil || len(challenge) == 0 {
		return identity.Passkey{}, fmt.Errorf("--challenge %s: not base64url", c.Challenge)
	}
	if c.Ceremony == "authentication" {
		return c.judgeLogin(env, party, challenge, at)
	}
	body, err := c.response(env)
	if err != nil {
		return identity.Passkey{}, err
	}
	return party.FinishRegistration(rp.PendingRegistration{
		Challenge:        challenge,
		Algorithms:       rp.Algorithms(),
		UserVerification: rp.UserVerification(c.UserVerification),
		Expires:          at.Add(ceremonyTime),
	}, body, at)
}

// judgeLogin: a credential with a user handle is judged as the server does, the
// response must carry it. One without (the browser's answer to a registration
// does not tell it) was named by the operator, so that the person counts as
// known before the ceremony (WebAuthn L3 §7.2 step 6).
func (c *webauthnVerifyCommand) judgeLogin(env *environment, party *rp.RelyingParty, challenge []byte, at time.Time) (identity.Passkey, error) {
	if c.Credential == "" {
		return identity.Passkey{}, errors.New("--credential is needed to judge an authentication")
	}
	stored, err := readCredentialFile(env, c.Credential)
	if err != nil {
		return identity.Passkey{}, fmt.Errorf("%s: %w", c.Credential, err)
	}
	body, err := c.response(env)
	if err != nil {
		return identity.Passkey{}, err
	}
	pending := rp.PendingLogin{
		Challenge:        challenge,
		UserVerification: rp.UserVerification(c.UserVerification),
		Expires:          at.Add(ceremonyTime),
	}
	if len(stored.UserHandle) == 0 {
		pending.Allowed = [][]byte{stored.ID}
	}
	assertion, err := party.FinishLogin(pending, body, func(id, userHandle []byte) (identity.Passkey, error) {
		if !bytes.Equal(id, stored.ID) {
			return identity.Passkey{}, rp.ErrUnknownPasskey
		}
		found := stored
		if len(found.UserHandle) == 0 {
			found.UserHandle = userHandle
		}
		return found, nil
	}, at)
	return assertion.Passkey, err
}

func (c *webauthnVerifyCommand) party(env *environment) (*rp.RelyingParty, error) {
	o := rp.Options{ID: c.RPID, Origins: c.Origin, RelatedOrigins: true}
	if c.AttestationRoots != "" {
		roots, broken, err := certificatesIn(env, c.AttestationRoots)
		if err := errors.Join(append(broken, err)...); err != nil {
			return nil, err
		}
		o.AttestationMode, o.Roots = rp.ModeRequireTrustedRoots, x509.NewCertPool()
		for _, root := range roots {
			o.Roots.AddCert(root)
		}
	}
	return rp.New(o)
}

// response reads the capture. Anything that begins as a JSON object is for the
// judgement, anything else is the wrong file.
func (c *webauthnVerifyCommand) response(env *environment) ([]byte, error) {
	body, err := readCapture(env, c.Response)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		return nil, fmt.Errorf("%s: no JSON object, a browser's answer is one", c.Response)
	}
	return body, nil
}

// readCapture reads one byte more than a response may have, and leaves it to
// the judgement to say that it is too large.
func readCapture(env *environment, path string) ([]byte, error) {
	source := env.stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		source = file
	}
	body, err := io.ReadAll(io.LimitReader(source, rp.MaxResponse+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return body, nil
}

func (c *webauthnVerifyCommand) write(env *environment, r ceremonyReport) error {
	if c.JSON {
		return writeJSON(env.stdout, r)
	}
	return writeCeremony(env.stdout, r)
}
