// Command logins measures what a login by certificate costs a server's
// processor: full TLS 1.2 handshakes with RSA-2048 client certificates under an
// RSA-4096 authority, one request each, answered with the verdict.
//
//	go run ./bench/logins [-logins N] [-entries N] [-runs N]
//
// In turn and in one run: cpsgate's card listener and verifier with a CRL of a
// million entries; a bare Go TLS listener that only verifies the chain; nginx
// with ssl_verify_client and no CRL; nginx with the same CRL. The server is
// pinned to one core, the load generator to another. It prints medians and
// ratios; nothing fails for being slow. It needs nginx and taskset.
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
	flag.IntVar(&o.logins, "logins", 1500, "logins of each run")
	flag.IntVar(&o.slowLogins, "slow-logins", 60, "logins of each run of nginx with the CRL")
	flag.IntVar(&o.entries, "entries", 1_000_000, "entries of the CRL")
	flag.IntVar(&o.runs, "runs", 5, "runs of each server")
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
	logins, slowLogins, entries, runs, clients int
}

// The cores of the server and of the load generator.
const (
	serverCore = "0"
	loadCore   = "1"
)

// The servers, in the order of the table.
const (
	ours     = "cpsgate, CRL"
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
	results := map[string][]result{}
	order := []string{ours, bare, nginx, nginxCRL}
	for range o.runs {
		for _, name := range order {
			logins := o.logins
			if name == nginxCRL {
				logins = o.slowLogins
			}
			r, err := site.measure(name, logins, o)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			results[name] = append(results[name], r)
		}
	}
	swap, err := site.measureSwap(o)
	if err != nil {
		return fmt.Errorf("swap: %w", err)
	}
	report(o, order, results, swap)
	return nil
}

// result is one run of one server.
type result struct {
	CPU      time.Duration // of the server, a login
	Rate     float64       // logins a second
	Busy     float64       // of the server's core, 0 to 1
	Resident int64
	Start    time.Duration // until it answers
}

func report(o options, order []string, results map[string][]result, swap swapResult) {
	fmt.Printf("%d logins a run (%d for nginx with the CRL), %d at a time, medians of %d runs; CRL of %d entries.\n", o.logins, o.slowLogins, o.clients, o.runs, o.entries)
	fmt.Printf("Machine: %s; nginx and openssl: %s.\n\n", measure.Machine(), nginxVersion())
	fmt.Println("| server | CPU a login | × | logins/s | core busy | resident | ready after |")
	fmt.Println("|---|---:|---:|---:|---:|---:|---:|")
	reference := medianOf(results[ours], func(r result) float64 { return float64(r.CPU) })
	for _, name := range order {
		all := results[name]
		cpu := medianOf(all, func(r result) float64 { return float64(r.CPU) })
		busy := medianOf(all, func(r result) float64 { return r.Busy })
		note := ""
		if busy < 0.9 {
			note = " (generator is the limit)"
		}
		fmt.Printf("| %s | %.3f ms | %.3f | %.0f%s | %.0f %% | %.0f MiB | %.2f s |\n", name, cpu/1e6, cpu/reference,
			medianOf(all, func(r result) float64 { return r.Rate }), note, 100*busy,
			medianOf(all, func(r result) float64 { return float64(r.Resident) })/(1<<20),
			medianOf(all, func(r result) float64 { return r.Start.Seconds() }))
	}
	ratio := func(name string, of func(result) float64) float64 {
		return medianOf(results[ours], of) / medianOf(results[name], of)
	}
	cpu := func(r result) float64 { return float64(r.CPU) }
	fmt.Printf("\nCPU a login: %.3f × bare Go TLS (goal 1.05), %.3f × nginx without CRL (goal 1.1), 1/%.0f of nginx with the CRL (goal 1/80).\n",
		ratio(bare, cpu), ratio(nginx, cpu), 1/ratio(nginxCRL, cpu))
	fmt.Printf("Resident: 1/%.1f of nginx with the CRL (goal 1/5).\n", 1/ratio(nginxCRL, func(r result) float64 { return float64(r.Resident) }))
	fmt.Printf("CRL replaced %d times under load: %d of %d logins failed; longest login %.0f ms, %.0f ms without replacing (goal: no pause above 50 ms).\n",
		swap.Swaps, swap.Failed, swap.Logins, ms(swap.Longest), ms(swap.LongestQuiet))
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func medianOf(all []result, of func(result) float64) float64 {
	values := make([]float64, len(all))
	for i, r := range all {
		values[i] = of(r)
	}
	return measure.Median(values)
}
