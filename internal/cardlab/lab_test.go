package cardlab_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cpsgate/internal/cardlab"
	"cpsgate/internal/testpki"
	"cpsgate/internal/virtualcard"
)

// listing is PC/SC as a program nobody here wrote sees it: reader and ATR, a line each.
const listing = `
from smartcard.System import readers
from smartcard.Exceptions import NoCardException
for r in readers():
    c = r.createConnection()
    try:
        c.connect()
        print(r, bytes(c.getATR()).hex().upper())
    except NoCardException:
        print(r, "empty")
`

func list(t *testing.T, lab *cardlab.Lab) string {
	t.Helper()
	command := exec.Command(cardlab.NeedPython(t), "-c", listing)
	command.Env = append(os.Environ(), lab.Env()...)
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("listing readers: %v\n%s", err, output)
	}
	return strings.TrimSpace(string(output))
}

func newCard(t *testing.T, o virtualcard.Options) *virtualcard.Card {
	t.Helper()
	card, err := virtualcard.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return card
}

func TestReadersHoldCards(t *testing.T) {
	cardlab.NeedPython(t)
	lab := cardlab.Start(t, 3)
	if len(lab.Readers) != 4 { // vpcd has them in pairs
		t.Fatalf("%d readers", len(lab.Readers))
	}
	lab.Readers[0].Put(t, newCard(t, virtualcard.Options{}))
	lab.Readers[3].Put(t, newCard(t, virtualcard.Options{Generation: virtualcard.CPS3}))
	want := strings.Join([]string{
		"Virtual A 00 00 " + virtualcard.ATRCPS4, "Virtual A 00 01 empty",
		"Virtual B 00 00 empty", "Virtual B 00 01 " + virtualcard.ATRCPS3,
	}, "\n")
	if got := list(t, lab); got != want {
		t.Errorf("PC/SC sees:\n%s\nwant:\n%s", got, want)
	}
	if err := lab.Readers[0].Insert(newCard(t, virtualcard.Options{})); err == nil {
		t.Error("two cards in a reader")
	}
	if err := lab.Readers[0].Eject(); err != nil {
		t.Errorf("ejecting: %v", err)
	}
	if got := list(t, lab); !strings.HasPrefix(got, "Virtual A 00 00 empty") {
		t.Errorf("after ejection PC/SC sees:\n%s", got)
	}
	if err := lab.Readers[0].Insert(newCard(t, virtualcard.Options{})); err != nil {
		t.Errorf("inserting again: %v", err)
	}
}

func TestCardLeavesByItself(t *testing.T) {
	python := cardlab.NeedPython(t)
	lab := cardlab.Start(t, 1)
	reader := lab.Readers[0]
	reader.Put(t, newCard(t, virtualcard.Options{EjectAt: 1}))
	command := exec.Command(python, "-c", `
from smartcard.System import readers
c = readers()[0].createConnection()
c.connect()
c.transmit([0x00, 0xA4, 0x04, 0x00])`)
	command.Env = append(os.Environ(), lab.Env()...)
	if output, err := command.CombinedOutput(); err == nil {
		t.Errorf("a card answered after it left: %s", output)
	}
	if err := reader.Gone(); err != nil {
		t.Error(err)
	}
	if err := reader.Eject(); !errors.Is(err, virtualcard.ErrEjected) {
		t.Errorf("how it ended: %v", err)
	}
}

// The next bench of a process has the same socket, and no card of the last one.
func TestBenchAfterBench(t *testing.T) {
	cardlab.NeedPython(t)
	for range 2 {
		t.Run("bench", func(t *testing.T) {
			lab := cardlab.Start(t, 1)
			if got := list(t, lab); !strings.HasPrefix(got, "Virtual A 00 00 empty") {
				t.Errorf("PC/SC sees:\n%s", got)
			}
			lab.Readers[0].Put(t, newCard(t, virtualcard.Options{}))
		})
	}
}

