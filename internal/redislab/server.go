// Package redislab runs real redis-servers for tests and benchmarks: on free
// loopback ports, without persistence, in a folder of their own, ended with the
// process that started them.
//
//	server := redislab.Start(t)
//	client at server.URL()
//
// Where Debian's redis-server is missing tests skip, saying so; with
// CPSGATE_TEST_ALL=1 they fail instead.
package redislab

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mustAll is the variable that forbids skipping; make test sets it to 1.
const mustAll = "CPSGATE_TEST_ALL"

// startTime is how long a server may take to answer.
const startTime = 10 * time.Second

// Need skips the test where a program is missing.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range append(programs, "redis-server") {
		if _, err := exec.LookPath(p); err == nil {
			continue
		}
		reason := p + " is missing: apt-get install redis-server redis-sentinel redis-tools"
		if os.Getenv(mustAll) == "1" {
			t.Fatalf("%s (%s=1 forbids skipping)", reason, mustAll)
		}
		t.Skip(reason)
	}
}

// Server is one running redis-server.
type Server struct {
	Port int

	dir     string
	program string
	conf    string
	process *exec.Cmd
}

// Start runs a server until the test ends; settings are lines of its
// configuration, beyond the port and what keeps it to itself.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	Need(t)
	return start(t, "redis-server", settings)
}

func start(t testing.TB, program string, settings []string) *Server {
	t.Helper()
	s, err := launch(t.TempDir(), program, settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return s
}

// Launch is Start outside of tests: dir is the server's own, and Kill ends it.
func Launch(dir string, settings ...string) (*Server, error) {
	return launch(dir, "redis-server", settings)
}

func launch(dir, program string, settings []string) (*Server, error) {
	var err error
	for range 5 { // another may have taken the port meanwhile
		var port int
		if port, err = FreePort(); err != nil {
			return nil, err
		}
		s := &Server{Port: port, dir: dir, program: program, conf: filepath.Join(dir, "redis.conf")}
		if err = s.configure(settings); err != nil {
			return nil, err
		}
		if err = s.run(); err == nil {
			return s, nil
		}
	}
	return nil, err
}

// configure writes the configuration; {port} in a setting is the server's.
func (s *Server) configure(settings []string) error {
	own := []string{"bind 127.0.0.1", "daemonize no", "dir " + s.dir, "loglevel warning", "logfile " + filepath.Join(s.dir, "log")}
	all := strings.Join(settings, "\n")
	if !strings.Contains(all, "tls-port") {
		own = append(own, "port {port}")
	}
	if s.program == "redis-server" {
		own = append(own, `save ""`, "appendonly no")
	}
	text := strings.ReplaceAll(strings.Join(own, "\n")+"\n"+all+"\n", "{port}", strconv.Itoa(s.Port))
	return os.WriteFile(s.conf, []byte(text), 0o600)
}

func (s *Server) run() error {
	s.process = exec.Command(s.program, s.conf)
	s.process.SysProcAttr = dieWithParent()
	if err := s.process.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() { _ = s.process.Wait(); close(exited) }()
	for end := time.Now().Add(startTime); time.Now().Before(end); {
		if s.answers() {
			return nil
		}
		select {
		case <-exited:
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("%s ended: %s", s.program, log)
		case <-time.After(5 * time.Millisecond):
		}
	}
	s.Kill()
	return errors.New(s.program + " does not answer")
}

// answers tells whether the port takes a command, or a TLS handshake.
func (s *Server) answers() bool {
	c, err := net.DialTimeout("tcp", s.Address(), time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	if conf, _ := os.ReadFile(s.conf); strings.Contains(string(conf), "tls-port") {
		return true
	}
	_ = c.SetDeadline(time.Now().Add(time.Second))
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	return err == nil && !strings.HasPrefix(line, "-LOADING")
}

// Address is host:port.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) }

// URL is the server's, without TLS.
func (s *Server) URL() string { return "redis://" + s.Address() }

// Kill ends the server at once, whatever it was doing.
func (s *Server) Kill() {
	_ = s.process.Process.Kill()
	for s.listens() {
		time.Sleep(time.Millisecond)
	}
}

func (s *Server) listens() bool {
	c, err := net.DialTimeout("tcp", s.Address(), time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// Restart runs a killed server again on its port, empty.
func (s *Server) Restart() error { return s.run() }

// Freeze stops the process where it is: it holds its connections and answers
// nothing. Thaw lets it go on.
func (s *Server) Freeze() error { return s.process.Process.Signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (s *Server) Thaw() error { return s.process.Process.Signal(syscall.SIGCONT) }

// FreePort is a loopback port that nobody listens on.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
