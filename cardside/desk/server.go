package desk

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"time"

	"cpsgate/cardside"
)

// Limits of one request. The revocation data that the server may ask for take
// it a few seconds.
const (
	requestLimit = 30 * time.Second
	answerLimit  = 256 << 10 // bytes
)

// How long a message that got lost waits before it is sent again, and one that the
// server could not judge: it records each time.
const (
	resendPause   = 500 * time.Millisecond
	unjudgedPause = 2 * time.Second
)

// server is the desk's server, as one sitting reaches it.
type server struct {
	origin   string
	language cardside.Language
	trust    *x509.CertPool
	patience time.Duration // for a server that is away
	away     func(left time.Duration)
	client   *http.Client
	sitting  string // the secret
	requests int    // sent, all in all
}

// newServer reads the address of a server: an https origin and nothing more.
func newServer(address string, o Options) (*server, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/" {
		return nil, fmt.Errorf("%w: %q is no https address of a server", cardside.ErrServer, address)
	}
	s := &server{origin: "https://" + u.Host, language: o.Language, trust: o.Trust, patience: o.Patience, away: o.Away}
	s.client = client(cardside.Transport(o.Trust))
	return s, nil
}

func client(transport *http.Transport) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// cardClient presents the card's certificate: by TLS 1.2, since a CPS3 cannot
// sign for 1.3, and on a connection of its own.
func (s *server) cardClient(certificate tls.Certificate) *http.Client {
	transport := cardside.Transport(s.trust)
	transport.TLSClientConfig.MaxVersion = tls.VersionTLS12
	transport.TLSClientConfig.Certificates = []tls.Certificate{certificate}
	transport.DisableKeepAlives = true
	return client(transport)
}

// close forgets the sitting.
func (s *server) close() {
	s.sitting = ""
	s.client.CloseIdleConnections()
}

// call sends a message to a path of the server's until it is answered. resent
// tells that it went more than once, so that a refusal may mean the first one.
func (s *server) call(ctx context.Context, path string, body, into any) (resent bool, err error) {
	return s.send(ctx, s.client, s.origin+path, body, into)
}

// send is call, by a client of its own and to any address.
func (s *server) send(ctx context.Context, by *http.Client, to string, body, into any) (resent bool, err error) {
	return s.until(ctx, lostPause, func() error { return s.once(ctx, by, to, body, into) })
}

// insist is call for a message that has no second one: it is sent again also where
// the server could not judge it, or not keep it.
func (s *server) insist(ctx context.Context, path string, body, into any) (resent bool, err error) {
	return s.until(ctx, unansweredPause, func() error { return s.once(ctx, s.client, s.origin+path, body, into) })
}

// lostPause is the pause after an error by which a message got lost; 0: it did not.
func lostPause(err error) time.Duration {
	if errors.Is(err, cardside.ErrServer) {
		return resendPause
	}
	return 0
}

// unansweredPause is lostPause, or the pause after a refusal by an error of the
// server's own.
func unansweredPause(err error) time.Duration {
	var refusal *Refusal
	if errors.As(err, &refusal) && refusal.Status >= http.StatusInternalServerError {
		return unjudgedPause
	}
	return lostPause(err)
}

// until sends once and again, with a pause after each error that has one, for as
// long as patience lasts.
func (s *server) until(ctx context.Context, pause func(error) time.Duration, once func() error) (resent bool, err error) {
	deadline := time.Now().Add(s.patience)
	for {
		err = once()
		left, wait := time.Until(deadline), pause(err)
		if wait == 0 || left <= 0 {
			return resent, err
		}
		resent = true
		if s.away != nil {
			s.away(left)
		}
		select {
		case <-time.After(min(wait, left)):
		case <-ctx.Done():
			return resent, context.Cause(ctx)
		}
	}
}

// once sends a message once.
func (s *server) once(ctx context.Context, by *http.Client, to string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("writing a message: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(limited, http.MethodPost, to, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("%w: %w", cardside.ErrServerAnswer, err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Accept-Language", string(s.language))
	if s.sitting != "" {
		request.Header.Set("Authorization", "Bearer "+s.sitting)
	}
	s.requests++
	response, err := by.Do(request)
	if ctx.Err() != nil {
		if err == nil {
			response.Body.Close()
		}
		return context.Cause(ctx)
	}
	if err != nil {
		return cardside.Unreached(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, answerLimit+1))
	if err != nil {
		return fmt.Errorf("%w: reading its answer: %w", cardside.ErrServer, err)
	}
	return read(response, answer, into)
}

// read judges an answer: what was asked for, or a refusal.
func read(response *http.Response, answer []byte, into any) error {
	nonsense := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s: "+format, append([]any{cardside.ErrServerAnswer, response.Status}, args...)...)
	}
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	switch {
	case len(answer) > answerLimit:
		return nonsense("more than %d bytes", answerLimit)
	case response.StatusCode == http.StatusNoContent && into == nil:
		return nil
	case response.StatusCode == http.StatusOK && into != nil && kind == "application/json":
		if err := decode(answer, into); err != nil {
			return nonsense("%w", err)
		}
		return nil
	case response.StatusCode < http.StatusBadRequest:
		return nonsense("of type %.40q", kind)
	}
	var refusal Refusal
	if kind == "application/json" && decode(answer, &refusal) == nil && refusal.Reason != "" {
		refusal.Status = response.StatusCode
		if refusal.Reason == "unavailable" || refusal.Reason == "too-many-attempts" { // not now: it took nothing
			return fmt.Errorf("%w: %w", cardside.ErrServer, &refusal)
		}
		return &refusal
	}
	// Between two servers stands a proxy that says so in its own way.
	if slices.Contains([]int{http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}, response.StatusCode) {
		return fmt.Errorf("%w: it answers %s", cardside.ErrServer, response.Status)
	}
	return nonsense("no refusal of the desk's")
}
