package cardside

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"cpsgate/cardside/apdu"
	"cpsgate/cardside/ctap2"
	"cpsgate/cardside/libfido2"
	"cpsgate/cardside/pcsc"
)

// Choice says which card is meant and how to speak with it. Its zero value is
// the one card in the one reader, waited for not at all.
type Choice struct {
	Reader string // a reader's name, or a part that only one has
	Key    string // a security key on USB instead of a card: libfido2's path
	Engine EngineName
	// Patience is how long a card may take to be put in.
	Patience time.Duration
	// Waiting, if set, is told what is waited for, every second.
	Waiting func(Waiting)

	Protocol pcsc.Protocol
	Extended pcsc.Extended
	Record   io.Writer // the conversation is recorded here (engine ctap2)

	SpendLastTry       bool
	AcceptNotCanonical bool
	FewTries           func(left int) // told before a PIN is sent
}

// Waiting is what a person is waited for.
type Waiting struct {
	For    WaitingFor
	Reader string        // where; "" anywhere
	Left   time.Duration // until it is given up
}

// WaitingFor is what is waited for.
type WaitingFor string

// What is waited for.
const (
	ForReader  WaitingFor = "reader"
	ForCard    WaitingFor = "card"
	ForRemoval WaitingFor = "removal"
)

// Errors of a choice.
var (
	ErrSeveralReaders = errors.New("several readers fit that name")
	ErrSeveralCards   = errors.New("several readers hold a card")
)

// Card is a card, or a security key, and the engine that speaks with it. It
// serves one goroutine at a time.
type Card struct {
	Engine
	Name       EngineName
	Reader     string // "" for a security key
	ATR        []byte
	Generation Generation

	choice  Choice
	session *pcsc.Context
	card    *pcsc.Card
	client  *ctap2.Client // of engine ctap2
	// of a replay, which has no session
	replayed *apdu.Channel
	known    struct { // what it was before it was taken out
		atr  string
		info ctap2.Info
	}
}

// Open waits for the card meant and connects to it.
func Open(ctx context.Context, choice Choice) (*Card, error) {
	name, err := choice.Engine.choose(choice.Key != "")
	if err != nil {
		return nil, err
	}
	c := &Card{Name: name, choice: choice}
	if choice.Key != "" {
		c.Engine = c.libfido2()
		return c, nil
	}
	if c.session, err = pcsc.Establish(ctx); err != nil {
		return nil, err
	}
	state, err := waitForCard(ctx, c.session, choice)
	if err == nil {
		err = c.connect(ctx, state.Reader)
	}
	if err != nil {
		c.session.Close()
		return nil, err
	}
	if name == EngineLibfido2 {
		c.Engine = c.libfido2()
		return c, nil
	}
	c.client = ctap2.New(
		func(ctx context.Context, f func(*apdu.Channel) error) error { return c.card.Exchange(ctx, f) },
		ctap2.Options{
			SpendLastTry: choice.SpendLastTry, FewTries: choice.FewTries, AcceptNotCanonical: choice.AcceptNotCanonical,
			BeforeWrite: c.confirm,
		})
	c.Engine = c.client
	return c, nil
}

func (c *Card) libfido2() Engine {
	opts := libfido2.Options{
		Reader: c.Reader, Device: c.choice.Key, Protocol: c.choice.Protocol,
		SpendLastTry: c.choice.SpendLastTry, FewTries: c.choice.FewTries,
	}
	if c.card != nil {
		opts.BeforeWrite = c.confirm
	}
	return libfido2.New(opts)
}

// confirm finds the reader and the card again before a write. The connection is
// the one of now: a reinsertion makes another.
func (c *Card) confirm(ctx context.Context) error { return c.card.Confirm(ctx) }

// connect connects to the card in a reader, the first time and after a
// reinsertion.
func (c *Card) connect(ctx context.Context, reader string) error {
	opts := pcsc.Options{Protocol: c.choice.Protocol, Extended: c.choice.Extended}
	if c.choice.Record != nil {
		opts.Wrap = func(about apdu.Recording, transmit apdu.Transmit) (apdu.Transmit, error) {
			return apdu.Record(c.choice.Record, about, transmit)
		}
	}
	card, err := c.session.Connect(ctx, reader, opts)
	if err != nil {
		return err
	}
	c.card, c.Reader, c.ATR = card, reader, card.ATR()
	c.Generation = GenerationOf(c.ATR)
	return nil
}

