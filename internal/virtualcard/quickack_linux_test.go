package virtualcard_test

import (
	"net"
	"syscall"
	"testing"
	"time"

	"cpsgate/internal/virtualcard"
)

// TestAcknowledgesAtOnce: while the card waits for its reader it acknowledges
// without delay (tcp(7), TCP_QUICKACK), after any number of messages. The kernel
// takes that back at each answer, and delayed acknowledgements cost 40 ms an APDU.
func TestAcknowledgesAtOnce(t *testing.T) {
	card := newCard(t, virtualcard.Options{Protocol: virtualcard.T1})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ours, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- card.Serve(t.Context(), ours) }()
	r := &reader{T: t, served: served}
	if r.Conn, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	defer func() { r.Close(); <-served }()
	r.send(0x01)
	for n := range 20 {
		r.send(unhex(t, selectAID(aidFIDO))...)
		r.receive()
		for deadline := time.Now().Add(5 * time.Second); !acknowledgesAtOnce(t, ours); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("after %d messages acknowledgements are delayed", n+1)
			}
		}
	}
}

func acknowledgesAtOnce(t *testing.T, connection net.Conn) bool {
	t.Helper()
	raw, err := connection.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var set int
	var failed error
	err = raw.Control(func(fd uintptr) {
		set, failed = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK)
	})
	if err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	return set != 0
}
