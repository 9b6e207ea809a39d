package virtualcard_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"cpsgate/internal/virtualcard"
	"cpsgate/internal/virtualcard/authenticator"
)

// reader plays vpcd: it waits for a card and talks to it.
type reader struct {
	*testing.T
	net.Conn
	served chan error
}

// insert puts a card into a reader of its own until ctx ends.
func insert(ctx context.Context, t *testing.T, card *virtualcard.Card) *reader {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	r := &reader{T: t, served: make(chan error, 1)}
	go func() { r.served <- card.Insert(ctx, listener.Addr().String()) }()
	if r.Conn, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func (r *reader) send(message ...byte) {
	r.Helper()
	if _, err := r.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)); err != nil {
		r.Fatal(err)
	}
}

func (r *reader) receive() []byte {
	r.Helper()
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		r.Fatal(err)
	}
	message := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(r, message); err != nil {
		r.Fatal(err)
	}
	return message
}

func TestTalksToVPCD(t *testing.T) {
	card := newCard(t, virtualcard.Options{Protocol: virtualcard.T1, FIDO: authenticator.Options{ResetWindow: time.Hour}})
	card.PowerOff()
	ctx, cancel := context.WithCancel(t.Context())
	r := insert(ctx, t, card)
	r.send(0x04)
	if got := r.receive(); string(got) != string(card.ATR()) {
		t.Errorf("ATR %X", got)
	}
	r.send(0x04)
	r.receive()
	if looks := card.Looks(); looks != 2 {
		t.Errorf("%d looks before power", looks)
	}
	r.send(0x00, 0xA4, 0x04, 0x00)
	if got := r.receive(); string(got) != "\x69\x85" {
		t.Errorf("without power: %X", got)
	}
	r.send(0x01)
	r.send(unhex(t, selectAID(aidFIDO))...)
	if got := r.receive(); string(got) != "FIDO_2_0\x90\x00" {
		t.Errorf("SELECT: %q", got)
	}
	if looks := card.Looks(); looks != 0 {
		t.Errorf("%d looks since power", looks)
	}
	r.send(0x02) // after a warm reset the CPS3 answers
	r.send(0x80, 0x10, 0x00, 0x00, 0x01, 0x04, 0x00)
	if got := r.receive(); string(got) != "\x6E\x00" {
		t.Errorf("after a warm reset: %X", got)
	}
	r.send(0x7F) // a control byte of no meaning asks for no answer
	r.send(0x00)
	r.send(0x01)
	r.send(0x00, 0xA4, 0x04)
	if got := r.receive(); string(got) != "\x67\x00" {
		t.Errorf("three bytes: %X", got)
	}
	cancel()
	if err := <-r.served; err != nil {
		t.Errorf("taken out: %v", err)
	}
}

func TestCardLeavesItsReader(t *testing.T) {
	card := newCard(t, virtualcard.Options{EjectAt: 1})
	r := insert(t.Context(), t, card)
	r.send(0x01)
	r.send(0x00, 0xA4, 0x04, 0x00)
	if err := <-r.served; !errors.Is(err, virtualcard.ErrEjected) {
		t.Errorf("ejected: %v", err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Error("the card is still there")
	}
	if _, err := card.Transmit([]byte{0, 0xA4, 4, 0}); !errors.Is(err, virtualcard.ErrUnpowered) {
		t.Errorf("out of the reader: %v", err)
	}
}

func TestReaderGoesAway(t *testing.T) {
	card := newCard(t, virtualcard.Options{})
	for name, leave := range map[string]func(r *reader){
		"between messages":       func(r *reader) { r.Close() },
		"in a length":            func(r *reader) { r.Write([]byte{0}); r.Close() },
		"in a message":           func(r *reader) { r.Write([]byte{0, 5, 0}); r.Close() },
		"before it has answered": func(r *reader) { r.send(4); r.receive(); r.send(4); r.Close() },
	} {
		r := insert(t.Context(), t, card)
		leave(r)
		if err := <-r.served; err == nil || !strings.Contains(err.Error(), "reader gone") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := card.Insert(t.Context(), "127.0.0.1:1"); err == nil {
		t.Error("inserted into no reader")
	}
}

func TestDelay(t *testing.T) {
	const delay = 20 * time.Millisecond
	card := newCard(t, virtualcard.Options{Delay: delay})
	r := insert(t.Context(), t, card)
	r.send(0x01)
	begin := time.Now()
	r.send(0x00, 0xA4, 0x04, 0x00)
	r.receive()
	if took := time.Since(begin); took < delay {
		t.Errorf("answered after %s", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	slow := newCard(t, virtualcard.Options{Delay: time.Hour})
	r = insert(ctx, t, slow)
	r.send(0x01)
	r.send(0x00, 0xA4, 0x04, 0x00)
	time.AfterFunc(delay, cancel)
	if err := <-r.served; err != nil {
		t.Errorf("taken out while it waits: %v", err)
	}
}
