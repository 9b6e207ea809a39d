// Command crl measures reading a CRL of two million entries, and looking
// serials up in it, beside crypto/x509 and openssl on the same files in the same
// run. It prints medians and ratios; nothing fails for being slow.
//
//	go run ./bench/crl [-entries N] [-runs N]
//
// Every reading is done by a process of its own, in turn, so that each begins
// with an empty heap.
package main

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"cpsgate/bench/internal/measure"
	"cpsgate/internal/testpki"
)

func main() {
	entries := flag.Int("entries", 2_000_000, "entries of each CRL")
	runs := flag.Int("runs", 5, "runs of each reader")
	child := flag.String("child", "", "internal: what to read with")
	flag.Parse()
	err := error(nil)
	if *child != "" {
		err = runChild(*child, *entries, flag.Args())
	} else {
		err = run(*entries, *runs)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/crl:", err)
		os.Exit(1)
	}
}

// shapes are the ways serials may lie; all have 16 octets.
func shapes(entries int) []shape {
	return []shape{
		{"random", testpki.LargeCRLSpec{Entries: entries}},
		{"sequential", testpki.LargeCRLSpec{Entries: entries, Pattern: testpki.SequentialSerials}},
		{"one cluster", testpki.LargeCRLSpec{Entries: entries, Pattern: testpki.ClusteredSerials}},
		{"20 clusters", testpki.LargeCRLSpec{Entries: entries, Pattern: testpki.ClusteredSerials, Clusters: 20}},
	}
}

type shape struct {
	name string
	spec testpki.LargeCRLSpec
}

func run(entries, runs int) error {
	folder, err := os.MkdirTemp("", "bench-crl")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	fmt.Printf("CRLs of %d entries with serials of 16 octets, medians of %d runs.\nMachine: %s.\n\n", entries, runs, measure.Machine())
	fmt.Println("| serials | reader | time | × openssl | processor | × openssl | live heap, octets an entry | peak above idle, octets an entry |")
	fmt.Println("|---|---|---:|---:|---:|---:|---:|---:|")
	var looks []string
	for i, s := range shapes(entries) {
		file, ca, err := write(folder, s.spec)
		if err != nil {
			return err
		}
		readers := []string{"cpsgate", "openssl"}
		if i == 0 {
			readers = append(readers, "crypto/x509")
		}
		results, err := readAll(readers, runs, entries, i, file, ca)
		if err != nil {
			return err
		}
		printReadings(s.name, readers, results, float64(entries))
		looks = append(looks, lookups(s.name, results["cpsgate"]))
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	fmt.Println("\n| serials | look-up, same 1,000 | look-up, all over | allocations |")
	fmt.Println("|---|---:|---:|---:|")
	for _, line := range looks {
		fmt.Println(line)
	}
	return nil
}

// write makes the CRL and the certificate that signed it.
func write(folder string, spec testpki.LargeCRLSpec) (file, ca string, err error) {
	pki, err := testpki.New(testpki.Options{})
	if err != nil {
		return "", "", err
	}
	issuer := pki.Issuer(testpki.Fort, testpki.Persons)
	file, ca = filepath.Join(folder, "list.crl"), filepath.Join(folder, "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issuer.Certificate.Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		return "", "", err
	}
	out, err := os.Create(file)
	if err != nil {
		return "", "", err
	}
	return file, ca, errors.Join(testpki.WriteLargeCRL(out, issuer, spec), out.Close())
}

// reading is one reader's outcome.
type reading struct {
	Time  time.Duration
	CPU   time.Duration
	Live  int64 // octets of heap in use after; 0 where it cannot be known
	Peak  int64 // octets resident above the idle process
	Warm  time.Duration
	Cold  time.Duration
	Alloc float64 // allocations a look-up
}

// readAll runs the readers in turn, so that a busy moment falls on all.
func readAll(readers []string, runs, entries, shape int, file, ca string) (map[string][]reading, error) {
	results := map[string][]reading{}
	for range runs {
		for _, reader := range readers {
			r, err := readOnce(reader, entries, shape, file, ca)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", reader, err)
			}
			results[reader] = append(results[reader], r)
		}
	}
	return results, nil
}

func readOnce(reader string, entries, shape int, file, ca string) (r reading, err error) {
	if reader == "openssl" {
		return openssl(file, ca)
	}
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	command := exec.Command(self, "-child", reader, "-entries", fmt.Sprint(entries), file, ca, fmt.Sprint(shape))
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(out, &r)
}

// openssl is timed as a process: it starts in a few milliseconds. Its idle size
// is that of openssl version.
func openssl(file, ca string) (r reading, err error) {
	idle := exec.Command("openssl", "version")
	if err := idle.Run(); err != nil {
		return r, err
	}
	command := exec.Command("openssl", "crl", "-in", file, "-inform", "DER", "-noout", "-CAfile", ca)
	began := time.Now()
	out, err := command.CombinedOutput()
	r.Time = time.Since(began)
	if err != nil || string(out) != "verify OK\n" {
		return r, fmt.Errorf("%s %w", out, err)
	}
	r.Peak = peakOf(command) - peakOf(idle)
	r.CPU = command.ProcessState.UserTime() + command.ProcessState.SystemTime()
	return r, nil
}

func peakOf(command *exec.Cmd) int64 {
	usage, ok := command.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return usage.Maxrss << 10
}

func printReadings(name string, readers []string, results map[string][]reading, entries float64) {
	times := func(r reading) time.Duration { return r.Time }
	used := func(r reading) time.Duration { return r.CPU }
	reference := results["openssl"]
	for _, reader := range readers {
		all := results[reader]
		live := "—"
		if bytes := median(all, func(r reading) int64 { return r.Live }); bytes > 0 {
			live = fmt.Sprintf("%.2f", float64(bytes)/entries)
		}
		peak := float64(median(all, func(r reading) int64 { return r.Peak })) / entries
		fmt.Printf("| %s | %s | %s | %.3f | %s | %.3f | %s | %.1f |\n", name, reader,
			ms(median(all, times)), ratio(all, reference, times), ms(median(all, used)), ratio(all, reference, used), live, peak)
	}
}

func ms(d time.Duration) string { return fmt.Sprintf("%.0f ms", float64(d.Microseconds())/1000) }

func ratio(all, reference []reading, of func(reading) time.Duration) float64 {
	return float64(median(all, of)) / float64(median(reference, of))
}

func lookups(name string, all []reading) string {
	return fmt.Sprintf("| %s | %d ns | %d ns | %.0f |", name,
		median(all, func(r reading) time.Duration { return r.Warm }).Nanoseconds(),
		median(all, func(r reading) time.Duration { return r.Cold }).Nanoseconds(),
		median(all, func(r reading) float64 { return r.Alloc }))
}

func median[T int64 | float64 | time.Duration](all []reading, of func(reading) T) T {
	values := make([]T, len(all))
	for i, r := range all {
		values[i] = of(r)
	}
	return measure.Median(values)
}
