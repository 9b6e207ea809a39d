//go:build linux && cgo

package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

// killedAt runs `cardside enroll` with both PINs ready, and kills it outright
// once it has said that.
func (p *person) killedAt(cardside, code, said string) {
	p.t.Helper()
	root := filepath.Join(p.Folder, "server-root.pem")
	command := exec.CommandContext(p.t.Context(), cardside, "enroll", code, "--server", p.Main, "--server-ca", root,
		"--reader", p.reader.Name, "--module", p.token.Module, "--card-pin-fd", "3", "--pin-fd", "4")
	for _, pin := range []string{holderCode, fidoPIN} {
		from, to, err := os.Pipe()
		if err != nil {
			p.t.Fatal(err)
		}
		defer from.Close()
		io.WriteString(to, pin+"\n")
		to.Close()
		command.ExtraFiles = append(command.ExtraFiles, from)
	}
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
