package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"testing"
	"time"

	"cpsgate/bench/internal/measure"
	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

// runChild reads FILE as signed by CA and prints a reading.
func runChild(reader string, entries int, args []string) error {
	if len(args) != 3 {
		return errors.New("-child READER FILE CA SHAPE")
	}
	ca, err := readCA(args[1])
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	debug.FreeOSMemory()
	idle, err := measure.Status(os.Getpid(), "VmRSS")
	if err != nil {
		return err
	}
	if err := measure.ResetPeak(); err != nil {
		return err
	}
	before := liveHeap()
	var r reading
	used, began := processorTime(), time.Now()
	list, theirs, err := read(reader, args[0], ca)
	r.Time, r.CPU = time.Since(began), processorTime()-used
	if err != nil {
		return err
	}
	peak, err := measure.Status(os.Getpid(), "VmHWM")
	if err != nil {
		return err
	}
	r.Peak, r.Live = peak-idle, liveHeap()-before
	if list != nil {
		if err := lookUp(&r, list, shapes(entries)[number].spec); err != nil {
			return err
		}
	}
	runtime.KeepAlive(theirs)
	return json.NewEncoder(os.Stdout).Encode(r)
}

func read(reader, file string, ca *x509.Certificate) (*mtls.CRL, *x509.RevocationList, error) {
	if reader == "crypto/x509" {
		der, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, err
		}
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			return nil, nil, err
		}
		return nil, list, list.CheckSignatureFrom(ca)
	}
	in, err := os.Open(file)
	if err != nil {
		return nil, nil, err
	}
	defer in.Close()
	list, err := mtls.ReadCRL(in, mtls.CRLLimits{})
	if err != nil {
		return nil, nil, err
	}
	return list, nil, list.CheckSignature(ca)
}

// processorTime is what this process has used.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func readCA(file string) (*x509.Certificate, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s: not PEM", file)
	}
	return x509.ParseCertificate(block.Bytes)
}

func liveHeap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// lookUp times look-ups, half of them of revoked serials: of the same thousand,
// which the processor comes to hold in its cache, and of serials from all over
// the CRL, which it cannot.
func lookUp(r *reading, list *mtls.CRL, spec testpki.LargeCRLSpec) (err error) {
	warm, cold := serials(spec, 1<<10), serials(spec, 1<<16)
	if r.Warm, err = timed(list, warm); err != nil {
		return err
	}
	r.Alloc = testing.AllocsPerRun(100, func() { list.Find(&cold[0]); list.Find(&cold[1]) }) / 2
	r.Cold, err = timed(list, cold)
	return err
}

// serials are n, revoked and not in turn, side by side in memory so that the
// time to get at them does not count for the look-up's.
func serials(spec testpki.LargeCRLSpec, n int) []big.Int {
	all := make([]big.Int, n)
	for i := range all {
		at := int(uint64(i) * 2654435761 % uint64(spec.Entries))
		if i%2 == 1 {
			at += spec.Entries
		}
		all[i].Set(spec.Serial(at))
	}
	return all
}

// timed is the quickest of several passes over the serials: the others were
// disturbed.
func timed(list *mtls.CRL, serials []big.Int) (time.Duration, error) {
	const passes = 20
	best := time.Duration(1<<63 - 1)
	for range passes {
		began := time.Now()
		found := 0
		for i := range serials {
			if _, revoked := list.Find(&serials[i]); revoked {
				found++
			}
		}
		if took := time.Since(began) / time.Duration(len(serials)); took < best {
			best = took
		}
		if found != len(serials)/2 {
			return 0, fmt.Errorf("%d found of %d", found, len(serials)/2)
		}
	}
	return best, nil
}
