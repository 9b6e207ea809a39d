package authenticator

import (
	"crypto"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Version is the generation of CTAP that the authenticator speaks.
type Version int

// The generations. The zero value is CTAP 2.1.
const (
	CTAP21    Version = iota // FIDO_2_0, FIDO_2_1_PRE and FIDO_2_1
	CTAP21Pre                // FIDO_2_0 and FIDO_2_1_PRE: credential management by 0x41, no permissions
	CTAP20                   // FIDO_2_0 alone, PIN/UV protocol 1
)

// Attestation is what makeCredential signs its answer with.
type Attestation struct {
	Key   crypto.Signer // P-256; its certificate is Chain[0]
	Chain [][]byte      // DER, leaf first; empty: self attestation
}

// AttestationFault is a defect in attestation, for tests of who must notice.
type AttestationFault string

// The faults. The zero value is a sound attestation.
const (
	FaultNone         AttestationFault = ""
	FaultSelf         AttestationFault = "self"          // surrogate: signed by the credential's own key, no x5c
	FaultNoStatement  AttestationFault = "none"          // fmt "none"
	FaultBadSignature AttestationFault = "bad-signature" // one bit of the signature flipped
	FaultWrongAAGUID  AttestationFault = "wrong-aaguid"  // authenticator data names another model than the certificate
	FaultStranger     AttestationFault = "stranger"      // x5c by a key nobody knows
)

// AttestationFaults lists the faults by name.
func AttestationFaults() []AttestationFault {
	return []AttestationFault{FaultSelf, FaultNoStatement, FaultBadSignature, FaultWrongAAGUID, FaultStranger}
}

// DefaultAAGUID names the virtual card's model: "cpsgate-virtual1" in ASCII,
// so that nobody takes it for the CPS4's, which is not publicly known.
var DefaultAAGUID = [16]byte([]byte("cpsgate-virtual1"))

// Options says what kind of authenticator New makes. The zero value is a blank
// CTAP 2.1 card with self attestation.
type Options struct {
	AAGUID      [16]byte    // zero: DefaultAAGUID
	Attestation Attestation // zero: self attestation
	// Enterprise is the attestation for RPs allowed an enterprise one; a nil
	// key leaves the feature ("ep") out.
	Enterprise    Attestation
	EnterpriseRPs []string // RP IDs for vendor-facilitated enterprise attestation
	Fault         AttestationFault
	Version       Version

	ResidentKeys     int           // how many discoverable credentials fit; 0: 8
	MinPINLength     int           // code points; 0: 4
	PINTries         int           // wrong PINs until it is blocked for good; 0: 8
	MaxMsgSize       int           // bytes of a message; 0: 2048
	ResetWindow      time.Duration // after power-up, for reset; 0: 10 s; negative: always
	TwoStepReset     bool          // the first reset is denied, the second after a power cycle obeyed
	HMACSecret       bool          // offers hmac-secret
	MakeCredUVNotRqd bool          // non-discoverable credentials without a PIN
	NonCanonicalInfo bool          // getInfo's map out of order and in long forms
	ForgetOnSelect   bool          // SELECT loses tokens and key agreement, as cards do that clear RAM on deselection
	Transports       []string      // nil: smart-card
	// BuiltInUV is a verification of the card's own (a finger); nil: it has none.
	BuiltInUV func() bool

	Now     func() time.Time  // nil: time.Now
	Persist func(State) error // called before the answer when something lasting changed
}

// The specification's and the card's defaults.
const (
	defaultResidentKeys = 8
	defaultMinPINLength = 4
	maxPINLength        = 63 // bytes, CTAP 2.1 §6.5.1
	defaultPINTries     = 8  // CTAP 2.1 §6.5.2.2: at most 8
	maxUVTries          = 3
	defaultMaxMsgSize   = 2048
	leastMaxMsgSize     = 1024 // CTAP 2.1 §6.4, maxMsgSize
	defaultResetWindow  = 10 * time.Second
	maxListed           = 8   // credentials in an allow or exclude list
	maxMinPINRPs        = 4   // RP IDs that may see the minimum PIN length
	maxCredentialID     = 128 // bytes
)

// withDefaults fills in what was left open and refuses what cannot be.
func (o Options) withDefaults() (Options, error) {
	if o.AAGUID == ([16]byte{}) {
		o.AAGUID = DefaultAAGUID
	}
	o.ResidentKeys = orDefault(o.ResidentKeys, defaultResidentKeys)
	o.MinPINLength = orDefault(o.MinPINLength, defaultMinPINLength)
	o.PINTries = orDefault(o.PINTries, defaultPINTries)
	o.MaxMsgSize = orDefault(o.MaxMsgSize, defaultMaxMsgSize)
	o.ResetWindow = orDefault(o.ResetWindow, defaultResetWindow)
	if o.Transports == nil {
		o.Transports = []string{"smart-card"}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Persist == nil {
		o.Persist = func(State) error { return nil }
	}
	return o, o.check()
}

func (o Options) check() error {
	switch {
	case o.Version < CTAP21 || o.Version > CTAP20:
		return fmt.Errorf("no CTAP version %d", o.Version)
	case o.MinPINLength < 4 || o.MinPINLength > maxPINLength: // CTAP 2.1 §6.4, minPINLength
		return fmt.Errorf("minimum PIN length %d is not within 4 and %d", o.MinPINLength, maxPINLength)
	case o.PINTries < 1 || o.PINTries > defaultPINTries:
		return fmt.Errorf("PIN tries %d are not within 1 and %d", o.PINTries, defaultPINTries)
	case o.MaxMsgSize < leastMaxMsgSize:
		return fmt.Errorf("message size %d is under %d", o.MaxMsgSize, leastMaxMsgSize)
	case o.ResidentKeys < 0:
		return errors.New("negative number of resident keys")
	case o.Fault != FaultNone && !slices.Contains(AttestationFaults(), o.Fault):
		return fmt.Errorf("no attestation fault %q", o.Fault)
	case len(o.Attestation.Chain) > 0 && o.Attestation.Key == nil:
		return errors.New("attestation chain without its key")
	}
	return nil
}

func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
