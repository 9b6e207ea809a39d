package mtls

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Fetcher gets CRLs and OCSP answers. It and its kin fetch_http.go and
// fetch_ldap.go are this package's only use of the network.
//
// Everything it does has a deadline and a size limit, and goes only to hosts
// that are named: addresses come from certificates and configuration, and
// neither should be able to make the server talk to just anyone. It follows no
// redirect and accepts no compressed answer. What it brings is not trusted.
type Fetcher struct {
	// Hosts are those it may talk to, as host or host:port, in lower case. A
	// host alone stands for the default port of whatever scheme. None: nothing
	// is fetched.
	Hosts []string
	// MaxBytes of a CRL over HTTP; default DefaultCRLBytes.
	MaxBytes int64
	// MaxDirectoryBytes of a CRL over LDAP, which is held in memory, a dozen
	// times over for a moment; default DefaultDirectoryBytes.
	MaxDirectoryBytes int64
	// Deadline for a whole CRL; default 5 minutes.
	Deadline time.Duration
	// Patience is how long to wait with no octet arriving; default 20 seconds.
	Patience time.Duration
	// OCSPDeadline for an OCSP answer; default 3 seconds.
	OCSPDeadline time.Duration
	// Proxy is an HTTP proxy, nil for none. The environment is not asked.
	Proxy *url.URL

	http httpClient
}

// Defaults of Fetcher.
const (
	DefaultFetchDeadline  = 5 * time.Minute
	DefaultFetchPatience  = 20 * time.Second
	DefaultOCSPDeadline   = 3 * time.Second
	DefaultDirectoryBytes = 2 << 20 // some 58,000 entries: a delta CRL's, many times over
	maxOCSPBytes          = 16 << 10
)

// FetchFault names why nothing was fetched. Compare with errors.Is.
type FetchFault string

// The faults of fetching.
const (
	FetchNotModified    FetchFault = "not-modified" // what is held is current: no fault, but no body either
	FetchAddress        FetchFault = "malformed-address"
	FetchHostNotAllowed FetchFault = "host-not-allowed"
	FetchUnreachable    FetchFault = "unreachable"
	FetchRedirected     FetchFault = "redirected"
	FetchStatus         FetchFault = "unexpected-status"
	FetchEncoded        FetchFault = "content-encoding"
	FetchTooLarge       FetchFault = "too-large"
	FetchTooSlow        FetchFault = "too-slow"
	FetchBroken         FetchFault = "broken-off"
	FetchMalformed      FetchFault = "malformed-answer" // not the shape of a directory's answer to a search
	FetchNoValue        FetchFault = "no-value"         // the directory entry holds no CRL, or several
)

func (f FetchFault) Error() string { return "fetching: " + string(f) }

// FetchError is a failed fetch: from where, and why.
type FetchError struct {
	Fault  FetchFault
	URL    string
	Detail string
	Err    error
}

func (e *FetchError) Error() string {
	s := e.Fault.Error() + ": " + e.URL
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the fault, and the error behind it.
func (e *FetchError) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Fault}
	}
	return []error{e.Fault, e.Err}
}

// Validators let a server say that nothing has changed (RFC 9110 §13).
type Validators struct {
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
}

// Fetched is an answer being read. Its Read errors are *FetchError.
type Fetched struct {
	io.ReadCloser
	Validators Validators
}

// CRL begins to fetch a CRL from an http, https, ldap or ldaps address. With
// the validators of the copy that is held, the error is FetchNotModified when
// that copy is current. The caller closes what it gets.
func (f *Fetcher) CRL(ctx context.Context, address string, held Validators) (*Fetched, error) {
	target, err := f.allowed(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, orDefault(f.Deadline, DefaultFetchDeadline))
	watched := &watchedContext{ctx: ctx, cancel: cancel, patience: orDefault(f.Patience, DefaultFetchPatience), address: address}
	watched.begin()
	var fetched *Fetched
	if target.Scheme == "ldap" || target.Scheme == "ldaps" {
		fetched, err = f.directoryCRL(watched, target)
	} else {
		fetched, err = f.httpCRL(watched, target, held)
	}
	if err != nil {
		watched.end()
		return nil, watched.explain(err)
	}
	return fetched, nil
}

func orDefault[T int64 | time.Duration](value, fallback T) T {
	if value <= 0 {
		return fallback
	}
	return value
}

// allowed parses an address and refuses hosts that are not named.
func (f *Fetcher) allowed(address string) (*url.URL, error) {
	target, err := url.Parse(address)
	if err != nil {
		return nil, &FetchError{Fault: FetchAddress, URL: address, Err: err}
	}
	port := map[string]string{"http": "80", "https": "443", "ldap": "389", "ldaps": "636"}[target.Scheme]
	host := strings.ToLower(target.Hostname())
	if port == "" || host == "" || target.User != nil || target.Fragment != "" {
		return nil, &FetchError{Fault: FetchAddress, URL: address, Detail: "not an http, https, ldap or ldaps address of a host"}
	}
	named := host
	if target.Port() != "" && target.Port() != port {
		named = net.JoinHostPort(host, target.Port())
	}
	if !slices.Contains(f.Hosts, named) {
		return nil, &FetchError{Fault: FetchHostNotAllowed, URL: address}
	}
	return target, nil
}

// watchedContext ends a fetch whose octets have stopped coming.
type watchedContext struct {
	ctx      context.Context
	cancel   context.CancelFunc
	patience time.Duration
	address  string

	mu      sync.Mutex
	timer   *time.Timer
	stalled bool
}

func (w *watchedContext) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(w.patience, func() {
		w.mu.Lock()
		w.stalled = true
		w.mu.Unlock()
		w.cancel()
	})
}

func (w *watchedContext) progress() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stalled {
		w.timer.Reset(w.patience)
	}
}

func (w *watchedContext) end() {
	w.mu.Lock()
	w.timer.Stop()
	w.mu.Unlock()
	w.cancel()
}

// explain gives an error of the network its name.
func (w *watchedContext) explain(err error) error {
	var known *FetchError
	if errors.As(err, &known) {
		return known
	}
	w.mu.Lock()
	stalled := w.stalled
	w.mu.Unlock()
	failure := &FetchError{Fault: FetchBroken, URL: w.address, Err: err}
	var operation *net.OpError
	switch {
	case stalled:
		failure.Fault, failure.Detail = FetchTooSlow, fmt.Sprintf("nothing came for %s", w.patience)
	case errors.Is(w.ctx.Err(), context.DeadlineExceeded):
		failure.Fault, failure.Detail = FetchTooSlow, "not done by the deadline"
	case errors.As(err, &operation) && operation.Op == "dial":
		failure.Fault = FetchUnreachable
	}
	return failure
}

// boundedBody reads an answer: no further than its limit, and with progress.
type boundedBody struct {
	body    io.ReadCloser
	watched *watchedContext
	left    int64
}

func (b *boundedBody) Read(into []byte) (int, error) {
	if int64(len(into)) > b.left+1 {
		into = into[:b.left+1] // one more than allowed tells an answer that is too long
	}
	n, err := b.body.Read(into)
	if n > 0 {
		b.watched.progress()
	}
	b.left -= int64(n)
	switch {
	case b.left < 0:
		return 0, &FetchError{Fault: FetchTooLarge, URL: b.watched.address}
	case err != nil && !errors.Is(err, io.EOF):
		return n, b.watched.explain(err)
	}
	return n, err
}

func (b *boundedBody) Close() error {
	b.watched.end()
	return b.body.Close()
}
