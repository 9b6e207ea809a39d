package web

import (
	"strconv"
	"strings"

	"cpsgate/enroll"
	"cpsgate/mtls"
	"cpsgate/rp"
)

// Steps that a workstation tells and the page acts upon.
const (
	stepResetNeeded = "reset-needed"
	stepNoModule    = "certificate-missing"
)

// ticketStates are their words, and the look that they share with other states.
var ticketStates = map[enroll.TicketState]struct{ look, words string }{
	enroll.TicketOpen:      {"pending", "ticket.state.open"},
	enroll.TicketClaimed:   {"pending", "ticket.state.claimed"},
	enroll.TicketDone:      {"active", "ticket.state.done"},
	enroll.TicketCancelled: {"revoked", "ticket.state.cancelled"},
	enroll.TicketExpired:   {"revoked", "ticket.state.expired"},
	enroll.TicketAbandoned: {"revoked", "ticket.state.abandoned"},
}

func (t *tongue) ticketState(state enroll.TicketState) stateView {
	of := ticketStates[state]
	return stateView{Name: of.look, Label: t.words[of.words]}
}

// guides are what the operator says and does, by where the ticket stands.
var guides = map[string]struct{ say, do string }{
	string(enroll.TicketOpen):      {"ticket.say.open", "ticket.do.open"},
	string(enroll.PhaseClaimed):    {"ticket.say.claimed", "ticket.do.claimed"},
	string(enroll.PhaseProved):     {"ticket.say.proved", "ticket.do.proved"},
	string(enroll.PhaseRegistered): {"ticket.say.registered", "ticket.do.registered"},
	string(enroll.TicketDone):      {"ticket.say.done", "ticket.do.done"},
	string(enroll.TicketCancelled): {"ticket.say.over", "ticket.do.cancelled"},
	string(enroll.TicketExpired):   {"ticket.say.over", "ticket.do.expired"},
	string(enroll.TicketAbandoned): {"ticket.say.over", "ticket.do.abandoned"},
	stepResetNeeded:                {"ticket.say.wait", "ticket.do.reset"},
	stepNoModule:                   {"ticket.say.wait", "ticket.do.vouch"},
}

// guide finds what to say and do now.
func (t *tongue) guide(ticket enroll.Ticket, least int) (say, do string) {
	at := string(ticket.State)
	if ticket.State == enroll.TicketClaimed {
		at = string(ticket.Phase)
		if last := lastStep(ticket); guides[last].say != "" {
			at = last
		}
	}
	if ticket.State == enroll.TicketClaimed && ticket.Phase == enroll.PhaseClaimed && ticket.DeskProof.State == enroll.LeaveGiven {
		at = string(enroll.PhaseProved)
	}
	of := guides[at]
	return strings.ReplaceAll(t.words[of.say], "{n}", strconv.Itoa(max(least, leastPIN))), t.words[of.do]
}

// leastPIN is what CTAP 2.1 §6.5.1 demands at least.
const leastPIN = 4

func lastStep(t enroll.Ticket) string {
	if len(t.Steps) == 0 {
		return ""
	}
	return t.Steps[len(t.Steps)-1].Name
}

// stepWords are the steps' own words.
var stepWords = map[string]string{
	enroll.StepOpened: "step.opened", enroll.StepClaimed: "step.claimed", enroll.StepCard: "step.card",
	enroll.StepDeskProof: "step.desk-proof", enroll.StepReset: "step.reset", enroll.StepOptions: "step.options",
	enroll.StepRegistered: "step.registered", enroll.StepActive: "step.active", enroll.StepCancelled: "step.cancelled",
	enroll.StepAbandoned: "step.abandoned", enroll.StepExpired: "step.expired", stepProve: "step.prove",
	enroll.StepSkipped: "step.skipped",

	"reader": "step.reader", "applet": "step.applet", "card-pin": "step.card-pin", "pin": "step.pin", "pin-set": "step.pin-set",
	"making": "step.making", "proving": "step.proving", stepResetNeeded: "step.reset-needed", "reset-done": "step.reset-done",
	stepNoModule: "step.certificate-missing",
}

// leaveWords say where a permission stands.
var leaveWords = map[string]string{
	string(enroll.LeaveAsked): "step.leave.asked", string(enroll.LeaveGiven): "step.leave.given", string(enroll.LeaveDeclined): "step.leave.declined",
}

