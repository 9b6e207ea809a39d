package web

import (
	"errors"
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

// ownStep is what a workstation says of itself.
type ownStep struct {
	name, detail string
	ok           bool
}

func readStep(r *http.Request) (ownStep, error) {
	step := ownStep{ok: true}
	if err := readJSON(r, map[string]any{"step": &step.name, "ok": &step.ok, "detail": &step.detail}); err != nil {
		return step, err
	}
	if !stepName.MatchString(step.name) || slices.Contains(serverSteps, step.name) {
		return step, fmt.Errorf("%w: no step of a workstation", reasonBadRequest)
	}
	if step.detail != "" && !stepName.MatchString(step.detail) { // the desk reads it: no sentence of a workstation's own
		return step, fmt.Errorf("%w: a detail is one word", reasonBadRequest)
	}
	return step, nil
}

// noteStep shows the workstation's own progress to the desk, and tells the
// workstation what the desk has allowed meanwhile. A step told twice in a row is
// shown once, whatever the server did in between.
func (s *Server) noteStep(c echo.Context, at seat) error {
	step, err := readStep(c.Request())
	if err != nil {
		return err
	}
	last := lastOwn(at.sitting.Ticket.Steps)
	if last.Name != step.name || last.OK != step.ok || last.Detail != step.detail {
		if err := s.o.Registry.Note(c.Request().Context(), at.secret, step.name, step.detail, step.ok); err != nil {
			return s.keepLate(c, at, step, err)
		}
	}
	return c.JSON(http.StatusOK, standing{
		Phase: at.sitting.Ticket.Phase, Holder: shownHolder(at.sitting),
		Policy: policyOf(at.sitting), Expires: at.sitting.Ticket.ExpiresAt,
	})
}

// noteLate reads a step that is refused because its sitting is over.
func (s *Server) noteLate(c echo.Context, at seat, cause error) error {
	step, err := readStep(c.Request())
	if err != nil {
		return cause
	}
	return s.keepLate(c, at, step, cause)
}

// keepLate keeps of a step that comes too late that a card was emptied. It is
// refused all the same.
func (s *Server) keepLate(c echo.Context, at seat, step ownStep, cause error) error {
	var refused *enroll.Refusal
	if step.name != enroll.StepEmptied || !errors.As(cause, &refused) || refused.Reason == enroll.ReasonSittingUnknown {
		return cause
	}
	if err := s.o.Registry.EmptiedLate(c.Request().Context(), at.secret, step.detail, step.ok); err != nil {
		return err
	}
	return cause
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
