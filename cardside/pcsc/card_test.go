//go:build linux && cgo

package pcsc_test

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"cpsgate/cardside/apdu"
	"cpsgate/cardside/pcsc"
	"cpsgate/internal/cardlab"
	"cpsgate/internal/virtualcard"

	"github.com/ebfe/scard"
)

var fido = apdu.Select([]byte{0xA0, 0x00, 0x00, 0x06, 0x47, 0x2F, 0x00, 0x01})

func virtual(t *testing.T, o virtualcard.Options) *virtualcard.Card {
	t.Helper()
	card, err := virtualcard.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return card
}

func session(t *testing.T) *pcsc.Context {
	t.Helper()
	c, err := pcsc.Establish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func connect(t *testing.T, c *pcsc.Context, reader string, opts pcsc.Options) *pcsc.Card {
	t.Helper()
	card, err := c.Connect(t.Context(), reader, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(card.Close)
	return card
}

func selectFIDO(ctx context.Context, card *pcsc.Card) error {
	return card.Exchange(ctx, func(channel *apdu.Channel) error {
		_, err := channel.Send(fido)
		return err
	})
}

// neighbour is another program, straight on the service.
func neighbour(t *testing.T, reader string, mode scard.ShareMode) *scard.Card {
	t.Helper()
	ctx, err := scard.EstablishContext()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ctx.Release() })
	card, err := ctx.Connect(reader, mode, scard.ProtocolAny)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { card.Disconnect(scard.LeaveCard) })
	return card
}

// bench has a card in each of two readers, on T=1 and on T=0. PC/SC takes its
// time to see a card come and go, so what can share them does.
type bench struct {
	t1, t0  *cardlab.Reader
	session *pcsc.Context
}

// onT0 makes PC/SC speak T=0: the other ATRs of a CPS4 offer T=1 too, which
// pcsc-lite prefers.
func onT0(t *testing.T) virtualcard.Options {
	t.Helper()
	atr, err := hex.DecodeString(virtualcard.ATRCPS4Variant)
	if err != nil {
		t.Fatal(err)
	}
	return virtualcard.Options{Protocol: virtualcard.T0, ATR: atr}
}

func TestCards(t *testing.T) {
	lab := cardlab.Start(t, 3)
	b := &bench{t1: lab.Readers[0], t0: lab.Readers[1]}
	b.t1.Put(t, virtual(t, virtualcard.Options{Protocol: virtualcard.T1, KeepATR: true, Extended: true}))
	b.t0.Put(t, virtual(t, onT0(t)))
	b.session = session(t)
	run := func(name string, test func(*testing.T)) { t.Run(name, test) }
	run("readers are listed, with and without a card", func(t *testing.T) { b.listing(t, lab.Readers[2].Name) })
	run("a command and its answer on T=0 and on T=1", b.protocols)
	run("connections are shared", b.sharing)
	run("a card held exclusively is in use", b.exclusive)
	run("another program's transaction is waited for", b.waiting)
	run("a transaction that never ends is in use", b.giveUp)
	run("a reset by another program before is no harm", b.resetBefore)
	run("a program that resets the card all the time", b.resetMeanwhile)
	run("the card is left as it stands", b.leftAlone)
	run("no reader, no card", func(t *testing.T) { b.absent(t, lab.Readers[2].Name) })
	run("a cold reset takes the power away", b.coldReset)
	run("a conversation is recorded, and replays", b.recording)
	run("extended length is used where it is demanded only", b.extended)
	run("a cancelled wait returns at once", b.cancelled)
}

// TestCardsThatLeave needs insertions of its own.
func TestCardsThatLeave(t *testing.T) {
	lab := cardlab.Start(t, 1)
	reader := lab.Readers[0]
	t.Run("a card taken out in mid-exchange is removed", func(t *testing.T) { removal(t, reader) })
	t.Run("a card put back is not the card that was there", func(t *testing.T) { confirm(t, reader) })
	t.Run("a card that does not answer gives the session up", func(t *testing.T) { slowCard(t, reader) })
}