func (s *Server) stepViews(t enroll.Ticket, in *tongue) []stepView {
	var views []stepView
	for _, step := range t.Steps {
		view := stepView{At: in.second(step.At), OK: step.OK, Label: in.words[stepWords[step.Name]]}
		view.Waits = step.OK && (step.Name == stepResetNeeded || step.Name == stepNoModule)
		if view.Label == "" {
			view.Label = step.Name
		}
		switch words := leaveWords[step.Detail]; {
		case words != "":
			view.Detail = in.words[words]
		case !step.OK:
			view.Detail = s.reasonTitle(step.Detail, in)
		case step.Name == enroll.StepSkipped:
			view.Detail = step.Detail
		}
		views = append(views, view)
	}
	return views
}

// lastStop says what went wrong, when it was the last thing to happen.
func (s *Server) lastStop(t enroll.Ticket, in *tongue) string {
	if len(t.Steps) == 0 || t.State == enroll.TicketCancelled {
		return ""
	}
	last := t.Steps[len(t.Steps)-1]
	if last.OK || leaveWords[last.Detail] != "" {
		return ""
	}
	return s.reasonTitle(last.Detail, in)
}

// workstationReasons are what cardside says in its own words.
var workstationReasons = map[string]string{
	"card-removed": "stop.card-removed", "another-card": "stop.another-card", "pins-differ": "stop.pins-differ",
	"pin-too-short": "stop.pin-too-short", "pin-policy": "stop.pin-too-short", "pin-wrong": "stop.pin-wrong",
	"pin-blocked": "stop.pin-blocked", "pin-blocked-until-power-off": "stop.pin-pause", "cpx-pin-wrong": "stop.card-pin-wrong",
	"cpx-pin-blocked": "stop.card-pin-blocked", "not-blank": "stop.not-blank", "no-applet": "stop.no-applet",
	"already-enrolled": "stop.already", "card-full": "stop.full", "cancelled": "stop.cancelled", "no-module": "stop.no-module",
	"pin-trivial": "stop.pin-trivial", "pin-too-long": "stop.pin-long", "pin-must-change": "stop.pin-change", "pin-entry": "stop.pin-entry",
	"last-try": "stop.last-try", "cps3": "stop.cps3", "not-cps4": "stop.no-applet", "u2f-only": "stop.no-applet", "not-over-contact": "stop.no-applet",
	"no-service": "stop.reader", "no-reader": "stop.reader", "no-card": "stop.reader", "access-denied": "stop.reader", "card-in-use": "stop.in-use",
	"card-reset": "stop.contact", "card-mute": "stop.contact", "transmission": "stop.contact", "protocol": "stop.contact",
	"service-timeout": "stop.contact", "malformed": "stop.contact", "not-canonical": "stop.contact", "select-cut-short": "stop.contact",
	"policy-unmet": "stop.policy", "unsupported": "stop.policy", "reset-refused": "stop.reset", "proof-failed": "stop.proof",
	"card-refused": "stop.card-refused", "operation-denied": "stop.card-refused", "presence": "stop.card-refused",
	"module-failed": "stop.no-module", "no-token": "stop.no-module", "certificate-expired": "stop.expired",
	"server-not-trusted": "stop.trust", "server-answer": "stop.trust", "another-site": "stop.trust", "clock-wrong": "stop.trust",
	"rows":               "stop.rows", // of an imported file
	"server-unreachable": "stop.server", "claimed": "stop.late", "proved": "stop.late", "registered": "stop.late", "": "stop.other",
}

// reasonTitle is a reason as the operator reads it; one without words is shown
// as it is, for the help desk.
func (s *Server) reasonTitle(reason string, in *tongue) string {
	if words := workstationReasons[reason]; words != "" {
		return in.words[words]
	}
	for _, a := range []answer{
		certificateAnswers[mtls.Reason(reason)], recordAnswer(enroll.Reason(reason)),
		passkeyAnswers[rp.Reason(reason)], ownAnswers[Reason(reason)],
	} {
		if a.words == "" {
			continue
		}
		title, err := in.words.fill("refusal."+a.words+".title", nil)
		if err != nil { // it names a date, which a step does not keep
			title = in.words["stop.expired"]
		}
		return title
	}
	return reason
}
