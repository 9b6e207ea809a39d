//go:build linux && cgo

package main

import (
	"fmt"
	"sync/atomic"
	"testing"

	"cpsgate/cardside"
	"cpsgate/internal/cardlab"
	"cpsgate/internal/virtualcard"
)

// TestCardsThatLeave takes the card out at each APDU of an enrolment.
func TestCardsThatLeave(t *testing.T) {
	for _, protocol := range protocols(t) {
		t.Run(protocol.name, func(t *testing.T) {
			enrol := func(reader *cardlab.Reader) outcome {
				return command(t, "271828\n", "make", "--rp", "sso.localhost", "--set-pin", "--reader", reader.Name, "--json")
			}
			var whole atomic.Int32
			o := virtualcard.Options{Trace: func([]byte, []byte) { whole.Add(1) }}
			protocol.set(&o)
			t.Run("never", func(t *testing.T) {
				enrol(fill(t, map[string]virtualcard.Options{"card": o})["card"]).ends(cardside.ExitDone)
			})
			for from := 1; from <= int(whole.Load()); from += cardlab.MaxReaders {
				t.Run(fmt.Sprintf("from APDU %d", from), func(t *testing.T) {
					cards := map[string]virtualcard.Options{}
					for at := from; at < from+cardlab.MaxReaders && at <= int(whole.Load()); at++ {
						o := virtualcard.Options{EjectAt: at}
						protocol.set(&o)
						cards[fmt.Sprintf("at APDU %d", at)] = o
					}
					for name, reader := range fill(t, cards) {
						t.Run(name, func(t *testing.T) { enrol(reader).ends(cardside.ExitNoCard).reason(cardside.ReasonCardRemoved) })
					}
				})
			}
		})
	}
}