func (b *bench) listing(t *testing.T, empty string) {
	states, err := b.session.States(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, s := range states {
		switch s.Reader {
		case b.t1.Name:
			found++
			if atr, err := apdu.ParseATR(s.ATR); err != nil || !s.Present || s.Mute || len(atr.Historical) == 0 {
				t.Errorf("%+v, %v", s, err)
			}
		case empty:
			found++
			if s.Present || s.ATR != nil {
				t.Errorf("%+v", s)
			}
		}
	}
	if found != 2 {
		t.Errorf("states %+v", states)
	}
}

func (b *bench) protocols(t *testing.T) {
	for reader, want := range map[string]apdu.Protocol{b.t0.Name: apdu.T0, b.t1.Name: apdu.T1} {
		card := connect(t, b.session, reader, pcsc.Options{})
		if err := selectFIDO(t.Context(), card); err != nil || card.Protocol() != want {
			t.Errorf("%v instead of %v: %v", card.Protocol(), want, err)
		}
	}
	asked := connect(t, b.session, b.t1.Name, pcsc.Options{Protocol: pcsc.OnlyT1})
	if err := selectFIDO(t.Context(), asked); err != nil {
		t.Errorf("T=1 on demand: %v", err)
	}
	if _, err := b.session.Connect(t.Context(), b.t1.Name, pcsc.Options{Protocol: pcsc.OnlyT0}); !errors.Is(err, pcsc.ErrProtocol) {
		t.Errorf("T=0 on a card that speaks T=1 already: %v", err)
	}
}

func (b *bench) sharing(t *testing.T) {
	neighbour(t, b.t1.Name, scard.ShareShared)
	card := connect(t, b.session, b.t1.Name, pcsc.Options{})
	if err := selectFIDO(t.Context(), card); err != nil {
		t.Error(err)
	}
	states, err := b.session.States(t.Context())
	i := slices.IndexFunc(states, func(s pcsc.State) bool { return s.Reader == b.t1.Name })
	if err != nil || !states[i].InUse || states[i].Exclusive {
		t.Errorf("%+v, %v", states, err)
	}
}

func (b *bench) exclusive(t *testing.T) {
	neighbour(t, b.t1.Name, scard.ShareExclusive)
	if _, err := b.session.Connect(t.Context(), b.t1.Name, pcsc.Options{}); !errors.Is(err, pcsc.ErrInUse) {
		t.Errorf("got %v", err)
	}
}

func (b *bench) waiting(t *testing.T) {
	card := connect(t, b.session, b.t1.Name, pcsc.Options{})
	other := neighbour(t, b.t1.Name, scard.ShareShared)
	if err := other.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- selectFIDO(context.Background(), card) }()
	select {
	case err := <-done:
		t.Fatalf("did not wait: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	other.EndTransaction(scard.LeaveCard)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func (b *bench) giveUp(t *testing.T) {
	own := session(t) // it will be given up
	card := connect(t, own, b.t1.Name, pcsc.Options{Turn: 200 * time.Millisecond})
	other := neighbour(t, b.t1.Name, scard.ShareShared)
	if err := other.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	defer other.EndTransaction(scard.LeaveCard)
	if err := selectFIDO(t.Context(), card); !errors.Is(err, pcsc.ErrInUse) {
		t.Errorf("got %v", err)
	}
	if _, err := own.Readers(t.Context()); !errors.Is(err, pcsc.ErrTimeout) {
		t.Errorf("a session given up: %v", err)
	}
}

func (b *bench) resetBefore(t *testing.T) {
	card := connect(t, b.session, b.t1.Name, pcsc.Options{})
	other := neighbour(t, b.t1.Name, scard.ShareShared)
	if err := other.Reconnect(scard.ShareShared, scard.ProtocolAny, scard.ResetCard); err != nil {
		t.Fatal(err)
	}
	if err := selectFIDO(t.Context(), card); err != nil {
		t.Error(err)
	}
}

// resetMeanwhile: a program that resets the card all the time, or falls and has
// the service do it, makes an exchange wait or fail as what it is. Now and then
// it comes between the turn and the first command, where nobody is told of it.
func (b *bench) resetMeanwhile(t *testing.T) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			other, err := scard.EstablishContext()
			if err != nil {
				continue
			}
			if card, err := other.Connect(b.t1.Name, scard.ShareShared, scard.ProtocolAny); err == nil {
				card.Disconnect(scard.ResetCard) //nolint:errcheck // somebody else has its turn
			}
			other.Release() //nolint:errcheck // nor this
		}
	}()
	defer func() { close(stop); <-stopped }()
	done := 0
	for range 150 {
		card, err := b.session.Connect(t.Context(), b.t1.Name, pcsc.Options{})
		if err != nil {
			if !errors.Is(err, pcsc.ErrReset) && !errors.Is(err, pcsc.ErrInUse) {
				t.Fatalf("connecting: %v", err)
			}
			continue
		}
		err = selectFIDO(t.Context(), card)
		card.Close()
		switch {
		case err == nil:
			done++
		case !errors.Is(err, pcsc.ErrReset):
			t.Fatal(err)
		}
	}
	t.Logf("%d of 150 done", done)
	if done == 0 {
		t.Error("none is done")
	}
}

