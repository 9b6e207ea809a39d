package rp

import (
	"errors"
	"fmt"

	"cpsgate/identity"
)

// Reason is why a ceremony was refused. Each has its words in web.
type Reason string

// The reasons.
const (
	ReasonMalformed        Reason = "malformed"         // not a response at all, or not one of this ceremony
	ReasonExpired          Reason = "expired"           // answered after the ceremony's end
	ReasonType             Reason = "type"              // client data of the other ceremony
	ReasonChallenge        Reason = "challenge"         // not the challenge sent
	ReasonOrigin           Reason = "origin"            // made on another site, or inside a frame of one
	ReasonRPID             Reason = "rp-id"             // made for another RP ID
	ReasonUserPresence     Reason = "user-presence"     // nobody touched the authenticator
	ReasonUserVerification Reason = "user-verification" // no PIN, no biometry
	ReasonBackupState      Reason = "backup-state"      // flags contradict themselves or the record
	ReasonBackupEligible   Reason = "backup-eligible"   // a passkey that can leave its device
	ReasonAlgorithm        Reason = "algorithm"         // a key of an algorithm never offered, or too weak for it
	ReasonAttestation      Reason = "attestation"       // statement wrong, absent or not trusted
	ReasonAAGUID           Reason = "aaguid"            // model unknown, and it must be known
	ReasonAttachment       Reason = "attachment"        // built into the workstation; a separate one was asked
	ReasonNotDiscoverable  Reason = "not-discoverable"  // could not sign in without a name
	ReasonExcluded         Reason = "excluded"          // this credential is registered already
	ReasonPasskeyUnknown   Reason = "passkey-unknown"   // no such credential here
	ReasonUserHandle       Reason = "user-handle"       // absent, or another person's
	ReasonSignature        Reason = "signature"         // not made by the credential's key
	ReasonSignCount        Reason = "sign-count"        // did not rise: a copy may exist
)

// Refusal is the error of a ceremony that was judged and refused. Any other
// error of this package means that no judgement was possible.
type Refusal struct {
	Reason Reason
	Detail string // for operators, in English
	// CredentialID is the credential the response names, when it could be read.
	CredentialID []byte
	// Claimed is the stored passkey that the response names, once found. It
	// tells the audit whose credential was tried, never who is there.
	Claimed *identity.Passkey
	Err     error // what lies beneath, or nil
}

func (r *Refusal) Error() string {
	if r.Detail == "" {
		return string(r.Reason)
	}
	return string(r.Reason) + ": " + r.Detail
}

func (r *Refusal) Unwrap() error { return r.Err }

// ErrUnknownPasskey is what the find function of FinishLogin returns when no
// such credential exists; its other errors are passed on as they are.
var ErrUnknownPasskey = errors.New("no such passkey")

func refuse(reason Reason, format string, args ...any) *Refusal {
	err := fmt.Errorf(format, args...)
	return &Refusal{Reason: reason, Detail: err.Error(), Err: errors.Unwrap(err)}
}
