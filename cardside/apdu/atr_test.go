package apdu_test

import (
	"errors"
	"slices"
	"testing"

	"cpsgate/cardside/apdu"
)

func TestParseATR(t *testing.T) {
	tests := []struct {
		name       string
		atr        string
		protocols  []int
		historical int
		known, ext bool
		err        error
	}{
		{"CPS4 offers T=0 and T=1", "3B9B188001001225006480040100009044", []int{0, 1}, 11, false, false, nil},
		{"CPS3 offers T=0 alone, without a check character", "3BAC00402A001225006480000310009000", []int{0}, 12, false, false, nil},
		{"CPS3 contactless", "3B8F80010031B86404B0ECC1739401808290000E", []int{0, 1}, 15, true, false, nil},
		{"capabilities in compact-TLV without status indicator", "3B058073000040", []int{0}, 5, true, true, nil},
		{"capabilities cut short say nothing", "3B0480730000", []int{0}, 4, false, false, nil},
		{"T=0 when nothing is said", "3B00", []int{0}, 0, false, false, nil},
		{"the check character is verified", "3B9B188001001225006480040100009045", nil, 0, false, false, apdu.ErrBadATR},
		{"an unknown convention is refused", "3C00", nil, 0, false, false, apdu.ErrBadATR},
		{"interface characters cut short", "3B90", nil, 0, false, false, apdu.ErrBadATR},
		{"historical characters cut short", "3B0200", nil, 0, false, false, apdu.ErrBadATR},
		{"bytes after the end", "3B0000", nil, 0, false, false, apdu.ErrBadATR},
		{"empty", "", nil, 0, false, false, apdu.ErrBadATR},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			atr, err := apdu.ParseATR(unhex(t, tt.atr))
			if !errors.Is(err, tt.err) {
				t.Fatalf("got %v; want %v", err, tt.err)
			}
			if err != nil {
				return
			}
			if !slices.Equal(atr.Protocols, tt.protocols) || len(atr.Historical) != tt.historical {
				t.Errorf("protocols %v, %d historical characters", atr.Protocols, len(atr.Historical))
			}
			if atr.ExtendedKnown != tt.known || atr.Extended != tt.ext {
				t.Errorf("extended length: known %v, %v", atr.ExtendedKnown, atr.Extended)
			}
		})
	}
}

func FuzzParseATR(f *testing.F) {
	for _, s := range []string{"3B9B188001001225006480040100009044", "3BAC00402A001225006480000310009000", "3B8F80010031B86404B0ECC1739401808290000E", "3B00"} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		atr, err := apdu.ParseATR(raw)
		if err == nil && (len(atr.Protocols) == 0 || len(atr.Historical) > 15) {
			t.Fatalf("%X read as %+v", raw, atr)
		}
	})
}
