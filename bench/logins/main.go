// Command logins measures what a login by certificate costs a server's
// processor: full TLS 1.2 handshakes with RSA-2048 client certificates under an
// RSA-4096 authority, one request each, answered with the verdict.
//
//	go run ./bench/logins [-rounds N] [-logins N] [-entries N]
//
// Five servers, pinned to one core, wait side by side: cpsgate's card listener
// and verifier with a CRL of a million entries, once as it is, which remembers
// the paths of cards it has seen, and once taking each card for one never seen; a
// bare Go TLS listener that only verifies the chain; nginx with ssl_verify_client
// and no CRL; nginx with the same CRL. The load generator, on another core, gives each in turn a few
// logins, round after round, so that a busy moment of the machine falls on all
// of them. It prints medians over the rounds, of the figures and of the ratios
// within a round; nothing fails for being slow. It needs nginx and taskset.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"time"

	"cpsgate/bench/internal/measure"
)

func main() {
	o := options{}
	flag.IntVar(&o.logins, "logins", 200, "logins of each server in a round")
	flag.IntVar(&o.slowLogins, "slow-logins", 8, "logins of nginx with the CRL in a round")
	flag.IntVar(&o.entries, "entries", 1_000_000, "entries of the CRL")
	flag.IntVar(&o.rounds, "rounds", 28, "rounds")
	flag.IntVar(&o.clients, "clients", 4, "logins under way at a time")
	serve := flag.String("serve", "", "internal: the server to be")
	load := flag.String("load", "", "internal: the folder to generate load from")
	flag.Parse()
	var err error
	switch {
	case *serve != "":
		err = serveChild(*serve, flag.Arg(0))
	case *load != "":
		err = loadChild(*load, flag.Args(), o)
	default:
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/logins:", err)
		os.Exit(1)
	}
}

type options struct {
	logins, slowLogins, entries, rounds, clients int
}

// The cores of the server and of the load generator.
const (
	serverCore = "0"
	loadCore   = "1"
)

// The servers, in the order of the table.
const (
	ours     = "cpsgate, CRL, cards seen before"
	oursNew  = "cpsgate, CRL, cards never seen"
	bare     = "bare Go TLS, no CRL"
	nginx    = "nginx, no CRL"
	nginxCRL = "nginx, CRL"
)

func run(o options) error {
	for _, tool := range []string{"nginx", "taskset"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s is needed: apt-get install nginx util-linux", tool)
		}
	}
	site, err := newSite(o.entries)
	if err != nil {
		return err
	}
	defer site.remove()
	results, err := site.measureAll(o)
	if err != nil {
		return err
	}
	swap, err := site.measureSwap(o)
	if err != nil {
		return fmt.Errorf("swap: %w", err)
	}
	report(o, results, swap)
	return nil
}

// order is that of the table.
func order() []string { return []string{ours, oursNew, bare, nginx, nginxCRL} }

// result is one server's part of one round.
type result struct {
	CPU  time.Duration // of the server, a login
	Rate float64       // logins a second
	Busy float64       // of the server's core, 0 to 1
}

// standing is what is measured of a server once.
type standing struct {
	Rounds   []result
	Resident int64         // after all rounds
	Start    time.Duration // until it answered
}

func report(o options, results map[string]*standing, swap swapResult) {
	fmt.Printf("%d rounds of %d logins for each server (%d for nginx with the CRL), %d at a time; CRL of %d entries.\n", o.rounds, o.logins, o.slowLogins, o.clients, o.entries)
	fmt.Printf("Machine: %s; %s.\n\n", measure.Machine(), nginxVersion())
	fmt.Println("| server | CPU a login | logins/s | core busy | resident | ready after |")
	fmt.Println("|---|---:|---:|---:|---:|---:|")
	for _, name := range order() {
		s := results[name]
		busy := medianOf(s.Rounds, func(r result) float64 { return r.Busy })
		note := ""
		if busy < 0.9 {
			note = " (the generator is the limit)"
		}
		fmt.Printf("| %s | %.3f ms | %.0f%s | %.0f %% | %.0f MiB | %.2f s |\n", name, cpu(s)/1e6,
			medianOf(s.Rounds, func(r result) float64 { return r.Rate }), note, 100*busy, float64(s.Resident)/(1<<20), s.Start.Seconds())
	}
	fmt.Println()
	for _, name := range []string{ours, oursNew} {
		fmt.Printf("CPU a login, %s: %.3f × bare Go TLS (goal 1.05), %.3f × nginx without CRL (goal 1.1), 1/%.0f of nginx with the CRL (goal 1/80).\n",
			name, ratio(results[name], results[bare]), ratio(results[name], results[nginx]), 1/ratio(results[name], results[nginxCRL]))
	}
	fmt.Printf("Resident: 1/%.1f of nginx with the CRL (goal 1/5).\n", float64(results[nginxCRL].Resident)/float64(results[ours].Resident))
	fmt.Printf("CRL replaced %d times under load: %d of %d logins failed; longest login %.0f ms, %.0f ms with the CRL left alone (goal: no pause above 50 ms).\n",
		swap.Swaps, swap.Failed, swap.Logins, ms(swap.Longest), ms(swap.LongestQuiet))
}

func cpu(s *standing) float64 {
	return medianOf(s.Rounds, func(r result) float64 { return float64(r.CPU) })
}

// ratio is the median of the ratios within a round.
func ratio(a, b *standing) float64 {
	ratios := make([]float64, len(a.Rounds))
	for i := range ratios {
		ratios[i] = float64(a.Rounds[i].CPU) / float64(b.Rounds[i].CPU)
	}
	return measure.Median(ratios)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func medianOf(all []result, of func(result) float64) float64 {
	values := make([]float64, len(all))
	for i, r := range all {
		values[i] = of(r)
	}
	return measure.Median(values)
}
