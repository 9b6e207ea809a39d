package web

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/rp"
)

// ticketJSON is a ticket for programs.
type ticketJSON struct {
	ID       string        `json:"id"`
	State    string        `json:"state"`
	Phase    string        `json:"phase"`
	Holder   string        `json:"holder"`
	Operator string        `json:"operator"`
	Card     string        `json:"card"`
	OpenedAt time.Time     `json:"openedAt"`
	Expires  time.Time     `json:"expires"`
	EndedAt  *time.Time    `json:"endedAt"`
	Steps    []enroll.Step `json:"steps"`
}

func ticketOf(t enroll.Ticket) ticketJSON {
	steps := t.Steps
	if steps == nil {
		steps = []enroll.Step{}
	}
	return ticketJSON{
		ID: t.ID, State: string(t.State), Phase: string(t.Phase), Holder: string(t.Holder), Operator: string(t.Operator), Card: t.Card,
		OpenedAt: t.OpenedAt.UTC(), Expires: t.ExpiresAt.UTC(), EndedAt: moment(t.EndedAt), Steps: steps,
	}
}

// openedJSON is a ticket just opened, with its code: told this once.
type openedJSON struct {
	Ticket ticketJSON `json:"ticket"`
	Code   string     `json:"code"`
}

// apiOpenTicket opens a ticket; without a holder, the card will say.
func (s *Server) apiOpenTicket(c echo.Context) error {
	var holder string
	if err := readJSON(c.Request(), map[string]any{"holder": &holder}); err != nil {
		return s.refuseCall(c, audit.Event{Kind: audit.KindTicketOpen}, err)
	}
	t, code, err := s.o.Registry.OpenTicket(c.Request().Context(), s.apiAct(c, ""), identity.PSIdNat(holder))
	if err != nil {
		return s.refuseCall(c, audit.Event{Kind: audit.KindTicketOpen, Subject: identity.PSIdNat(holder)}, err)
	}
	return c.JSON(http.StatusCreated, openedJSON{ticketOf(t), code})
}

var ticketStateNames = []enroll.TicketState{
	enroll.TicketOpen, enroll.TicketClaimed, enroll.TicketDone, enroll.TicketCancelled, enroll.TicketExpired, enroll.TicketAbandoned,
}

// apiTickets lists tickets, the latest opened first.
func (s *Server) apiTickets(c echo.Context) error {
	limit, err := apiLimit(c)
	if err != nil {
		return err
	}
	q := enroll.TicketQuery{Holder: identity.PSIdNat(c.QueryParam("holder")), After: c.QueryParam("after"), Limit: limit}
	if state := enroll.TicketState(c.QueryParam("state")); state != "" {
		if !slices.Contains(ticketStateNames, state) {
			return reasonBadRequest
		}
		q.States = []enroll.TicketState{state}
	}
	found, err := s.o.Registry.Tickets(c.Request().Context(), q)
	if err != nil {
		return err
	}
	page := pageJSON[ticketJSON]{Items: []ticketJSON{}, Next: found.Next}
	for _, t := range found.Tickets {
		page.Items = append(page.Items, ticketOf(t))
	}
	return c.JSON(http.StatusOK, page)
}

// apiTicket gives one ticket as it is.
func (s *Server) apiTicket(c echo.Context) error {
	t, err := s.o.Registry.Ticket(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, ticketOf(t))
}

// apiCancelTicket ends a ticket.
func (s *Server) apiCancelTicket(c echo.Context) error {
	act, err := s.readActAnyway(c, map[string]any{})
	if err == nil {
		err = s.o.Registry.CancelTicket(c.Request().Context(), act, c.Param("id"))
	}
	if err != nil {
		return s.refuseCall(c, audit.Event{Kind: audit.KindTicketCancel}, err)
	}
	s.codes.forget(c.Param("id"))
	return c.NoContent(http.StatusNoContent)
}

// apiCard stops a card, named by its printed number or its token id.
func (s *Server) apiCard(stop func(context.Context, enroll.Act, string) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		event := audit.Event{Kind: audit.KindCardState}
		act, err := s.readAct(c, map[string]any{})
		if err == nil {
			event.Card, err = enroll.TokenID(c.Param("card"))
		}
		if err == nil {
			err = stop(c.Request().Context(), act, event.Card)
		}
		if err != nil {
			return s.refuseCall(c, event, err)
		}
		return c.NoContent(http.StatusNoContent)
	}
}

// apiReplace revokes a card in favour of another of the same person.
func (s *Server) apiReplace(c echo.Context) error {
	event, next := audit.Event{Kind: audit.KindCardReplace}, ""
	act, err := s.readAct(c, map[string]any{"next": &next})
	if err == nil {
		event.Card, err = enroll.TokenID(c.Param("card"))
	}
	if err == nil {
		next, err = enroll.TokenID(next)
	}
	if err == nil {
		err = s.o.Registry.Replace(c.Request().Context(), act, event.Card, next)
	}
	if err != nil {
		return s.refuseCall(c, event, err)
	}
	return c.NoContent(http.StatusNoContent)
}

// printedNumber is what is printed on a card.
func printedNumber(tokenID string) string {
	if _, number, found := strings.Cut(tokenID, "/"); found {
		return number
	}
	return tokenID
}

func formatAAGUID(p identity.Passkey) string { return rp.FormatAAGUID(p.AAGUID) }
