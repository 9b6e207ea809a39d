package cardside

import (
	"context"
	"encoding/hex"
	"strings"
	"time"

	"cpsgate/cardside/libfido2"
	"cpsgate/cardside/pcsc"
	"cpsgate/cardside/pkcs11"
)

// ReaderReport is what can be said of a reader and the card in it.
type ReaderReport struct {
	Reader       string        `json:"reader"`
	Present      bool          `json:"present"`
	Mute         bool          `json:"mute,omitempty"`      // the card does not answer
	InUse        bool          `json:"inUse,omitempty"`     // another program is connected to the card
	Exclusive    bool          `json:"exclusive,omitempty"` // another program has the card to itself
	ATR          string        `json:"atr,omitempty"`
	Generation   Generation    `json:"generation,omitempty"`
	Applications []Application `json:"applications,omitempty"` // looked for on cards that are not in use
	TokenID      string        `json:"tokenId,omitempty"`      // where a PKCS#11 module reads it
}

// ReadersReport is what `cardside readers` says.
type ReadersReport struct {
	Readers []ReaderReport    `json:"readers"`
	Keys    []libfido2.Device `json:"securityKeys,omitempty"`
}

// Readers reports on every reader. Applications are looked for on cards that no
// other program is connected to; module is the PKCS#11 module that reads token
// ids, "" for the Cryptolib's, if there is one.
func Readers(ctx context.Context, module string) (ReadersReport, error) {
	session, err := pcsc.Establish(ctx)
	if err != nil {
		return ReadersReport{}, err
	}
	defer session.Close()
	states, err := session.States(ctx)
	if err != nil {
		return ReadersReport{}, err
	}
	report := ReadersReport{Readers: []ReaderReport{}}
	for _, state := range states {
		report.Readers = append(report.Readers, readerReport(ctx, session, state))
	}
	addTokenIDs(report.Readers, module)
	if libfido2.Available {
		// A second opinion that fails is no reason to hide the readers.
		report.Keys, _ = libfido2.Devices(ctx, libfido2.Options{})
	}
	return report, nil
}

// CardsPresent counts the readers that hold a card.
func CardsPresent(ctx context.Context) (int, error) {
	session, err := pcsc.Establish(ctx)
	if err != nil {
		return 0, err
	}
	defer session.Close()
	states, err := session.States(ctx)
	cards := 0
	for _, state := range states {
		if state.Present {
			cards++
		}
	}
	return cards, err
}

func readerReport(ctx context.Context, session *pcsc.Context, s pcsc.State) ReaderReport {
	r := ReaderReport{
		Reader: s.Reader, Present: s.Present, Mute: s.Mute, InUse: s.InUse, Exclusive: s.Exclusive,
		ATR: strings.ToUpper(hex.EncodeToString(s.ATR)),
	}
	if !s.Present {
		return r
	}
	r.Generation = GenerationOf(s.ATR)
	if s.Mute || s.InUse || s.Exclusive {
		return r
	}
	card, err := session.Connect(ctx, s.Reader, pcsc.Options{})
	if err != nil {
		return r // taken out or taken hold of meanwhile
	}
	defer card.Close()
	if found, err := Applications(ctx, card); err == nil {
		r.Applications = found
		r.Generation = generationBy(r.Generation, found)
	}
	return r
}

// addTokenIDs asks a PKCS#11 module for the token ids of the cards it sees. A
// module names readers as PC/SC does; where one does not, a single card is the
// single token.
func addTokenIDs(readers []ReaderReport, path string) {
	module, err := pkcs11.Open(path)
	if err != nil {
		return // readable where there is a module
	}
	defer module.Close()
	tokens, err := TokenIDs(module)
	if err != nil {
		return
	}
	cards := 0
	for i := range readers {
		if readers[i].Present {
			cards++
			readers[i].TokenID = tokens[readers[i].Reader]
		}
	}
	if cards != 1 || len(tokens) != 1 {
		return
	}
	for i := range readers {
		for _, id := range tokens {
			if readers[i].Present {
				readers[i].TokenID = id
			}
		}
	}
}

// TokenIDs reads the token id of each card that a module sees, by the name that
// the module has for its reader. Cards without an authentication certificate
// are left out.
func TokenIDs(module *pkcs11.Module) (map[string]string, error) {
	tokens, err := module.Tokens()
	if err != nil {
		return nil, err
	}
	ids := map[string]string{}
	for _, token := range tokens {
		certificates, err := module.Certificates(token)
		if err != nil {
			return nil, err
		}
		for _, certificate := range certificates {
			if profile, err := pkcs11.ReadProfile(certificate.Certificate); err == nil {
				ids[token.Reader] = profile.TokenID
			}
		}
	}
	return ids, nil
}

// WatchEvent is a line of `cardside watch`.
type WatchEvent struct {
	Time       time.Time      `json:"time"`
	Event      pcsc.EventKind `json:"event"`
	Reader     string         `json:"reader,omitempty"`
	ATR        string         `json:"atr,omitempty"`
	Generation Generation     `json:"generation,omitempty"`
	Mute       bool           `json:"mute,omitempty"`
}

// Watch tells emit of insertions and removals until ctx ends. It looks at
// answers to reset only, and so disturbs no card.
func Watch(ctx context.Context, now func() time.Time, emit func(WatchEvent) error) error {
	return pcsc.Watch(ctx, func(e pcsc.Event) error {
		event := WatchEvent{Time: now(), Event: e.Kind, Reader: e.Reader, ATR: strings.ToUpper(hex.EncodeToString(e.ATR)), Mute: e.Mute}
		if e.Kind == pcsc.CardInserted {
			event.Generation = GenerationOf(e.ATR)
		}
		return emit(event)
	})
}
