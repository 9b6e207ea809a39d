package cardside_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cpsgate/cardside"
	"cpsgate/cardside/apdu"
	"cpsgate/cardside/ctap2"
	"cpsgate/cardside/libfido2"
	"cpsgate/cardside/pcsc"
	"cpsgate/cardside/pkcs11"
)

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// Every reason is said in both languages, tells what to do, and ends with a
// code of its own kind.
func TestReasonsAreSaid(t *testing.T) {
	titles := map[string]cardside.Reason{}
	for _, reason := range cardside.Reasons() {
		fr, isFr := cardside.SentenceFor(reason, cardside.French)
		en, isEn := cardside.SentenceFor(reason, cardside.English)
		if !isFr || !isEn || fr.Title == "" || fr.Why == "" || len(fr.Do) == 0 || len(fr.Do) != len(en.Do) {
			t.Errorf("%s is not said in full: %+v, %+v", reason, fr, en)
		}
		if strings.Contains(fr.Title+fr.Why, "des essais") != strings.Contains(en.Title+en.Why, "some tries") {
			t.Errorf("%s: the tries are told in one language", reason)
		}
		for _, said := range slices.Concat([]string{fr.Title, fr.Why, en.Title, en.Why}, fr.Do, en.Do) {
			if placeholder.MatchString(said) {
				t.Errorf("%s: nobody fills in %q", reason, said)
			}
		}
		if other, taken := titles[fr.Title]; taken {
			t.Errorf("%s and %s have one title", reason, other)
		}
		titles[fr.Title] = reason
		if code := cardside.ExitCodeOf(reason); code == cardside.ExitDone || !slices.Contains(cardside.ExitCodes(), code) {
			t.Errorf("%s ends with %d", reason, code)
		}
	}
	for _, quirk := range cardside.Quirks() {
		if cardside.ExplainQuirk(quirk, cardside.French) == "" || cardside.ExplainQuirk(quirk, cardside.English) == "" {
			t.Errorf("%s is not said", quirk)
		}
	}
}

