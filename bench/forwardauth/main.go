// Command forwardauth measures what a check of a proxy costs a server's
// processor, and how long the proxy waits for it:
//
//	go run ./bench/forwardauth [-rounds N] [-seconds N] [-rates N,N]
//
// Four servers, pinned to one core, wait side by side on one real
// redis-server: cpsgate's /forward-auth as `cpsgate serve` has it; a bare Echo
// handler that reads a cookie, gets its session from Redis by one GET, decodes
// its JSON and answers; the same with cpsgate's own record in place of JSON,
// which is quicker to decode; oauth2-proxy with its sessions in Redis, on /oauth2/auth, its
// logs off. On the other core run Redis and the load generator, which sends
// requests at fixed times, whether or not the ones before were answered, and
// counts each answer's delay from the time its request was due. Each server in
// turn gets a few seconds at each rate, round after round. It prints medians
// over the rounds, of the figures and of the ratios within a round; nothing
// fails for being slow. It needs redis-server, taskset, and the modules of
// bench/oauth2proxy.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"cpsgate/bench/internal/measure"
)

type options struct {
	rounds, sessions int
	span             time.Duration
	rates            []int
}

func main() {
	o := options{}
	flag.IntVar(&o.rounds, "rounds", 12, "rounds")
	flag.IntVar(&o.sessions, "sessions", 1000, "sessions that take turns")
	flag.DurationVar(&o.span, "span", 2*time.Second, "of each server at each rate in a round")
	rates := flag.String("rates", "200,1000", "checks a second")
	serve := flag.String("serve", "", "internal: the server to be")
	load := flag.String("load", "", "internal: the file of requests to send")
	flag.Parse()
	err := o.parse(*rates)
	switch {
	case err != nil:
	case *serve != "":
		err = serveChild(*serve, flag.Args())
	case *load != "":
		err = loadChild(*load, flag.Arg(0), o)
	default:
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/forwardauth:", err)
		os.Exit(1)
	}
}

func (o *options) parse(rates string) error {
	for _, s := range strings.Split(rates, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return fmt.Errorf("rate %q", s)
		}
		o.rates = append(o.rates, n)
	}
	return nil
}

// The cores of the servers, and of Redis and the load generator.
const (
	serverCore = "0"
	loadCore   = "1"
)

// The servers, in the order of the table.
const (
	ours  = "cpsgate"
	bare  = "bare Echo, one GET, JSON"
	quick = "bare Echo, one GET, our record"
	proxy = "oauth2-proxy"
)

func order() []string { return []string{ours, bare, quick, proxy} }

func run(o options) error {
	for _, tool := range []string{"redis-server", "taskset"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s is needed: apt-get install redis-server util-linux", tool)
		}
	}
	s, err := newSite(o.sessions)
	if err != nil {
		return err
	}
	defer s.close()
	results, err := s.measure(o)
	if err != nil {
		return err
	}
	memory, err := s.memory()
	if err != nil {
		return err
	}
	trips, err := s.roundTrips()
	if err != nil {
		return err
	}
	report(o, results, memory, trips)
	return nil
}

// result is one server's part of one round at one rate.
type result struct {
	CPU      time.Duration // of the server, a check
	P50, P99 time.Duration // until the answer, from when the request was due
}

// results are by rate and server.
type results map[int]map[string][]result

func report(o options, all results, memory int64, trips float64) {
	fmt.Printf("%d rounds of %s for each server and rate, %d sessions.\n", o.rounds, o.span, o.sessions)
	fmt.Printf("Machine: %s.\n\n", measure.Machine())
	fmt.Println("| checks/s | server | CPU a check | p50 | p99 |")
	fmt.Println("|---:|---|---:|---:|---:|")
	for _, rate := range o.rates {
		for _, name := range order() {
			r := all[rate][name]
			fmt.Printf("| %d | %s | %.1f µs | %.2f ms | %.2f ms |\n", rate, name, median(r, func(r result) time.Duration { return r.CPU })/1e3,
				median(r, func(r result) time.Duration { return r.P50 })/1e6, median(r, func(r result) time.Duration { return r.P99 })/1e6)
		}
	}
	fmt.Println()
	for _, rate := range o.rates {
		fmt.Printf("CPU a check at %d/s: %.3f × bare Echo (goal 1.10), %.3f × that with our record, 1/%.2f of oauth2-proxy (goal 1/3).\n",
			rate, ratio(all[rate][ours], all[rate][bare]), ratio(all[rate][ours], all[rate][quick]), 1/ratio(all[rate][ours], all[rate][proxy]))
	}
	fmt.Printf("Redis: %.3f round trips a check (goal 1), %d bytes of memory a session besides indexes (goal 320).\n", trips, memory)
}

func median(all []result, of func(result) time.Duration) float64 {
	values := make([]time.Duration, len(all))
	for i, r := range all {
		values[i] = of(r)
	}
	return float64(measure.Median(values))
}

// ratio is the median of the ratios within a round.
func ratio(a, b []result) float64 {
	ratios := make([]float64, min(len(a), len(b)))
	for i := range ratios {
		ratios[i] = float64(a[i].CPU) / float64(b[i].CPU)
	}
	return measure.Median(ratios)
}

// measure starts the servers, warms them up, and gives them their rounds.
func (s *site) measure(o options) (results, error) {
	all := results{}
	for _, name := range order() {
		if err := s.start(name); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if _, err := s.round(name, slices.Max(o.rates), o.span); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	for i := range o.rounds {
		for _, rate := range o.rates {
			for j := range order() {
				name := order()[(i+j)%len(order())]
				r, err := s.round(name, rate, o.span)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", name, err)
				}
				if all[rate] == nil {
					all[rate] = map[string][]result{}
				}
				all[rate][name] = append(all[rate][name], r)
			}
		}
	}
	return all, nil
}
