package web

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/rp"
	"cpsgate/sessions"
)

// onceLogin is the kind of a login ceremony's state.
const onceLogin = "web.login"

// ceremonyTime is how long a ceremony's state is kept: as long as the relying
// party lets the browser wait by default.
const ceremonyTime = 5 * time.Minute

// login is a passkey login that has begun.
type login struct {
	Browser []byte // fingerprint of the ceremony cookie
	Return  string
	Pending rp.PendingLogin
}

// begun is what a script gets to run a ceremony with.
type begun struct {
	Ceremony  string          `json:"ceremony"`
	PublicKey json.RawMessage `json:"publicKey"`
}

// done is where a script goes on.
type done struct {
	Next string `json:"next"`
}

// beginPasskey gives the options for navigator.credentials.get.
func (s *Server) beginPasskey(c echo.Context) error {
	var wanted string
	if err := readJSON(c.Request(), map[string]any{"return": &wanted}); err != nil {
		return err
	}
	options, pending, err := s.o.RelyingParty.BeginLogin()
	if err != nil {
		return err
	}
	return s.begin(c, onceLogin, options, func(browser []byte) any {
		return login{Browser: browser, Return: safeReturn(wanted), Pending: pending}
	})
}

// begin keeps a ceremony's state under a key for the script, bound to a cookie
// of this browser. Tabs of one browser share the cookie.
func (s *Server) begin(c echo.Context, kind string, options json.RawMessage, state func(browser []byte) any) error {
	secret := cookieValue(c, cookieCeremony)
	if len(secret) != len(newSecret()) {
		secret = newSecret()
	}
	key, err := s.o.Once.Put(c.Request().Context(), kind, state(fingerprint(secret)), ceremonyTime)
	if err != nil {
		return err
	}
	setCookie(c, cookieCeremony, secret, 0)
	return c.JSON(http.StatusOK, begun{Ceremony: key, PublicKey: options})
}

// finishPasskey judges the browser's answer, then the passkey's record, its
// card's, and the certificate of that card; only then someone is let in.
func (s *Server) finishPasskey(c echo.Context) error {
	var ceremony string
	var response json.RawMessage
	if err := readJSON(c.Request(), map[string]any{"ceremony": &ceremony, "response": &response}); err != nil {
		return err
	}
	var begun login
	if err := s.take(c, onceLogin, ceremony, &begun, func() []byte { return begun.Browser }); err != nil {
		return s.refuse(c, audit.Event{Kind: audit.KindLoginFIDO2}, err)
	}
	used, err := s.judgeLogin(c, begun.Pending, response)
	if err != nil {
		return s.refuse(c, triedPasskey(used.Passkey, err), err)
	}
	wanted, err := s.enter(c, loginBy(used, begun.Return))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, done{Next: wanted})
}

func loginBy(used rp.Assertion, wanted string) entry {
	return entry{
		session: sessions.Session{
			Holder: used.Passkey.Holder, Method: identity.MethodFIDO2,
			CardTokenID: cardOf(used.Passkey), PasskeyID: used.Passkey.ID, InCard: inCard(used.Passkey),
			Proof: used.Passkey.Proof.Kind,
		},
		event: passkeyEvent(used.Passkey, regressed(used)),
		door:  doorPasskey, wanted: wanted,
	}
}

// take takes a ceremony's state, and refuses one begun in another browser.
func (s *Server) take(c echo.Context, kind, key string, into any, browser func() []byte) error {
	err := s.o.Once.Take(c.Request().Context(), kind, key, into)
	if errors.Is(err, sessions.ErrNoSuch) || errors.Is(err, sessions.ErrTaken) {
		return fmt.Errorf("%w: %w", reasonCeremonyUnknown, err)
	}
	if err == nil && !sameBrowser(cookieValue(c, cookieCeremony), browser()) {
		return reasonCeremonyBrowser
	}
	return err
}

