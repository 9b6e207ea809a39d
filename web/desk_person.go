package web

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"cpsgate/enroll"
	"cpsgate/identity"
)

// personView is one professional: cards, passkeys, roles.
type personView struct {
	frame
	ID, Person string
	Done       string
	Cards      []heldCard
	Passkeys   []passkeyView
	Sessions   string // how many are open
	MayEnd     bool
	Roles      []roleView
	MayGrant   bool
	MayTicket  bool
}

// heldCard is a card with what may be done to it.
type heldCard struct {
	cardView
	Path       string // its number, for addresses
	Generation string
	Reason     string
	Against    []string // found beside its reason
	Acts       []cardAct
	Others     []cardChoice // that it may be replaced by
}

// cardAct is one act on a card, as its form.
type cardAct struct {
	Name, Label, Why, Button string
	Danger, Replace          bool
}

type roleView struct {
	Name, Label string
	Held        bool
}

// roleWords are the roles' names.
var roleWords = map[identity.Role]string{
	identity.RoleOperator: "role.operator", identity.RoleApprover: "role.approver",
	identity.RoleAuditor: "role.auditor", identity.RoleAdmin: "role.admin",
}

var allRoles = []identity.Role{identity.RoleOperator, identity.RoleApprover, identity.RoleAuditor, identity.RoleAdmin}

// personAsked is the professional that the address names.
func personAsked(c echo.Context) (identity.PSIdNat, error) {
	text, err := url.PathUnescape(c.Param("id"))
	if err != nil {
		return "", reasonNotFound
	}
	id, err := identity.ParsePSIdNat(text)
	if err != nil {
		return "", reasonNotFound
	}
	return id, nil
}

func personPath(id identity.PSIdNat) string { return pathPeople + "/" + url.PathEscape(string(id)) }

// personPage shows one professional to the desk.
func (s *Server) personPage(c echo.Context) error {
	c.Set(returnKey, pathPeople)
	id, err := personAsked(c)
	if err != nil {
		return err
	}
	if _, err := s.o.Registry.Professional(c.Request().Context(), id); err != nil {
		return unknownHere(id, err)
	}
	account, err := s.o.Registry.Account(c.Request().Context(), id)
	if err != nil {
		return err
	}
	view := s.personView(c, account)
	if view.Sessions, view.MayEnd, err = s.openSessions(c, id); err != nil {
		return err
	}
	view.frame = s.deskFrame(c, view.Person)
	if done := personDeeds[c.QueryParam("done")]; done != "" {
		view.Done = requestOf(c).tongue.words[done]
		if s.o.Registry.Untold() {
			view.Done += " " + requestOf(c).tongue.words["desk.sessions-later"]
		}
	}
	return s.render(c, http.StatusOK, pagePerson, view)
}

// personDeeds are what a form of the page may have done.
var personDeeds = map[string]string{"done": "person.done.done", "asked": "person.done.asked", "ended": "person.done.ended"}

func (s *Server) personView(c echo.Context, account enroll.Account) personView {
	r, who := requestOf(c), staffOf(c)
	p := account.Professional
	view := personView{
		ID: string(p.IdNat), Person: person(p), Passkeys: passkeyViews(account.Passkeys, r.tongue),
		MayGrant: who.HasRole(identity.RoleAdmin), MayTicket: who.HasRole(identity.RoleOperator),
	}
	for i, card := range cardViews(account, r, s.o.Now()) {
		view.Cards = append(view.Cards, r.tongue.heldCard(account.Cards, i, card))
	}
	for _, role := range allRoles {
		if !view.MayGrant && !p.HasRole(role) {
			continue
		}
		view.Roles = append(view.Roles, roleView{string(role), r.tongue.words[roleWords[role]], p.HasRole(role)})
	}
	return view
}

func (t *tongue) heldCard(all []identity.Card, at int, shown cardView) heldCard {
	card := all[at]
	_, number, _ := strings.Cut(card.TokenID, "/")
	held := heldCard{cardView: shown, Path: number, Generation: strings.ToUpper(string(card.Generation))}
	held.Here = false
	for _, other := range all {
		if other.TokenID != card.TokenID && other.State == identity.CardActive {
			held.Others = append(held.Others, cardChoice{cardNumber(other.TokenID), other.TokenID})
		}
	}
	held.Acts = t.cardActs(card.State, len(held.Others) > 0)
	held.Reason, held.Against = t.stoppedFor(card)
	return held
}

// stoppedFor says why a card is suspended, and what else was found against it.
func (t *tongue) stoppedFor(card identity.Card) (reason string, also []string) {
	for _, found := range strings.Fields(card.Against) {
		also = append(also, cmp.Or(t.words[suspendedFor[found]], found))
	}
	return cmp.Or(t.words[suspendedFor[card.StateReason]], card.StateReason), also
}

// suspendedFor are the reasons that cpsgate itself gives.
var suspendedFor = map[string]string{
	enroll.ReasonCertificateRevoked: "card.because.certificate", enroll.ReasonOpposed: "card.because.opposed",
	enroll.ReasonReplaced: "card.because.replaced", enroll.ReasonKept: "card.because.kept",
}

// cardActs are what a card's state allows, the likeliest first.
func (t *tongue) cardActs(state identity.CardState, others bool) []cardAct {
	w := t.words
	lost := cardAct{"suspend", w["card.lost"], w["card.lost.why"], w["card.lost.button"], true, false}
	back := cardAct{"reactivate", w["card.back"], w["card.back.why"], w["card.back.button"], false, false}
	replace := cardAct{"replace", w["card.replace"], w["card.replace.why"], w["card.replace.button"], true, true}
	revoke := cardAct{"revoke", w["card.revoke"], w["card.revoke.why"], w["card.revoke.button"], true, false}
	var acts []cardAct
	switch state {
	case identity.CardActive:
		acts = append(acts, lost)
	case identity.CardSuspended:
		acts = append(acts, back, lost)
	default:
		return nil
	}
	if others {
		acts = append(acts, replace)
	}
	return append(acts, revoke)
}

func unknownHere(id identity.PSIdNat, err error) error {
	if errors.Is(err, enroll.ErrNotFound) {
		return &enroll.Refusal{Reason: enroll.ReasonPersonUnknown, Holder: id, Err: err}
	}
	return err
}
