// Command lists measures whether the desk's list pages slow down as people
// become many: it fills one database with 100 people and one with 100,000, each
// with a card, a certificate, a ticket and a sign-in, and asks both in turn for
// the same pages, as the server answers them: session, search, HTML.
//
//	go run ./bench/lists [-few N] [-many N] [-rounds N]
//
// It prints, of each page, the median time over the rounds with few and with
// many, and the median of the ratios within a round; nothing fails for being
// slow. TLS and the network are not in it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"cpsgate/bench/internal/measure"
)

func main() {
	few := flag.Int("few", 100, "people in the small database")
	many := flag.Int("many", 100_000, "people in the large one")
	rounds := flag.Int("rounds", 200, "times that each page is asked for, of each")
	flag.Parse()
	if err := run(context.Background(), *few, *many, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench/lists:", err)
		os.Exit(1)
	}
}

// goal is the ratio that the pages must stay within.
const goal = 1.5

func run(ctx context.Context, few, many, rounds int) error {
	var houses [2]*house
	for i, people := range []int{few, many} {
		h, err := openHouse(ctx, people)
		if err != nil {
			return err
		}
		defer h.close()
		houses[i] = h
	}
	fmt.Printf("%s\n\n", measure.Machine())
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table, "page\t%d people\t%d people\tratio\t\n", few, many)
	for i, p := range houses[0].pages() {
		small, large, ratio, err := compare(houses, p, houses[1].pages()[i], rounds)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		verdict := ""
		if ratio > goal {
			verdict = "missed"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%.2f\t%s\n", p.name, small, large, ratio, verdict)
	}
	return table.Flush()
}

// compare asks both houses for a page in turn, so that a busy moment of the
// machine falls on both.
func compare(houses [2]*house, small, large page, rounds int) (few, many time.Duration, ratio float64, err error) {
	var times [2][]time.Duration
	var ratios []float64
	for range rounds {
		var took [2]time.Duration
		for i, p := range []page{small, large} {
			if took[i], err = houses[i].ask(p); err != nil {
				return 0, 0, 0, err
			}
			times[i] = append(times[i], took[i])
		}
		ratios = append(ratios, float64(took[1])/float64(took[0]))
	}
	return measure.Median(times[0]).Round(time.Microsecond), measure.Median(times[1]).Round(time.Microsecond), measure.Median(ratios), nil
}
