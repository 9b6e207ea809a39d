package desk_test

import (
	"errors"
	"testing"

	"cpsgate/cardside"
	"cpsgate/cardside/ctap2"
	"cpsgate/cardside/desk"
)

// number is a card's own.
const number = "2600004711"

func TestCheckNewPIN(t *testing.T) {
	for _, tt := range []struct {
		name, pin string
		want      error
	}{
		{"one that nobody guesses", "271828", nil},
		{"letters", "cheval-agrafe", nil},
		{"accents count as characters", "éàüöîç", nil},
		{"a digit that comes twice", "112233", nil},
		{"a run that stops", "123457", nil},
		{"a group that almost repeats", "123124", nil},
		{"its half backwards", "123321", nil},
		{"too short", "27182", ctap2.ErrPINTooShort},
		{"too long", string(make([]byte, 64)), ctap2.ErrPINTooLong},
		{"no text", "2718\xff8", ctap2.ErrPINTooShort},
		{"one digit", "000000", cardside.ErrPINTrivial},
		{"one letter", "aaaaaa", cardside.ErrPINTrivial},
		{"one accented letter, in either spelling", "ée\u0301ée\u0301éé", cardside.ErrPINTrivial},
		{"two digits in turn", "121212", cardside.ErrPINTrivial},
		{"a group twice", "184184", cardside.ErrPINTrivial},
		{"digits that run up", "345678", cardside.ErrPINTrivial},
		{"digits that run down", "876543", cardside.ErrPINTrivial},
		{"digits that run over nine", "789012", cardside.ErrPINTrivial},
		{"digits that run under zero", "210987", cardside.ErrPINTrivial},
		{"the end of the card's number", "004711", cardside.ErrPINTrivial},
		{"its beginning", "260000", cardside.ErrPINTrivial},
		{"all of it", number, cardside.ErrPINTrivial},
		{"all of it, and more", "x" + number + "x", cardside.ErrPINTrivial},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := desk.CheckNewPIN([]byte(tt.pin), 6, number); !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Errorf("%v; want %v", err, tt.want)
			}
		})
	}
	if err := desk.CheckNewPIN([]byte("004711"), 6, ""); err != nil {
		t.Errorf("of a card whose number is not known: %v", err)
	}
}

func TestRandomPINs(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		for _, least := range []int{4, 6, 9} {
			pin, err := desk.RandomPIN(least, number)
			if err != nil || len(pin) != max(least, 6) || desk.CheckNewPIN(pin, least, number) != nil {
				t.Fatalf("%q: %v", pin, err)
			}
			seen[string(pin)] = true
		}
	}
	if len(seen) < 250 {
		t.Errorf("300 PINs, %d of them different", len(seen))
	}
}

func FuzzCheckNewPIN(f *testing.F) {
	for _, pin := range []string{"", "271828", "111111", "123456", "e\u0301", "\xff"} {
		f.Add([]byte(pin), 6, number)
	}
	f.Fuzz(func(t *testing.T, pin []byte, least int, number string) {
		before := string(pin)
		err := desk.CheckNewPIN(pin, least, number)
		if string(pin) != before {
			t.Error("the PIN was changed")
		}
		if again := desk.CheckNewPIN(append(pin, pin...), least, ""); err == nil && again == nil && len(pin) > 0 {
			t.Errorf("%q is good, and so is it twice", pin)
		}
	})
}