// A port that another program took between choosing and using is no failure.
func TestPortsTakenMeanwhile(t *testing.T) {
	cardlab.Need(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	tries := 0
	lab, err := cardlab.OpenWith(1, func(count int) (int, error) {
		if tries++; tries == 1 {
			return listener.Addr().(*net.TCPAddr).Port, nil
		}
		return cardlab.FreePorts(count)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer lab.Close()
	lab.Readers[0].Put(t, newCard(t, virtualcard.Options{}))
	if tries != 2 {
		t.Errorf("%d tries", tries)
	}
}

func TestBenchThatCannotBe(t *testing.T) {
	cardlab.Need(t)
	if _, err := cardlab.OpenWith(1, func(int) (int, error) { return 0, errors.New("no ports") }); err == nil {
		t.Error("a bench without ports")
	}
	if _, err := cardlab.Open(cardlab.MaxReaders + 1); err == nil {
		t.Error("a bench with more readers than pcscd serves")
	}
	cardlab.Start(t, 1) // the next one can be
}

// vpcd left to itself listens on all interfaces.
func TestNobodyElsesNetwork(t *testing.T) {
	lab := cardlab.Start(t, 2)
	listening := listeners(t, lab.PID())
	if len(listening) != len(lab.Readers) {
		t.Fatalf("the service listens at %v, for %d readers", listening, len(lab.Readers))
	}
	for _, address := range listening {
		if !address.Addr().IsLoopback() {
			t.Errorf("the service listens at %v", address)
		}
	}
}

// listeners are the TCP addresses at which a process listens (proc(5)).
func listeners(t *testing.T, pid int) (found []netip.AddrPort) {
	t.Helper()
	folder := fmt.Sprintf("/proc/%d", pid)
	descriptors, err := os.ReadDir(folder + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	its := map[string]bool{}
	for _, d := range descriptors {
		if target, err := os.Readlink(folder + "/fd/" + d.Name()); err == nil {
			its[target] = true
		}
	}
	for _, table := range []string{"/net/tcp", "/net/tcp6"} {
		content, err := os.ReadFile(folder + table)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(content), "\n")[1:] {
			field := strings.Fields(line)
			if len(field) < 10 || field[3] != "0A" || !its["socket:["+field[9]+"]"] { // 0A: LISTEN
				continue
			}
			found = append(found, address(t, field[1]))
		}
	}
	return found
}

// address reads "0100007F:1F90": words of four bytes in the machine's order,
// which is taken to be little-endian, then the port.
func address(t *testing.T, text string) netip.AddrPort {
	t.Helper()
	host, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	if err != nil {
		t.Fatal(err)
	}
	for word := range slices.Chunk(raw, 4) {
		slices.Reverse(word)
	}
	ip, ok := netip.AddrFromSlice(raw)
	number, err := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil {
		t.Fatalf("no address: %q", text)
	}
	return netip.AddrPortFrom(ip, uint16(number))
}

func TestTokenLooksLikeACard(t *testing.T) {
	cardlab.NeedTokens(t)
	pki, err := testpki.New(testpki.Options{Test: true})
	if err != nil {
		t.Fatal(err)
	}
	card, err := pki.Card(testpki.CardSpec{TokenNumber: "0000000042"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		options cardlab.TokenOptions
		label   string
		pss     bool
	}{
		{"a CPS4, which signs with PSS too", cardlab.TokenOptions{}, "CPS4v1-0000000042", true},
		{"a CPS3, which does not", cardlab.TokenOptions{CPS3: true, Serial: "0000000043"}, "CPS3v3-0000000043", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			token := cardlab.NewToken(t, card, test.options)
			if token.Label != test.label {
				t.Errorf("label %q", token.Label)
			}
			objects := tool(t, token, "--list-objects", "--login", "--pin", "1234")
			for _, want := range []string{
				"Certificat d'Authentification CPS", "Certificat de Signature CPS", "CPS_PRIV_AUT", "CPS_PRIV_SIG",
			} {
				if !strings.Contains(objects, want) {
					t.Errorf("no object %q in:\n%s", want, objects)
				}
			}
			before := tool(t, token, "--list-objects") // without the PIN
			if strings.Contains(before, "Private Key Object") || !strings.Contains(before, "Public Key Object") ||
				!strings.Contains(before, "Certificate Object") {
				t.Errorf("without the PIN:\n%s", before)
			}
			if got := strings.Contains(tool(t, token, "--list-mechanisms"), "RSA-PKCS-PSS"); got != test.pss {
				t.Errorf("RSA-PSS: %t", got)
			}
		})
	}
}

func tool(t *testing.T, token cardlab.Token, arguments ...string) string {
	t.Helper()
	command := exec.Command("pkcs11-tool", append([]string{"--module", token.Module, "--token-label", token.Label}, arguments...)...)
	command.Env = append(os.Environ(), token.Env()...)
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("pkcs11-tool %v: %v\n%s", arguments, err, output)
	}
	return string(output)
}