// What the card taught: each of these has its own sentence and its own error
// value.
func TestErrorsHaveReasons(t *testing.T) {
	tests := map[cardside.Reason]error{
		cardside.ReasonCardRemoved:    fmt.Errorf("signing: %w", &pcsc.Error{Op: "x", Kind: pcsc.ErrRemoved}),
		cardside.ReasonNoApplet:       fmt.Errorf("%w: %w", ctap2.ErrNoApplet, &apdu.StatusError{Status: apdu.FileNotFound}),
		cardside.ReasonNotOverContact: ctap2.ErrNotOverContact,
		cardside.ReasonSelectCutShort: ctap2.ErrSelectCutShort,
		cardside.ReasonU2FOnly:        ctap2.ErrU2FOnly,
		cardside.ReasonNotCanonical:   ctap2.ErrNotCanonical,
		cardside.ReasonPINWrong:       &ctap2.PINError{Status: ctap2.StatusPINInvalid, Left: 5},
		cardside.ReasonPINPause:       &ctap2.PINError{Status: ctap2.StatusPINAuthBlocked, Left: 5},
		cardside.ReasonPINBlocked:     &ctap2.PINError{Status: ctap2.StatusPINBlocked},
		cardside.ReasonAccessDenied:   &pcsc.Error{Op: "x", Code: 0x80100027, Kind: pcsc.ErrDenied},
		cardside.ReasonCardRefused:    ctap2.StatusIntegrityFailure,
		cardside.ReasonMalformed:      apdu.ErrEndless,
		cardside.ReasonEngine:         libfido2.ErrUnsupported,
		cardside.ReasonNoModule:       pkcs11.ErrNoModule,
		cardside.ReasonCPxWrong:       pkcs11.ErrPINWrong,
		cardside.ReasonCancelled:      context.Canceled,
		cardside.ReasonFile:           &os.PathError{Op: "open", Path: "x", Err: os.ErrExist},
		cardside.ReasonOther:          errors.New("something else"),

		cardside.ReasonNotBuilt:       pcsc.ErrNotBuilt,
		cardside.ReasonNoService:      &pcsc.Error{Op: "x", Kind: pcsc.ErrNoService},
		cardside.ReasonNoReader:       &pcsc.Error{Op: "x", Kind: pcsc.ErrNoReader},
		cardside.ReasonSeveralReaders: cardside.ErrSeveralReaders,
		cardside.ReasonSeveralCards:   cardside.ErrSeveralCards,
		cardside.ReasonNoCard:         &pcsc.Error{Op: "x", Kind: pcsc.ErrNoCard},
		cardside.ReasonCardNotRemoved: cardside.ErrNotRemoved,
		cardside.ReasonAnotherCard:    cardside.ErrAnotherCard,
		cardside.ReasonCardReset:      &pcsc.Error{Op: "x", Kind: pcsc.ErrReset},
		cardside.ReasonCardInUse:      &pcsc.Error{Op: "x", Kind: pcsc.ErrInUse},
		cardside.ReasonCardMute:       &pcsc.Error{Op: "x", Kind: pcsc.ErrUnresponsive},
		cardside.ReasonProtocol:       &pcsc.Error{Op: "x", Kind: pcsc.ErrProtocol},
		cardside.ReasonTransmission:   &pcsc.Error{Op: "x", Kind: pcsc.ErrTransmission},
		cardside.ReasonServiceTimeout: &pcsc.Error{Op: "x", Kind: pcsc.ErrTimeout},
		cardside.ReasonBlank:          ctap2.StatusPINNotSet,
		cardside.ReasonNotBlank:       cardside.ErrNotBlank,
		cardside.ReasonPINRequired:    ctap2.StatusPUATRequired,
		cardside.ReasonLastTry:        pkcs11.ErrLastTry,
		cardside.ReasonPINTooShort:    ctap2.ErrPINTooShort,
		cardside.ReasonPINTooLong:     ctap2.ErrPINTooLong,
		cardside.ReasonPINPolicy:      ctap2.StatusPINPolicyViolation,
		cardside.ReasonPINMustChange:  ctap2.ErrPINMustChange,
		cardside.ReasonPINsDiffer:     cardside.ErrPINsDiffer,
		cardside.ReasonPINEntry:       cardside.ErrPINEntry,
		cardside.ReasonPINTrivial:     cardside.ErrPINTrivial,
		cardside.ReasonExcluded:       ctap2.StatusCredentialExcluded,
		cardside.ReasonNoCredentials:  ctap2.StatusNoCredentials,
		cardside.ReasonCardFull:       ctap2.StatusKeyStoreFull,
		cardside.ReasonUnsupported:    ctap2.ErrUnsupported,
		cardside.ReasonTooLong:        ctap2.StatusRequestTooLarge,
		cardside.ReasonResetTooLate:   ctap2.StatusNotAllowed,
		cardside.ReasonDenied:         ctap2.StatusOperationDenied,
		cardside.ReasonTouch:          ctap2.StatusUserActionTimeout,
		cardside.ReasonProof:          cardside.ErrProof,
		cardside.ReasonEngineFailed:   libfido2.ErrChild,
		cardside.ReasonModule:         pkcs11.ErrModule,
		cardside.ReasonNoToken:        pkcs11.ErrNoToken,
		cardside.ReasonNoCertificate:  pkcs11.ErrNoKey,
		cardside.ReasonCPxBlocked:     pkcs11.ErrPINBlocked,
		cardside.ReasonPartial:        cardside.ErrPartial,
		cardside.ReasonFewTries:       cardside.ErrFewTries,
		cardside.ReasonExpired:        cardside.ErrExpired,
		cardside.ReasonServer:         cardside.ErrServer,
		cardside.ReasonServerTrust:    cardside.ErrServerTrust,
		cardside.ReasonServerAnswer:   cardside.ErrServerAnswer,
		cardside.ReasonServerRefused:  cardside.ErrServerRefused,
		cardside.ReasonOrigin:         cardside.ErrOrigin,
		cardside.ReasonSessionEnded:   cardside.ErrSessionEnded,
		cardside.ReasonClock:          cardside.ErrClock,
		cardside.ReasonCPS3:           cardside.ErrCPS3,
		cardside.ReasonNotCPS4:        cardside.ErrNotCPS4,
		cardside.ReasonPolicy:         cardside.ErrPolicyUnmet,
	}
	for _, reason := range cardside.Reasons() {
		if tests[reason] == nil {
			t.Errorf("no error here leads to %s", reason)
		}
	}
	for want, err := range tests {
		if got := cardside.ReasonOf(err); got != want {
			t.Errorf("%v: %s; want %s", err, got, want)
		}
	}
	if got := cardside.ReasonOf(&apdu.StatusError{Status: apdu.WrongLength}); got != cardside.ReasonCardRefused {
		t.Errorf("a status of the card's system: %s", got)
	}
	// A removal explains the failed transmission that came first.
	both := errors.Join(&pcsc.Error{Kind: pcsc.ErrTransmission}, &pcsc.Error{Kind: pcsc.ErrRemoved})
	if got := cardside.ReasonOf(both); got != cardside.ReasonCardRemoved {
		t.Errorf("transmission and removal: %s", got)
	}
}

func TestExplanationFillsIn(t *testing.T) {
	e := cardside.Explain(&ctap2.PINError{Status: ctap2.StatusPINInvalid, Left: 5}, cardside.French)
	if !strings.Contains(e.Title, "il reste 5 essais") || e.Left == nil || *e.Left != 5 || len(e.Do) == 0 {
		t.Errorf("%+v", e)
	}
	if again, _ := cardside.SentenceFor(cardside.ReasonPINWrong, cardside.French); !strings.HasSuffix(again.Title, "il reste des essais") {
		t.Errorf("the text itself was filled in: %q", again.Title)
	}
	en := cardside.Explain(pcsc.ErrNoCard, cardside.English)
	if en.Title != "We have seen no card" || en.Left != nil || en.Detail == "" {
		t.Errorf("%+v", en)
	}
}

func TestTriesAreCounted(t *testing.T) {
	for _, test := range []struct {
		n      int
		fr, en string
	}{{8, "8 essais", "8 tries"}, {2, "2 essais", "2 tries"}, {1, "1 essai", "1 try"}, {0, "0 essai", "0 tries"}} {
		if fr, en := cardside.Tries(test.n, cardside.French), cardside.Tries(test.n, cardside.English); fr != test.fr || en != test.en {
			t.Errorf("%q, %q; want %q, %q", fr, en, test.fr, test.en)
		}
	}
}
