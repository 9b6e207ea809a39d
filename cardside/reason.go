package cardside

import (
	"context"
	"errors"
	"io/fs"

	"cpsgate/cardside/apdu"
	"cpsgate/cardside/ctap2"
	"cpsgate/cardside/libfido2"
	"cpsgate/cardside/pcsc"
	"cpsgate/cardside/pkcs11"
)

// Reason is why something did not succeed, as a word for programs.
type Reason string

// The reasons.
const (
	ReasonNotBuilt       Reason = "not-built"
	ReasonNoService      Reason = "no-service"
	ReasonNoReader       Reason = "no-reader"
	ReasonSeveralReaders Reason = "several-readers"
	ReasonSeveralCards   Reason = "several-cards"
	ReasonNoCard         Reason = "no-card"
	ReasonCardRemoved    Reason = "card-removed"
	ReasonCardNotRemoved Reason = "card-not-removed"
	ReasonAnotherCard    Reason = "another-card"
	ReasonCardReset      Reason = "card-reset"
	ReasonCardInUse      Reason = "card-in-use"
	ReasonAccessDenied   Reason = "access-denied"
	ReasonCardMute       Reason = "card-mute"
	ReasonProtocol       Reason = "protocol"
	ReasonTransmission   Reason = "transmission"
	ReasonServiceTimeout Reason = "service-timeout"
	ReasonNoApplet       Reason = "no-applet"
	ReasonNotOverContact Reason = "not-over-contact"
	ReasonU2FOnly        Reason = "u2f-only"
	ReasonSelectCutShort Reason = "select-cut-short"
	ReasonNotCanonical   Reason = "not-canonical"
	ReasonMalformed      Reason = "malformed"
	ReasonBlank          Reason = "blank"
	ReasonNotBlank       Reason = "not-blank"
	ReasonPINRequired    Reason = "pin-required"
	ReasonPINWrong       Reason = "pin-wrong"
	ReasonPINPause       Reason = "pin-blocked-until-power-off"
	ReasonPINBlocked     Reason = "pin-blocked"
	ReasonLastTry        Reason = "last-try"
	ReasonPINTooShort    Reason = "pin-too-short"
	ReasonPINTooLong     Reason = "pin-too-long"
	ReasonPINPolicy      Reason = "pin-policy"
	ReasonPINMustChange  Reason = "pin-must-change"
	ReasonPINsDiffer     Reason = "pins-differ"
	ReasonPINEntry       Reason = "pin-entry"
	ReasonExcluded       Reason = "already-enrolled"
	ReasonNoCredentials  Reason = "no-credentials"
	ReasonCardFull       Reason = "card-full"
	ReasonUnsupported    Reason = "unsupported"
	ReasonTooLong        Reason = "too-long"
	ReasonResetTooLate   Reason = "reset-refused"
	ReasonDenied         Reason = "operation-denied"
	ReasonTouch          Reason = "presence"
	ReasonProof          Reason = "proof-failed"
	ReasonEngine         Reason = "engine"
	ReasonEngineFailed   Reason = "engine-failed"
	ReasonCardRefused    Reason = "card-refused"
	ReasonNoModule       Reason = "no-module"
	ReasonModule         Reason = "module-failed"
	ReasonNoToken        Reason = "no-token"
	ReasonNoCertificate  Reason = "no-certificate"
	ReasonCPxWrong       Reason = "cpx-pin-wrong"
	ReasonCPxBlocked     Reason = "cpx-pin-blocked"
	ReasonCancelled      Reason = "cancelled"
	ReasonPartial        Reason = "partial-build"
	ReasonFewTries       Reason = "few-tries"
	ReasonExpired        Reason = "certificate-expired"
	ReasonServer         Reason = "server-unreachable"
	ReasonServerTrust    Reason = "server-not-trusted"
	ReasonClock          Reason = "clock-wrong"
	ReasonCPS3           Reason = "cps3"
	ReasonNotCPS4        Reason = "not-cps4"
	ReasonPINTrivial     Reason = "pin-trivial"
	ReasonPolicy         Reason = "policy-unmet"
	ReasonServerAnswer   Reason = "server-answer"
	ReasonServerRefused  Reason = "server-refused"
	ReasonOrigin         Reason = "another-site"
	ReasonSessionEnded   Reason = "session-ended"
	ReasonFile           Reason = "file"
	ReasonOther          Reason = "other"
)

