package web

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/sessions"
)

// accountView is the page of one's own cards, passkeys and sessions.
type accountView struct {
	frame
	Person        string
	ByCertificate bool
	ByKey         bool // a security key's passkey, and no card's
	Since         string
	Done          string // what was just done

	Cards         []cardView
	Passkeys      []passkeyView
	Sessions      []sessionView
	OtherSessions bool

	MayAdd       bool // the policy lets people enrol without the desk
	KeysToo      bool // and security keys beside cards
	CardDoor     string
	RelyingParty string // for the browser's own list of passkeys
	UserHandle   string
	Held         string
	Wait         string
}

type stateView struct{ Name, Label string }

type cardView struct {
	Type, Number, Validity string
	State                  stateView
	Test, Here             bool
}

type passkeyView struct {
	ID, Name, Added, Used string
	Ordinal               int
	State                 stateView
	Pending               bool
}

type sessionView struct {
	ID, Opened, Seen, Address string
	Here                      bool
	ByCertificate, ByKey      bool
}

// deeds are what a form of the account page may have done, by its code in the
// address of the page that follows.
var deeds = []string{"passkey-added", "passkey-renamed", "passkey-removed", "session-ended", "sessions-ended"}

func afterDeed(deed string) string { return pathAccount + "?done=" + deed }

// accountPage shows one's own account.
func (s *Server) accountPage(c echo.Context) error {
	r, ctx := requestOf(c), c.Request().Context()
	account, err := s.o.Registry.Account(ctx, r.session.Holder)
	if err != nil {
		return err
	}
	open, err := s.o.Sessions.OfHolder(ctx, r.session.Holder)
	if err != nil {
		return err
	}
	view := s.accountView(account, open, r)
	view.frame = s.frame(c, r.tongue.words["account.title"])
	view.Script, view.Wide = s.assets.script, true
	if deed := c.QueryParam("done"); slices.Contains(deeds, deed) {
		view.Done = r.tongue.words["account.done."+deed]
	}
	return s.render(c, http.StatusOK, pageAccount, view)
}

func (s *Server) accountView(account enroll.Account, open []sessions.Session, r *request) accountView {
	return accountView{
		Person:        person(account.Professional),
		ByCertificate: r.session.Method == identity.MethodCPS,
		ByKey:         !r.session.ByCard(),
		Since:         r.tongue.moment(r.session.AuthenticatedAt),
		Cards:         cardViews(account, r, s.o.Now()),
		Passkeys:      passkeyViews(account.Passkeys, r.tongue),
		Sessions:      sessionViews(open, r),
		OtherSessions: len(open) > 1,
		MayAdd:        s.o.Registry.SelfEnrolment() != enroll.SelfNever,
		KeysToo:       s.o.Registry.SelfEnrolment() == enroll.SelfKeys,
		CardDoor:      pathCardStart,
		RelyingParty:  s.rpID,
		UserHandle:    idText(account.Professional.UserHandle),
		Held:          held(account.Passkeys),
		Wait:          r.tongue.duration(ceremonyTime),
	}
}

func (t *tongue) state(name string) stateView {
	return stateView{Name: name, Label: t.words["account.state."+name]}
}

func cardViews(account enroll.Account, r *request, now time.Time) []cardView {
	var views []cardView
	for _, card := range account.Cards {
		views = append(views, cardView{
			Type: card.Type.String(), Number: cardNumber(card.TokenID),
			Validity: validity(latest(account.Certificates, card.TokenID), r.tongue, now),
			State:    r.tongue.state(string(card.State)),
			Test:     card.Test,
			Here:     r.session.Method == identity.MethodCPS && card.TokenID == r.session.CardTokenID,
		})
	}
	return views
}

// latest is when the card's newest certificate ends.
func latest(all []identity.Certificate, tokenID string) (end time.Time) {
	for _, certificate := range all {
		if certificate.TokenID == tokenID && certificate.NotAfter.After(end) {
			end = certificate.NotAfter
		}
	}
	return end
}

func validity(end time.Time, t *tongue, now time.Time) string {
	if end.IsZero() {
		return ""
	}
	key := "account.card.expires"
	if now.After(end) {
		key = "account.card.expired"
	}
	return strings.ReplaceAll(t.words[key], "{date}", t.date(end))
}

func passkeyViews(all []identity.Passkey, t *tongue) []passkeyView {
	var views []passkeyView
	for i, passkey := range all {
		view := passkeyView{
			ID: idText(passkey.ID), Name: passkey.Name, Ordinal: i + 1,
			Added: t.moment(passkey.CreatedAt),
			State: t.state(string(passkey.State)), Pending: passkey.State == identity.PasskeyPending,
		}
		if !passkey.LastUsedAt.IsZero() {
			view.Used = t.moment(passkey.LastUsedAt)
		}
		views = append(views, view)
	}
	return views
}

func sessionViews(open []sessions.Session, r *request) []sessionView {
	var views []sessionView
	for _, session := range open {
		views = append(views, sessionView{
			ID: session.ID, Opened: r.tongue.moment(session.CreatedAt), Seen: r.tongue.moment(session.LastSeenAt),
			Address: session.Address,
			Here:    session.ID == r.session.ID, ByCertificate: session.Method == identity.MethodCPS, ByKey: !session.ByCard(),
		})
	}
	return views
}

// held lists the credentials that the browser may keep offering.
func held(all []identity.Passkey) string {
	ids := make([]string, 0, len(all))
	for _, passkey := range all {
		ids = append(ids, idText(passkey.ID))
	}
	return strings.Join(ids, " ")
}
