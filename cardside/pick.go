package cardside

import (
	"fmt"
	"slices"
	"strings"

	"cpsgate/cardside/pcsc"
)

// Pick chooses the reader meant, by its name or a part of it, and says what is
// still waited for: a reader, a card in it, or nothing. Of several cards it
// takes the only CPS4.
func Pick(states []pcsc.State, name string) (pcsc.State, WaitingFor, error) {
	readers, err := named(states, name)
	if err != nil {
		return pcsc.State{}, "", err
	}
	if len(readers) == 0 {
		return pcsc.State{}, ForReader, nil
	}
	var cards, cps4 []pcsc.State
	for _, s := range readers {
		if s.Present {
			cards = append(cards, s)
			if GenerationOf(s.ATR) == CPS4 {
				cps4 = append(cps4, s)
			}
		}
	}
	switch {
	case len(cards) == 1:
		return cards[0], "", nil
	case len(cps4) == 1:
		return cps4[0], "", nil
	case len(cards) > 1:
		return pcsc.State{}, "", fmt.Errorf("%w: %s", ErrSeveralCards, names(cards))
	case len(readers) == 1:
		return readers[0], ForCard, nil
	}
	return pcsc.State{}, ForCard, nil
}

// named returns the readers of that name, or with it in their names.
func named(states []pcsc.State, name string) ([]pcsc.State, error) {
	if name == "" {
		return states, nil
	}
	var parts []pcsc.State
	for _, s := range states {
		if s.Reader == name {
			return []pcsc.State{s}, nil
		}
		if strings.Contains(strings.ToLower(s.Reader), strings.ToLower(name)) {
			parts = append(parts, s)
		}
	}
	if len(parts) > 1 {
		return nil, fmt.Errorf("%w: %s", ErrSeveralReaders, names(parts))
	}
	return parts, nil
}

func names(states []pcsc.State) string {
	var all []string
	for _, s := range states {
		all = append(all, s.Reader)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}
