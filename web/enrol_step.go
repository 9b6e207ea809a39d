package web

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"cpsgate/enroll"
)

// standing is where a sitting is by now.
type standing struct {
	Phase   enroll.Phase `json:"phase"`
	Holder  string       `json:"holder"`
	Policy  policyAnswer `json:"policy"`
	Expires time.Time    `json:"expires"`
}

var stepName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// serverSteps are those that a workstation cannot say it did.
var serverSteps = append(enroll.OwnSteps(), stepProve)

// noteStep shows the workstation's own progress to the desk, and tells the
// workstation what the desk has allowed meanwhile. A step told twice in a row is
// shown once, whatever the server did in between.
func (s *Server) noteStep(c echo.Context, at seat) error {
	var name, detail string
	ok := true
	if err := readJSON(c.Request(), map[string]any{"step": &name, "ok": &ok, "detail": &detail}); err != nil {
		return err
	}
	if !stepName.MatchString(name) || slices.Contains(serverSteps, name) {
		return fmt.Errorf("%w: no step of a workstation", reasonBadRequest)
	}
	if detail != "" && !stepName.MatchString(detail) { // the desk reads it: no sentence of a workstation's own
		return fmt.Errorf("%w: a detail is one word", reasonBadRequest)
	}
	last := lastOwn(at.sitting.Ticket.Steps)
	if last.Name != name || last.OK != ok || last.Detail != detail {
		if err := s.o.Registry.Note(c.Request().Context(), at.secret, name, detail, ok); err != nil {
			return err
		}
	}
	return c.JSON(http.StatusOK, standing{
		Phase: at.sitting.Ticket.Phase, Holder: shownHolder(at.sitting),
		Policy: policyOf(at.sitting), Expires: at.sitting.Ticket.ExpiresAt,
	})
}

// lastOwn is the step that the workstation told last. What the server and the
// desk did meanwhile does not make its waiting new.
func lastOwn(steps []enroll.Step) (own enroll.Step) {
	for _, s := range steps {
		if !slices.Contains(serverSteps, s.Name) {
			own = s
		}
	}
	return own
}

// abandonSitting ends the sitting at the workstation's word.
func (s *Server) abandonSitting(c echo.Context, at seat) error {
	var reason string
	if err := readJSON(c.Request(), map[string]any{"reason": &reason}); err != nil {
		return err
	}
	if !stepName.MatchString(reason) {
		return fmt.Errorf("%w: a reason is one word", reasonBadRequest)
	}
	if err := s.o.Registry.Abandon(c.Request().Context(), at.secret, reason); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
