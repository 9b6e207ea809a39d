package mtls

import (
	"cmp"
	"context"
	"errors"
	"math/big"
	"slices"
	"time"
)

// CRLVerdict is what a CRL is worth at a time.
type CRLVerdict string

// The verdicts, best first.
const (
	CRLIsFresh    CRLVerdict = "fresh"
	CRLIsExpiring CRLVerdict = "expiring" // nextUpdate is nearer than the margin
	CRLIsStale    CRLVerdict = "stale"    // past nextUpdate
	CRLIsMissing  CRLVerdict = "missing"
)

// CRLStatus tells how it stands with an authority's CRL, for people.
type CRLStatus struct {
	Authority   string     `json:"authority"` // CRLSource.Name
	Issuer      string     `json:"issuer"`    // its name
	Fingerprint string     `json:"issuer_sha256"`
	Delta       bool       `json:"delta"`
	Verdict     CRLVerdict `json:"verdict"`
	Number      *big.Int   `json:"number,omitempty"`
	Base        *big.Int   `json:"base,omitempty"` // of a delta
	ThisUpdate  time.Time  `json:"this_update,omitzero"`
	NextUpdate  time.Time  `json:"next_update,omitzero"`
	Entries     int        `json:"entries"`
	Octets      int64      `json:"octets"`
	AlarmFrom   time.Time  `json:"alarm_from,omitzero"`    // when it turns expiring
	Source      string     `json:"source,omitempty"`       // address or file it came from
	ConfirmedAt time.Time  `json:"confirmed_at,omitzero"`  // when it came, or was found current
	NextFetch   time.Time  `json:"next_fetch,omitzero"`    // zero: nothing is fetched, or not by this process
	FailingFrom time.Time  `json:"failing_since,omitzero"` // of fetching; zero when the last fetch went well
	FailedAt    time.Time  `json:"failed_at,omitzero"`     // the last failure, healed or not
	Failure     string     `json:"failure,omitempty"`      // of FailedAt
}

// Status tells of every CRL in force, and of those that are missing, by
// authority, the complete CRL first.
func (r *Refresher) Status() []CRLStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.options.Now()
	var all []CRLStatus
	sources := r.all()
	for i := range sources {
		source := &sources[i]
		found := map[bool]bool{}
		for slot, h := range r.held {
			if slot.source == source.Name {
				found[slot.delta] = true
				all = append(all, r.status(source, slot.delta, h, now))
			}
		}
		if !found[false] {
			all = append(all, r.status(source, false, nil, now))
		}
		if !found[true] && len(source.DeltaURLs) > 0 {
			all = append(all, r.status(source, true, nil, now))
		}
	}
	slices.SortStableFunc(all, func(a, b CRLStatus) int {
		return cmp.Or(cmp.Compare(a.Authority, b.Authority), boolOrder(a.Delta, b.Delta), a.NextUpdate.Compare(b.NextUpdate))
	})
	return all
}

func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// status describes one CRL, or its absence. The caller holds mu.
func (r *Refresher) status(source *CRLSource, delta bool, h *heldCRL, now time.Time) CRLStatus {
	s := CRLStatus{Authority: source.Name, Issuer: nameOf(source.Issuer), Fingerprint: Fingerprint(source.Issuer), Delta: delta, Verdict: CRLIsMissing}
	if h != nil {
		s.Number, s.Base = h.list.Number, h.list.BaseNumber
		s.ThisUpdate, s.NextUpdate = h.list.ThisUpdate, h.list.NextUpdate
		s.Entries, s.Octets = h.list.Len(), h.list.Size
		s.Source, s.ConfirmedAt = h.origin.From, h.origin.At
		s.AlarmFrom = h.list.NextUpdate.Add(-r.margin(h.list))
		s.Verdict = r.verdict(h.list, now)
	}
	if state := r.fetch[fetchKey{source.Name, delta}]; state != nil {
		s.NextFetch, s.FailingFrom, s.FailedAt = state.next, state.since, state.failedAt
		if state.last != nil {
			s.Failure = state.last.Error()
		}
	}
	return s
}

func (r *Refresher) verdict(list *CRL, now time.Time) CRLVerdict {
	switch {
	case now.After(list.NextUpdate):
		return CRLIsStale
	case now.Add(r.margin(list)).After(list.NextUpdate):
		return CRLIsExpiring
	}
	return CRLIsFresh
}

// margin is never more than half a CRL's life: a delta that lives for hours
// would be expiring all the time.
func (r *Refresher) margin(list *CRL) time.Duration {
	return min(r.options.Margin, list.NextUpdate.Sub(list.ThisUpdate)/2)
}

// statusOf tells of one CRL in force.
func (r *Refresher) statusOf(list *CRL) CRLStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	for slot, h := range r.held {
		if h.list == list {
			source, _ := r.addresses(slot.source, slot.delta)
			return r.status(source, slot.delta, h, r.options.Now())
		}
	}
	return CRLStatus{} // another has replaced it meanwhile
}

// RefusedFile is a file of a folder that was not taken.
type RefusedFile struct {
	File string    `json:"file"`
	At   time.Time `json:"at"`
	Why  string    `json:"why"`
}

// Refused is the last file that was not taken and still lies there; nil when
// there is none.
func (r *Refresher) Refused() *RefusedFile {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused
}

// alarms logs and tells each change of a verdict until ctx ends.
func (r *Refresher) alarms(ctx context.Context) {
	tick := time.NewTicker(r.options.Look)
	defer tick.Stop()
	told := map[fetchKey]CRLVerdict{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.tellAlarms(ctx, told)
		}
	}
}

func (r *Refresher) tellAlarms(ctx context.Context, told map[fetchKey]CRLVerdict) {
	var last fetchKey
	for _, s := range r.Status() {
		key := fetchKey{s.Authority, s.Delta}
		if key == last {
			continue // of several scopes the one that ends first, so stands first
		}
		last = key
		before, known := told[key]
		if told[key] = s.Verdict; before == s.Verdict || !known && s.Verdict == CRLIsFresh {
			continue
		}
		log := r.options.Log.Info
		if s.Verdict != CRLIsFresh {
			log = r.options.Log.Error
		}
		log("CRL "+string(s.Verdict), "authority", s.Authority, "delta", s.Delta, "next_update", s.NextUpdate, "failure", s.Failure)
		if r.options.OnAlarm != nil {
			r.options.OnAlarm(ctx, s)
		}
	}
}

// FetchAll fetches everything that has an address, and gives what failed.
func (r *Refresher) FetchAll(ctx context.Context) error {
	var failures []error
	for _, s := range r.all() {
		if len(s.URLs) > 0 {
			failures = append(failures, r.Fetch(ctx, s.Name, false))
		}
		if len(s.DeltaURLs) > 0 {
			failures = append(failures, r.Fetch(ctx, s.Name, true))
		}
	}
	return errors.Join(failures...)
}
