//go:build linux && cgo

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/testpki"
	"cpsgate/internal/virtualcard"
)

// buildCardside builds the workstation's program as it is shipped.
func buildCardside(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cardside")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, "cpsgate/cmd/cardside")
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// command is `cardside enroll` with both PINs ready.
func (p *person) command(cardside, code string, flags ...string) *exec.Cmd {
	p.t.Helper()
	command := exec.CommandContext(p.t.Context(), cardside, append([]string{"enroll", code, "--server", p.Main, "--server-ca", p.Root,
		"--reader", p.reader.Name, "--module", p.token.Module, "--card-pin-fd", "3", "--pin-fd", "4"}, flags...)...)
	for _, pin := range []string{holderCode, fidoPIN} {
		from, to, err := os.Pipe()
		if err != nil {
			p.t.Fatal(err)
		}
		p.t.Cleanup(func() { from.Close() })
		io.WriteString(to, pin+"\n")
		to.Close()
		command.ExtraFiles = append(command.ExtraFiles, from)
	}
	return command
}

// killedAt runs it, and kills it outright once it has said that.
func (p *person) killedAt(cardside, code, said string) {
	p.t.Helper()
	command := p.command(cardside, code)
	out, err := command.StderrPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		p.t.Fatal(err)
	}
	seen := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), said) {
			seen = true
			command.Process.Kill()
		}
	}
	command.Wait()
	if !seen {
		p.t.Fatalf("it never said %q", said)
	}
}

// TestBuiltProgram enrols with the program as it is shipped, by either engine,
// and reads what it says as programs do.
func TestBuiltProgram(t *testing.T) {
	g := openDesk(t)
	cardside := buildCardside(t)
	for _, engine := range []string{"ctap2", "libfido2"} {
		t.Run(engine, func(t *testing.T) {
			g.t = t
			p := g.comes(testpki.CardSpec{}, virtualcard.Options{})
			id, code := g.ticket("")
			said, err := p.command(cardside, code, "--json", "--engine", engine, "--workstation", "GUICHET-7").Output()
			if err != nil {
				t.Fatalf("%v: %s", err, said)
			}
			var outcome struct {
				Ticket, Holder, Proof, TokenID, PIN string
				Passkey                             struct{ ID, State string }
				Requests                            int
				MachineSeconds                      float64
			}
			d := json.NewDecoder(bytes.NewReader(said))
			if err := d.Decode(&outcome); err != nil {
				t.Fatal(err)
			}
			if outcome.Ticket != id || outcome.Passkey.State != "active" || outcome.Proof != "same-card" || outcome.TokenID != p.card.TokenID ||
				outcome.PIN != "chosen" || outcome.Requests > 6 || outcome.MachineSeconds <= 0 {
				t.Errorf("%s", said)
			}
			if bytes.Contains(said, []byte(fidoPIN)) || bytes.Contains(said, []byte(holderCode)) {
				t.Error("a PIN is shown")
			}
			if e := g.event(audit.KindPasskeyActive); e.Workstation != "GUICHET-7" {
				t.Errorf("%+v", e)
			}
		})
	}
}

// TestBuiltProgramWatchesTheCard: a card that is taken out while a PIN is waited
// for ends it at once, whoever still types.
func TestBuiltProgramWatchesTheCard(t *testing.T) {
	g := openDesk(t)
	p := g.comes(testpki.CardSpec{}, virtualcard.Options{})
	id, code := g.ticket("")
	command := p.command(buildCardside(t), code, "--json")
	from, to, err := os.Pipe() // a person who does not type
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	defer to.Close()
	command.ExtraFiles[1] = from
	var said bytes.Buffer
	command.Stdout = &said
	progress, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(progress); lines.Scan(); {
		if strings.Contains(lines.Text(), "La personne choisit") {
			g.reader.Eject()
		}
	}
	command.Wait()
	var failed struct {
		Error      struct{ Reason string }
		ExitCode   int
		LeftOnCard struct{ PINSet, Passkey bool }
	}
	if err := json.Unmarshal(said.Bytes(), &failed); err != nil {
		t.Fatalf("%v: %s", err, &said)
	}
	if failed.Error.Reason != "card-removed" || failed.ExitCode != 4 || command.ProcessState.ExitCode() != 4 || failed.LeftOnCard.PINSet {
		t.Errorf("%s", &said)
	}
	if state, steps := g.state(id); state != enroll.TicketAbandoned || !strings.HasSuffix(steps, "abandoned!card-removed") {
		t.Errorf("%s: %s", state, steps)
	}
}

// TestKilledAtEveryStep: a workstation that falls says nothing more. What it had
// begun counts for nothing, and a new ticket enrols the card as it is by then.
func TestKilledAtEveryStep(t *testing.T) {
	g := openDesk(t)
	cardside := buildCardside(t)
	for _, said := range []string{
		"Son application FIDO2 est vierge", "La carte prouve", "La personne choisit", "La carte crée la clé", "signe une première fois",
	} {
		t.Run(said, func(t *testing.T) {
			g.t = t
			p := g.comes(testpki.CardSpec{}, virtualcard.Options{Delay: 30 * time.Millisecond}) // slow enough to fall in between
			id, code := g.ticket("")
			p.killedAt(cardside, code, said)
			state, _ := g.state(id)
			if state != enroll.TicketOpen && state != enroll.TicketClaimed {
				t.Fatalf("the ticket is %s", state)
			}
			if held := g.passkeys(p.card.IdNat); held[identity.PasskeyActive] != 0 {
				t.Errorf("%v", held)
			}
			if err := g.p.registry.CancelTicket(t.Context(), console, id); err != nil {
				t.Fatal(err)
			}
			if held := g.passkeys(p.card.IdNat); held[identity.PasskeyPending] != 0 {
				t.Errorf("half enrolled: %v", held)
			}
			p.enrols()
		})
	}
}
