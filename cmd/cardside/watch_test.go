//go:build linux && cgo

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cpsgate/cardside"
	"cpsgate/cardside/pcsc"
	"cpsgate/internal/cardlab"
	"cpsgate/internal/virtualcard"
)

func TestReadersAndWatch(t *testing.T) {
	for _, protocol := range protocols(t) {
		t.Run(protocol.name, func(t *testing.T) {
			options := virtualcard.Options{}
			protocol.set(&options)
			card, err := virtualcard.New(options)
			if err != nil {
				t.Fatal(err)
			}
			lab := cardlab.Start(t, 2)
			lab.Readers[0].Put(t, card)
			readersOnce(t, lab, card)
			readersLive(t, lab.Readers[0])
			lab.Readers[0].Put(t, card)
			watched(t, lab.Readers[0])
		})
	}
}

// readersOnce: the first reader holds the card, the second is empty.
func readersOnce(t *testing.T, lab *cardlab.Lab, card *virtualcard.Card) {
	t.Helper()
	var report cardside.ReadersReport
	command(t, "", "readers", "--json").ends(cardside.ExitDone).json(&report)
	i := slices.IndexFunc(report.Readers, func(r cardside.ReaderReport) bool { return r.Reader == lab.Readers[0].Name })
	if i < 0 || report.Readers[i].Generation != cardside.CPS4 || !slices.Contains(report.Readers[i].Applications, cardside.AppFIDO) ||
		report.Readers[i].ATR != fmt.Sprintf("%X", card.ATR()) {
		t.Errorf("%+v", report)
	}
	command(t, "", "readers").ends(cardside.ExitDone).says("CPS4", "FIDO2", "pas de carte")

	command(t, "", "info", "--reader", lab.Readers[1].Name, "--timeout", "300ms").ends(cardside.ExitNoCard).
		says("Insérez la carte dans "+lab.Readers[1].Name, "Aucune carte n'a été insérée à temps")
	unheard := filepath.Join(t.TempDir(), "card.jsonl")
	for range 2 { // a recording that did not begin takes no name
		command(t, "", "info", "--reader", lab.Readers[1].Name, "--timeout", "10ms", "--record", unheard).ends(cardside.ExitNoCard)
	}
	command(t, "", "info", "--reader", "Virtual", "--json").ends(cardside.ExitUsage).reason(cardside.ReasonSeveralReaders)
	command(t, "", "info", "--reader", "Nowhere", "--timeout", "10ms", "--json").ends(cardside.ExitService).reason(cardside.ReasonNoReader)
}

func readersLive(t *testing.T, reader *cardlab.Reader) {
	t.Helper()
	shown := follow(t, func(out string) bool { return strings.Contains(out, "CPS4") }, reader, "readers", "--live")
	if !strings.HasSuffix(strings.TrimSpace(shown), "pas de carte") || strings.Contains(shown, "\x1b") {
		t.Errorf("live:\n%s", shown)
	}
}

func watched(t *testing.T, reader *cardlab.Reader) {
	t.Helper()
	said := follow(t, func(out string) bool { return strings.Contains(out, "card-inserted") }, reader, "watch")
	var events []pcsc.EventKind
	for line := range strings.Lines(said) {
		var e cardside.WatchEvent
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.Reader == reader.Name {
			events = append(events, e.Event)
		}
	}
	if want := []pcsc.EventKind{pcsc.ReaderAdded, pcsc.CardInserted, pcsc.CardRemoved}; !slices.Equal(events, want) {
		t.Errorf("watched %v; want %v", events, want)
	}
}

// follow runs a command that goes on for ever until it has seen a card and that
// the card is gone, and returns what it wrote.
func follow(t *testing.T, seen func(string) bool, reader *cardlab.Reader, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &page{news: make(chan struct{}, 1000)}
	// A person at a terminal sends what is written to a file, which nothing clears.
	env := &environment{ctx: ctx, stdout: out, stderr: out, redraw: true, getenv: func(string) string { return "" }, now: time.Now}
	done := make(chan int, 1)
	go func() { done <- run(env, args) }()
	out.wait(t, seen)
	before := out.String()
	if err := reader.Eject(); err != nil {
		t.Fatal(err)
	}
	out.wait(t, func(now string) bool {
		since := strings.TrimPrefix(now, before)
		return strings.Contains(since, "card-removed") || strings.Count(since, "pas de carte") >= 2
	})
	cancel()
	if code := <-done; code != 0 {
		t.Errorf("%q ended with %d", args, code)
	}
	return out.String()
}

// page is output that can be read while it is written.
type page struct {
	mu   sync.Mutex
	text strings.Builder
	news chan struct{}
}

func (p *page) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case p.news <- struct{}{}:
	default:
	}
	return p.text.Write(b)
}

func (p *page) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

func (p *page) wait(t *testing.T, until func(string) bool) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for !until(p.String()) {
		select {
		case <-p.news:
		case <-limit:
			t.Fatalf("waited in vain; it wrote:\n%s", p.String())
		}
	}
}
