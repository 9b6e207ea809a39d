package virtualcard_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"cpsgate/internal/virtualcard"
	"cpsgate/internal/virtualcard/authenticator"
)

func TestATR(t *testing.T) {
	for _, test := range []struct {
		name    string
		options virtualcard.Options
		want    string // "": refused
	}{
		{"CPS4", virtualcard.Options{}, virtualcard.ATRCPS4},
		{"CPS4 on T=1 alone", virtualcard.Options{Protocol: virtualcard.T1}, "3B9B1801 0012250064800401000090 C4"},
		{"CPS4 on T=1, its ATR kept", virtualcard.Options{Protocol: virtualcard.T1, KeepATR: true}, virtualcard.ATRCPS4},
		{"CPS3", virtualcard.Options{Generation: virtualcard.CPS3}, virtualcard.ATRCPS3},
		{"release candidate", virtualcard.Options{ATR: unhex(t, virtualcard.ATRCPS4Candidate)}, virtualcard.ATRCPS4Candidate},
		{"the other CPS4", virtualcard.Options{ATR: unhex(t, virtualcard.ATRCPS4Variant)}, virtualcard.ATRCPS4Variant},
		{"the other CPS4 on T=1 alone", virtualcard.Options{Protocol: virtualcard.T1, ATR: unhex(t, virtualcard.ATRCPS4Variant)}, "3BDC18FF01 001225006480000401009000 7C"},
		{"a CPS3 on T=1", virtualcard.Options{Generation: virtualcard.CPS3, Protocol: virtualcard.T1}, ""},
		{"not an ATR", virtualcard.Options{ATR: []byte("hello")}, ""},
		{"a wrong check byte", virtualcard.Options{ATR: unhex(t, virtualcard.ATRCPS4[:32]+"45")}, ""},
		{"an ATR cut short", virtualcard.Options{ATR: unhex(t, virtualcard.ATRCPS4[:30])}, ""},
		{"an ATR cut in its interface bytes", virtualcard.Options{ATR: unhex(t, "3B9B18")}, ""},
		{"an ATR too long", virtualcard.Options{ATR: append(unhex(t, virtualcard.ATRCPS3), 0)}, ""},
		{"an ATR of no form, for T=1", virtualcard.Options{Protocol: virtualcard.T1, ATR: []byte{0x3B}}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			card, err := virtualcard.New(test.options)
			if (err == nil) != (test.want != "") {
				t.Fatal(err)
			}
			if err == nil && fmt.Sprintf("%X", card.ATR()) != strings.ReplaceAll(test.want, " ", "") {
				t.Errorf("ATR %X", card.ATR())
			}
		})
	}
}

func TestOptionsThatMakeNoCard(t *testing.T) {
	for name, o := range map[string]virtualcard.Options{
		"extended length on T=0":    {Extended: true},
		"keeping the ATR on T=0":    {KeepATR: true},
		"a negative ejection":       {EjectAt: -1},
		"a negative delay":          {Delay: -1},
		"tries left without a PIN":  {PINTriesLeft: 1},
		"more tries than there are": {PIN: "4829", PINTriesLeft: 9},
		"a FIDO2 PIN on a CPS3":     {Generation: virtualcard.CPS3, PIN: "4829"},
		"what no authenticator is":  {FIDO: authenticator.Options{MinPINLength: 1}},
	} {
		if _, err := virtualcard.New(o); err == nil {
			t.Errorf("%s: made", name)
		}
	}
}

func TestEjection(t *testing.T) {
	card := newCard(t, virtualcard.Options{EjectAt: 3, Protocol: virtualcard.T1})
	send(t, card, selectAID(aidFIDO))
	send(t, card, "80 10 00 00 01 04 00")
	if answer, err := card.Transmit([]byte{0x80, 0x10, 0, 0, 1, 4, 0}); !errors.Is(err, virtualcard.ErrEjected) {
		t.Fatalf("third APDU: %x, %v", answer, err)
	}
	card.PowerOff()
	card.PowerOn() // back in the reader it stays
	send(t, card, selectAID(aidFIDO))
	if card.APDUs() != 3 || card.PowerUps() != 2 {
		t.Errorf("%d APDUs, %d power-ups", card.APDUs(), card.PowerUps())
	}
	card.EjectAfter(1)
	if _, err := card.Transmit([]byte{0, 0xA4, 4, 0}); !errors.Is(err, virtualcard.ErrEjected) {
		t.Errorf("after EjectAfter: %v", err)
	}
}

// A card that leaves in the middle of a message has acted on it, or has not; put
// back, it goes on.
func TestInterruption(t *testing.T) {
	for _, protocol := range []virtualcard.Protocol{virtualcard.T0, virtualcard.T1} {
		for _, leaves := range []string{"before", "after", "never"} {
			var seen []string
			card := newCard(t, virtualcard.Options{Protocol: protocol, PIN: "4829", Interrupt: func(message []byte, acted bool) error {
				when := map[bool]string{false: "before", true: "after"}[acted]
				seen = append(seen, fmt.Sprintf("%s %X", when, message))
				if when == leaves {
					leaves = "never"
					return virtualcard.ErrEjected
				}
				return nil
			}})
			was := leaves
			send(t, card, selectAID(aidFIDO))
			answer, err := card.Transmit(unhex(t, "801000000107")) // reset
			if (err == nil) != (was == "never") || err != nil && (!errors.Is(err, virtualcard.ErrEjected) || answer != nil) {
				t.Errorf("leaving %s: %X, %v", was, answer, err)
			}
			if reset := card.Engine().State().PINHash == nil; reset != (was != "before") {
				t.Errorf("leaving %s: reset is %t", was, reset)
			}
			want := []string{"before 07", "after 07"}
			if was == "before" {
				want = want[:1]
			}
			if !slices.Equal(seen, want) {
				t.Errorf("leaving %s: seen %q", was, seen)
			}
			card.PowerOff()
			card.PowerOn()
			send(t, card, selectAID(aidFIDO))
		}
	}
}

