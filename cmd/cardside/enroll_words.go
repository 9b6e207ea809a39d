package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"cpsgate/cardside"
	"cpsgate/cardside/desk"
)

// progress says each step as it is reached.
func (a *act) progress(p desk.Progress) {
	a.waited()
	say := func(key string, args ...any) { fmt.Fprintln(a.stderr, a.f(key, args...)) }
	if p.Reason != "" {
		sentence, _ := cardside.SentenceFor(p.Reason, a.language)
		if p.Step != desk.StepCertificateMissing {
			say("enroll.again")
			return
		}
		fmt.Fprintf(a.stderr, "%s. %s\n", sentence.Title, sentence.Why)
	}
	switch p.Step {
	case desk.StepCard:
		a.cardFound(p)
	case desk.StepApplet:
		if p.Held > 0 {
			fmt.Fprintln(a.stderr, a.count("enroll.applet.holds", p.Held))
			return
		}
		say("enroll.applet." + string(p.Applet))
	case desk.StepClaimed, desk.StepProved:
		if p.Holder != "" {
			say("enroll.for", p.Holder)
		}
	case desk.StepActive: // the result says it
	default:
		say("enroll." + string(p.Step))
	}
}

// cardFound says which card is spoken with, and warns of one that is not known.
func (a *act) cardFound(p desk.Progress) {
	if p.Reader == "" {
		fmt.Fprintln(a.stderr, a.f("enroll.key"))
		return
	}
	fmt.Fprintln(a.stderr, a.f("enroll.card", a.f("generation."+string(p.Generation)), p.Reader))
	if p.Generation == cardside.Unknown {
		fmt.Fprintln(a.stderr, a.f("enroll.unknown-card"))
	}
}

// What a sitting waits for beside cards.
const (
	forServer cardside.WaitingFor = "server"
	forDesk   cardside.WaitingFor = "desk"
)

func (a *act) serverAway(left time.Duration) { a.waiting(cardside.Waiting{For: forServer, Left: left}) }

func (a *act) deskWaited(desk.Step) { a.waiting(cardside.Waiting{For: forDesk}) }

// enrolledForTicket is the good end.
func (a *act) enrolledForTicket(o desk.Outcome) {
	a.say("enroll.done", o.Holder)
	a.table([][2]string{
		{a.f("label.passkey"), o.Passkey.Name},
		{a.f("label.vouched"), a.f("proof." + string(o.Proof))},
		{a.f("label.pin"), a.f("pin-outcome." + string(o.PIN))},
	})
	a.say("enroll.take")
}

// unfinished says what is left on the card, and what becomes of it.
func (w words) unfinished(out io.Writer, u *desk.Unfinished) {
	left := "nothing"
	switch {
	case u.Left.Used:
		left = "used"
	case u.Left.Perhaps != "":
		left = "perhaps-" + strings.ToLower(string(u.Left.Perhaps))
	case u.Left.Passkey:
		left = "passkey"
	case u.Left.PIN:
		left = "pin"
	case u.Left.Erased:
		left = "erased"
	}
	fmt.Fprintln(out, w.f("left."+left))
	told := "left.told"
	if !u.Told {
		told = "left.untold"
	}
	fmt.Fprintln(out, w.f(told))
}