// judgeLogin passes the answer before everyone with a say: the relying party,
// the card record, the revocation data, the limit for this person. The passkey
// it gives with an error is whose use was tried, once that is proven.
func (s *Server) judgeLogin(c echo.Context, pending rp.PendingLogin, response json.RawMessage) (rp.Assertion, error) {
	ctx, now := c.Request().Context(), s.o.Now()
	used, err := s.o.RelyingParty.FinishLogin(pending, response, s.findPasskey(ctx), now)
	if err != nil {
		return used, errors.Join(err, s.stopCopied(c, err))
	}
	if err := s.signInAllowed(used.Passkey.Holder); err != nil {
		return used, err
	}
	if err := s.o.Registry.MayUse(ctx, used.Passkey, s.stillGood(ctx)); err != nil {
		return used, err
	}
	return used, s.o.Registry.Used(ctx, used.Passkey)
}

// findPasskey looks a credential up as rp asks it.
func (s *Server) findPasskey(ctx context.Context) func(credentialID, userHandle []byte) (identity.Passkey, error) {
	return func(credentialID, _ []byte) (identity.Passkey, error) {
		passkey, err := s.o.Registry.Passkey(ctx, credentialID)
		var refused *enroll.Refusal
		if errors.As(err, &refused) && refused.Reason == enroll.ReasonPasskeyUnknown {
			return identity.Passkey{}, fmt.Errorf("%w: %w", rp.ErrUnknownPasskey, err)
		}
		return passkey, err
	}
}

// stopCopied suspends a passkey whose counter ran backwards under a good
// signature: one of two copies was used, and nobody knows which.
func (s *Server) stopCopied(c echo.Context, err error) error {
	var refused *rp.Refusal
	if !errors.As(err, &refused) || refused.Reason != rp.ReasonSignCount || refused.Claimed == nil {
		return nil
	}
	return s.o.Registry.PasskeyCopied(c.Request().Context(), refused.Claimed.ID)
}

// triedPasskey is the audit's account of a ceremony that was refused.
func triedPasskey(passkey identity.Passkey, err error) audit.Event {
	var refused *rp.Refusal
	if !errors.As(err, &refused) {
		return passkeyEvent(passkey, "")
	}
	if refused.Claimed != nil {
		return passkeyEvent(*refused.Claimed, "")
	}
	return audit.Event{Kind: audit.KindLoginFIDO2, CredentialHash: audit.HashCredential(refused.CredentialID)}
}

func passkeyEvent(p identity.Passkey, detail string) audit.Event {
	event := audit.Event{Kind: audit.KindLoginFIDO2, Detail: detail}
	if len(p.ID) == 0 {
		return event
	}
	event.Subject, event.Card = p.Holder, cardOf(p)
	event.CredentialHash, event.AAGUID = audit.HashCredential(p.ID), hex.EncodeToString(p.AAGUID[:])
	event.Attestation, event.Proof = p.AttestationVerdict, string(p.Proof.Kind)
	return event
}

func regressed(used rp.Assertion) string {
	if !used.SignCountRegressed {
		return ""
	}
	return fmt.Sprintf("sign count went from %d to %d, let through by policy", used.PreviousSignCount, used.Passkey.SignCount)
}

// cardOf is the card whose state a passkey follows: the one it lives in, else
// the one whose certificate vouched for it.
func cardOf(p identity.Passkey) string {
	if p.CardTokenID != "" {
		return p.CardTokenID
	}
	return p.Proof.CardTokenID
}

// inCard tells a passkey that lives in a card from one of a security key. Where
// the desk vouched, its workstation says how the passkey was made (WebAuthn L3
// §5.8.4), whatever card was named; a holder's own browser is not asked: there
// enroll knew the model of the hospital's cards, or gave the passkey no card.
func inCard(p identity.Passkey) bool {
	switch p.Proof.Kind {
	case identity.ProofSameCard:
		return true
	case identity.ProofDesk:
		return slices.Contains(p.Transports, "smart-card")
	}
	return p.Proof.Kind == identity.ProofCertificate && p.CardTokenID != ""
}

// idText writes a credential id as browsers do (WebAuthn L3 §5.1).
func idText(id []byte) string { return base64.RawURLEncoding.EncodeToString(id) }
