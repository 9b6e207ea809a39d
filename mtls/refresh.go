package mtls

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"regexp"
	"sync"
	"sync/atomic"
	"time"
)

// CRLSource is an authority whose CRLs are wanted, and where they are to be had.
type CRLSource struct {
	// Name begins its files' names and stands in logs: lower-case letters,
	// digits and hyphens.
	Name string
	// Issuer signs them. Nothing signed by another key is ever taken.
	Issuer *x509.Certificate
	// URLs of the complete CRL and of its delta, tried in turn. Without any,
	// they come by the drop folder.
	URLs      []string
	DeltaURLs []string
}

// RefreshOptions shape a Refresher.
type RefreshOptions struct {
	Sources []CRLSource
	// Folder keeps the last good copies, and the bypass. It must exist.
	Folder string
	// Drop is a folder watched for CRLs brought by hand; "" for none. Files in
	// it are read, never changed.
	Drop string
	// Fetch gets a CRL: Fetcher.CRL. Nil: nothing is fetched.
	Fetch func(ctx context.Context, address string, held Validators) (*Fetched, error)
	// Limits on what is read.
	Limits CRLLimits
	// ClockSkew is how far in the future a thisUpdate may lie.
	ClockSkew time.Duration
	// Every is the longest time between two fetches; default one day, as ANS asks.
	Every time.Duration
	// Margin is how long before nextUpdate the alarm sounds; default two days.
	Margin time.Duration
	// Look is how often the clock is looked at to see what is due; default one
	// minute. Clocks are set and machines sleep, so no longer wait is relied on.
	Look time.Duration
	// OnRevoked is told of what a new CRL revokes, after it is in force. It runs
	// beside the logins and holds none up, but the next CRL waits for it.
	OnRevoked func(context.Context, RevocationNews)
	// OnAlarm is told when a CRL's verdict changes.
	OnAlarm func(context.Context, CRLStatus)
	Log     *slog.Logger     // nil = slog.Default
	Now     func() time.Time // nil = time.Now
	Random  func() float64   // in [0,1); nil = math/rand/v2
}

// Defaults of RefreshOptions.
const (
	DefaultRefreshEvery = 24 * time.Hour
	DefaultAlarmMargin  = 48 * time.Hour
	defaultLook         = time.Minute
)

// RevocationNews is a new CRL in force.
type RevocationNews struct {
	Issuer *x509.Certificate
	List   *CRL
	// Added yields what the list before did not revoke.
	Added iter.Seq2[*big.Int, RevokedEntry]
	// First: no list was held before, so Added is all of this one, millions
	// perhaps. Who knows fewer certificates does better to ask List.Find.
	First bool
}

// Refresher holds the CRLs in force and keeps them fresh. It is Evidence for a
// Verifier; a CRL it takes counts from the next login on, with no restart and
// no login waiting.
//
// It takes a CRL only when it is whole, signed by its source's issuer,
// understood, not from the future, and newer than the one held; whatever else
// arrives, by network, by the drop folder or on its own disk, leaves that one
// in force. It judges no staleness: the Verifier does, by its policy.
type Refresher struct {
	options RefreshOptions
	sources atomic.Pointer[[]CRLSource]
	moved   chan struct{} // of one place: the sources are others
	current atomic.Pointer[CRLSet]
	bypass  atomic.Pointer[Bypass]

	mu    sync.Mutex // guards what follows, and writing into Folder
	held  map[crlSlot]*heldCRL
	fetch map[fetchKey]*fetchState
	seen  map[string]fileStamp // files of both folders already dealt with
	early map[string]bool      // files of deltas that came before their base
	retry map[string]fileRetry // files refused for a cause that may pass
	based bool                 // a complete CRL came since they were last looked at

	refused *RefusedFile // the last one
}

// crlSlot is the place of one CRL: a newer one replaces it, others stand beside.
type crlSlot struct {
	source string // CRLSource.Name
	scope  string // DER of issuingDistributionPoint
	delta  bool
}

// heldCRL is a CRL in force.
type heldCRL struct {
	list   *CRL
	origin crlOrigin
	file   string // its copy in Folder
	// validators of each address that serves it, as far as this process knows.
	validators map[string]Validators
}

// crlOrigin is kept beside the copy on disk.
type crlOrigin struct {
	From       string     `json:"from"` // address or file name
	At         time.Time  `json:"at"`
	Validators Validators `json:"validators"`
}

