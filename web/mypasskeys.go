package web

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/rp"
)

// onceAdd is the kind of a registration ceremony's state.
const onceAdd = "web.add"

// addition is a registration that has begun, in one session of one person.
type addition struct {
	Browser []byte
	Session string // its handle
	Pending rp.PendingRegistration
}

// beginAdd gives the options for navigator.credentials.create, to a session
// that a certificate opened: the card vouches for what is added.
func (s *Server) beginAdd(c echo.Context) error {
	r, ctx := requestOf(c), c.Request().Context()
	if err := readJSON(c.Request(), nil); err != nil {
		return err
	}
	if r.session.Method != identity.MethodCPS {
		return s.refuse(c, s.addEvent(c, identity.Passkey{}, nil), reasonNotByCertificate)
	}
	if s.o.Registry.SelfEnrolment() == enroll.SelfNever {
		refusal := &enroll.Refusal{Reason: enroll.ReasonPolicy, Holder: r.session.Holder, Detail: "self-enrolment: never"}
		return s.refuse(c, s.addEvent(c, identity.Passkey{}, refusal), refusal)
	}
	who, err := s.o.Registry.Professional(ctx, r.session.Holder)
	if err != nil {
		return err
	}
	has, err := s.o.Registry.Passkeys(ctx, r.session.Holder)
	if err != nil {
		return err
	}
	options, pending, err := s.o.RelyingParty.BeginRegistration(who, has)
	if err != nil {
		return err
	}
	return s.begin(c, onceAdd, options, func(browser []byte) any {
		return addition{Browser: browser, Session: r.session.ID, Pending: pending}
	})
}

// finishAdd judges what the browser made and keeps it, pending its first use.
func (s *Server) finishAdd(c echo.Context) error {
	var ceremony, name string
	var response json.RawMessage
	members := map[string]any{"ceremony": &ceremony, "name": &name, "response": &response}
	if err := readJSON(c.Request(), members); err != nil {
		return err
	}
	passkey, err := s.judgeAddition(c, ceremony, response)
	if err != nil {
		return s.refuse(c, s.addEvent(c, passkey, err), err)
	}
	passkey.Name = name
	if name == "" {
		passkey.Name = requestOf(c).tongue.words["account.passkey.unnamed"]
	}
	if err := s.o.Registry.AddPasskey(c.Request().Context(), passkey); err != nil {
		return s.refuse(c, s.addEvent(c, passkey, err), err)
	}
	return c.JSON(http.StatusOK, done{Next: afterDeed("passkey-added")})
}

// judgeAddition takes the ceremony and refuses one begun in another browser,
// another session, or for another person than who is signed in now.
func (s *Server) judgeAddition(c echo.Context, ceremony string, response json.RawMessage) (identity.Passkey, error) {
	r, now := requestOf(c), s.o.Now()
	var begun addition
	if err := s.take(c, onceAdd, ceremony, &begun, func() []byte { return begun.Browser }); err != nil {
		return identity.Passkey{}, err
	}
	if begun.Session != r.session.ID || begun.Pending.Holder != r.session.Holder {
		return identity.Passkey{}, reasonCeremonyBrowser
	}
	if r.session.Method != identity.MethodCPS {
		return identity.Passkey{}, reasonNotByCertificate
	}
	passkey, err := s.o.RelyingParty.FinishRegistration(begun.Pending, response, now)
	if err != nil {
		return identity.Passkey{}, err
	}
	passkey.Proof = identity.Proof{Kind: identity.ProofCertificate, At: now, CardTokenID: r.session.CardTokenID}
	return passkey, nil
}

// addEvent is the audit's account of an addition that is refused, with what is
// known of the passkey by then.
func (s *Server) addEvent(c echo.Context, passkey identity.Passkey, err error) audit.Event {
	r := requestOf(c)
	event := audit.Event{Kind: audit.KindPasskeyAdd, Subject: r.session.Holder, Card: r.session.CardTokenID}
	var refused *rp.Refusal
	if errors.As(err, &refused) {
		event.CredentialHash = audit.HashCredential(refused.CredentialID)
	}
	if len(passkey.ID) > 0 {
		event.CredentialHash, event.AAGUID = audit.HashCredential(passkey.ID), hex.EncodeToString(passkey.AAGUID[:])
	}
	return event
}

// renamePasskey gives one of one's own passkeys another name.
func (s *Server) renamePasskey(c echo.Context) error {
	form, err := readForm(c.Request(), "id", "name")
	if err != nil {
		return err
	}
	id, err := readID(form.Get("id"))
	if err != nil {
		return err
	}
	if err := s.o.Registry.RenamePasskey(c.Request().Context(), requestOf(c).session.Holder, id, form.Get("name")); err != nil {
		return s.refuseDeed(c, audit.KindPasskeyRename, id, err)
	}
	return c.Redirect(http.StatusSeeOther, afterDeed("passkey-renamed"))
}

// removePasskey takes one of one's own passkeys out of use, and with it the
// sessions that it opened, this one included if it is among them.
func (s *Server) removePasskey(c echo.Context) error {
	form, err := readForm(c.Request(), "id")
	if err != nil {
		return err
	}
	id, err := readID(form.Get("id"))
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	if err := s.o.Registry.RemovePasskey(ctx, requestOf(c).session.Holder, id); err != nil {
		return s.refuseDeed(c, audit.KindPasskeyRemove, id, err)
	}
	if _, err := s.o.Sessions.EndOfPasskey(ctx, id); err != nil {
		return err
	}
	if bytes.Equal(id, requestOf(c).session.PasskeyID) {
		return s.goodbye(c)
	}
	return c.Redirect(http.StatusSeeOther, afterDeed("passkey-removed"))
}

// refuseDeed records an attempt on a passkey that the record refuses; one on
// another person's looks like one on none.
func (s *Server) refuseDeed(c echo.Context, kind string, id []byte, err error) error {
	var refused *enroll.Refusal
	if !errors.As(err, &refused) || refused.Reason == enroll.ReasonPasskeyName {
		return err
	}
	event := audit.Event{Kind: kind, Subject: requestOf(c).session.Holder, CredentialHash: audit.HashCredential(id)}
	return s.refuse(c, event, err)
}

func readID(text string) ([]byte, error) {
	id, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(id) == 0 {
		return nil, reasonBadRequest
	}
	return id, nil
}
