//go:build compose

package stack_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"cpsgate/internal/chromium"
)

// start is the start page; all other addresses are followed from it.
const start = "http://localhost:8080"

// The sample people (internal/demo).
const (
	camille   = "899900001019" // keeps the desk
	sacha     = "899900001027" // is enrolled
	dominique = "899900001035" // holds a card reported lost
)

// The PINs of the card in the workstation's reader: of its certificates, and
// the one that Sacha chooses.
const (
	holderCode = "1234\n"
	fidoPIN    = "246810\n"
)

// TestTour is what the start page says, click by click.
func TestTour(t *testing.T) {
	chromium.Need(t)
	operator := visitor(t, "guichet", camille)
	operator.Go(start)
	operator.Accessible()
	pictures(t, operator, "start")

	follow(operator, "sign-in")
	signInByCertificate(operator)
	operator.Shows("SPECIMEN Camille")

	enrol(t, operator)

	holder := visitor(t, "cps4", sacha)
	follow(holder, "sign-in")
	signInByCertificate(holder)
	openApplications(t, holder)
	restart(t, holder)
	stay := signInByPasskey(t)

	follow(operator, "desk")
	operator.Go(strings.TrimSuffix(operator.URL(), "/") + "/people/" + url.PathEscape(sacha))
	reported := reportLost(operator)
	stay.ends(t, reported)
	closed(t, holder)

	follow(holder, "sign-in")
	holder.Click(`a[data-door="card"]`)
	holder.Shows("Votre carte")
	if strings.Contains(holder.URL(), "/account") {
		t.Error("a card reported lost signs in")
	}
}

// TestRevokedByItsAuthority: the CRL comes from the stack's own host.
func TestRevokedByItsAuthority(t *testing.T) {
	chromium.Need(t)
	tab := visitor(t, "opposition", dominique)
	follow(tab, "sign-in")
	tab.Click(`a[data-door="card"]`)
	tab.Shows("Votre carte a été mise en opposition")
}

func signInByCertificate(tab *chromium.Tab) {
	tab.WaitFor(`a[data-door="card"]`)
	tab.Click(`a[data-door="card"]`)
	tab.WaitFor(".person")
}

// enrol opens a ticket at the desk and enrols the blank card at the workstation.
func enrol(t *testing.T, operator *chromium.Tab) {
	t.Helper()
	var blank struct{ Blank bool }
	workstation(t, &blank, "", "info")
	if !blank.Blank {
		t.Fatal("the card in the reader is not blank")
	}
	follow(operator, "desk")
	operator.WaitFor("#who")
	operator.Press(chromium.KeyEnter)
	operator.WaitFor(".code")
	code := strings.Join(strings.Fields(strings.ReplaceAll(operator.Text(".code"), "–", " ")), "-")
	var enrolled struct {
		Passkey struct{ State string }
		Proof   string
	}
	workstation(t, &enrolled, holderCode+fidoPIN, "enroll", code, "--card-pin-fd", "0", "--pin-fd", "0")
	if enrolled.Passkey.State != "active" || enrolled.Proof != "same-card" {
		t.Fatalf("%+v", enrolled)
	}
	operator.Shows("EXEMPLE")
	pictures(t, operator, "enrolled")
}

// staying is a sign-in at the workstation that lasts as long as its session.
type staying struct {
	ended chan error
	said  *bytes.Buffer
}

// signInByPasskey uses the enrolled card.
func signInByPasskey(t *testing.T) staying {
	t.Helper()
	command := desk(t, fidoPIN, "cardside", "--json", "assert", "--stay", "--pin-fd", "0")
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s := staying{ended: make(chan error, 1), said: &bytes.Buffer{}}
	var complaints bytes.Buffer
	command.Stderr = &complaints
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	answers := json.NewDecoder(bufio.NewReader(out))
	var in struct{ Credential string }
	if err := answers.Decode(&in); err != nil || in.Credential == "" {
		t.Fatalf("not signed in by passkey: %v %+v\n%s", err, in, &complaints)
	}
	go func() {
		var over json.RawMessage
		_ = answers.Decode(&over) // what it says is looked at
		s.said.Write(over)
		s.ended <- command.Wait()
	}()
	return s
}

// endsWithin is how long a session may outlive its card.
const endsWithin = 5 * time.Second

func (s staying) ends(t *testing.T, since time.Time) {
	t.Helper()
	select {
	case <-s.ended:
		if !strings.Contains(s.said.String(), "session-ended") {
			t.Errorf("the workstation's session ended by %s", s.said)
		}
		t.Logf("it ended %v after the card was reported lost", time.Since(since)) // a figure, not a verdict
	case <-time.After(endsWithin):
		t.Errorf("the session outlives its card by %v", endsWithin)
	}
}

// openApplications: neither asks for the card again.
func openApplications(t *testing.T, holder *chromium.Tab) {
	t.Helper()
	follow(holder, "application-1")
	holder.WaitFor(".person")
	for _, want := range []string{"Remote-User", sacha, "X-Cpsgate-Method"} {
		holder.Shows(want)
	}
	holder.Accessible()
	pictures(t, holder, "application-1")
	follow(holder, "application-2")
	holder.Click("[data-signin]")
	holder.WaitFor(".claims")
	holder.Shows("EXEMPLE")
	holder.Accessible()
	pictures(t, holder, "application-2")
}

// restart: what is kept outlives the containers that keep it.
func restart(t *testing.T, holder *chromium.Tab) {
	t.Helper()
	if err := run(2*time.Minute, "restart", "redis", "cpsgate"); err != nil {
		t.Fatal(err)
	}
	healthy(t, "cpsgate")
	follow(holder, "application-1")
	holder.WaitFor(".person")
	holder.Shows(sacha)
}

// reportLost revokes the card on the person's page at the desk.
func reportLost(operator *chromium.Tab) time.Time {
	operator.WaitFor(`form[action$="/revoke"]`)
	chromium.Eval[bool](operator, `document.querySelector('form[action$="/revoke"]').closest("details").open = true`)
	operator.Type(`form[action$="/revoke"] input`, "perdue")
	operator.Press(chromium.KeyEnter)
	return time.Now()
}

// closed: both applications have forgotten the holder.
func closed(t *testing.T, holder *chromium.Tab) {
	t.Helper()
	follow(holder, "application-1")
	holder.WaitFor(`a[data-door="card"]`)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		follow(holder, "application-2")
		holder.WaitFor("main")
		if chromium.Eval[bool](holder, `!!document.querySelector("[data-signin]")`) {
			return
		}
		if time.Now().After(end) {
			t.Fatal("application 2 still knows the holder of a lost card")
		}
	}
}
