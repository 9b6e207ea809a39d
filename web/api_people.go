package web

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

// The API's own shapes: what is in them is what openapi.json says.
type (
	personJSON struct {
		ID         string   `json:"id"` // PS_IdNat
		FamilyName string   `json:"familyName"`
		GivenName  string   `json:"givenName"`
		Profession string   `json:"profession"`
		Structure  string   `json:"structure"`
		Roles      []string `json:"roles"`
	}
	cardJSON struct {
		Number      string     `json:"number"`
		TokenID     string     `json:"tokenId"`
		Type        string     `json:"type"`
		Generation  string     `json:"generation"`
		State       string     `json:"state"`
		StateReason string     `json:"stateReason"`
		Against     []string   `json:"against"` // found beside its reason
		LastSeen    time.Time  `json:"lastSeen"`
		ValidUntil  *time.Time `json:"validUntil"`
	}
	heldPasskeyJSON struct {
		ID         string     `json:"id"`
		Name       string     `json:"name"`
		State      string     `json:"state"`
		AAGUID     string     `json:"aaguid"`
		Proof      string     `json:"proof"`
		Card       string     `json:"card"`
		CreatedAt  time.Time  `json:"createdAt"`
		LastUsedAt *time.Time `json:"lastUsedAt"`
	}
	accountJSON struct {
		Person   personJSON        `json:"person"`
		Cards    []cardJSON        `json:"cards"`
		Passkeys []heldPasskeyJSON `json:"passkeys"`
	}
	pageJSON[T any] struct {
		Items []T    `json:"items"`
		Next  string `json:"next"` // "" on the last page
	}
)

// apiPeople searches people.
func (s *Server) apiPeople(c echo.Context) error {
	limit, err := apiLimit(c)
	if err != nil {
		return err
	}
	q := enroll.PeopleQuery{Text: c.QueryParam("q"), After: c.QueryParam("after"), Limit: limit}
	found, err := s.o.Registry.SearchPeople(c.Request().Context(), q)
	if err != nil {
		return err
	}
	page := pageJSON[personJSON]{Items: []personJSON{}, Next: found.Next}
	for _, p := range found.People {
		page.Items = append(page.Items, personOf(p))
	}
	return c.JSON(http.StatusOK, page)
}

func apiLimit(c echo.Context) (int, error) {
	text := c.QueryParam("limit")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 200 {
		return 0, fmt.Errorf("%w: limit is 1 to 200", reasonBadRequest)
	}
	return n, nil
}

func personOf(p identity.Professional) personJSON {
	roles := []string{}
	for _, r := range p.Roles {
		roles = append(roles, string(r))
	}
	return personJSON{string(p.IdNat), p.FamilyName, p.GivenName, profession(p), string(p.Structure), roles}
}

// apiPerson gives one person's cards and passkeys.
func (s *Server) apiPerson(c echo.Context) error {
	id, err := personAsked(c)
	if err != nil {
		return err
	}
	account, err := s.o.Registry.Account(c.Request().Context(), id)
	if err != nil {
		return unknownHere(id, err)
	}
	answer := accountJSON{Person: personOf(account.Professional), Cards: []cardJSON{}, Passkeys: []heldPasskeyJSON{}}
	for _, card := range account.Cards {
		answer.Cards = append(answer.Cards, cardJSON{
			Number: printedNumber(card.TokenID), TokenID: card.TokenID, Type: card.Type.String(), Generation: string(card.Generation),
			State: string(card.State), StateReason: card.StateReason, Against: append([]string{}, strings.Fields(card.Against)...), LastSeen: card.LastSeen.UTC(), ValidUntil: moment(latest(account.Certificates, card.TokenID)),
		})
	}
	for _, p := range account.Passkeys {
		answer.Passkeys = append(answer.Passkeys, heldPasskeyJSON{
			ID: idText(p.ID), Name: p.Name, State: string(p.State), AAGUID: formatAAGUID(p), Proof: string(p.Proof.Kind),
			Card: cardOf(p), CreatedAt: p.CreatedAt.UTC(), LastUsedAt: moment(p.LastUsedAt),
		})
	}
	return c.JSON(http.StatusOK, answer)
}