var sourceName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,60}$`)

// NewRefresher checks the options and reads the last good copies, each verified
// as if it had just arrived. A copy that does not hold is logged and left out:
// the server starts, and refuses what it cannot judge.
func NewRefresher(options RefreshOptions) (*Refresher, error) {
	if options.Log == nil {
		options.Log = slog.Default()
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Random == nil {
		options.Random = rand.Float64
	}
	options.Every = orDefault(options.Every, DefaultRefreshEvery)
	options.Margin = orDefault(options.Margin, DefaultAlarmMargin)
	options.Look = orDefault(options.Look, defaultLook)
	if err := options.check(); err != nil {
		return nil, err
	}
	r := &Refresher{
		options: options, moved: make(chan struct{}, 1),
		held: map[crlSlot]*heldCRL{}, fetch: map[fetchKey]*fetchState{}, seen: map[string]fileStamp{}, early: map[string]bool{}, retry: map[string]fileRetry{},
	}
	r.sources.Store(&options.Sources)
	r.publish()
	return r, r.load()
}

func (o RefreshOptions) check() error {
	names := map[string]bool{}
	for _, s := range o.Sources {
		switch {
		case s.Issuer == nil:
			return fmt.Errorf("CRL source %q: no issuer", s.Name)
		case !sourceName.MatchString(s.Name):
			return fmt.Errorf("CRL source %q: the name must be of lower-case letters, digits and hyphens", s.Name)
		case names[s.Name]:
			return fmt.Errorf("CRL source %q: named twice", s.Name)
		}
		names[s.Name] = true
	}
	if o.Folder == "" {
		return errors.New("a folder for the last good CRLs is needed")
	}
	return nil
}

// CRLs implements Evidence.
func (r *Refresher) CRLs(issuer []byte) []*CRL { return r.current.Load().CRLs(issuer) }

// publish puts what is held in force, all at once. The caller holds mu.
func (r *Refresher) publish() {
	lists := make([]*CRL, 0, len(r.held))
	for _, h := range r.held {
		lists = append(lists, h.list)
	}
	set := NewCRLSet(lists...)
	r.current.Store(&set)
}

// adopt takes a CRL into force when it may be, under the key it belongs to; with
// only, when it is that: a delta that lies in the complete CRL's place is no
// complete CRL fetched. keep is called before, to put its copy where a restart
// finds it. It returns the CRL that is in force: with ErrUnchanged, the one held
// already.
func (r *Refresher) adopt(ctx context.Context, list *CRL, origin crlOrigin, only *fetchKey, keep func(*heldCRL) error) (*CRL, error) {
	source, before, err := r.place(list, origin, only, keep)
	for errors.Is(err, errSourceLeft) { // it may be another's now
		source, before, err = r.place(list, origin, only, keep)
	}
	if errors.Is(err, ErrUnchanged) {
		return before.list, err
	}
	if err != nil {
		return nil, err
	}
	r.options.Log.Info("CRL in force", "authority", source.Name, "delta", list.IsDelta(), "number", list.Number, "entries", list.Len(),
		"this_update", list.ThisUpdate, "next_update", list.NextUpdate, "from", origin.From)
	r.tell(ctx, source, list, before)
	return list, nil
}

// place finds whose CRL it is, with no lock held, for a signature takes its
// time, and puts it in that one's place.
func (r *Refresher) place(list *CRL, origin crlOrigin, only *fetchKey, keep func(*heldCRL) error) (source *CRLSource, before *heldCRL, err error) {
	source, err = r.sourceOf(list, only)
	if err != nil {
		return nil, nil, err
	}
	if only != nil && only.delta != list.IsDelta() {
		return nil, nil, crlFault(CRLOtherKind, 0, "delta: %t, asked for: %t", list.IsDelta(), only.delta)
	}
	before, err = r.placeOf(source, list, origin, keep)
	return source, before, err
}

// placeOf puts a CRL in its source's place when it may be, and gives the one
// that was there.
func (r *Refresher) placeOf(source *CRLSource, list *CRL, origin crlOrigin, keep func(*heldCRL) error) (before *heldCRL, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.follows(source) {
		return nil, errSourceLeft
	}
	slot := crlSlot{source.Name, list.scope(), list.IsDelta()}
	before = r.held[slot]
	placed := &heldCRL{list: list, origin: origin, file: slot.file(), validators: map[string]Validators{origin.From: origin.Validators}}
	err = r.acceptable(list, source.Issuer, before, r.held[crlSlot{source.Name, list.scope(), false}])
	if err == nil {
		err = keep(placed)
	}
	if err != nil {
		return before, err
	}
	r.held[slot] = placed
	r.publish()
	r.based = r.based || !list.IsDelta()
	return before, nil
}

func (r *Refresher) tell(ctx context.Context, source *CRLSource, list *CRL, before *heldCRL) {
	if r.options.OnRevoked == nil {
		return
	}
	news := RevocationNews{Issuer: source.Issuer, List: list, First: before == nil, Added: list.Added(nil)}
	if before != nil {
		news.Added = list.Added(before.list)
	}
	r.options.OnRevoked(ctx, news)
}
