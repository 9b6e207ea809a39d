package desk

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"cpsgate/cardside"
	"cpsgate/cardside/ctap2"
)

// CheckNewPIN refuses a PIN that is too short, too long or trivial: one
// character repeated, a short group repeated, digits that run up or down, or a
// part of the card's own number.
func CheckNewPIN(pin []byte, least int, number string) error {
	normal := ctap2.NormalPIN(pin)
	defer clear(normal)
	if err := ctap2.CheckPIN(normal, least); err != nil {
		return err
	}
	switch {
	case repeats(normal):
		return fmt.Errorf("%w: it repeats itself", cardside.ErrPINTrivial)
	case runs(normal, 1) || runs(normal, 9):
		return fmt.Errorf("%w: its digits run", cardside.ErrPINTrivial)
	case number != "" && (strings.Contains(number, string(normal)) || strings.Contains(string(normal), number)):
		return fmt.Errorf("%w: it is in the card's number", cardside.ErrPINTrivial)
	}
	return nil
}

// repeats reports a PIN that is a group, of half its length at most, again and
// again: 111111, 121212, 123123.
func repeats(pin []byte) bool {
	for group := 1; 2*group <= len(pin); group++ {
		if len(pin)%group == 0 && bytes.Equal(pin[group:], pin[:len(pin)-group]) {
			return true
		}
	}
	return false
}

// runs reports digits of which each is the one before and step, 0 coming after
// 9: 456789, 890123, 9 steps for 987654.
func runs(pin []byte, step byte) bool {
	for i, digit := range pin {
		if digit < '0' || digit > '9' || i > 0 && (pin[i-1]-'0'+step)%10 != digit-'0' {
			return false
		}
	}
	return true
}

// numberOf is the card's own number in its token id ("8025000001/…").
func numberOf(tokenID string) string {
	_, number, _ := strings.Cut(tokenID, "/")
	return number
}

// randomLength is the least length of a first PIN that is drawn.
const randomLength = 6

// randomPIN draws a first PIN of digits, to be changed at its first use.
func randomPIN(least int, number string) ([]byte, error) {
	pin := make([]byte, max(least, randomLength))
	for {
		for i := range pin {
			digit, err := rand.Int(rand.Reader, big.NewInt(10))
			if err != nil {
				return nil, fmt.Errorf("drawing a PIN: %w", err)
			}
			pin[i] = '0' + byte(digit.Int64())
		}
		if err := CheckNewPIN(pin, least, number); !errors.Is(err, cardside.ErrPINTrivial) {
			return pin, err
		}
	}
}
