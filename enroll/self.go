package enroll

import (
	"fmt"
	"slices"

	"cpsgate/identity"
)

// SelfEnrolment is what people may register by themselves, in a browser, in a
// session that their card's certificate opened.
type SelfEnrolment string

// What may be registered.
const (
	SelfCards SelfEnrolment = ""      // the applet of the card that opened the session, of a model in CardModels
	SelfKeys  SelfEnrolment = "keys"  // that, or a security key
	SelfNever SelfEnrolment = "never" // nothing: the desk enrols
)

// selfEnrolled applies the policy to a passkey registered without the desk. A
// card's applet is bound to the card that opened the session; no attestation
// names a card's number, so that it is that very card stays the holder's word.
// Its model tells it from a security key: what the browser says of the way it went
// is the holder's to write, and older ones call a card nfc or usb, or nothing.
func (p Policy) selfEnrolled(k identity.Passkey) (identity.Passkey, error) {
	refuse := func(reason Reason, format string, args ...any) (identity.Passkey, error) {
		return k, &Refusal{Reason: reason, Holder: k.Holder, Card: k.Proof.CardTokenID, Detail: fmt.Sprintf(format, args...)}
	}
	switch p.SelfEnrolment {
	case SelfCards, SelfKeys:
	default: // never, and any word not known here
		return refuse(ReasonPolicy, "self-enrolment: %s", p.SelfEnrolment)
	}
	if slices.Contains(p.CardModels, k.AAGUID) {
		k.CardTokenID = k.Proof.CardTokenID
		return k, nil
	}
	if p.SelfEnrolment == SelfCards {
		return refuse(ReasonKey, "model %x is no card's applet", k.AAGUID)
	}
	return k, nil
}

// SelfEnrolment is what the policy lets people register by themselves.
func (r *Registry) SelfEnrolment() SelfEnrolment { return r.o.Policy.SelfEnrolment }

// MinPINLength is the shortest PIN of an applet that the desk enrols, in
// characters; 0: the applet's own.
func (r *Registry) MinPINLength() int { return r.o.Policy.Applet.MinPINLength }
