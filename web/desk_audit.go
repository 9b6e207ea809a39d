package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

// auditView is the auditor's search.
type auditView struct {
	frame
	Person, Card, Kind, Outcome, From, To, Number string
	Kinds, Outcomes                               []choiceView
	Events                                        []eventView
	Next, Export                                  string
	None                                          bool
	Fault                                         string // where the log was altered
}

// choiceView is one entry of a list to choose from.
type choiceView struct {
	Name, Label string
	Here        bool
}

// eventView is one event of the log: in words, and as the record writes it.
type eventView struct {
	ID, At, What, Kind, Outcome, Reason, Actor, Subject, Card, Where, Detail string
	Good, Broken                                                             bool
}

var outcomeWords = []struct {
	of    audit.Outcome
	words string
}{
	{audit.Accepted, "outcome.accepted"}, {audit.Refused, "outcome.refused"}, {audit.Done, "outcome.done"}, {audit.Failed, "outcome.failed"},
}

// auditPage searches the log.
func (s *Server) auditPage(c echo.Context) error {
	r := requestOf(c)
	c.Set(returnKey, pathAudit)
	view := auditView{Number: strings.TrimSpace(c.QueryParam("number"))}
	q, err := s.auditQuery(c, &view)
	if err != nil {
		return err
	}
	page, err := s.searchAudit(c, q, view.Number)
	var fault *audit.Fault
	if errors.As(err, &fault) {
		view.Fault, err = fault.Error(), nil
	}
	if err != nil {
		return err
	}
	for _, e := range page.Events {
		view.Events = append(view.Events, s.eventView(e, r.tongue))
	}
	asked := url.Values{"person": {view.Person}, "card": {view.Card}, "kind": {view.Kind}, "outcome": {view.Outcome}, "from": {view.From}, "to": {view.To}}
	view.Export = pathAudit + "/export?" + asked.Encode()
	if page.Next != "" {
		asked.Set("after", page.Next)
		view.Next = pathAudit + "?" + asked.Encode()
	}
	view.Kinds = r.tongue.kinds(view.Kind)
	for _, o := range outcomeWords {
		view.Outcomes = append(view.Outcomes, choiceView{string(o.of), r.tongue.words[o.words], string(o.of) == view.Outcome})
	}
	view.None = len(view.Events) == 0 && view.Fault == ""
	view.frame = s.deskFrame(c, r.tongue.words["audit.title"])
	return s.render(c, http.StatusOK, pageAudit, view)
}

// searchAudit finds one event by its number, or a page of events.
func (s *Server) searchAudit(c echo.Context, q audit.Query, number string) (audit.Page, error) {
	if number == "" {
		page, err := s.o.Trail.Search(c.Request().Context(), q)
		if errors.Is(err, audit.ErrCursor) {
			err = fmt.Errorf("%w: %w", reasonBadRequest, err)
		}
		return page, err
	}
	id, err := audit.ParseID(number)
	if err != nil {
		return audit.Page{}, nil //nolint:nilerr // what is no number finds nothing
	}
	e, err := s.o.Trail.Event(c.Request().Context(), id)
	if err != nil {
		if errors.Is(err, enroll.ErrNotFound) {
			return audit.Page{}, nil
		}
		return audit.Page{}, err
	}
	return audit.Page{Events: []audit.Event{e}}, nil
}

// auditQuery reads the search; days are those of the hospital's zone, the last
// one included.
func (s *Server) auditQuery(c echo.Context, view *auditView) (audit.Query, error) {
	given := func(name string) string { return strings.TrimSpace(c.QueryParam(name)) }
	view.Person, view.Card, view.Kind, view.Outcome = given("person"), given("card"), given("kind"), given("outcome")
	view.From, view.To = given("from"), given("to")
	q := audit.Query{Person: identity.PSIdNat(view.Person), Outcome: audit.Outcome(view.Outcome), After: c.QueryParam("after")}
	if view.Kind != "" {
		q.Kinds = []string{view.Kind}
	}
	var err error
	if view.Card != "" {
		if q.Card, err = enroll.TokenID(view.Card); err != nil {
			return q, err
		}
	}
	if q.From, err = s.day(view.From, 0); err != nil {
		return q, err
	}
	q.To, err = s.day(view.To, 1)
	return q, err
}

func (s *Server) day(text string, later int) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	day, err := time.ParseInLocation(time.DateOnly, text, s.o.Zone)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: a day that is none", reasonBadRequest)
	}
	return day.AddDate(0, 0, later), nil
}

func (s *Server) eventView(e audit.Event, t *tongue) eventView {
	view := eventView{
		ID: e.ID, At: t.moment(e.At), What: t.kind(e.Kind), Kind: e.Kind, Outcome: string(e.Outcome), Reason: e.Reason,
		Actor: string(e.Actor), Subject: string(e.Subject), Detail: e.Detail,
		Where: strings.TrimSpace(e.Workstation + " " + e.Address), Good: e.Outcome == audit.Accepted || e.Outcome == audit.Done,
		Broken: !e.Sealed(),
	}
	for _, o := range outcomeWords {
		if o.of == e.Outcome {
			view.Outcome = t.words[o.words]
		}
	}
	if e.Outcome == audit.Refused {
		if words := s.reasonTitle(e.Reason, t); words != e.Reason {
			view.Reason = words + " (" + e.Reason + ")"
		}
	}
	if e.Card != "" {
		view.Card = cardNumber(e.Card)
	}
	return view
}

// auditKinds are those that can be chosen.
func auditKinds() []string {
	kinds := slices.Clone(append(enroll.ChangeKinds(),
		audit.KindLoginCPS, audit.KindLoginFIDO2, audit.KindLogout, audit.KindSessionEnd, audit.KindSessionLock, audit.KindCardSeen, audit.KindCardReplace,
		audit.KindPasskeyAdd, audit.KindPasskeyRename, audit.KindTicketOpen, audit.KindTicketClaim, audit.KindTicketCard, audit.KindTicketProve,
		audit.KindDeskProof, audit.KindReset, audit.KindApprovalRequest, audit.KindApprovalPropose, audit.KindApprovalApprove, audit.KindApprovalDecline, audit.KindApprovalExpire,
		audit.KindRoleGrant, audit.KindRoleWithdraw, audit.KindPeopleImport, audit.KindPeopleExport, audit.KindOppositionImport,
		audit.KindClientAdd, audit.KindClientRevoke, audit.KindAuditExport, audit.KindAuditPrune, audit.KindProxyHeader, audit.KindRevocationBypass,
		audit.KindApplication, kindPage, kindAPI, kindRate))
	slices.Sort(kinds)
	return slices.Compact(kinds)
}
