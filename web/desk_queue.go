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
	"cpsgate/identity"
)

// queueView is the operator's first page: a field to open the next ticket, and
// the tickets of now.
type queueView struct {
	frame
	Query   string
	Found   []foundView
	NoOne   bool // the query found nobody
	More    bool // more than are shown
	Waiting []ticketRow
	Ended   []ticketRow
}

// foundView is somebody whom a ticket can be opened for.
type foundView struct{ ID, Person string }

// ticketRow is a ticket in a list.
type ticketRow struct {
	ID, Who, Opened string
	State           stateView
	Mine, Here      bool
}

// How much the queue shows.
const (
	shownFound = 12
	shownEnded = 10
)

// queuePage shows the queue; the field has the focus, so that the next ticket
// needs the keyboard only.
func (s *Server) queuePage(c echo.Context) error {
	r := requestOf(c)
	view := queueView{Query: strings.TrimSpace(c.QueryParam("q"))}
	if err := s.fillQueue(c, &view, ""); err != nil {
		return err
	}
	if view.Query != "" {
		page, err := s.o.Registry.SearchPeople(c.Request().Context(), enroll.PeopleQuery{Text: view.Query, Limit: shownFound})
		if err != nil {
			return err
		}
		for _, p := range page.People {
			view.Found = append(view.Found, foundView{string(p.IdNat), person(p)})
		}
		view.NoOne, view.More = len(page.People) == 0, page.Next != ""
	}
	view.frame = s.deskFrame(c, r.tongue.words["desk.title"])
	view.Live = pathDesk + "/events"
	return s.render(c, http.StatusOK, pageDesk, view)
}

// fillQueue lists the tickets that wait or go on, and the last that ended.
func (s *Server) fillQueue(c echo.Context, view *queueView, here string) (err error) {
	waiting := enroll.TicketQuery{States: []enroll.TicketState{enroll.TicketOpen, enroll.TicketClaimed}}
	if view.Waiting, err = s.ticketRows(c, waiting, here); err != nil {
		return err
	}
	ended := enroll.TicketQuery{
		States: []enroll.TicketState{enroll.TicketDone, enroll.TicketCancelled, enroll.TicketExpired, enroll.TicketAbandoned}, Limit: shownEnded,
	}
	view.Ended, err = s.ticketRows(c, ended, here)
	return err
}

func (s *Server) ticketRows(c echo.Context, q enroll.TicketQuery, here string) ([]ticketRow, error) {
	r, ctx := requestOf(c), c.Request().Context()
	page, err := s.o.Registry.Tickets(ctx, q)
	if err != nil {
		return nil, err
	}
	var rows []ticketRow
	for _, t := range page.Tickets {
		who, err := s.named(ctx, t.Holder)
		if err != nil {
			return nil, err
		}
		if who == "" {
			who = r.tongue.words["desk.card-says"]
		}
		rows = append(rows, ticketRow{
			ID: t.ID, Who: who, Opened: r.tongue.moment(t.OpenedAt), State: r.tongue.ticketState(t.State),
			Mine: t.Operator == r.session.Holder, Here: t.ID == here,
		})
	}
	return rows, nil
}

// named writes who somebody is; whoever acts without being a person is written
// as in the record.
func (s *Server) named(ctx context.Context, id identity.PSIdNat) (string, error) {
	if id == "" {
		return "", nil
	}
	p, err := s.o.Registry.Professional(ctx, id)
	if errors.Is(err, enroll.ErrNotFound) {
		return string(id), nil
	}
	return person(p), err
}

// openTicket opens the next ticket: for whom was chosen, or typed as a whole
// identifier; with nothing typed, for whom the card will name. Anything else is
// looked for.
func (s *Server) openTicket(c echo.Context) error {
	form, err := readForm(c.Request(), "who", "holder")
	if err != nil {
		return err
	}
	holder, who := form.Get("holder"), strings.TrimSpace(form.Get("who"))
	if holder == "" && who != "" {
		p, err := s.o.Registry.Professional(c.Request().Context(), identity.PSIdNat(who))
		if errors.Is(err, enroll.ErrNotFound) {
			return c.Redirect(http.StatusSeeOther, pathDesk+"?"+url.Values{"q": {who}}.Encode())
		}
		if err != nil {
			return err
		}
		holder = string(p.IdNat)
	}
	t, code, err := s.o.Registry.OpenTicket(c.Request().Context(), s.act(c, ""), identity.PSIdNat(holder))
	if err != nil {
		return s.refuseAct(c, audit.Event{Kind: audit.KindTicketOpen, Subject: identity.PSIdNat(holder)}, pathDesk, err)
	}
	s.codes.keep(t.ID, requestOf(c).session.ID, code, t.ExpiresAt, s.o.Now())
	return c.Redirect(http.StatusSeeOther, pathTickets+"/"+t.ID)
}

// deskFrame is the frame of a page that uses the width.
func (s *Server) deskFrame(c echo.Context, title string) frame {
	f := s.frame(c, title)
	f.Full, f.Script = true, s.assets.desk
	return f
}
