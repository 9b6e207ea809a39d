package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/enroll"
)

// approvalsView lists what waits for a second person, and what was decided.
type approvalsView struct {
	frame
	Done     string
	Waiting  approvalList
	Proposed approvalList
	Decided  []approvalView
}

// approvalList is one page of requests, and where the rest is.
type approvalList struct {
	Title    string
	Requests []approvalView
	Next     string
}

type approvalView struct {
	ID, What, About, By, Reason, At, Until, Decision string
	Card                                             string
	Person                                           string // its page
	Subject                                          bool   // somebody is named
	Why                                              string // an approver may not approve it
	MayApprove, MayDecline                           bool
	Proposed                                         bool
	Stopped                                          string   // a card that is to come back: why it is suspended
	Against                                          []string // and what else was found
}

// approvalsPage shows the requests; who may not decide sees them all the same.
func (s *Server) approvalsPage(c echo.Context) error {
	c.Set(returnKey, pathApprovals)
	r := requestOf(c)
	view := approvalsView{}
	var err error
	if view.Waiting, err = s.approvalList(c, enroll.ApprovalWaiting); err != nil {
		return err
	}
	if view.Proposed, err = s.approvalList(c, enroll.ApprovalProposed); err != nil {
		return err
	}
	over := enroll.ApprovalQuery{States: []enroll.ApprovalState{enroll.ApprovalDone, enroll.ApprovalDeclined, enroll.ApprovalExpired}, Limit: 20}
	if view.Decided, _, err = s.approvalViews(c, over); err != nil {
		return err
	}
	if done := approvalDeeds[c.QueryParam("done")]; done != "" {
		view.Done = r.tongue.words[done]
	}
	view.frame = s.deskFrame(c, r.tongue.words["approvals.title"])
	return s.render(c, http.StatusOK, pageApprovals, view)
}

var approvalDeeds = map[string]string{"approved": "approvals.done.approved", "declined": "approvals.done.declined"}

var approvalTitles = map[enroll.ApprovalState]string{
	enroll.ApprovalWaiting: "approvals.waiting", enroll.ApprovalProposed: "approvals.proposals",
}

// deedWords name what is asked for; stateWords how it ended.
var (
	deedWords = map[enroll.Deed]string{
		enroll.DeedDeskProof: "deed.desk-proof", enroll.DeedReset: "deed.reset",
		enroll.DeedReactivate: "deed.reactivate", enroll.DeedGrant: "deed.grant",
	}
	decisionWords = map[enroll.ApprovalState]string{
		enroll.ApprovalDone: "approval.done", enroll.ApprovalDeclined: "approval.declined", enroll.ApprovalExpired: "approval.expired",
	}
)

// approvalList is the page of a state's requests that its own parameter asks for:
// proposals, which wait for ever, do not crowd out what waits for a day.
func (s *Server) approvalList(c echo.Context, state enroll.ApprovalState) (approvalList, error) {
	q := enroll.ApprovalQuery{States: []enroll.ApprovalState{state}, After: c.QueryParam(string(state))}
	list := approvalList{Title: requestOf(c).tongue.words[approvalTitles[state]]}
	views, next, err := s.approvalViews(c, q)
	if list.Requests = views; next != "" {
		list.Next = pathApprovals + "?" + url.Values{string(state): {next}}.Encode()
	}
	return list, err
}

func (s *Server) approvalViews(c echo.Context, q enroll.ApprovalQuery) (views []approvalView, next string, err error) {
	page, err := s.o.Registry.Approvals(c.Request().Context(), q)
	if err != nil {
		return nil, "", err
	}
	for _, a := range page.Approvals {
		view, err := s.approvalView(c, a)
		if err != nil {
			return nil, "", err
		}
		views = append(views, view)
	}
	return views, page.Next, nil
}

// sittingAt tells of a ticket that names nobody where it is.
func (s *Server) sittingAt(ctx context.Context, ticket string, t *tongue) (string, error) {
	of, err := s.o.Registry.Ticket(ctx, ticket)
	if err != nil || of.Workstation.Name == "" {
		return t.words["desk.card-says"], err
	}
	at, err := t.words.say("desk.at", "workstation", of.Workstation.Name)
	return t.words["desk.card-says"] + " – " + at, err
}

func (s *Server) approvalView(c echo.Context, a enroll.Approval) (view approvalView, err error) {
	t, ctx, who := requestOf(c).tongue, c.Request().Context(), staffOf(c)
	view = approvalView{
		ID: a.ID, What: t.words[deedWords[a.Deed]], Reason: a.Reason, At: t.moment(a.RequestedAt), Proposed: a.State == enroll.ApprovalProposed,
		Decision: t.words[decisionWords[a.State]], Person: personPath(a.Subject),
	}
	if a.Role != "" {
		view.What = strings.ReplaceAll(view.What, "{role}", t.words[roleWords[a.Role]])
	}
	if a.Card != "" {
		view.Card = cardNumber(a.Card)
	}
	if view.About, err = s.named(ctx, a.Subject); err != nil {
		return view, err
	}
	if view.By, err = s.named(ctx, a.By); err != nil {
		return view, err
	}
	if view.Subject = a.Subject != ""; !view.Subject && a.Ticket != "" {
		if view.About, err = s.sittingAt(ctx, a.Ticket, t); err != nil {
			return view, err
		}
	}
	if a.DecidedBy != "" {
		by, err := s.named(ctx, a.DecidedBy)
		if err != nil {
			return view, err
		}
		view.Decision += " – " + by + ", " + t.moment(a.DecidedAt)
	}
	if a.State.Over() {
		return view, nil
	}
	if !a.ExpiresAt.IsZero() {
		view.Until = t.moment(a.ExpiresAt)
	}
	if a.Deed == enroll.DeedReactivate {
		card, err := s.o.Registry.Card(ctx, a.Card)
		if err != nil {
			return view, err
		}
		view.Stopped, view.Against = t.stoppedFor(card)
	}
	view.MayDecline = true
	var refused *enroll.Refusal
	switch err := s.o.Registry.MayApprove(ctx, who.IdNat, a); {
	case err == nil:
		view.MayApprove = true
	case !errors.As(err, &refused):
		return view, err
	case refused.Reason == enroll.ReasonApprovalAsker, refused.Reason == enroll.ReasonApprovalOwn:
		view.Why = t.words["refusal."+recordAnswer(refused.Reason).words+".why"]
	}
	return view, nil
}

// approve does what was asked for, in the approver's own session.
func (s *Server) approve(c echo.Context) error {
	return s.decide(c, audit.KindApprovalApprove, "approved", s.o.Registry.Approve)
}

// decline ends a request without doing it.
func (s *Server) decline(c echo.Context) error {
	return s.decide(c, audit.KindApprovalDecline, "declined", s.o.Registry.Decline)
}
