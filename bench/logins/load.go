package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"cpsgate/bench/internal/measure"
)

// measureAll starts the servers, warms them up, and gives them their rounds.
func (s *site) measureAll(o options) (results map[string]*standing, err error) {
	results = map[string]*standing{}
	servers := map[string]*running{}
	defer func() {
		for _, server := range servers {
			err = errors.Join(err, server.stop())
		}
	}()
	for _, name := range order() {
		server, err := s.start(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		servers[name], results[name] = server, &standing{Start: server.start}
		if _, err := s.round(server, o.slowLogins, o.clients); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	for i := range o.rounds {
		turn := order() // nobody always comes after the one that empties the caches
		for j := range turn {
			name := turn[(i+j)%len(turn)]
			logins := o.logins
			if name == nginxCRL {
				logins = o.slowLogins
			}
			r, err := s.round(servers[name], logins, o.clients)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			results[name].Rounds = append(results[name].Rounds, r)
		}
	}
	for name, server := range servers {
		if results[name].Resident, err = measure.Status(server.pid, "VmRSS"); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// round counts a server's processor time over some logins.
func (s *site) round(server *running, logins, clients int) (r result, err error) {
	before, err := measure.CPU(server.pid)
	if err != nil {
		return r, err
	}
	outcome, err := s.load(server.address, logins, clients)
	if err != nil {
		return r, err
	}
	after, err := measure.CPU(server.pid)
	if err != nil {
		return r, err
	}
	if outcome.Failed > 0 {
		return r, fmt.Errorf("%d of %d logins failed: %s", outcome.Failed, logins, outcome.Failure)
	}
	used := after - before
	return result{used / time.Duration(logins), float64(logins) / outcome.Took.Seconds(), float64(used) / float64(outcome.Took)}, nil
}

func (s *site) start(name string) (*running, error) {
	if name == nginx || name == nginxCRL {
		return s.startNginx(name == nginxCRL)
	}
	return s.startGo(name)
}

// swapResult is what replacing the CRL under load does to logins.
type swapResult struct {
	Swaps, Logins, Failed int
	Longest, LongestQuiet time.Duration
}

// measureSwap loads cpsgate twice: left alone, and with its CRL replaced over
// and over.
func (s *site) measureSwap(o options) (r swapResult, err error) {
	server, err := s.start(ours)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	logins := o.logins * swapRounds
	quiet, err := s.load(server.address, logins, 1)
	if err != nil {
		return r, err
	}
	done := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(swapEvery):
				if syscall.Kill(server.pid, syscall.SIGHUP) == nil {
					r.Swaps++
				}
			}
		}
	})
	swapping, err := s.load(server.address, logins, 1)
	close(done)
	group.Wait()
	r.Logins, r.Failed = logins, swapping.Failed
	r.Longest, r.LongestQuiet = swapping.Longest, quiet.Longest
	return r, err
}

const (
	swapEvery  = 400 * time.Millisecond
	swapRounds = 8 // as many logins as in that many rounds
)

// outcome is what the load generator reports.
type outcome struct {
	Took    time.Duration
	Longest time.Duration
	Failed  int
	Failure string
}

// load runs the generator on its own core.
func (s *site) load(address string, logins, clients int) (o outcome, err error) {
	self, err := os.Executable()
	if err != nil {
		return o, err
	}
	command := exec.Command("taskset", "-c", loadCore, self, "-load", s.folder, "-logins", strconv.Itoa(logins), "-clients", strconv.Itoa(clients), address)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return o, err
	}
	return o, json.Unmarshal(out, &o)
}

// loadChild logs in that many times and prints the outcome.
func loadChild(folder string, args []string, o options) error {
	if len(args) != 1 {
		return errors.New("-load FOLDER ADDRESS")
	}
	s := &site{folder: folder}
	var configs []*tls.Config
	for i := range cards {
		pair, err := tls.LoadX509KeyPair(s.path(cardName(i)+".pem"), s.path(cardName(i)+"-key.pem"))
		if err != nil {
			return err
		}
		configs = append(configs, clientConfig(pair))
	}
	var next, failed atomic.Int64
	var mu sync.Mutex
	var out outcome
	var group sync.WaitGroup
	began := time.Now()
	for range o.clients {
		group.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= int64(o.logins) {
					return
				}
				start := time.Now()
				err := login(args[0], configs[i%cards])
				took := time.Since(start)
				mu.Lock()
				out.Longest = max(out.Longest, took)
				if err != nil {
					failed.Add(1)
					out.Failure = err.Error()
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	out.Took, out.Failed = time.Since(began), int(failed.Load())
	return json.NewEncoder(os.Stdout).Encode(out)
}

// clientConfig spares the generator what does not concern the server: it does
// not verify the server's certificate.
func clientConfig(pair tls.Certificate) *tls.Config {
	return &tls.Config{
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil },
		ServerName:           host, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // a load generator on the loopback
		CurvePreferences:   []tls.CurveID{tls.X25519, tls.CurveP256},
		CipherSuites:       []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256},
	}
}

// login is a full handshake and one request; the verdict must be "accepted".
func login(address string, config *tls.Config) error {
	raw, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		return err
	}
	defer raw.Close()
	if err := raw.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	connection := tls.Client(raw, config)
	if _, err := fmt.Fprintf(connection, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body := make([]byte, len("accepted"))
	n, _ := response.Body.Read(body) // short bodies come in one piece
	if response.StatusCode != http.StatusOK || string(body[:n]) != "accepted" {
		return fmt.Errorf("%s %s", response.Status, body[:n])
	}
	return nil
}