// Errors of acts that ask for something else first.
var (
	ErrBlank    = errors.New("the FIDO2 application has no PIN yet")
	ErrNotBlank = errors.New("the FIDO2 application has a PIN already")
	// ErrPINEntry is a PIN that could not be asked for.
	ErrPINEntry   = errors.New("the PIN cannot be entered")
	ErrPINsDiffer = errors.New("the two entries of the new PIN differ")
	// ErrPINTrivial is a new PIN that anybody would try.
	ErrPINTrivial = errors.New("the new PIN is trivial")
	// ErrPolicyUnmet is an applet that cannot do what the hospital demands of it.
	ErrPolicyUnmet = errors.New("the card cannot do what the hospital's policy demands")
	ErrCPS3        = errors.New("the card is a CPS3")
	ErrNotCPS4     = errors.New("the card is no CPS4")
)

// reasons maps errors to reasons; the first that fits counts, so what explains
// comes before what it explains.
var reasons = []struct {
	is     error
	reason Reason
}{
	{ErrSeveralReaders, ReasonSeveralReaders}, {ErrSeveralCards, ReasonSeveralCards},
	{ErrNotRemoved, ReasonCardNotRemoved}, {ErrAnotherCard, ReasonAnotherCard},
	{ErrPartial, ReasonPartial}, {ErrFewTries, ReasonFewTries}, {ErrExpired, ReasonExpired},
	{context.Canceled, ReasonCancelled}, // what was stopped may look like anything
	{ErrServerTrust, ReasonServerTrust}, {ErrServer, ReasonServer}, {ErrServerAnswer, ReasonServerAnswer}, {ErrServerRefused, ReasonServerRefused},
	{ErrOrigin, ReasonOrigin}, {ErrSessionEnded, ReasonSessionEnded}, {ErrClock, ReasonClock}, {ErrCPS3, ReasonCPS3}, {ErrNotCPS4, ReasonNotCPS4},
	{ErrPINTrivial, ReasonPINTrivial}, {ErrPolicyUnmet, ReasonPolicy},
	{ErrBlank, ReasonBlank}, {ErrNotBlank, ReasonNotBlank}, {ErrPINsDiffer, ReasonPINsDiffer}, {ErrPINEntry, ReasonPINEntry}, {ErrProof, ReasonProof}, {ErrEngine, ReasonEngine},

	{context.DeadlineExceeded, ReasonCancelled},
	{pcsc.ErrRemoved, ReasonCardRemoved}, {pcsc.ErrNotBuilt, ReasonNotBuilt}, {pcsc.ErrNoService, ReasonNoService},
	{pcsc.ErrNoReader, ReasonNoReader}, {pcsc.ErrNoCard, ReasonNoCard}, {pcsc.ErrReset, ReasonCardReset},
	{pcsc.ErrInUse, ReasonCardInUse}, {pcsc.ErrDenied, ReasonAccessDenied}, {pcsc.ErrUnresponsive, ReasonCardMute},
	{pcsc.ErrProtocol, ReasonProtocol}, {pcsc.ErrTransmission, ReasonTransmission}, {pcsc.ErrTimeout, ReasonServiceTimeout},

	{ctap2.ErrNoApplet, ReasonNoApplet}, {ctap2.ErrNotOverContact, ReasonNotOverContact}, {ctap2.ErrU2FOnly, ReasonU2FOnly},
	{ctap2.ErrSelectCutShort, ReasonSelectCutShort}, {ctap2.ErrMalformed, ReasonMalformed}, {ctap2.ErrNotCanonical, ReasonNotCanonical},
	{ctap2.ErrPINTooShort, ReasonPINTooShort}, {ctap2.ErrPINTooLong, ReasonPINTooLong}, {ctap2.ErrPINMustChange, ReasonPINMustChange},
	{ctap2.ErrPINRequired, ReasonPINRequired}, {ctap2.ErrLastTry, ReasonLastTry}, {ctap2.ErrUnsupported, ReasonUnsupported},
	{ctap2.ErrTooLong, ReasonTooLong},

	{ctap2.StatusPINInvalid, ReasonPINWrong}, {ctap2.StatusPINAuthBlocked, ReasonPINPause}, {ctap2.StatusPINBlocked, ReasonPINBlocked},
	{ctap2.StatusPINNotSet, ReasonBlank}, {ctap2.StatusPUATRequired, ReasonPINRequired}, {ctap2.StatusPINPolicyViolation, ReasonPINPolicy},
	{ctap2.StatusCredentialExcluded, ReasonExcluded}, {ctap2.StatusNoCredentials, ReasonNoCredentials}, {ctap2.StatusKeyStoreFull, ReasonCardFull},
	{ctap2.StatusNotAllowed, ReasonResetTooLate}, {ctap2.StatusOperationDenied, ReasonDenied}, {ctap2.StatusUPRequired, ReasonTouch},
	{ctap2.StatusUserActionTimeout, ReasonTouch}, {ctap2.StatusActionTimeout, ReasonTouch},
	{ctap2.StatusUnsupportedAlgorithm, ReasonUnsupported}, {ctap2.StatusUnsupportedOption, ReasonUnsupported},
	{ctap2.StatusInvalidOption, ReasonUnsupported}, {ctap2.StatusInvalidCommand, ReasonUnsupported}, {ctap2.StatusRequestTooLarge, ReasonTooLong},
	{ctap2.StatusLimitExceeded, ReasonTooLong},

	{apdu.ErrEndless, ReasonMalformed}, {apdu.ErrTooLarge, ReasonMalformed}, {apdu.ErrShortResponse, ReasonMalformed},

	{libfido2.ErrNotBuilt, ReasonNotBuilt}, {libfido2.ErrUnsupported, ReasonEngine}, {libfido2.ErrLibrary, ReasonEngineFailed},
	{libfido2.ErrChild, ReasonEngineFailed},

	{pkcs11.ErrNotBuilt, ReasonNotBuilt}, {pkcs11.ErrNoModule, ReasonNoModule}, {pkcs11.ErrNoToken, ReasonNoToken},
	{pkcs11.ErrSeveralTokens, ReasonSeveralCards}, {pkcs11.ErrNoCertificate, ReasonNoCertificate}, {pkcs11.ErrNoKey, ReasonNoCertificate},
	{pkcs11.ErrPINWrong, ReasonCPxWrong}, {pkcs11.ErrPINBlocked, ReasonCPxBlocked}, {pkcs11.ErrLastTry, ReasonLastTry},
	{pkcs11.ErrPINCancelled, ReasonCancelled}, {pkcs11.ErrRemoved, ReasonCardRemoved}, {pkcs11.ErrUnsupported, ReasonUnsupported},
	{pkcs11.ErrModule, ReasonModule}, {pkcs11.ErrLocked, ReasonModule},
}