func (b *bench) leftAlone(t *testing.T) {
	other := neighbour(t, b.t1.Name, scard.ShareShared)
	card := connect(t, b.session, b.t1.Name, pcsc.Options{})
	if err := selectFIDO(t.Context(), card); err != nil {
		t.Fatal(err)
	}
	card.Close()
	// A reset would be told to the other connection at its next call.
	if err := other.BeginTransaction(); err != nil {
		t.Errorf("the card was not left as it stood: %v", err)
	}
	other.EndTransaction(scard.LeaveCard)
}

func removal(t *testing.T, reader *cardlab.Reader) {
	if err := reader.Insert(virtual(t, virtualcard.Options{EjectAt: 2})); err != nil {
		t.Fatal(err)
	}
	defer reader.Eject()
	card := connect(t, session(t), reader.Name, pcsc.Options{})
	err := card.Exchange(t.Context(), func(channel *apdu.Channel) error {
		for range 3 {
			if _, err := channel.Send(fido); err != nil {
				return err
			}
		}
		return nil
	})
	if !errors.Is(err, pcsc.ErrRemoved) {
		t.Errorf("got %v", err)
	}
	if err := selectFIDO(t.Context(), card); !errors.Is(err, pcsc.ErrRemoved) {
		t.Errorf("afterwards: %v", err)
	}
}

