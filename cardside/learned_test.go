//go:build linux && cgo

package cardside_test

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"cpsgate/cardside"
	"cpsgate/cardside/apdu"
	"cpsgate/cardside/ctap2"
	"cpsgate/cardside/pcsc"
	"cpsgate/internal/cardlab"
	"cpsgate/internal/virtualcard"
	"cpsgate/internal/virtualcard/authenticator"
)

// neighbour is another program with the same card.
func neighbour(t *testing.T, reader string) *pcsc.Card {
	t.Helper()
	session, err := pcsc.Establish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.Close)
	card, err := session.Connect(t.Context(), reader, pcsc.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(card.Close)
	return card
}

// selectsCPS4 does what the CPS's own middleware does.
func selectsCPS4(t *testing.T, other *pcsc.Card) {
	t.Helper()
	err := other.Exchange(t.Context(), func(channel *apdu.Channel) error {
		_, err := channel.Send(apdu.Select([]byte("\x80\x25\x00\x00\x01\xFF\x01\x00")))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What the card taught: connections are shared, each exchange is a transaction
// that begins with SELECT, and the card is left as it was; so other middleware
// may select its own application in between, and even reset the card.
func TestOtherMiddlewareOnTheCard(t *testing.T) {
	places := both(t, virtualcard.Options{FIDO: authenticator.Options{ForgetOnSelect: true}})
	for _, engine := range []cardside.EngineName{cardside.EngineCTAP2, cardside.EngineLibfido2} {
		for _, p := range places {
			t.Run(string(engine)+", "+p.name, func(t *testing.T) {
				other := neighbour(t, p.reader.Name)
				card := p.withPIN(t, cardside.Choice{Engine: engine})
				selectsCPS4(t, other)
				id := made(t, card, creation("one")).CredentialID
				selectsCPS4(t, other)
				if _, err := card.GetAssertion(t.Context(), request(id)); err != nil {
					t.Errorf("after another program's SELECT: %v", err)
				}
				if err := other.ColdReset(t.Context()); err != nil {
					t.Fatal(err)
				}
				if _, err := card.GetAssertion(t.Context(), request(id)); err != nil {
					t.Errorf("after another program's reset: %v", err)
				}
			})
		}
	}
}

// What the card taught: the reader is found again by its name, with the same
// card in it, before any write.
func TestNothingIsWrittenToAnotherCard(t *testing.T) {
	lab := cardlab.Start(t, 1)
	reader := lab.Readers[0]
	first, err := virtualcard.New(onT1(t, virtualcard.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.Insert(first); err != nil {
		t.Fatal(err)
	}
	var cards []*cardside.Card
	for _, engine := range []cardside.EngineName{cardside.EngineCTAP2, cardside.EngineLibfido2} {
		card, err := cardside.Open(t.Context(), cardside.Choice{Engine: engine})
		if err != nil {
			t.Fatal(err)
		}
		defer card.Close()
		cards = append(cards, card)
	}
	if err := reader.Eject(); err != nil {
		t.Fatal(err)
	}
	var second atomic.Int32
	put(t, reader, "", onT1(t, virtualcard.Options{Trace: func([]byte, []byte) { second.Add(1) }}))
	for _, card := range cards {
		if err := card.SetPIN(t.Context(), []byte(goodPIN)); cardside.ReasonOf(err) != cardside.ReasonCardRemoved {
			t.Errorf("%s: %v", card.Name, err)
		}
	}
	if n := second.Load(); n != 0 {
		t.Errorf("%d APDUs reached another card", n)
	}
}

// What the card taught: another program's reset hides an exchange of cards from
// whoever was connected before, and a reconnection would reach the new card.
func TestAResetHidesNoExchangeOfCards(t *testing.T) {
	lab := cardlab.Start(t, 1)
	reader := lab.Readers[0]
	first, err := virtualcard.New(onT1(t, virtualcard.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.Insert(first); err != nil {
		t.Fatal(err)
	}
	card, err := cardside.Open(t.Context(), cardside.Choice{})
	if err != nil {
		t.Fatal(err)
	}
	defer card.Close()
	if err := reader.Eject(); err != nil {
		t.Fatal(err)
	}
	var second atomic.Int32
	put(t, reader, "", onT1(t, virtualcard.Options{Trace: func([]byte, []byte) { second.Add(1) }}))
	if err := neighbour(t, reader.Name).ColdReset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := card.SetPIN(t.Context(), []byte(goodPIN)); cardside.ReasonOf(err) != cardside.ReasonCardRemoved {
		t.Errorf("got %v", err)
	}
	if n := second.Load(); n != 0 {
		t.Errorf("%d APDUs reached another card", n)
	}
}

// clock is a virtual card's, which a test moves.
type clock struct {
	offset atomic.Int64
	late   atomic.Bool // each look is a minute later: no reset is ever in time
}

func (c *clock) now() time.Time {
	if c.late.Load() {
		c.offset.Add(int64(time.Minute))
	}
	return time.Now().Add(time.Duration(c.offset.Load()))
}

// What the card taught: a reset comes within ten seconds of power-up, so the
// power is cut just before; resets in two steps are taken; and where the reader
// does not cut the power the person is asked for a reinsertion.
func TestResets(t *testing.T) {
	lab := cardlab.Start(t, 4)
	two := put(t, lab.Readers[1], "two steps", onT1(t, virtualcard.Options{FIDO: authenticator.Options{TwoStepReset: true}}))
	for _, engine := range []cardside.EngineName{cardside.EngineCTAP2, cardside.EngineLibfido2} {
		t.Run(string(engine), func(t *testing.T) {
			hands := &clock{}
			p := put(t, lab.Readers[0], "", onT1(t, virtualcard.Options{FIDO: authenticator.Options{Now: hands.now}}))
			card := p.withPIN(t, cardside.Choice{Engine: engine})
			hands.offset.Store(int64(time.Minute))
			if err := card.Engine.Reset(t.Context()); !errors.Is(err, ctap2.StatusNotAllowed) {
				t.Fatalf("the virtual card takes a late reset: %v", err)
			}
			if err := card.Reset(t.Context()); err != nil {
				t.Fatalf("a cold reset before: %v", err)
			}
			blank(t, card)

			card = two.open(t, cardside.Choice{Engine: engine})
			if err := card.SetPIN(t.Context(), []byte(goodPIN)); err != nil {
				t.Fatal(err)
			}
			if err := card.Reset(t.Context()); err != nil {
				t.Fatalf("two steps: %v", err)
			}
			blank(t, card)
		})
	}
	t.Run("a reader that does not cut the power", func(t *testing.T) { reinsertion(t, lab.Readers[2]) })
	t.Run("another card is put back", func(t *testing.T) { swapped(t, lab.Readers[3]) })
}

func blank(t *testing.T, card *cardside.Card) {
	t.Helper()
	if info, err := card.Info(t.Context()); err != nil || !info.Blank() {
		t.Errorf("%+v, %v", info, err)
	}
}

// reinsertion: the card finds every reset late until it has been taken out.
func reinsertion(t *testing.T, reader *cardlab.Reader) {
	hands := &clock{}
	inserted, err := virtualcard.New(onT1(t, virtualcard.Options{FIDO: authenticator.Options{Now: hands.now}}))
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.Insert(inserted); err != nil {
		t.Fatal(err)
	}
	defer reader.Eject()
	var asked []cardside.WaitingFor
	done := make(chan error, 1)
	card, err := cardside.Open(t.Context(), cardside.Choice{
		Reader: reader.Name, Patience: 20 * time.Second,
		Waiting: func(w cardside.Waiting) {
			asked = append(asked, w.For)
			if w.For == cardside.ForRemoval && len(asked) == 1 {
				go func() { // the person obeys
					hands.late.Store(false)
					done <- errors.Join(reader.Eject(), reader.Insert(inserted))
				}()
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer card.Close()
	if err := card.SetPIN(t.Context(), []byte(goodPIN)); err != nil {
		t.Fatal(err)
	}
	hands.late.Store(true)
	if err := card.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if len(asked) == 0 || asked[0] != cardside.ForRemoval {
		t.Errorf("asked for %v", asked)
	}
	blank(t, card)
}

// swapped: the card put back is of the same kind, and has a PIN where the first
// had none.
func swapped(t *testing.T, reader *cardlab.Reader) {
	hands := &clock{}
	first, err := virtualcard.New(onT1(t, virtualcard.Options{FIDO: authenticator.Options{Now: hands.now}}))
	if err != nil {
		t.Fatal(err)
	}
	var resets atomic.Int32
	second, err := virtualcard.New(onT1(t, virtualcard.Options{PIN: goodPIN, Trace: func(command, _ []byte) {
		if bytes.Equal(command, []byte{0x80, 0x10, 0, 0, 1, 0x07, 0}) {
			resets.Add(1)
		}
	}}))
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.Insert(first); err != nil {
		t.Fatal(err)
	}
	defer reader.Eject()
	done, once := make(chan error, 1), atomic.Bool{}
	card, err := cardside.Open(t.Context(), cardside.Choice{
		Reader: reader.Name, Patience: 20 * time.Second,
		Waiting: func(cardside.Waiting) {
			if once.CompareAndSwap(false, true) {
				go func() { done <- errors.Join(reader.Eject(), reader.Insert(second)) }()
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer card.Close()
	hands.late.Store(true)
	if err := card.Reset(t.Context()); !errors.Is(err, cardside.ErrAnotherCard) {
		t.Errorf("got %v", err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if resets.Load() != 0 {
		t.Error("another card was erased")
	}
}

func TestWaitingIsTold(t *testing.T) {
	lab := cardlab.Start(t, 1)
	reader := lab.Readers[0]
	inserted, err := virtualcard.New(onT1(t, virtualcard.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Eject()
	waitForService(t)
	if _, err := cardside.Open(t.Context(), cardside.Choice{Reader: reader.Name, Patience: 300 * time.Millisecond}); !errors.Is(err, pcsc.ErrNoCard) {
		t.Fatalf("no card: %v", err)
	}
	var told []cardside.Waiting
	done := make(chan error, 1)
	card, err := cardside.Open(t.Context(), cardside.Choice{
		Patience: 20 * time.Second,
		Waiting: func(w cardside.Waiting) {
			if told = append(told, w); len(told) == 1 {
				go func() { done <- reader.Insert(inserted) }()
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	card.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if told[0].For != cardside.ForCard || told[0].Left > 20*time.Second || told[0].Left < 10*time.Second {
		t.Errorf("told %+v", told)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := cardside.Open(ctx, cardside.Choice{Reader: "Nowhere", Patience: time.Minute}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("cancelled: %v", err)
	}
}

// waitForService waits for a bench without cards to be reached.
func waitForService(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		session, err := pcsc.Establish(t.Context())
		if err == nil {
			session.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