// moment is null for a time that never was.
func moment(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	at = at.UTC()
	return &at
}

// importJSON is what became of a file.
type importJSON struct {
	Rows      int            `json:"rows"`
	Added     int            `json:"added"`
	Changed   int            `json:"changed"`
	Applied   bool           `json:"applied"`
	Errors    []rowFaultJSON `json:"errors"`
	More      int            `json:"more"` // errors beyond those
	Notes     []rowFaultJSON `json:"notes"`
	MoreNotes int            `json:"moreNotes"`
}

type rowFaultJSON struct {
	Line   int    `json:"line"`
	Reason string `json:"reason"`
}

func rowFaults(all []enroll.RowError) []rowFaultJSON {
	faults := []rowFaultJSON{}
	for _, e := range all {
		faults = append(faults, rowFaultJSON{e.Line, e.Reason})
	}
	return faults
}

// apiImportPeople takes a CSV file, whole or not at all.
func (s *Server) apiImportPeople(c echo.Context) error {
	options, err := importOptions(c)
	if err != nil {
		return s.refuseCall(c, audit.Event{Kind: audit.KindPeopleImport}, err)
	}
	if err := patient(c); err != nil {
		return err
	}
	report, err := s.o.Registry.ImportPeople(c.Request().Context(), s.apiAct(c, ""), c.Request().Body, options)
	if err != nil {
		return s.refuseCall(c, audit.Event{Kind: audit.KindPeopleImport}, sized(err))
	}
	status, err := s.importStatus(c, audit.KindPeopleImport, len(report.Errors)+report.More, report.Rows, 0)
	if err != nil {
		return err
	}
	return c.JSON(status, importJSON{
		Rows: report.Rows, Added: report.Added, Changed: report.Changed, Applied: report.Applied,
		Errors: rowFaults(report.Errors), More: report.More, Notes: rowFaults(report.Notes), MoreNotes: report.MoreNotes,
	})
}

// importOptions wants a CSV body, and reads dryRun.
func importOptions(c echo.Context) (enroll.ImportOptions, error) {
	if mediaType(c.Request()) != "text/csv" {
		return enroll.ImportOptions{}, reasonMediaType
	}
	dry := c.QueryParam("dryRun")
	if dry != "" && dry != "true" && dry != "false" {
		return enroll.ImportOptions{}, fmt.Errorf("%w: dryRun is true or false", reasonBadRequest)
	}
	return enroll.ImportOptions{DryRun: dry == "true"}, nil
}

// importStatus tells a file some of whose rows are wrong: one that is taken all
// the same for those that were understood, and one of which nothing is, which is
// a refusal and recorded so.
func (s *Server) importStatus(c echo.Context, kind string, wrong, rows, understood int) (int, error) {
	switch {
	case wrong == 0:
		return http.StatusOK, nil
	case understood > 0:
		return http.StatusMultiStatus, nil
	}
	event := wrongRows(kind, c.Request().Method+" "+c.Path(), wrong, rows)
	event.Actor = s.apiAct(c, "").Actor()
	return http.StatusUnprocessableEntity, s.record(c, &event)
}

// sized keeps a body that was too large from looking like a fault of ours.
func sized(err error) error {
	var size *http.MaxBytesError
	if errors.As(err, &size) {
		return reasonTooLarge
	}
	return err
}

// apiExportPeople gives everybody as a CSV file.
func (s *Server) apiExportPeople(c echo.Context) error {
	if err := patient(c); err != nil {
		return err
	}
	tableHeaders(c, "people.csv")
	_, err := s.o.Registry.ExportPeople(c.Request().Context(), s.apiAct(c, ""), c.Response())
	return err
}
