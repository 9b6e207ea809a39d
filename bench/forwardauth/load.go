package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"time"

	"cpsgate/bench/internal/measure"
)

// connections that a proxy keeps open.
const connections = 16

// outcome is what the load generator reports.
type outcome struct {
	Delays  []time.Duration
	Failure string
}

// lead is how long a server is loaded before its time counts: what it remembers
// for seconds is not read anew for having waited its turn.
const lead = time.Second

// round counts a server's processor time over a span at a rate.
func (s *site) round(name string, rate int, span time.Duration) (r result, err error) {
	server := s.running[name]
	if _, err := s.load(name, rate, lead); err != nil {
		return r, err
	}
	before, err := measure.CPU(server.pid)
	if err != nil {
		return r, err
	}
	out, err := s.load(name, rate, span)
	if err != nil {
		return r, err
	}
	after, err := measure.CPU(server.pid)
	if err != nil {
		return r, err
	}
	slices.Sort(out.Delays)
	n := len(out.Delays)
	return result{CPU: (after - before) / time.Duration(n), P50: out.Delays[n/2], P99: out.Delays[n*99/100]}, nil
}

// load runs the generator on its own core.
func (s *site) load(name string, rate int, span time.Duration) (o outcome, err error) {
	self, err := os.Executable()
	if err != nil {
		return o, err
	}
	command := exec.Command("taskset", "-c", loadCore, self, "-load", s.requests[name], "-rates", strconv.Itoa(rate), "-span", span.String(), s.running[name].address)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return o, err
	}
	if err := json.Unmarshal(out, &o); err != nil {
		return o, err
	}
	if o.Failure != "" || len(o.Delays) == 0 {
		return o, fmt.Errorf("a check failed: %s", o.Failure)
	}
	return o, nil
}

// loadChild sends requests at fixed times and prints the delays of the answers.
func loadChild(file, address string, o options) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var requests []string
	if err := json.Unmarshal(text, &requests); err != nil {
		return err
	}
	if len(o.rates) != 1 || len(requests) == 0 {
		return errors.New("-load FILE -rates RATE ADDRESS")
	}
	pool, err := connect(address)
	if err != nil {
		return err
	}
	total := int(o.span.Seconds() * float64(o.rates[0]))
	var (
		mu    sync.Mutex
		out   outcome
		group sync.WaitGroup
	)
	began := time.Now()
	for i := range total {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(o.rates[0]))
		time.Sleep(time.Until(due))
		group.Go(func() {
			c := <-pool
			err := c.ask(requests[i%len(requests)])
			delay := time.Since(due)
			pool <- c
			mu.Lock()
			defer mu.Unlock()
			out.Delays = append(out.Delays, delay)
			if err != nil {
				out.Failure = err.Error()
			}
		})
	}
	group.Wait()
	return json.NewEncoder(os.Stdout).Encode(out)
}

// link is one open connection.
type link struct {
	net.Conn
	in *bufio.Reader
}

func connect(address string) (chan *link, error) {
	pool := make(chan *link, connections)
	for range connections {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return nil, err
		}
		pool <- &link{c, bufio.NewReader(c)}
	}
	return pool, nil
}

// ask sends one request as it is; the answer must let it through.
func (c *link) ask(request string) error {
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, request); err != nil {
		return err
	}
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return errors.New(response.Status)
	}
	return nil
}