func confirm(t *testing.T, reader *cardlab.Reader) {
	if err := reader.Insert(virtual(t, virtualcard.Options{})); err != nil {
		t.Fatal(err)
	}
	card := connect(t, session(t), reader.Name, pcsc.Options{})
	if err := card.Confirm(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := reader.Eject(); err != nil {
		t.Fatal(err)
	}
	reader.Put(t, virtual(t, virtualcard.Options{}))
	if err := card.Confirm(t.Context()); !errors.Is(err, pcsc.ErrRemoved) {
		t.Errorf("another card of the same kind: %v", err)
	}
}

func (b *bench) absent(t *testing.T, empty string) {
	if _, err := b.session.Connect(t.Context(), empty, pcsc.Options{}); !errors.Is(err, pcsc.ErrNoCard) {
		t.Errorf("no card: %v", err)
	}
	if _, err := b.session.Connect(t.Context(), "No Such Reader", pcsc.Options{}); !errors.Is(err, pcsc.ErrNoReader) {
		t.Errorf("no reader: %v", err)
	}
}

func (b *bench) coldReset(t *testing.T) {
	card := connect(t, b.session, b.t1.Name, pcsc.Options{})
	info := apdu.Command{CLA: 0x80, INS: 0x10, Data: []byte{0x04}, Le: 256}
	ask := func() error {
		return card.Exchange(t.Context(), func(channel *apdu.Channel) error {
			_, err := channel.Send(info)
			return err
		})
	}
	if err := selectFIDO(t.Context(), card); err != nil {
		t.Fatal(err)
	}
	if err := ask(); err != nil {
		t.Fatalf("before: %v", err)
	}
	if err := card.ColdReset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := ask(); err == nil {
		t.Error("the application is still selected")
	}
	if err := selectFIDO(t.Context(), card); err != nil {
		t.Errorf("after: %v", err)
	}
}

func slowCard(t *testing.T, reader *cardlab.Reader) {
	reader.Put(t, virtual(t, virtualcard.Options{Delay: 500 * time.Millisecond}))
	card := connect(t, session(t), reader.Name, pcsc.Options{Answer: 100 * time.Millisecond})
	began := time.Now()
	if err := selectFIDO(t.Context(), card); !errors.Is(err, pcsc.ErrTimeout) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 400*time.Millisecond {
		t.Errorf("after %v", took)
	}
}

func (b *bench) recording(t *testing.T) {
	var file strings.Builder
	card := connect(t, b.session, b.t1.Name, pcsc.Options{
		Wrap: func(about apdu.Recording, transmit apdu.Transmit) (apdu.Transmit, error) {
			return apdu.Record(&file, about, transmit)
		},
	})
	if err := selectFIDO(t.Context(), card); err != nil {
		t.Fatal(err)
	}
	recording, err := apdu.ReadRecording(strings.NewReader(file.String()))
	if err != nil || recording.Reader != b.t1.Name || len(recording.Exchanges) != 1 {
		t.Fatalf("%+v, %v", recording, err)
	}
	replayed := &apdu.Channel{Transmit: recording.Replay(), Protocol: recording.Protocol}
	if answer, err := replayed.Send(fido); err != nil || string(answer) != "FIDO_2_0" {
		t.Errorf("replayed: %q, %v", answer, err)
	}
}

func (b *bench) extended(t *testing.T) {
	if connect(t, b.session, b.t1.Name, pcsc.Options{}).Extended() {
		t.Error("used, though neither reader nor card promised it")
	}
	card := connect(t, b.session, b.t1.Name, pcsc.Options{Extended: pcsc.ExtendedAlways})
	if err := selectFIDO(t.Context(), card); err != nil || !card.Extended() {
		t.Errorf("demanded: %v", err)
	}
}

func (b *bench) cancelled(t *testing.T) {
	card := connect(t, session(t), b.t1.Name, pcsc.Options{})
	other := neighbour(t, b.t1.Name, scard.ShareShared)
	if err := other.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	defer other.EndTransaction(scard.LeaveCard)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := selectFIDO(ctx, card); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestWatch(t *testing.T) {
	lab := open(t)
	reader := lab.Readers[0]
	ctx, cancel := context.WithCancel(t.Context())
	events := make(chan pcsc.Event, 100)
	done := make(chan error, 1)
	go func() {
		done <- pcsc.Watch(ctx, func(e pcsc.Event) error { events <- e; return nil })
	}()
	expect := func(kind pcsc.EventKind) pcsc.Event {
		t.Helper()
		deadline := time.After(10 * time.Second)
		for {
			select {
			case e := <-events:
				if e.Kind == kind && (e.Reader == reader.Name || e.Reader == "") {
					return e
				}
			case err := <-done:
				t.Fatalf("no %s: Watch ended by %v", kind, err)
			case <-deadline:
				t.Fatalf("no %s", kind)
			}
		}
	}
	expect(pcsc.ReaderAdded)
	if err := reader.Insert(virtual(t, virtualcard.Options{})); err != nil {
		t.Fatal(err)
	}
	if e := expect(pcsc.CardInserted); len(e.ATR) == 0 || e.Mute {
		t.Errorf("%+v", e)
	}
	if err := reader.Eject(); err != nil {
		t.Fatal(err)
	}
	expect(pcsc.CardRemoved)
	// The service goes: its readers with it, and Watch waits for it.
	lab.Close()
	expect(pcsc.ReaderRemoved)
	expect(pcsc.ServiceLost)
	again := cardlab.Start(t, 1)
	reader = again.Readers[0]
	expect(pcsc.ServiceBack)
	expect(pcsc.ReaderAdded)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("ended by %v", err)
	}
}

// open builds a bench that the test closes.
func open(t *testing.T) *cardlab.Lab {
	t.Helper()
	cardlab.Need(t)
	lab, err := cardlab.Open(1)
	if err != nil {
		t.Fatal(err)
	}
	return lab
}

func TestNoService(t *testing.T) {
	open(t).Close()
	if _, err := pcsc.Establish(t.Context()); !errors.Is(err, pcsc.ErrNoService) {
		t.Errorf("got %v", err)
	}
}
