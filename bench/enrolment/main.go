// Command enrolment measures the desk's machine time: from a ticket's code given
// to `cardside enroll` to its end, with the passkey active.
//
//	go run ./bench/enrolment [-rounds N] [-delay 40ms]
//
// `cpsgate demo` and `cardside` are built and run as they are. In the reader of
// a card service of its own sits a virtual CPS4, blank, that waits before each
// answer as a card thinks; its certificates are on a SoftHSM2 token. Both PINs
// stand ready in pipes, so that no time is people's: what is printed is the wall
// time of the whole command, its start included, and the command's own figure.
// Each round has a new card; they begin five seconds apart, since the server
// lets nobody sign in more often than twelve times a minute. It needs what cardlab names.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"time"

	"cpsgate/bench/internal/measure"
	"cpsgate/internal/virtualcard"
)

// The goals.
const (
	goalTime     = 3 * time.Second
	goalRequests = 6
)

func main() {
	rounds := flag.Int("rounds", 15, "enrolments by each transmission protocol")
	delay := flag.Duration("delay", 40*time.Millisecond, "the card waits so long before each answer")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *rounds, *delay); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "bench/enrolment:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, rounds int, delay time.Duration) error {
	d, err := openDesk(ctx)
	if err != nil {
		return err
	}
	defer d.close()
	fmt.Printf("%s\n%d enrolments each, %v an APDU\n\n", measure.Machine(), rounds, delay)
	fmt.Println("| card | APDUs | requests | median | slowest | of the median, not the card's |")
	fmt.Println("|---|---:|---:|---:|---:|---:|")
	for _, kind := range kinds() {
		var all []enrolment
		for range rounds {
			if err := d.rest(ctx); err != nil {
				return err
			}
			options := kind.options
			options.Delay = delay
			e, err := d.enrol(ctx, options)
			if err != nil {
				return fmt.Errorf("%s: %w", kind.name, err)
			}
			all = append(all, e)
		}
		tell(kind.name, all, delay)
	}
	fmt.Printf("\nGoals: at most %v and %d requests.\n", goalTime, goalRequests)
	return nil
}

// enrolment is one, measured.
type enrolment struct {
	took     time.Duration // from the start of the command to its end
	apdus    int
	requests int
}

// kind is a card by the way that it is spoken with.
type kind struct {
	name    string
	options virtualcard.Options
}

func kinds() []kind {
	return []kind{
		{"T=1", virtualcard.Options{Protocol: virtualcard.T1, KeepATR: true}},
		{"T=0", virtualcard.Options{Protocol: virtualcard.T0, ATR: variantATR()}},
	}
}

// tell prints the line of a kind.
func tell(name string, all []enrolment, delay time.Duration) {
	var times []time.Duration
	apdus, requests := 0, 0
	for _, e := range all {
		times = append(times, e.took)
		apdus, requests = max(apdus, e.apdus), max(requests, e.requests)
	}
	median := measure.Median(times)
	fmt.Printf("| %s | %d | %d | %d ms | %d ms | %d ms |\n", name, apdus, requests, median.Milliseconds(),
		slices.Max(times).Milliseconds(), (median - time.Duration(apdus)*delay).Milliseconds())
}
