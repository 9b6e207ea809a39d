package cardside

import (
	"context"
	"errors"
	"fmt"

	"cpsgate/cardside/apdu"
	"cpsgate/cardside/ctap2"
	"cpsgate/cardside/pcsc"
)

// Generation is what kind of card is in a reader, as far as it can be told.
type Generation string

// The generations.
const (
	Unknown         Generation = "unknown"
	CPS3            Generation = "cps3"
	CPS3Contactless Generation = "cps3-contactless"
	CPS4            Generation = "cps4"
)

// knownATR is an answer to reset, compared under a mask.
type knownATR struct {
	generation Generation
	atr, mask  string // bytes; a mask of "" compares all
}

// The answers to reset published by ANS. At power-up a CPS4 behaves as a CPS3,
// but its answer to reset is its own. The CPS4's come first: the mask of the
// CPS3's covers one of them.
var knownATRs = []knownATR{
	{CPS4, "\x3B\x9B\x18\x80\x01\x00\x12\x25\x00\x64\x80\x04\x01\x00\x00\x90\x44", ""},
	{CPS4, "\x3B\x9B\x18\x80\x01\x00\x12\x25\x00\x64\x80\x00\x04\x01\x00\x90\x44", ""}, // release candidate
	{CPS4, "\x3B\xDC\x18\xFF\x00\x00\x12\x25\x00\x64\x80\x00\x04\x01\x00\x90\x00", ""}, // variant
	{CPS3, "\x3B\xAC\x00\x40\x2A\x00\x12\x25\x00\x64\x80\x00\x03\x10\x00\x90\x00",
		"\xFF\x00\x00\x00\x00\xFF\xFF\xFF\xFF\xFF\xFF\x00\x00\x00\xFF\xFF\xFF"},
	{CPS3Contactless, "\x3B\x8F\x80\x01\x00\x31\xB8\x64\x04\xB0\xEC\xC1\x73\x94\x01\x80\x82\x90\x00\x0E", ""},
}

// GenerationOf tells a card's generation by its answer to reset.
func GenerationOf(atr []byte) Generation {
	for _, known := range knownATRs {
		if known.matches(atr) {
			return known.generation
		}
	}
	return Unknown
}

func (k knownATR) matches(atr []byte) bool {
	if len(atr) != len(k.atr) {
		return false
	}
	for i := range atr {
		mask := byte(0xFF)
		if k.mask != "" {
			mask = k.mask[i]
		}
		if atr[i]&mask != k.atr[i]&mask {
			return false
		}
	}
	return true
}

// Application is one that a card may hold.
type Application string

// The applications looked for.
const (
	AppFIDO    Application = "fido2"
	AppCPS4    Application = "cps4"
	AppCPS3    Application = "cps3"
	AppCPS2ter Application = "cps2ter"
)

// applications and their identifiers (ANS; CTAP 2.1 §11.3.3), in the order of
// selection.
var applications = []struct {
	name Application
	aid  string
}{
	{AppFIDO, string(ctap2.AID[:])},
	{AppCPS4, "\x80\x25\x00\x00\x01\xFF\x01\x00"},
	{AppCPS3, "\xE8\x28\xBD\x08\x0F\x80\x25\x00\x00\x01\xFF\x00\x10"},
	{AppCPS2ter, "\x80\x25\x00\x00\x01\xFF\x00\x02"},
}

// Applications selects each known application in one exchange. Whatever was
// selected before is no longer, so it is for cards that no other program is
// connected to.
func Applications(ctx context.Context, card *pcsc.Card) ([]Application, error) {
	var found []Application
	err := card.Exchange(ctx, func(channel *apdu.Channel) error {
		for _, application := range applications {
			_, err := channel.Send(apdu.Select([]byte(application.aid)))
			var refused *apdu.StatusError
			switch {
			case err == nil:
				found = append(found, application.name)
			case !errors.As(err, &refused):
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for applications: %w", err)
	}
	return found, nil
}

// generationBy corrects what the answer to reset said by the applications that
// are there.
func generationBy(byATR Generation, found []Application) Generation {
	if byATR != Unknown {
		return byATR
	}
	for _, application := range found {
		switch application {
		case AppCPS4:
			return CPS4
		case AppCPS3:
			return CPS3
		}
	}
	return Unknown
}
