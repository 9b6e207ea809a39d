package mtls

import (
	"context"
	"crypto/x509"
	"errors"
	"math/big"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// OCSPClient asks responders and remembers what they answered. Beside a
// Refresher, in a struct that embeds both, it is OCSPEvidence: what
// Verifier.Questions lists is asked with AskAll before a login is judged, and
// the judgement finds the answers in memory. It is safe for concurrent use.
type OCSPClient struct {
	// Fetch sends a question: Fetcher.OCSP.
	Fetch func(ctx context.Context, address string, question []byte) ([]byte, error)
	// Responders are asked in place of those that certificates name.
	Responders []string
	// Fallback are asked about a remembered certificate, after those that the
	// last certificate of its issuer named, if one was seen.
	Fallback []string
	// IGCFallback are asked after those, about what the IGC-Santé issued alone:
	// its responder knows no other authority.
	IGCFallback []string
	// Check refuses an address in a certificate that would not be asked:
	// Fetcher.CheckResponder. Nil: every HTTP one would.
	Check func(address string) error
	// Policy on answers.
	Policy OCSPPolicy
	// CacheFor is how long an answer counts; never past its nextUpdate and the
	// policy's skew. Default 10 minutes.
	CacheFor time.Duration
	// CacheSize is how many answers are remembered; default 10,000.
	CacheSize int
	// RestFor is how long a responder that failed is not asked again, so that
	// one that is down does not make every login wait for its deadline.
	// Default 30 seconds.
	RestFor time.Duration
	Now     func() time.Time // nil = time.Now

	asking  singleflight.Group
	mu      sync.Mutex // guards what follows
	answers map[ocspKey]cachedAnswer
	resting map[string]restingResponder // by address
	named   map[string][]string         // by issuer: the addresses that the last certificate of it named
}

// Defaults of OCSPClient.
const (
	DefaultOCSPCacheFor  = 10 * time.Minute
	DefaultOCSPCacheSize = 10_000
	DefaultOCSPRestFor   = 30 * time.Second
)

type ocspKey struct{ issuer, serial string }

type cachedAnswer struct {
	answer OCSPAnswer
	der    []byte
	until  time.Time
}

type restingResponder struct {
	until time.Time
	err   error
}

func keyOf(serial *big.Int, issuer *x509.Certificate) ocspKey {
	return ocspKey{string(issuer.Raw), string(serial.Bytes())}
}

func (c *OCSPClient) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

// Ask gives the remembered answer about a certificate, or gets one from the
// first responder that has one.
func (c *OCSPClient) Ask(ctx context.Context, serial *big.Int, issuer *x509.Certificate, responders []string) (OCSPAnswer, error) {
	if answer, found := c.Answer(serial, issuer); found {
		return answer, nil
	}
	key := keyOf(serial, issuer)
	// Who asks first asks for all who wait for the same answer, so their being
	// gone must not end it; the fetcher's deadline does.
	asked := c.asking.DoChan(key.issuer+key.serial, func() (any, error) {
		return c.askAll(context.WithoutCancel(ctx), key, serial, issuer, responders)
	})
	select {
	case <-ctx.Done():
		return OCSPAnswer{}, ctx.Err()
	case result := <-asked:
		if result.Err != nil {
			return OCSPAnswer{}, result.Err
		}
		return result.Val.(OCSPAnswer), nil
	}
}

// Answer is the answer remembered, if it still counts. It does no I/O.
func (c *OCSPClient) Answer(serial *big.Int, issuer *x509.Certificate) (OCSPAnswer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cached, found := c.answers[keyOf(serial, issuer)]
	if !found || c.now().After(cached.until) {
		return OCSPAnswer{}, false
	}
	return cached.answer, true
}

// OCSPAnswers implements OCSPEvidence.
func (c *OCSPClient) OCSPAnswers(issuer *x509.Certificate, serial *big.Int) [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	cached, found := c.answers[keyOf(serial, issuer)]
	if !found || c.now().After(cached.until) {
		return nil
	}
	return [][]byte{cached.der}
}

// AskAll asks several questions at once, and returns what went wrong. What was
// answered is remembered all the same.
func (c *OCSPClient) AskAll(ctx context.Context, questions []OCSPQuestion) error {
	failures := make([]error, len(questions))
	var group sync.WaitGroup
	for i, q := range questions {
		group.Go(func() { _, failures[i] = c.Ask(ctx, q.Serial, q.Issuer, c.Whom(q)) })
	}
	group.Wait()
	return errors.Join(failures...)
}

// Bounds on what certificates can make us ask and remember.
const (
	maxResponders = 4   // of one certificate
	maxNamed      = 256 // issuers
)

// Whom gives the addresses to ask a question at; none: nobody can be asked.
// Those that a certificate names are remembered for others of its issuer: a
// certificate that is not at hand names none.
func (c *OCSPClient) Whom(q OCSPQuestion) []string {
	if len(c.Responders) > 0 {
		return c.Responders
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := string(q.Issuer.Raw)
	if q.Remembered {
		return slices.Compact(slices.Concat(c.named[key], c.fallback(q.Issuer)))
	}
	named := slices.DeleteFunc(slices.Clone(q.Responders), func(address string) bool {
		return !strings.HasPrefix(address, "http://") && !strings.HasPrefix(address, "https://") || c.Check != nil && c.Check(address) != nil
	})
	named = named[:min(len(named), maxResponders)]
	if len(named) > 0 {
		if c.named == nil || len(c.named) >= maxNamed {
			c.named = map[string][]string{}
		}
		c.named[key] = named
	}
	return named
}

func (c *OCSPClient) fallback(issuer *x509.Certificate) []string {
	if classify(issuer.Subject).IGC {
		return slices.Concat(c.Fallback, c.IGCFallback)
	}
	return c.Fallback
}

// CheckResponder refuses the address of a responder that would not be asked.
func (f *Fetcher) CheckResponder(address string) error {
	target, err := f.allowed(address)
	switch {
	case err != nil:
		return err
	case target.Scheme != "http" && target.Scheme != "https":
		return &FetchError{Fault: FetchAddress, URL: address, Detail: "OCSP is spoken over HTTP"}
	}
	return nil
}

// ErrNoResponder is a certificate about which nobody can be asked.
var ErrNoResponder = errors.New("OCSP: no responder to ask")

func (c *OCSPClient) askAll(ctx context.Context, key ocspKey, serial *big.Int, issuer *x509.Certificate, responders []string) (OCSPAnswer, error) {
	if len(responders) == 0 {
		return OCSPAnswer{}, ErrNoResponder
	}
	var failures []error
	for _, address := range responders {
		answer, der, err := c.askOne(ctx, address, serial, issuer)
		if err == nil {
			c.remember(key, answer, der)
			return answer, nil
		}
		failures = append(failures, err)
	}
	return OCSPAnswer{}, errors.Join(failures...)
}

func (c *OCSPClient) askOne(ctx context.Context, address string, serial *big.Int, issuer *x509.Certificate) (answer OCSPAnswer, der []byte, err error) {
	if err := c.restsStill(address); err != nil {
		return answer, nil, err
	}
	question := AskOCSP(serial, issuer)
	request, err := question.DER()
	if err != nil {
		return answer, nil, err
	}
	if der, err = c.Fetch(ctx, address, request); err != nil {
		c.rest(address, err)
		return answer, nil, err
	}
	answer, err = ReadOCSP(der, question, c.Policy, c.now())
	return answer, der, err
}

func (c *OCSPClient) restsStill(address string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	resting, found := c.resting[address]
	if found && c.now().Before(resting.until) {
		return resting.err
	}
	delete(c.resting, address)
	return nil
}

// maxResting bounds what addresses in certificates can make us remember.
const maxResting = 256

func (c *OCSPClient) rest(address string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.resting == nil || len(c.resting) >= maxResting {
		c.resting = map[string]restingResponder{}
	}
	c.resting[address] = restingResponder{c.now().Add(orDefault(c.RestFor, DefaultOCSPRestFor)), err}
}

// remember keeps an answer. "Unknown" is kept by nobody: the responder may
// learn of a new certificate at any moment.
func (c *OCSPClient) remember(key ocspKey, answer OCSPAnswer, der []byte) {
	if answer.Status == OCSPUnknown {
		return
	}
	now := c.now()
	until := now.Add(orDefault(c.CacheFor, DefaultOCSPCacheFor))
	if end := answer.NextUpdate.Add(orDefault(c.Policy.ClockSkew, DefaultOCSPSkew)); !answer.NextUpdate.IsZero() && end.Before(until) {
		until = end
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answers == nil {
		c.answers = map[ocspKey]cachedAnswer{}
	}
	if size := int(orDefault(int64(c.CacheSize), DefaultOCSPCacheSize)); len(c.answers) >= size {
		c.makeRoom(now)
	}
	c.answers[key] = cachedAnswer{answer, der, until}
}

// makeRoom forgets what does not count any more, or one answer at random. The
// caller holds mu.
func (c *OCSPClient) makeRoom(now time.Time) {
	before := len(c.answers)
	for key, cached := range c.answers {
		if now.After(cached.until) {
			delete(c.answers, key)
		}
	}
	if len(c.answers) < before {
		return
	}
	for key := range c.answers {
		delete(c.answers, key)
		return
	}
}
