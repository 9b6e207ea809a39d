package mtls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// What a handler may be told instead of a certificate. They are not refusals of
// a card: the request does not come by the way the card listener offers.
var (
	ErrNoHandshake    = errors.New("the request did not come through the card listener")
	ErrTaken          = errors.New("the certificate of this handshake was taken already")
	ErrStaleHandshake = errors.New("the handshake is too old")
	ErrResumed        = errors.New("the TLS session was resumed")
)

// Handshake is the memory of one connection: when its handshake ended, and
// whether its certificate was taken. With TLS 1.2 the time is that of the
// client's certificate and key exchange, which it sends in one flight with the
// proof that it holds the key: a client that dawdles in between only ages.
type Handshake struct {
	mu    sync.Mutex
	ended time.Time
	taken bool
}

func (h *Handshake) end(at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = at
}

// take hands the right to the certificate over, once.
func (h *Handshake) take(now time.Time, maxAge time.Duration) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	age := now.Sub(h.ended)
	switch {
	case h.ended.IsZero():
		return ErrNoHandshake
	case h.taken:
		return ErrTaken
	case age > maxAge || age < -maxAge:
		h.taken = true
		return fmt.Errorf("%w: %s", ErrStaleHandshake, age.Round(time.Millisecond))
	}
	h.taken = true
	return nil
}

type handshakeKey struct{}

// ConnContext is for http.Server.ConnContext of the card listener. It gives
// each connection its Handshake.
func ConnContext(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, handshakeKey{}, &Handshake{})
}

func handshakeFrom(ctx context.Context) *Handshake {
	h, _ := ctx.Value(handshakeKey{}).(*Handshake)
	return h
}

// Leaf is the certificate that a client showed. Nothing of it is verified.
type Leaf struct {
	DER []byte // nil: none was shown

	parsed *x509.Certificate // of DER, by crypto/tls in the handshake; nil: not parsed yet
}

// parse is ParseCertificate, unless that was done. crypto/tls parses larger
// ones than we take.
func (l Leaf) parse() (*x509.Certificate, error) {
	if l.parsed != nil && len(l.DER) <= maxCertificateDER {
		return l.parsed, nil
	}
	return ParseCertificate(l.DER)
}

// TakeCertificate hands over the leaf certificate of the request's connection:
// once, from a full handshake that ended at most maxAge ago. One without DER
// and no error: the browser sent none. The other certificates the client may
// have sent are not handed over. Nothing is verified but that the client holds
// the key.
func TakeCertificate(ctx context.Context, state *tls.ConnectionState, now time.Time, maxAge time.Duration) (Leaf, error) {
	h := handshakeFrom(ctx)
	switch {
	case h == nil || state == nil || !state.HandshakeComplete:
		return Leaf{}, ErrNoHandshake
	case state.DidResume:
		return Leaf{}, ErrResumed
	}
	if err := h.take(now, maxAge); err != nil {
		return Leaf{}, err
	}
	if len(state.PeerCertificates) == 0 {
		return Leaf{}, nil
	}
	leaf := state.PeerCertificates[0]
	return Leaf{DER: leaf.Raw, parsed: leaf}, nil
}