// ReasonOf tells the reason of an error of this program.
func ReasonOf(err error) Reason {
	for _, known := range reasons {
		if errors.Is(err, known.is) {
			return known.reason
		}
	}
	var status ctap2.Status
	var refused *apdu.StatusError
	var file *fs.PathError
	switch {
	case errors.As(err, &status), errors.As(err, &refused):
		return ReasonCardRefused
	case errors.As(err, &file):
		return ReasonFile
	}
	return ReasonOther
}

// Reasons lists every reason, in the order of their declaration.
func Reasons() []Reason {
	return []Reason{
		ReasonNotBuilt, ReasonNoService, ReasonNoReader, ReasonSeveralReaders, ReasonSeveralCards, ReasonNoCard,
		ReasonCardRemoved, ReasonCardNotRemoved, ReasonAnotherCard, ReasonCardReset, ReasonCardInUse, ReasonAccessDenied,
		ReasonCardMute, ReasonProtocol, ReasonTransmission, ReasonServiceTimeout, ReasonNoApplet, ReasonNotOverContact,
		ReasonU2FOnly, ReasonSelectCutShort, ReasonNotCanonical, ReasonMalformed, ReasonBlank, ReasonNotBlank,
		ReasonPINRequired, ReasonPINWrong, ReasonPINPause, ReasonPINBlocked, ReasonLastTry, ReasonPINTooShort,
		ReasonPINTooLong, ReasonPINPolicy, ReasonPINMustChange, ReasonPINsDiffer, ReasonPINEntry, ReasonExcluded, ReasonNoCredentials, ReasonCardFull,
		ReasonUnsupported, ReasonTooLong, ReasonResetTooLate, ReasonDenied, ReasonTouch, ReasonProof, ReasonEngine,
		ReasonEngineFailed, ReasonCardRefused, ReasonNoModule, ReasonModule, ReasonNoToken, ReasonNoCertificate,
		ReasonCPxWrong, ReasonCPxBlocked, ReasonCancelled, ReasonPartial, ReasonFewTries, ReasonExpired,
		ReasonServer, ReasonServerTrust, ReasonServerAnswer, ReasonServerRefused, ReasonOrigin, ReasonSessionEnded, ReasonClock,
		ReasonCPS3, ReasonNotCPS4, ReasonPINTrivial, ReasonPolicy, ReasonFile, ReasonOther,
	}
}
