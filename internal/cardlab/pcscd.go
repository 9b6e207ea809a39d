package cardlab

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"cpsgate/internal/virtualcard"
)

// patience is how long the service may take for anything.
const patience = 10 * time.Second

// logLines is how much of the service's log is kept to explain a failure.
const logLines = 40

// setup runs in the new mount namespace: $1 the directory that becomes
// /run/pcscd, $2 the drivers to hide, $3 the library to preload, then the service
// and its arguments. pcscd 1.9 has its socket's place built in, and with the
// drivers hidden no real reader is taken.
const setup = `mount -t tmpfs none /run && mkdir /run/pcscd && mount --bind "$1" /run/pcscd &&
mount -t tmpfs none "$2" && export LD_PRELOAD="$3" && shift 3 && exec "$@"`

// errPort is a service whose readers could not have their ports.
var errPort = errors.New("a port was taken in the meantime")

// service is a running pcscd, and what its log says.
type service struct {
	process *os.Process
	ended   chan struct{} // closed when the process is gone

	mu      sync.Mutex // guards all below
	changed chan struct{}
	log     []string
	ready   bool
	present map[string]bool // by reader name
	noPort  bool
	err     error // why it ended
}

// startService starts pcscd on its own /run/pcscd, which is directory run, with
// what configure has put into directory.
func startService(run, directory string) (*service, error) {
	s := &service{ended: make(chan struct{}), changed: make(chan struct{}), present: map[string]bool{}}
	arguments := append(namespaceFlags(), "sh", "-c", setup, "sh", run, driversPath, filepath.Join(directory, preloaded),
		pcscdPath, "--foreground", "--info", "--config", filepath.Join(directory, configuration))
	arguments = append(arguments, extraFlags()...)
	command := exec.Command("unshare", arguments...)
	command.Env = append(os.Environ(), "LC_ALL=C")
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	command.Stderr = command.Stdout
	started := make(chan error)
	go s.keep(command, output, started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting pcscd: %w", err)
	}
	taken := false
	err = s.await(func() bool { taken = s.noPort; return s.ready })
	if err == nil && taken {
		err = errPort
	}
	if err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// keep starts the process and stays its parent until it ends. The thread is
// kept too: it is the thread's end, not the process's, that would end a child
// with a parent-death signal.
func (s *service) keep(command *exec.Cmd, output io.Reader, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	command.SysProcAttr = dieWithParent()
	if err := command.Start(); err != nil {
		started <- err
		return
	}
	s.process = command.Process
	started <- nil
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		s.note(lines.Text())
	}
	err := cmp.Or(command.Wait(), errors.New("of itself"))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = fmt.Errorf("pcscd ended: %w", err)
	close(s.ended)
	s.tell()
}

// note reads a line of the log: pcscd's own words for what PC/SC's clients see.
func (s *service) note(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.log = append(s.log, line); len(s.log) > logLines {
		s.log = slices.Delete(s.log, 0, 1)
	}
	if _, reader, ok := strings.Cut(line, "Card inserted into "); ok {
		s.present[reader] = true
	}
	if _, reader, ok := strings.Cut(line, "Card Removed From "); ok {
		s.present[reader] = false
	}
	s.ready = s.ready || strings.Contains(line, "daemon ready")
	s.noPort = s.noPort || strings.Contains(line, "Could not initialize connection to virtual ICC")
	s.tell()
}

// tell wakes all who wait. The lock is held.
func (s *service) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// again is how soon a condition is looked at again that no line of the log told.
const again = 5 * time.Millisecond

// await waits until what the log and the cards say satisfies condition, which is
// called with the lock held.
func (s *service) await(condition func() bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		s.mu.Lock()
		done, err, changed, log := condition(), s.err, s.changed, strings.Join(s.log, "\n")
		s.mu.Unlock()
		switch {
		case done:
			return nil
		case err != nil:
			return fmt.Errorf("%w; its log:\n%s", err, log)
		}
		select {
		case <-changed:
		case <-time.After(again):
		case <-ctx.Done():
			return fmt.Errorf("pcscd took more than %s; its log:\n%s", patience, log)
		}
	}
}

// announced waits until PC/SC has seen a card that was put into a reader after
// so many power-ups.
//
// A card found by a reader's very first look is not announced as inserted. But
// every look asks for its ATR, and one after that of its power-up comes when the
// reader's state has been set.
func (s *service) announced(reader string, card *virtualcard.Card, powerUps int) error {
	return s.await(func() bool {
		s.present[reader] = s.present[reader] || card.PowerUps() > powerUps && card.Looks() > 1
		return s.present[reader]
	})
}

// stop ends the process by its id, kindly first.
func (s *service) stop() {
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Kill} {
		_ = s.process.Signal(signal) // an error says that it is gone
		select {
		case <-s.ended:
			return
		case <-time.After(2 * time.Second):
		}
	}
}

// extraFlags are those that only later versions of pcscd have.
func extraFlags() []string {
	help, err := exec.Command(pcscdPath, "--help").CombinedOutput()
	if err == nil && strings.Contains(string(help), "disable-polkit") {
		return []string{"--disable-polkit"} // without it nobody may use a reader here
	}
	return nil
}

// namespaceFlags make a mount namespace, in a user namespace unless root.
func namespaceFlags() []string {
	flags := []string{"--mount", "--propagation", "private"}
	if os.Geteuid() != 0 {
		flags = append(flags, "--map-root-user")
	}
	return append(flags, "--")
}

func namespaceWorks() error {
	output, err := exec.Command("unshare", append(namespaceFlags(), "mount", "-t", "tmpfs", "none", "/run")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("a mount namespace is needed, as root or with user namespaces: %w: %s", err, strings.TrimSpace(string(output)))
	}
	return nil
}
