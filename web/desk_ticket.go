package web

import (
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

// ticketView is one ticket as it goes on, on a screen that others may see: no
// secret but the code, and that only until it is used.
type ticketView struct {
	queueView
	ID, Who  string
	State    stateView
	Code     []string // in groups; none: not to be shown
	CodeGone bool     // its code waits, and cannot be shown here
	Say, Do  string   // what the operator says, and does, now
	Stopped  string   // what went wrong last
	Steps    []stepView
	Until    string
	Reader   string
	Over     bool
	Done     bool
	CanVouch bool
	CanReset bool
	Asked    string // what waits for another person
	Cards    []cardChoice
}

// stepView is one thing that happened.
type stepView struct {
	At, Label, Detail string
	OK                bool
	Waits             bool // the workstation waits for the desk
}

// cardChoice is a card that may lie on the table.
type cardChoice struct{ Number, TokenID string }

// ticketPage shows a ticket and what to say next.
func (s *Server) ticketPage(c echo.Context) error {
	t, err := s.ticketAsked(c)
	if err != nil {
		return err
	}
	view, err := s.ticketView(c, t)
	if err != nil {
		return err
	}
	if err := s.fillQueue(c, &view.queueView, t.ID); err != nil {
		return err
	}
	view.frame = s.deskFrame(c, requestOf(c).tongue.words["ticket.title"])
	if !view.Over {
		view.Live, view.Refresh = pathTickets+"/"+t.ID+"/events", 3
	}
	return s.render(c, http.StatusOK, pageTicket, view)
}

func (s *Server) ticketAsked(c echo.Context) (enroll.Ticket, error) {
	c.Set(returnKey, pathDesk)
	return s.o.Registry.Ticket(c.Request().Context(), c.Param("id"))
}

func (s *Server) ticketView(c echo.Context, t enroll.Ticket) (ticketView, error) {
	r, ctx := requestOf(c), c.Request().Context()
	who, err := s.named(ctx, t.Holder)
	if err != nil {
		return ticketView{}, err
	}
	if who == "" {
		who = r.tongue.words["desk.card-says"]
	}
	view := ticketView{
		ID: t.ID, Who: who, State: r.tongue.ticketState(t.State), Steps: s.stepViews(t, r.tongue),
		Until: t.ExpiresAt.In(r.tongue.zone).Format(r.tongue.clock), Reader: strings.TrimSpace(t.Workstation.Name + " " + t.Workstation.Reader + " " + t.Workstation.Address),
		Over: t.State.Ended(), Done: t.State == enroll.TicketDone,
	}
	view.Say, view.Do = r.tongue.guide(t, s.o.Registry.MinPINLength())
	view.Stopped = s.lastStop(t, r.tongue)
	view.Code = s.codeOf(t, r.session.ID)
	view.CodeGone = t.State == enroll.TicketOpen && len(view.Code) == 0
	return view, s.fillLeaves(c, t, &view)
}

// codeOf is the code in its groups, as long as it opens something.
func (s *Server) codeOf(t enroll.Ticket, session string) []string {
	if t.State != enroll.TicketOpen {
		s.codes.forget(t.ID)
		return nil
	}
	code := s.codes.show(t.ID, session, s.o.Now())
	if code == "" {
		return nil
	}
	return strings.Split(code, "-")
}

// fillLeaves offers what this ticket may be allowed before its passkey exists.
func (s *Server) fillLeaves(c echo.Context, t enroll.Ticket, view *ticketView) error {
	words := requestOf(c).tongue.words
	for _, leave := range []enroll.Leave{t.DeskProof, t.Reset} {
		if leave.State == enroll.LeaveAsked {
			view.Asked = words["ticket.asked"]
		}
	}
	if t.State.Ended() || t.Phase == enroll.PhaseRegistered {
		return nil
	}
	view.CanReset = t.Reset.State != enroll.LeaveGiven && t.Reset.State != enroll.LeaveAsked && t.State == enroll.TicketClaimed &&
		(!t.Applet.Blank || lastStep(t) == stepResetNeeded)
	view.CanVouch = t.DeskProof.State != enroll.LeaveGiven && t.DeskProof.State != enroll.LeaveAsked && t.State == enroll.TicketClaimed && t.Holder != "" && t.Phase != enroll.PhaseProved
	if !view.CanVouch {
		return nil
	}
	account, err := s.o.Registry.Account(c.Request().Context(), t.Holder)
	if err != nil {
		return err
	}
	for _, card := range account.Cards {
		if card.State == identity.CardActive {
			view.Cards = append(view.Cards, cardChoice{cardNumber(card.TokenID), card.TokenID})
		}
	}
	return nil
}

// cancelTicket ends a ticket at the operator's word.
func (s *Server) cancelTicket(c echo.Context) error {
	form, err := readForm(c.Request(), "reason")
	if err != nil {
		return err
	}
	id := c.Param("id")
	if err := s.o.Registry.CancelTicket(c.Request().Context(), s.act(c, form.Get("reason")), id); err != nil {
		return s.refuseAct(c, audit.Event{Kind: audit.KindTicketCancel}, pathDesk, err)
	}
	s.codes.forget(id)
	return c.Redirect(http.StatusSeeOther, pathTickets+"/"+id)
}

// vouch lets the ticket go on without the card's certificate, on the operator's
// word, or asks another person for that.
func (s *Server) vouch(c echo.Context) error {
	form, err := readForm(c.Request(), "card", "reason")
	if err != nil {
		return err
	}
	here := pathTickets + "/" + c.Param("id")
	reason, err := because(form.Get("reason"))
	if err != nil {
		return s.refuseAct(c, audit.Event{}, here, err)
	}
	if _, err := s.o.Registry.AllowDeskProof(c.Request().Context(), s.act(c, reason), c.Param("id"), form.Get("card")); err != nil {
		return s.refuseAct(c, audit.Event{Kind: audit.KindDeskProof, Card: form.Get("card")}, here, err)
	}
	return c.Redirect(http.StatusSeeOther, here)
}

// allowReset lets the workstation empty an applet that holds something, or asks
// another person for that.
func (s *Server) allowReset(c echo.Context) error {
	form, err := readForm(c.Request(), "reason")
	if err != nil {
		return err
	}
	here := pathTickets + "/" + c.Param("id")
	reason, err := because(form.Get("reason"))
	if err != nil {
		return s.refuseAct(c, audit.Event{}, here, err)
	}
	if _, err := s.o.Registry.AllowReset(c.Request().Context(), s.act(c, reason), c.Param("id")); err != nil {
		return s.refuseAct(c, audit.Event{Kind: audit.KindReset}, here, err)
	}
	return c.Redirect(http.StatusSeeOther, here)
}

// moments of a step, to the second: they follow each other quickly.
func (t *tongue) second(at time.Time) string { return at.In(t.zone).Format("15:04:05") }
