package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"cpsgate/internal/virtualcard"
	"cpsgate/internal/virtualcard/authenticator"
)

// output is a writer that tests read while the program writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// await waits until the program has said something.
func (o *output) await(t *testing.T, want string) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if strings.Contains(o.String(), want) {
			return
		}
	}
	t.Fatalf("it never said %q:\n%s", want, o.String())
}

// program runs virtualcps until ctx ends.
func program(ctx context.Context, arguments ...string) (stdout *output, code chan int) {
	stdout, code = &output{}, make(chan int, 1)
	go func() { code <- run(ctx, arguments, stdout, stdout) }()
	return stdout, code
}

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}

// exchange plays vpcd: it sends a message and takes the answer, if one is due.
func exchange(t *testing.T, c net.Conn, answers bool, message ...byte) []byte {
	t.Helper()
	if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)); err != nil {
		t.Fatal(err)
	}
	if !answers {
		return nil
	}
	var length [2]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(c, answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestSitsInItsReader(t *testing.T) {
	listener := listen(t, "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	conf := t.TempDir()
	entry := "FRIENDLYNAME \"Desk\"\nDEVICENAME /dev/null:" + port + "\n"
	if err := os.WriteFile(filepath.Join(conf, "vpcd"), []byte(entry), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	state := filepath.Join(t.TempDir(), "card.json")
	stdout, code := program(ctx, "--vpcd", listener.Addr().String(), "--reader-conf", conf, "--protocol", "t1", "--trace", "--state", state)
	connection, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	stdout.await(t, `card in reader "Desk 00 00"`)
	exchange(t, connection, false, 0x01)
	if atr := exchange(t, connection, true, 0x04); atr[3] != 0x01 {
		t.Errorf("ATR %X does not offer T=1", atr)
	}
	if got := exchange(t, connection, true, 0x00, 0xA4, 0x04, 0x00, 8, 0xA0, 0, 0, 6, 0x47, 0x2F, 0, 1); string(got) != "FIDO_2_0\x90\x00" {
		t.Errorf("SELECT: %q", got)
	}
	stdout.await(t, "> 00A4040008A0000006472F0001\n< 4649444F5F325F309000")
	cancel()
	if got := <-code; got != 0 {
		t.Errorf("exit code %d", got)
	}
	if _, err := os.Stat(state); err != nil {
		t.Error(err)
	}
}

// It waits for a reader that is not there yet, and goes back to one that left.
func TestWaitsForItsReader(t *testing.T) {
	first := listen(t, "127.0.0.1:0")
	address := first.Addr().String()
	first.Close()
	ctx, cancel := context.WithCancel(t.Context())
	stdout, code := program(ctx, "--vpcd", address)
	stdout.await(t, "waiting for a reader at "+address)
	second := listen(t, address)
	connection, err := second.Accept()
	if err != nil {
		t.Fatal(err)
	}
	stdout.await(t, "card in reader "+address)
	connection.Close()
	stdout.await(t, "card out: reader gone")
	if _, err := second.Accept(); err != nil {
		t.Fatal(err)
	}
	cancel()
	if got := <-code; got != 0 {
		t.Errorf("exit code %d", got)
	}
}

func TestLeavesAndReturns(t *testing.T) {
	for _, test := range []struct {
		name      string
		arguments []string
		returns   bool
	}{
		{"for good", nil, false},
		{"and returns", []string{"--return", "1ms"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			listener := listen(t, "127.0.0.1:0")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stdout, code := program(ctx, append(test.arguments, "--vpcd", listener.Addr().String(), "--eject-at", "1")...)
			connection, err := listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			exchange(t, connection, false, 0x01)
			exchange(t, connection, false, 0x00, 0xA4, 0x04, 0x00)
			if test.returns {
				if _, err := listener.Accept(); err != nil {
					t.Fatal(err)
				}
				cancel()
			} else {
				stdout.await(t, "as told by --eject-at")
			}
			if got := <-code; got != 0 {
				t.Errorf("exit code %d\n%s", got, stdout)
			}
		})
	}
}

func TestFlags(t *testing.T) {
	for _, test := range []struct {
		name      string
		arguments []string
		code      int
		says      string
	}{
		{"help", []string{"--help"}, 0, "A virtual CPS4 in a reader"},
		{"an unknown flag", []string{"--loud"}, 2, "unknown flag --loud"},
		{"an unknown protocol", []string{"--protocol", "t2"}, 2, "t0"},
		{"an unknown attestation", []string{"--attestation", "loud"}, 2, "bad-signature"},
		{"an ATR that is no hexadecimal", []string{"--atr", "XY"}, 2, "--atr"},
		{"an AAGUID too short", []string{"--aaguid", "0102"}, 2, "--aaguid: 2 bytes"},
		{"an AAGUID of no form", []string{"--aaguid", "xyz"}, 2, "--aaguid"},
		{"a card that cannot be", []string{"--cps3", "--protocol", "t1"}, 2, "a CPS3 speaks T=0 only"},
		{"a state file that is none", []string{"--state", "main.go"}, 2, "reading the card's state from main.go"},
	} {
		t.Run(test.name, func(t *testing.T) {
			stdout := &output{}
			if code := run(t.Context(), test.arguments, stdout, stdout); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if !strings.Contains(stdout.String(), test.says) {
				t.Errorf("it said:\n%s", stdout)
			}
		})
	}
}

// Each knob of a card can be turned by a flag.
func TestFlagsBecomeOptions(t *testing.T) {
	f := flags{
		CPS3: true, Protocol: "t1", KeepATR: true, ATR: "3B00", Extended: true, CTAP: "2.0", Attestation: "self",
		AAGUID: "01020304-0506-0708-090a-0b0c0d0e0f10", ResidentKeys: 2, MinPIN: 6, PINTries: 3, PIN: "123456", PINTriesLeft: 1,
		ResetWindow: -1, TwoStepReset: true, HMACSecret: true, Enterprise: true, Applet: "mute", GetResponse: "command",
		SelectMore: true, U2F: true, KeepAlive: 2, NonCanonicalInfo: true, ForgetOnSelect: true, Delay: 1, EjectAt: 7, State: "file",
	}
	o, err := f.options(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if len(o.FIDO.Attestation.Chain) != 1 || o.FIDO.Attestation.Key == nil || o.FIDO.Enterprise.Key == nil {
		t.Error("no attestation under the test root")
	}
	o.FIDO.Attestation, o.FIDO.Enterprise = authenticator.Attestation{}, authenticator.Attestation{}
	want := virtualcard.Options{
		Generation: virtualcard.CPS3, Protocol: virtualcard.T1, KeepATR: true, ATR: []byte{0x3B, 0}, Extended: true,
		GetResponse: virtualcard.GetResponseCommand, SelectMore: true, U2FVersion: true, Applet: virtualcard.AppletMute,
		KeepAlive: 2, Delay: 1, EjectAt: 7, PIN: "123456", PINTriesLeft: 1, StateFile: "file",
		FIDO: authenticator.Options{
			AAGUID: [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, Fault: authenticator.FaultSelf,
			Version: authenticator.CTAP20, ResidentKeys: 2, MinPINLength: 6, PINTries: 3, ResetWindow: -1, TwoStepReset: true,
			HMACSecret: true, NonCanonicalInfo: true, ForgetOnSelect: true,
		},
	}
	if !reflect.DeepEqual(o, want) {
		t.Errorf("options\n%+v, want\n%+v", o, want)
	}
}
