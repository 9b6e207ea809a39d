package cardlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"cpsgate/internal/virtualcard"
)

// socketVariable tells libpcsclite where its service is.
const socketVariable = "PCSCLITE_CSOCK_NAME"

// slots of one vpcd reader, each on a port of its own.
const slots = 2

// MaxReaders is how many readers pcscd serves (PCSCLITE_MAX_READERS_CONTEXTS).
const MaxReaders = 16

// loopback is the only address on which readers wait.
const loopback = "127.0.0.1"

// attempts to find ports that stay free until vpcd has them.
const attempts = 5

// runDirectory is /run/pcscd of every bench of this process: libpcsclite reads
// its variable once and never again.
var runDirectory = sync.OnceValues(func() (string, error) {
	directory, err := os.MkdirTemp("", "cardlab")
	if err != nil {
		return "", err
	}
	return directory, os.Setenv(socketVariable, filepath.Join(directory, "pcscd.comm"))
})

// bench is held by the Lab that uses runDirectory.
var bench sync.Mutex

// Lab is a PC/SC service with virtual readers.
type Lab struct {
	Readers []*Reader

	service   *service
	directory string // drivers and configuration
	socket    string
}

// Start builds a bench with so many readers, for the time of a test. It skips
// the test where that cannot be.
func Start(t testing.TB, readers int) *Lab {
	t.Helper()
	Need(t)
	lab, err := Open(readers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lab.Close)
	return lab
}

// Open builds a bench, waiting for another of this process to be closed. Close
// clears it away.
func Open(readers int) (*Lab, error) {
	bench.Lock()
	lab, err := open(readers, freePorts)
	if err != nil {
		bench.Unlock()
		return nil, fmt.Errorf("building a bench with %d readers: %w", readers, err)
	}
	return lab, nil
}

// open builds a bench; choose finds a row of ports.
func open(readers int, choose func(count int) (int, error)) (lab *Lab, err error) {
	if readers > MaxReaders {
		return nil, fmt.Errorf("pcscd serves %d at most", MaxReaders)
	}
	run, err := runDirectory()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(run, 0o755); err != nil { // the bench before took it away
		return nil, err
	}
	lab = &Lab{socket: filepath.Join(run, "pcscd.comm")}
	for range attempts {
		if lab.directory, err = os.MkdirTemp("", "cardlab"); err != nil {
			return nil, err
		}
		if lab.Readers, err = configure(lab.directory, readers, choose); err == nil {
			lab.service, err = startService(run, lab.directory)
		}
		if err == nil {
			break
		}
		os.RemoveAll(lab.directory)
		if !errors.Is(err, errPort) {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	for _, r := range lab.Readers {
		r.service = lab.service
	}
	return lab, nil
}

// Close ejects all cards, ends the service and removes its files.
func (l *Lab) Close() {
	defer bench.Unlock()
	for _, r := range l.Readers {
		r.pull()
	}
	l.service.stop()
	os.RemoveAll(l.directory)
	os.RemoveAll(filepath.Dir(l.socket))
}

// Env is what a child process needs in its environment to see this bench. This
// process has it already.
func (l *Lab) Env() []string { return []string{socketVariable + "=" + l.socket} }

// What is in a bench's directory.
const (
	configuration = "reader.conf.d" // pcscd's
	preloaded     = "loopback.so"   // into pcscd
)

// configure writes pcscd's configuration. vpcd's driver keeps its readers in
// static variables, so each pair of readers gets a copy of it.
func configure(directory string, readers int, choose func(count int) (int, error)) ([]*Reader, error) {
	driver, err := os.ReadFile(driverPath)
	if err != nil {
		return nil, err
	}
	library, err := loopbackOnly()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(directory, preloaded), library, 0o755); err != nil {
		return nil, err
	}
	var conf strings.Builder
	var all []*Reader
	for pair := 0; len(all) < readers; pair++ {
		port, err := choose(slots)
		if err != nil {
			return nil, err
		}
		name, library := fmt.Sprintf("Virtual %c", 'A'+pair), filepath.Join(directory, fmt.Sprintf("vpcd%d.so", pair))
		if err := os.WriteFile(library, driver, 0o755); err != nil {
			return nil, err
		}
		fmt.Fprintf(&conf, "FRIENDLYNAME %q\nDEVICENAME /dev/null:%d\nLIBPATH %s\nCHANNELID %d\n", name, port, library, port)
		for slot := range slots {
			all = append(all, &Reader{
				Name:    fmt.Sprintf("%s 00 %02X", name, slot),
				Address: net.JoinHostPort(loopback, strconv.Itoa(port+slot)),
			})
		}
	}
	if err := os.Mkdir(filepath.Join(directory, configuration), 0o755); err != nil {
		return nil, err
	}
	return all, os.WriteFile(filepath.Join(directory, configuration, "vpcd"), []byte(conf.String()), 0o644)
}

// freePorts finds count ports in a row that are free now, and returns the first.
func freePorts(count int) (int, error) {
	for range 100 {
		first, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
		if err != nil {
			return 0, err
		}
		port, free := first.Addr().(*net.TCPAddr).Port, true
		for next := 1; next < count; next++ {
			listener, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port+next)))
			if err != nil {
				free = false
				break
			}
			listener.Close()
		}
		first.Close()
		if free && port+count <= 0x10000 {
			return port, nil
		}
	}
	return 0, errors.New("no free ports")
}

// Reader is a virtual reader. There are two for each asked for or part of two:
// vpcd has them in pairs.
type Reader struct {
	Name    string // as PC/SC calls it
	Address string // where its vpcd waits

	service *service
	mu      sync.Mutex
	cancel  context.CancelFunc // of the card inside; nil: empty
	served  chan error         // how the card ended
}

// Put inserts a card for the rest of the test.
func (r *Reader) Put(t testing.TB, card *virtualcard.Card) {
	t.Helper()
	if err := r.Insert(card); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.pull() })
}

// Insert puts a card into the reader; when it returns PC/SC has powered and
// announced it.
func (r *Reader) Insert(card *virtualcard.Card) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cancel != nil {
		return fmt.Errorf("reader %s holds a card already", r.Name)
	}
	empty := func() bool { return !r.service.present[r.Name] }
	if err := r.service.await(empty); err != nil { // a card pulled just now
		return fmt.Errorf("inserting a card: %w", err)
	}
	before := card.PowerUps()
	connection, err := net.Dial("tcp", r.Address)
	if err != nil {
		return fmt.Errorf("inserting a card: %w", err)
	}
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(context.Background())
	r.served = make(chan error, 1)
	go func(served chan<- error) { served <- card.Serve(ctx, connection) }(r.served)
	if err := r.service.announced(r.Name, card, before); err != nil {
		return fmt.Errorf("inserting a card: %w", err)
	}
	return nil
}

// Eject takes the card out; when it returns PC/SC has announced that. It is
// well with a card that left by itself, and says how: ErrEjected.
func (r *Reader) Eject() error {
	err := r.pull()
	if gone := r.Gone(); gone != nil {
		return gone
	}
	return err
}

// Gone waits until PC/SC has announced that the reader is empty.
func (r *Reader) Gone() error {
	return r.service.await(func() bool { return !r.service.present[r.Name] })
}

// pull takes the card out without waiting for PC/SC.
func (r *Reader) pull() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cancel == nil {
		return nil
	}
	r.cancel()
	r.cancel = nil
	return <-r.served
}
