package enroll

import (
	"slices"
	"strconv"
	"time"

	"cpsgate/identity"
)

// TicketState is where a ticket stands: open → claimed → done, or an end
// before that.
type TicketState string

// The ticket states. The last four are ends.
const (
	TicketOpen      TicketState = "open"    // its code waits to be typed
	TicketClaimed   TicketState = "claimed" // a workstation is at it
	TicketDone      TicketState = "done"    // the passkey is active
	TicketCancelled TicketState = "cancelled"
	TicketExpired   TicketState = "expired"
	TicketAbandoned TicketState = "abandoned" // the workstation gave up, or had to
)

// Ended reports that nothing will happen to the ticket any more.
func (s TicketState) Ended() bool { return s != TicketOpen && s != TicketClaimed }

// Phase is how far the sitting of a claimed ticket has come.
type Phase string

// The phases, in their order. A sitting on the desk's proof skips PhaseProved.
const (
	PhaseNone       Phase = ""           // not claimed
	PhaseClaimed    Phase = "claimed"    // the code was typed
	PhaseProved     Phase = "proved"     // the card's certificate was used
	PhaseRegistered Phase = "registered" // the passkey is kept, pending
	PhaseUsed       Phase = "used"       // the passkey signed in once
)

// Step is one thing that happened, as the desk's page shows it. Name is one of
// the Step constants or what the workstation calls its own progress.
type Step struct {
	Name   string    `json:"name"`
	At     time.Time `json:"at"`
	OK     bool      `json:"ok"`
	Detail string    `json:"detail,omitempty"` // of a failed one: the reason
}

// The steps that Registry writes by itself.
const (
	StepOpened     = "opened"
	StepClaimed    = "claimed"
	StepCard       = "card"       // proved by its certificate
	StepDeskProof  = "desk-proof" // the operator vouches
	StepReset      = "reset"      // may be emptied
	StepOptions    = "options"    // the applet is asked for a passkey
	StepRegistered = "registered"
	StepActive     = "active"
	StepCancelled  = "cancelled"
	StepAbandoned  = "abandoned"
	StepExpired    = "expired"
	StepSkipped    = "skipped" // stands for earlier ones; its detail is how many
)

// OwnSteps are those that no workstation can say it did.
func OwnSteps() []string {
	return []string{
		StepOpened, StepClaimed, StepCard, StepDeskProof, StepReset, StepOptions,
		StepRegistered, StepActive, StepCancelled, StepAbandoned, StepExpired, StepSkipped,
	}
}

// A ticket keeps so many steps, and of more than that the first two: who opened
// it when, and the workstation that took it.
const (
	maxSteps   = 60
	firstSteps = 2
)

// Workstation is where a sitting takes place.
type Workstation struct {
	Name       string              `json:"name"`
	Reader     string              `json:"reader"`
	Address    string              `json:"address"` // as the server sees it
	Generation identity.Generation `json:"generation"`
}

// Applet is what the workstation reads of the card's FIDO2 applet (CTAP
// authenticatorGetInfo) before anything is changed. It is the workstation's
// word: shown and recorded, not evidence.
type Applet struct {
	Blank        bool            `json:"blank"`
	PINSet       bool            `json:"pinSet"`
	Credentials  int             `json:"credentials"` // held already; -1: cannot be told
	AAGUID       string          `json:"aaguid"`
	Versions     []string        `json:"versions"`
	MinPINLength int             `json:"minPinLength"`
	Options      map[string]bool `json:"options"`
}

// Leave is a permission that one ticket may be given, by the policy's rule.
type Leave struct {
	State    LeaveState       `json:"state"`
	By       identity.PSIdNat `json:"by,omitempty"`
	Approver identity.PSIdNat `json:"approver,omitempty"`
	Card     string           `json:"card,omitempty"` // desk proof: the card on the table, if the operator names one
}

// LeaveState is where a Leave stands.
type LeaveState string

// The states of a Leave.
const (
	LeaveNone     LeaveState = ""
	LeaveAsked    LeaveState = "asked"
	LeaveGiven    LeaveState = "given"
	LeaveDeclined LeaveState = "declined"
)

// Ticket is one professional's turn at the desk. It holds no secret: its code
// and the secret of its sitting are kept beside it, hashed.
type Ticket struct {
	ID          string // random, for addresses of pages; opens nothing
	State       TicketState
	StateReason string // of an end: why
	Phase       Phase
	Holder      identity.PSIdNat // "": the card will say
	Operator    identity.PSIdNat // who opened it, see Act.Actor

	OpenedAt  time.Time
	ExpiresAt time.Time // of the code; once claimed, of the sitting
	ClaimedAt time.Time
	EndedAt   time.Time

	DeskProof Leave
	Reset     Leave

	Workstation Workstation
	Applet      Applet
	Card        string // token id, proved by certificate or named by the operator
	ProvedAt    time.Time
	PasskeyID   []byte // made in this sitting

	Steps []Step
}

// TicketRecord is a Ticket as it is kept.
type TicketRecord struct {
	Ticket
	CodeHash   string // see hashCode; kept after the end, so that a used code is told from an unknown one
	SecretHash string // of the sitting; "": not claimed
	Ceremony   []byte // what the server must remember until the workstation answers; taken once
}

// step appends one step. Of too many the oldest goes that says least, so that
// the ticket's page never stands still.
func (t *Ticket) step(at time.Time, name, detail string, ok bool) {
	t.Steps = append(t.Steps, Step{Name: bounded(name, 64), At: at, OK: ok, Detail: bounded(detail, 256)})
	for len(t.Steps) > maxSteps {
		t.skip()
	}
}

// skip forgets one step, but for the first and the last: of those that failed or
// were the workstation's own the oldest, else the oldest. StepSkipped counts.
func (t *Ticket) skip() {
	if t.Steps[firstSteps].Name != StepSkipped {
		t.Steps = slices.Insert(t.Steps, firstSteps, Step{Name: StepSkipped, OK: true})
	}
	const from = firstSteps + 1
	oldest := from + max(0, slices.IndexFunc(t.Steps[from:len(t.Steps)-1], func(s Step) bool {
		return !s.OK || !slices.Contains(OwnSteps(), s.Name)
	}))
	mark := &t.Steps[firstSteps]
	n, _ := strconv.Atoi(mark.Detail) // "" is none so far
	mark.At, mark.Detail = t.Steps[oldest].At, strconv.Itoa(n+1)
	t.Steps = slices.Delete(t.Steps, oldest, oldest+1)
}

// end closes the ticket; what could still be answered is forgotten.
func (t *TicketRecord) end(now time.Time, state TicketState, reason, step string) {
	t.State, t.StateReason, t.EndedAt, t.Ceremony = state, bounded(reason, 256), now, nil
	t.step(now, step, reason, state == TicketDone)
}

// TicketQuery chooses tickets, the latest opened first.
type TicketQuery struct {
	States   []TicketState    // none: all
	Operator identity.PSIdNat // "": anybody's
	Holder   identity.PSIdNat // "": anybody's
	After    string           // the cursor that the page before gave
	Limit    int              // 0: 50; at most 200
}

// TicketPage is one page; Next is empty on the last one.
type TicketPage struct {
	Tickets []Ticket
	Next    string
}
