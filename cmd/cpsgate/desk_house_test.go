//go:build linux && cgo

package main

import (
	"context"
	"crypto/x509"
	"net"
	"strings"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/cardside"
	"cpsgate/cardside/desk"
	"cpsgate/cardside/pkcs11"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/cardlab"
	"cpsgate/internal/testpki"
	"cpsgate/internal/virtualcard"
)

// guichet is an enrolment desk: the server as it is served, behind a wire that
// tests can pull at, a reader, and tokens for the certificates of cards. It can
// be stopped and started again.
type guichet struct {
	*running
	*wire
	t      *testing.T
	reader *cardlab.Reader
	beside *cardlab.Reader // a second one at the same desk
	p      *program
	stop   func()
}

// openDesk serves, with two readers beside it.
func openDesk(t *testing.T, changes ...func(*guichet)) *guichet {
	t.Helper()
	cardlab.NeedTokens(t)
	lab := cardlab.Start(t, 2)
	d, c, l := demoConfig(t)
	g := &guichet{running: &running{demo: d, config: c}, t: t, reader: lab.Readers[0], beside: lab.Readers[1]}
	for _, change := range changes {
		change(g)
	}
	outside := l.main // the origin's port is the wire's
	var err error
	if l.main, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	c.Main.Listen = l.main.Addr().String()
	g.wire = newWire(t, d.pki, outside, c.Main.Listen)
	g.serve(l)
	t.Cleanup(func() { g.stop() })
	return g
}

func (g *guichet) serve(l listeners) {
	g.t.Helper()
	p, err := openProgram(context.Background(), g.config, quiet(), g.now)
	if err != nil {
		g.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Serve(ctx, l, nil) }()
	g.p = p
	g.stop = func() {
		g.stop = func() {}
		g.wire.hangUp()
		cancel()
		if err := <-ended; err != nil {
			g.t.Errorf("serving ended with %v", err)
		}
		if err := p.Close(); err != nil {
			g.t.Error(err)
		}
	}
}

// restart starts the server anew, on the same addresses and data.
func (g *guichet) restart() {
	g.t.Helper()
	g.stop()
	l, err := listen(context.Background(), g.config)
	if err != nil {
		g.t.Fatal(err)
	}
	g.serve(l)
}

// console is the command line's act.
var console = enroll.Act{Console: true, Reason: "test"}

// ticket opens one; nobody: the card will say.
func (g *guichet) ticket(holder string) (id, code string) {
	g.t.Helper()
	ticket, code, err := g.p.registry.OpenTicket(g.t.Context(), console, identity.PSIdNat(holder))
	if err != nil {
		g.t.Fatal(err)
	}
	return ticket.ID, code
}

// state is a ticket's, with the names of its steps.
func (g *guichet) state(id string) (enroll.TicketState, string) {
	g.t.Helper()
	ticket, err := g.p.registry.Ticket(g.t.Context(), id)
	if err != nil {
		g.t.Fatal(err)
	}
	var names []string
	for _, s := range ticket.Steps {
		name := s.Name
		if !s.OK {
			name += "!" + s.Detail
		}
		names = append(names, name)
	}
	return ticket.State, strings.Join(names, " ")
}

// the codes of every card here.
const (
	holderCode = "1234"
	fidoPIN    = "271828"
)

// person is somebody with a card: what is in the reader, and the certificate
// that PKCS#11 reads.
type person struct {
	*guichet
	card  *testpki.Card
	chip  *virtualcard.Card
	token cardlab.Token
}

// comes makes somebody a card and puts it into the reader.
func (g *guichet) comes(spec testpki.CardSpec, chip virtualcard.Options) *person {
	g.t.Helper()
	card, err := g.pki.Card(spec)
	if err != nil {
		g.t.Fatal(err)
	}
	return g.puts(card, chip)
}

func (g *guichet) puts(card *testpki.Card, chip virtualcard.Options) *person {
	g.t.Helper()
	p := &person{guichet: g, card: card, token: cardlab.NewToken(g.t, card, cardlab.TokenOptions{PIN: holderCode})}
	if chip.Generation == virtualcard.CPS4 && chip.ATR == nil {
		chip.Protocol, chip.KeepATR = virtualcard.T1, true
	}
	var err error
	if p.chip, err = virtualcard.New(chip); err != nil {
		g.t.Fatal(err)
	}
	g.reader.Put(g.t, p.chip)
	return p
}

// options are what `cardside enroll CODE` would go with.
func (p *person) options(code string) desk.Options {
	trust := x509.NewCertPool()
	trust.AddCert(p.pki.ServerRoot())
	return desk.Options{
		Server: p.Main, Trust: trust, Code: code, Workstation: "GUICHET-2", Language: cardside.French,
		Choice: cardside.Choice{Reader: p.reader.Name}, Module: p.token.Module, Patience: 20 * time.Second, Now: p.now,
		Person: desk.Person{
			CardPIN:    func(context.Context, pkcs11.Token) ([]byte, error) { return []byte(holderCode), nil },
			CurrentPIN: func(context.Context) ([]byte, error) { return []byte(fidoPIN), nil },
			NewPIN:     func(context.Context, int, error) ([]byte, error) { return []byte(fidoPIN), nil },
			Give:       func([]byte) error { return nil },
		},
	}
}

// event finds the last event of a kind.
func (g *guichet) event(kind string) *audit.Event {
	g.t.Helper()
	var found *audit.Event
	for e, err := range g.p.store.Events(g.t.Context(), 0) {
		if err != nil {
			g.t.Fatal(err)
		}
		if e.Kind == kind {
			found = &e
		}
	}
	if found == nil {
		g.t.Fatalf("no event %s", kind)
	}
	return found
}

// passkeys are somebody's, by state.
func (g *guichet) passkeys(who string) map[identity.PasskeyState]int {
	g.t.Helper()
	all, err := g.p.registry.Passkeys(g.t.Context(), identity.PSIdNat(who))
	if err != nil {
		g.t.Fatal(err)
	}
	counted := map[identity.PasskeyState]int{}
	for _, p := range all {
		counted[p.State]++
	}
	return counted
}
