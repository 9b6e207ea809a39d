package redislab

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
)

// Line is a wire to a server that can lose an answer: what was asked for is
// done, and whoever asked never hears of it.
type Line struct {
	server string
	ends   net.Listener

	mu   sync.Mutex // guards the two below
	lose []byte     // the next request with it is not answered; nil: none
	lost int
}

// Between lays a line to the server, until the test ends.
func Between(t testing.TB, s *Server) *Line {
	t.Helper()
	l := &Line{server: s.Address()}
	var err error
	if l.ends, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.ends.Close() })
	go func() {
		for {
			client, err := l.ends.Accept()
			if err != nil {
				return
			}
			go l.carry(client)
		}
	}()
	return l
}

// URL is the server's, by way of the line.
func (l *Line) URL() string { return "redis://" + l.ends.Addr().String() }

// Lose cuts the connection that next carries the command, as it stands in lower
// case on the wire, once the server has done it.
func (l *Line) Lose(command string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lose = []byte("\r\n" + command + "\r\n")
}

// Lost is how many answers were lost.
func (l *Line) Lost() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// loses tells whether the answer to a request is to be lost.
func (l *Line) loses(request []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lose == nil || !bytes.Contains(bytes.ToLower(request), l.lose) {
		return false
	}
	l.lose = nil
	l.lost++
	return true
}

// carry is one connection: a request, then its answer, as go-redis sends them.
func (l *Line) carry(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", l.server)
	if err != nil {
		return
	}
	defer server.Close()
	var mu sync.Mutex // guards losing
	losing := false
	go func() {
		defer client.Close()
		buffer := make([]byte, 64<<10)
		for {
			n, err := server.Read(buffer)
			mu.Lock()
			cut := losing
			mu.Unlock()
			if err != nil || cut { // the first bytes of the answer: it is done
				return
			}
			if _, err := client.Write(buffer[:n]); err != nil {
				return
			}
		}
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			return
		}
		if l.loses(buffer[:n]) {
			mu.Lock()
			losing = true
			mu.Unlock()
		}
		if _, err := io.Copy(server, bytes.NewReader(buffer[:n])); err != nil {
			return
		}
	}
}
