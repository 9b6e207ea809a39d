package cardside

import (
	"context"
	"fmt"

	"cpsgate/cardside/apdu"
	"cpsgate/cardside/ctap2"
)

// Inspection is what a card says of itself, and what was met on the way.
type Inspection struct {
	Reader     string         `json:"reader,omitempty"`
	Generation Generation     `json:"generation,omitempty"`
	ATR        string         `json:"atr,omitempty"`
	Link       *Link          `json:"link,omitempty"`
	Engine     EngineName     `json:"engine"`
	Blank      bool           `json:"blank"`
	Info       ctap2.Info     `json:"info"`
	Retries    *ctap2.Retries `json:"pinRetries,omitempty"` // where a PIN is set
	Quirks     []QuirkInWords `json:"quirks,omitempty"`
}

// QuirkInWords is a deviation with its text.
type QuirkInWords struct {
	Quirk ctap2.Quirk `json:"quirk"`
	Text  string      `json:"text"`
}

// Inspect asks the card what it is and, where a PIN is set, for the tries left,
// in one exchange. With ctap2.ErrNotCanonical comes what could be read.
func (c *Card) Inspect(ctx context.Context, language Language) (Inspection, error) {
	in := Inspection{Reader: c.Reader, Generation: c.Generation, Engine: c.Name}
	if len(c.ATR) > 0 {
		in.ATR = fmt.Sprintf("%X", c.ATR)
	}
	err := c.Together(ctx, func() error {
		info, err := c.Info(ctx)
		in.Info, in.Blank = info, info.Blank()
		if err != nil || !info.HasPIN() {
			return err
		}
		retries, err := c.Retries(ctx)
		in.Retries = &retries
		return err
	})
	for _, quirk := range c.Quirks() {
		in.Quirks = append(in.Quirks, QuirkInWords{quirk, ExplainQuirk(quirk, language)})
	}
	in.Link = c.Link(ctx)
	return in, err
}

// Replay is a card that answers as a recorded one did, as long as it is asked
// the same: Inspect asks what `cardside info --record` did.
func Replay(recording apdu.Recording, acceptNotCanonical bool) *Card {
	channel := &apdu.Channel{Transmit: recording.Replay(), Protocol: recording.Protocol}
	client := ctap2.New(
		func(_ context.Context, f func(*apdu.Channel) error) error { return f(channel) },
		ctap2.Options{AcceptNotCanonical: acceptNotCanonical})
	return &Card{
		Engine: client, Name: EngineCTAP2, Reader: recording.Reader, ATR: recording.ATR,
		Generation: GenerationOf(recording.ATR), client: client, replayed: channel,
	}
}
