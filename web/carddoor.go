package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/identity"
	"cpsgate/mtls"
	"cpsgate/sessions"
)

// What is kept between the steps of the card door, each taken once.
const (
	onceFlow = "web.flow" // main → card host
	onceCode = "web.code" // card host → main
)

const (
	flowTime = 10 * time.Minute // to insert the card, choose, type the code
	codeTime = time.Minute      // one redirect
)

// flow is an attempt that began on the main host.
type flow struct {
	Browser  []byte // fingerprint of the flow cookie
	Host     string // the name below the card host that the attempt was given
	Return   string
	Language string
}

// pass is what the card host hands back: who was verified, for which browser.
type pass struct {
	Browser []byte
	Return  string
	Holder  identity.PSIdNat
	Card    string
	Serial  string
	Issuer  string
}

// beginCard starts an attempt at the card door: a cookie for this browser, and
// a host name that it has never seen, so that it asks for a certificate anew.
func (s *Server) beginCard(c echo.Context) error {
	r := requestOf(c)
	host := s.card.Host
	if s.o.CardWildcard {
		host = newLabel() + "." + host
	}
	secret := newSecret()
	attempt := flow{
		Browser: fingerprint(secret), Host: host,
		Return: safeReturn(c.QueryParam("return")), Language: r.tongue.tag,
	}
	key, err := s.o.Once.Put(c.Request().Context(), onceFlow, attempt, flowTime)
	if err != nil {
		return err
	}
	setCookie(c, cookieFlow, secret, flowTime)
	there := url.URL{Scheme: "https", Host: host, Path: pathCardHost, RawQuery: url.Values{"flow": {key}}.Encode()}
	return c.Redirect(http.StatusSeeOther, there.String())
}

// showCard is the card host's one page of use: it takes the attempt and the
// certificate, each once, and hands a one-time code to the main host.
func (s *Server) showCard(c echo.Context) error {
	attempt, err := s.takeFlow(c)
	if err != nil {
		return s.refuse(c, audit.Event{Kind: audit.KindLoginCPS}, err)
	}
	who, err := s.readCard(c)
	if err != nil {
		return s.refuse(c, claimedBy(err), err)
	}
	code, err := s.o.Once.Put(c.Request().Context(), onceCode, pass{
		Browser: attempt.Browser, Return: attempt.Return,
		Holder: who.Professional.IdNat, Card: who.Card.TokenID,
		Serial: who.Certificate.Serial, Issuer: who.Certificate.Issuer,
	}, codeTime)
	if err != nil {
		return err
	}
	back := *s.main
	back.Path, back.RawQuery = pathCardReturn, url.Values{"code": {code}}.Encode()
	return c.Redirect(http.StatusSeeOther, back.String())
}

// takeFlow takes the attempt that the address names, on the name it was given.
func (s *Server) takeFlow(c echo.Context) (flow, error) {
	var attempt flow
	err := s.o.Once.Take(c.Request().Context(), onceFlow, c.QueryParam("flow"), &attempt)
	if errors.Is(err, sessions.ErrNoSuch) || errors.Is(err, sessions.ErrTaken) {
		return flow{}, fmt.Errorf("%w: %w", reasonFlowUnknown, err)
	}
	if err != nil {
		return flow{}, err
	}
	requestOf(c).tongue = s.tongues.choose(attempt.Language, c.Request())
	c.Set(returnKey, attempt.Return)
	if attempt.Host != c.Request().Host {
		return flow{}, reasonFlowHost
	}
	return attempt, nil
}

// readCard takes the certificate of a fresh handshake, and judges it and then
// the card's record.
func (s *Server) readCard(c echo.Context) (identity.Cardholder, error) {
	who, err := s.takeCertificate(c)
	if err != nil {
		return identity.Cardholder{}, err
	}
	if _, _, err := s.o.Registry.Admit(c.Request().Context(), who, s.o.Now()); err != nil {
		return identity.Cardholder{}, err
	}
	if s.o.SSO == nil {
		return who, nil
	}
	return who, s.o.SSO.Seen(c.Request().Context(), who)
}

// takeCertificate takes the certificate of a fresh handshake, once, and judges
// it.
func (s *Server) takeCertificate(c echo.Context) (identity.Cardholder, error) {
	leaf, err := s.takeLeaf(c)
	if err != nil {
		return identity.Cardholder{}, err
	}
	who, err := s.o.Verifier.Verify(leaf, s.o.Now())
	if err != nil {
		return identity.Cardholder{}, errors.Join(err, s.heedRevocation(c.Request().Context(), err))
	}
	return who, s.signInAllowed(who.Professional.IdNat)
}

// finishCard takes the code and the flow cookie together, whatever comes of it.
func (s *Server) finishCard(c echo.Context) error {
	secret := cookieValue(c, cookieFlow)
	clearCookie(c, cookieFlow)
	var card pass
	if err := s.takePass(c, secret, &card); err != nil {
		return s.refuse(c, audit.Event{
			Kind: audit.KindLoginCPS, Subject: card.Holder, Card: card.Card,
			CertificateSerial: card.Serial, CertificateIssuer: card.Issuer,
		}, err)
	}
	wanted, err := s.enter(c, entry{
		session: sessions.Session{Holder: card.Holder, Method: identity.MethodCPS, CardTokenID: card.Card},
		event: audit.Event{
			Kind: audit.KindLoginCPS, Card: card.Card,
			CertificateSerial: card.Serial, CertificateIssuer: card.Issuer,
		},
		door: doorCard, wanted: card.Return,
	})
	if err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, wanted)
}

func (s *Server) takePass(c echo.Context, secret string, card *pass) error {
	err := s.o.Once.Take(c.Request().Context(), onceCode, c.QueryParam("code"), card)
	switch {
	case errors.Is(err, sessions.ErrTaken):
		return reasonCodeUsed
	case errors.Is(err, sessions.ErrNoSuch):
		return reasonCodeUnknown
	case err != nil:
		return err
	}
	c.Set(returnKey, card.Return)
	if secret == "" {
		return reasonFlowCookie
	}
	if !sameBrowser(secret, card.Browser) {
		return reasonOtherBrowser
	}
	return nil
}

// claimedBy is the audit's account of a certificate that was refused: what it
// says of itself, which nobody vouches for.
func claimedBy(err error) audit.Event {
	event := audit.Event{Kind: audit.KindLoginCPS}
	var refused *mtls.Refusal
	if !errors.As(err, &refused) || refused.Claimed == nil {
		return event
	}
	claimed := refused.Claimed
	event.Subject, event.Card = claimed.Professional.IdNat, claimed.Card.TokenID
	event.CertificateSerial, event.CertificateIssuer = claimed.Certificate.Serial, claimed.Certificate.Issuer
	event.Detail = strings.TrimSpace("claimed: " + claimed.Professional.FamilyName + " " + claimed.Professional.GivenName)
	return event
}
