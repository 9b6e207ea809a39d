package cardside_test

import (
	"encoding/hex"
	"errors"
	"testing"

	"cpsgate/cardside"
	"cpsgate/cardside/pcsc"
)

func atr(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGenerationOf(t *testing.T) {
	for text, want := range map[string]cardside.Generation{
		"3BAC00402A001225006480000310009000":       cardside.CPS3,
		"3BDC11FF00001225006480000999009000":       cardside.CPS3, // under the mask
		"3B8F80010031B86404B0ECC1739401808290000E": cardside.CPS3Contactless,
		"3B9B188001001225006480040100009044":       cardside.CPS4,
		"3B9B188001001225006480000401009044":       cardside.CPS4, // release candidate
		"3BDC18FF00001225006480000401009000":       cardside.CPS4, // variant, which the CPS3's mask covers
		"3B9B188001001225006480040100009045":       cardside.Unknown,
		"3BAC00402A0012250064800003100090":         cardside.Unknown,
		"3BF51800008131FE45474F435053007A":         cardside.Unknown,
		"":                                         cardside.Unknown,
	} {
		if got := cardside.GenerationOf(atr(t, text)); got != want {
			t.Errorf("%s: %s; want %s", text, got, want)
		}
	}
}

func TestPick(t *testing.T) {
	cps4, cps3 := atr(t, "3B9B188001001225006480040100009044"), atr(t, "3BAC00402A001225006480000310009000")
	empty := func(name string) pcsc.State { return pcsc.State{Reader: name} }
	with := func(name string, atr []byte) pcsc.State { return pcsc.State{Reader: name, Present: true, ATR: atr} }
	tests := []struct {
		name    string
		states  []pcsc.State
		asked   string
		want    string
		waiting cardside.WaitingFor
		err     error
	}{
		{"the only card", []pcsc.State{empty("A"), with("B", cps3)}, "", "B", "", nil},
		{"the only CPS4 among cards", []pcsc.State{with("A", cps3), with("B", cps4)}, "", "B", "", nil},
		{"two CPS4", []pcsc.State{with("A", cps4), with("B", cps4)}, "", "", "", cardside.ErrSeveralCards},
		{"two CPS3", []pcsc.State{with("A", cps3), with("B", cps3)}, "", "", "", cardside.ErrSeveralCards},
		{"two CPS4, one named", []pcsc.State{with("A", cps4), with("B", cps4)}, "A", "A", "", nil},
		{"named by a part, in small letters", []pcsc.State{with("Reader One", cps4), with("Reader Two", cps4)}, "two", "Reader Two", "", nil},
		{"a part of two names", []pcsc.State{with("Reader One", cps4), with("Reader Two", cps4)}, "reader", "", "", cardside.ErrSeveralReaders},
		{"a whole name that is part of another", []pcsc.State{with("Reader", cps4), with("Reader 2", cps4)}, "Reader", "Reader", "", nil},
		{"no card yet", []pcsc.State{empty("A"), empty("B")}, "", "", cardside.ForCard, nil},
		{"no card in the named one", []pcsc.State{empty("A"), with("B", cps4)}, "A", "A", cardside.ForCard, nil},
		{"no reader", nil, "", "", cardside.ForReader, nil},
		{"no reader of that name", []pcsc.State{with("A", cps4)}, "C", "", cardside.ForReader, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, waiting, err := cardside.Pick(tt.states, tt.asked)
			if got.Reader != tt.want || waiting != tt.waiting || !errors.Is(err, tt.err) {
				t.Fatalf("got %q, waiting for %q, %v", got.Reader, waiting, err)
			}
		})
	}
}