func TestTrace(t *testing.T) {
	var seen []string
	card := newCard(t, virtualcard.Options{
		Protocol: virtualcard.T1, EjectAt: 2,
		Trace: func(command, answer []byte) { seen = append(seen, fmt.Sprintf("%X>%X", command, answer)) },
	})
	send(t, card, selectAID(aidFIDO))
	_, _ = card.Transmit([]byte{0x80, 0x10, 0, 0})
	if want := []string{selectAID(aidFIDO) + ">" + versionFIDO + "9000", "80100000>"}; !slices.Equal(seen, want) {
		t.Errorf("seen %q", seen)
	}
}

// retries asks a card for its PIN retries.
func retries(t *testing.T, card *virtualcard.Card) string {
	t.Helper()
	send(t, card, selectAID(aidFIDO))
	return send(t, card, "80 10 00 00 04 06 A1 02 01 00")
}

func TestLowRetries(t *testing.T) {
	card := newCard(t, virtualcard.Options{Protocol: virtualcard.T1, PIN: "4829", PINTriesLeft: 1})
	if got := retries(t, card); got != "00A2030104F49000" {
		t.Errorf("retries %s", got)
	}
}

// A card kept in a file is the same card next time, whatever New is told of new cards.
func TestStateFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "card.json")
	options := virtualcard.Options{Protocol: virtualcard.T1, StateFile: file, PIN: "4829", PINTriesLeft: 2}
	first := newCard(t, options)
	send(t, first, selectAID(aidFIDO))
	options.PIN, options.PINTriesLeft = "", 0
	second := newCard(t, options)
	if got := retries(t, second); got != "00A2030204F49000" {
		t.Errorf("retries %s", got)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file mode %v, %v", info.Mode(), err)
	}
	send(t, second, "80 10 00 00 01 07 00") // a reset is kept too
	if got := retries(t, newCard(t, options)); got != "00A2030804F49000" {
		t.Errorf("retries after reset %s", got)
	}
	left, err := filepath.Glob(file + ".*")
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestStateFilesThatAreNone(t *testing.T) {
	good := filepath.Join(t.TempDir(), "card.json")
	newCard(t, virtualcard.Options{StateFile: good})
	content, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"empty":                "",
		"of another program":   `{"colour":"green"}`,
		"followed by more":     string(content) + "{}",
		"without a master key": `{"masterKey":"","pinRetries":8,"uvRetries":3,"minPINLength":4,"counter":0}`,
		"far too long":         strings.Repeat(" ", 1<<20) + string(content),
	} {
		file := filepath.Join(t.TempDir(), "card.json")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := virtualcard.New(virtualcard.Options{StateFile: file}); err == nil {
			t.Errorf("a file %s was taken", name)
		}
		if after, err := os.ReadFile(file); err != nil || string(after) != content {
			t.Errorf("a file %s was changed", name)
		}
	}
	if _, err := virtualcard.New(virtualcard.Options{StateFile: filepath.Join(good, "inside")}); err == nil {
		t.Error("a file inside a file was taken")
	}
	if _, err := virtualcard.New(virtualcard.Options{StateFile: filepath.Join(t.TempDir(), "absent", "card.json")}); err == nil {
		t.Error("a directory that is not there was taken")
	}
}

func TestReaderName(t *testing.T) {
	conf := fstest.MapFS{
		"serial": {Data: []byte("# FRIENDLYNAME commented\nFRIENDLYNAME \"Serial\"\nDEVICENAME /dev/ttyS0:GemPCTwin\nCHANNELID 1\n")},
		"vpcd":   {Data: []byte("FRIENDLYNAME \"Virtual PCD\"\nDEVICENAME   /dev/null:0x8C7B\nLIBPATH /usr/lib/libifdvpcd.so\nCHANNELID    0x8C7B\n")},
		"second": {Data: []byte("FRIENDLYNAME \"Desk\"\nDEVICENAME /dev/null:41000\n")},
	}
	for address, want := range map[string]string{
		"127.0.0.1:35963": "Virtual PCD 00 00", "localhost:35964": "Virtual PCD 00 01", "127.0.0.1:41001": "Desk 00 01",
		"127.0.0.1:35965": "", "127.0.0.1": "", "127.0.0.1:http": "", "127.0.0.1:1": "",
	} {
		if got, found := virtualcard.ReaderName(conf, address); got != want || found != (want != "") {
			t.Errorf("%s: %q", address, got)
		}
	}
}

func FuzzParsers(f *testing.F) {
	f.Add([]byte("FRIENDLYNAME \"Virtual PCD\"\nDEVICENAME /dev/null:0x8C7B\n"))
	f.Add(unhex(f, virtualcard.ATRCPS4))
	f.Add(unhex(f, virtualcard.ATRCPS4Variant))
	f.Add([]byte(`{"masterKey":"AAAA","pinRetries":8}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		virtualcard.ParseState(data)
		virtualcard.ReaderName(fstest.MapFS{"vpcd": {Data: data}}, "127.0.0.1:35963")
		t1, err := virtualcard.OfferT1(data)
		if err != nil {
			return
		}
		if again, err := virtualcard.OfferT1(t1); err != nil || string(again) != string(t1) {
			t.Errorf("%X became %X and then %X, %v", data, t1, again, err)
		}
	})
}
