package pcsc_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"cpsgate/cardside/pcsc"
)

func TestChanges(t *testing.T) {
	const a, b = "Reader A", "Reader B"
	atr1, atr2 := []byte{0x3B, 1}, []byte{0x3B, 2}
	type states = []pcsc.State
	tests := []struct {
		name          string
		before, after states
		want          []string
	}{
		{"nothing", states{{Reader: a}}, states{{Reader: a}}, nil},
		{"a reader with a card at the start", nil, states{{Reader: a, Present: true, ATR: atr1}}, []string{"reader-added " + a, "card-inserted " + a}},
		{"a card comes", states{{Reader: a}}, states{{Reader: a, Present: true, ATR: atr1, Events: 1}}, []string{"card-inserted " + a}},
		{"a card goes", states{{Reader: a, Present: true, ATR: atr1}}, states{{Reader: a}}, []string{"card-removed " + a}},
		{"another program connects", states{{Reader: a, Present: true, ATR: atr1}}, states{{Reader: a, Present: true, ATR: atr1, InUse: true}}, nil},
		{"a card is replaced by one of another kind", states{{Reader: a, Present: true, ATR: atr1}}, states{{Reader: a, Present: true, ATR: atr2}}, []string{"card-removed " + a, "card-inserted " + a}},
		{"a card is taken out and put back between two looks", states{{Reader: a, Present: true, ATR: atr1, Events: 1}}, states{{Reader: a, Present: true, ATR: atr1, Events: 3}}, []string{"card-removed " + a, "card-inserted " + a}},
		{"the count of events goes round", states{{Reader: a, Present: true, ATR: atr1, Events: 65535}}, states{{Reader: a, Present: true, ATR: atr1, Events: 1}}, []string{"card-removed " + a, "card-inserted " + a}},
		{"a reader goes with its card", states{{Reader: a, Present: true, ATR: atr1}, {Reader: b}}, states{{Reader: b}}, []string{"card-removed " + a, "reader-removed " + a}},
		{"all is gone", states{{Reader: b}}, nil, []string{"reader-removed " + b}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, e := range pcsc.Changes(tt.before, tt.after) {
				got = append(got, string(e.Kind)+" "+e.Reader)
			}
			if !slices.Equal(got, tt.want) {
				t.Fatalf("got %q; want %q", got, tt.want)
			}
		})
	}
}

func TestParseFeatures(t *testing.T) {
	features, err := pcsc.ParseFeatures([]byte{0x06, 4, 0x42, 0x33, 0x00, 0x06, 0x12, 4, 0x42, 0x33, 0x00, 0x12})
	if err != nil || features[0x06] != 0x42330006 || features[0x12] != 0x42330012 {
		t.Fatalf("%v, %v", features, err)
	}
	if features, err := pcsc.ParseFeatures(nil); err != nil || len(features) != 0 {
		t.Errorf("a reader without features: %v, %v", features, err)
	}
	for name, answer := range map[string][]byte{
		"cut short":            {0x06, 4, 0x42},
		"a length that is not": {0x06, 3, 0x42, 0x33, 0x00, 0x06},
	} {
		if _, err := pcsc.ParseFeatures(answer); !errors.Is(err, pcsc.ErrBadFeatures) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseProperties(t *testing.T) {
	properties, err := pcsc.ParseProperties([]byte{0x0A, 4, 0, 0, 1, 0, 0x01, 0})
	if err != nil || !bytes.Equal(properties[0x0A], []byte{0, 0, 1, 0}) {
		t.Fatalf("%v, %v", properties, err)
	}
	if _, err := pcsc.ParseProperties([]byte{0x0A, 4, 0}); !errors.Is(err, pcsc.ErrBadFeatures) {
		t.Errorf("cut short: %v", err)
	}
}

func FuzzParseFeatures(f *testing.F) {
	f.Add([]byte{0x06, 4, 0x42, 0x33, 0x00, 0x06})
	f.Add([]byte{0x0A, 4, 0, 0, 1, 0})
	f.Fuzz(func(t *testing.T, answer []byte) {
		pcsc.ParseFeatures(answer)
		properties, err := pcsc.ParseProperties(answer)
		if err == nil && len(answer) > 0 && len(properties) == 0 {
			t.Fatal("an answer without properties was accepted")
		}
	})
}
