package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"cpsgate/identity"
	"cpsgate/rp"
)

// ceremonyReport is the JSON of webauthn verify. Printed for a registration, it
// is a credential file for the authentications that follow.
type ceremonyReport struct {
	Verdict    string            `json:"verdict"` // accepted, refused
	Reason     string            `json:"reason"`  // "" when accepted
	Detail     string            `json:"detail"`
	At         string            `json:"at"`
	Credential *credentialReport `json:"credential,omitempty"` // when accepted
}

// credentialReport is a passkey on file. id and publicKey are needed to judge an
// authentication; the rest is what is known.
type credentialReport struct {
	ID             octets   `json:"id"`
	PublicKey      octets   `json:"publicKey"` // COSE_Key
	Algorithm      int      `json:"algorithm"` // COSE; follows from publicKey
	UserHandle     octets   `json:"userHandle,omitempty"`
	SignCount      uint32   `json:"signCount"`
	BackupEligible bool     `json:"backupEligible"`
	BackupState    bool     `json:"backupState"`
	Transports     []string `json:"transports,omitempty"`
	AAGUID         string   `json:"aaguid,omitempty"`
	Format         string   `json:"attestationFormat,omitempty"`
	Type           string   `json:"attestationType,omitempty"`
	Attestation    string   `json:"attestationVerdict,omitempty"`
	MinPINLength   int      `json:"minPinLength,omitempty"`
}

// octets are bytes written in base64url, as WebAuthn's JSON has them.
type octets []byte

func (o octets) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, o), nil
}

func (o *octets) UnmarshalText(text []byte) error {
	b, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(string(text), "="))
	if err != nil {
		return fmt.Errorf("base64url: %w", err)
	}
	*o = b
	return nil
}

func reportCeremony(k identity.Passkey, refusal *rp.Refusal, at time.Time) ceremonyReport {
	if refusal != nil {
		return ceremonyReport{Verdict: "refused", Reason: string(refusal.Reason), Detail: refusal.Detail, At: rfc3339(at)}
	}
	algorithm, _ := rp.CheckPublicKey(k.PublicKey) // was read by the judgement
	return ceremonyReport{Verdict: "accepted", At: rfc3339(at), Credential: &credentialReport{
		ID: k.ID, PublicKey: k.PublicKey, Algorithm: algorithm, UserHandle: k.UserHandle,
		SignCount: k.SignCount, BackupEligible: k.BackupEligible, BackupState: k.BackupState,
		Transports: k.Transports, AAGUID: rp.FormatAAGUID(k.AAGUID),
		Format: k.AttestationFormat, Type: k.AttestationType, Attestation: k.AttestationVerdict,
		MinPINLength: k.MinPINLength,
	}}
}

func readCredentialFile(env *environment, path string) (identity.Passkey, error) {
	data, err := readCapture(env, path)
	if err != nil {
		return identity.Passkey{}, err
	}
	return parseCredential(data)
}

// parseCredential reads a credentialReport, alone or in its ceremonyReport.
// Members that it does not know are errors: a misspelt signCount would judge
// without one.
func parseCredential(data []byte) (identity.Passkey, error) {
	var file struct {
		ceremonyReport
		credentialReport
	}
	if err := decodeStrictly(data, &file); err != nil {
		return identity.Passkey{}, fmt.Errorf("not a credential file: %w", err)
	}
	switch {
	case file.Verdict == "refused":
		return identity.Passkey{}, errors.New("this registration was refused, there is no credential")
	case file.Credential != nil && len(file.ID) > 0:
		return identity.Passkey{}, errors.New("two credentials")
	case file.Credential != nil:
		return file.Credential.passkey()
	}
	return file.credentialReport.passkey()
}

func decodeStrictly(data []byte, v any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		return err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("bytes after it")
	}
	return nil
}

func (r credentialReport) passkey() (identity.Passkey, error) {
	if len(r.ID) == 0 || len(r.PublicKey) == 0 {
		return identity.Passkey{}, errors.New("a credential needs id and publicKey")
	}
	if _, err := rp.CheckPublicKey(r.PublicKey); err != nil {
		return identity.Passkey{}, err
	}
	k := identity.Passkey{
		ID: r.ID, PublicKey: r.PublicKey, UserHandle: r.UserHandle,
		SignCount: r.SignCount, BackupEligible: r.BackupEligible, BackupState: r.BackupState,
		Transports: r.Transports, AttestationFormat: r.Format, AttestationType: r.Type,
		AttestationVerdict: r.Attestation, MinPINLength: r.MinPINLength,
	}
	if r.AAGUID != "" {
		var err error
		if k.AAGUID, err = rp.ParseAAGUID(r.AAGUID); err != nil {
			return identity.Passkey{}, err
		}
	}
	return k, nil
}

// writeCeremony says the same in words: the verdict first, the passkey next.
func writeCeremony(w io.Writer, r ceremonyReport) error {
	var b strings.Builder
	if k := r.Credential; k != nil {
		id, _ := k.ID.MarshalText()
		fmt.Fprintf(&b, "accepted: passkey %s\n", id)
		fmt.Fprintf(&b, "  algorithm   %d\n  model       %s\n  sign count  %d\n", k.Algorithm, k.AAGUID, k.SignCount)
		if k.Format != "" {
			fmt.Fprintf(&b, "  attestation %s, %s, %s\n", k.Format, k.Type, k.Attestation)
		}
	} else {
		fmt.Fprintf(&b, "refused: %s\n  why      %s\n", r.Reason, r.Detail)
	}
	fmt.Fprintf(&b, "judged as of %s\n", r.At)
	_, err := io.WriteString(w, b.String())
	return err
}