// Still reports, as an error, a card that is no longer the one that was opened:
// taken out, even if it was put back, or gone with its reader. A security key
// cannot be asked.
func (c *Card) Still(ctx context.Context) error {
	if c.card == nil {
		return nil
	}
	nothing := func(*apdu.Channel) error { return nil }
	if err := c.card.Exchange(ctx, nothing); err != nil { // mends a connection that another program reset
		return err
	}
	return c.card.Confirm(ctx)
}

// Close leaves the card as it stands.
func (c *Card) Close() {
	if c.session != nil {
		c.card.Close()
		c.session.Close()
	}
}

// Together runs f in one exchange, where the engine has such; see
// ctap2.Client.Together.
func (c *Card) Together(ctx context.Context, f func() error) error {
	if c.client == nil {
		return f()
	}
	return c.client.Together(ctx, f)
}

// SetPINPolicy writes rules for PINs to the applet; see
// ctap2.Client.SetPINPolicy. Engine libfido2 cannot.
func (c *Card) SetPINPolicy(ctx context.Context, policy ctap2.PINPolicy, pin []byte) error {
	if c.client == nil {
		return fmt.Errorf("%w: configuring with libfido2", ErrEngine)
	}
	return c.client.SetPINPolicy(ctx, policy, pin)
}

// EnableEnterpriseAttestation does what ctap2.Client's method does. Engine
// libfido2 cannot.
func (c *Card) EnableEnterpriseAttestation(ctx context.Context, pin []byte) error {
	if c.client == nil {
		return fmt.Errorf("%w: configuring with libfido2", ErrEngine)
	}
	return c.client.EnableEnterpriseAttestation(ctx, pin)
}

// Quirks are the card's deviations met so far, as far as the engine tells.
func (c *Card) Quirks() []ctap2.Quirk {
	if c.client == nil {
		return nil
	}
	return c.client.Quirks()
}

// Link describes the connection to a card.
type Link struct {
	Protocol string `json:"protocol"`
	Extended bool   `json:"extendedLength"`
	Keypad   bool   `json:"keypad"`
	APDUs    int    `json:"apdus"` // sent by engine ctap2 so far
}

// Link describes the connection; nil for a security key.
func (c *Card) Link(ctx context.Context) *Link {
	if c.replayed != nil {
		return &Link{Protocol: c.replayed.Protocol.String(), APDUs: c.replayed.Sent}
	}
	if c.card == nil {
		return nil
	}
	return &Link{Protocol: c.card.Protocol().String(), Extended: c.card.Extended(), Keypad: c.card.Keypad(ctx), APDUs: c.card.Sent()}
}

// looks are how often the readers are looked at while a card is waited for, and
// how often the person is told.
const (
	look = 200 * time.Millisecond
	tell = time.Second
)

// waitForCard returns the state of the reader with the card meant.
func waitForCard(ctx context.Context, session *pcsc.Context, choice Choice) (pcsc.State, error) {
	var found pcsc.State
	err := waitUntil(ctx, choice, func() (WaitingFor, string, error) {
		states, err := session.States(ctx)
		if err != nil {
			return "", "", err
		}
		reader, waiting, err := Pick(states, choice.Reader)
		found = reader
		return waiting, reader.Reader, err
	})
	return found, err
}

// waitUntil asks look after look what is still waited for, until that is
// nothing, patience ends or an error comes.
func waitUntil(ctx context.Context, choice Choice, ask func() (WaitingFor, string, error)) error {
	deadline := time.Now().Add(choice.Patience)
	var told time.Time
	for {
		waiting, reader, err := ask()
		if err != nil || waiting == "" {
			return err
		}
		left := time.Until(deadline)
		if left <= 0 {
			return &pcsc.Error{Op: "waiting", Kind: map[WaitingFor]error{
				ForReader: pcsc.ErrNoReader, ForCard: pcsc.ErrNoCard, ForRemoval: ErrNotRemoved,
			}[waiting]}
		}
		if choice.Waiting != nil && time.Since(told) >= tell {
			choice.Waiting(Waiting{For: waiting, Reader: reader, Left: left})
			told = time.Now()
		}
		select {
		case <-time.After(min(look, left)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// ErrNotRemoved is a card that was to be taken out and was not.
var ErrNotRemoved = errors.New("the card was not taken out")
