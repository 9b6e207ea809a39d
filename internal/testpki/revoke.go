package testpki

import (
	"crypto/x509/pkix"
	"math/big"
	"slices"
	"time"
)

// The reason codes of RFC 5280 §5.3.1.
const (
	ReasonUnspecified          = 0 // written by leaving the extension out
	ReasonKeyCompromise        = 1
	ReasonCACompromise         = 2
	ReasonAffiliationChanged   = 3
	ReasonSuperseded           = 4
	ReasonCessationOfOperation = 5
	ReasonCertificateHold      = 6
	ReasonRemoveFromCRL        = 8
	ReasonPrivilegeWithdrawn   = 9
	ReasonAACompromise         = 10
)

// Entry is one line of a CRL.
type Entry struct {
	Serial *big.Int
	At     time.Time
	Reason int // 0 leaves the extension out
	// Extensions follow the reason, for what a test needs beyond it.
	Extensions []pkix.Extension
}

// event is a revocation or its undoing, and the number of the last CRL before it.
type event struct {
	entry Entry
	after int64
	undo  bool
}

// Revoke marks a serial revoked. The next CRL made carries it, OCSP answers at once.
func (a *Authority) Revoke(serial *big.Int, at time.Time, reason int) {
	a.record(event{entry: Entry{Serial: serial, At: at, Reason: reason}})
}

// Release lifts a revocation: the serial leaves the next CRL, and the next delta
// CRL carries it as removeFromCRL.
func (a *Authority) Release(serial *big.Int, at time.Time) {
	a.record(event{entry: Entry{Serial: serial, At: at, Reason: ReasonRemoveFromCRL}, undo: true})
}

func (a *Authority) record(e event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e.after = a.crlNumber
	a.changes = append(a.changes, e)
	a.full.stale, a.delta.stale = true, true
}

// Revoked are the entries that a full CRL carries now, in the order of revocation.
func (a *Authority) Revoked() []Entry {
	a.mu.Lock()
	defer a.mu.Unlock()
	return standing(a.changes)
}

// changed are the entries of a delta against the CRL of that number: what is
// revoked since, and removeFromCRL for what was revoked then and is no more.
func (a *Authority) changed(base int64) []Entry {
	split := slices.IndexFunc(a.changes, func(e event) bool { return e.after >= base })
	if split < 0 {
		return nil
	}
	before, since := standing(a.changes[:split]), a.changes[split:]
	var entries []Entry
	for _, e := range last(since) {
		if !e.undo || find(before, e.entry.Serial) {
			entries = append(entries, e.entry)
		}
	}
	return entries
}

// standing is what stands revoked after the changes.
func standing(changes []event) []Entry {
	var entries []Entry
	for _, e := range last(changes) {
		if !e.undo {
			entries = append(entries, e.entry)
		}
	}
	return entries
}

// last keeps each serial's last change, in the order of its first one.
func last(changes []event) []event {
	place := map[string]int{}
	var kept []event
	for _, e := range changes {
		key := string(e.entry.Serial.Bytes())
		if i, ok := place[key]; ok {
			kept[i] = e
			continue
		}
		place[key] = len(kept)
		kept = append(kept, e)
	}
	return kept
}

func find(entries []Entry, serial *big.Int) bool {
	return slices.ContainsFunc(entries, func(e Entry) bool { return e.Serial.Cmp(serial) == 0 })
}

// status is the last change of a serial, for OCSP.
func (a *Authority) status(serial *big.Int) (Entry, bool) {
	for _, entry := range a.Revoked() {
		if entry.Serial.Cmp(serial) == 0 {
			return entry, true
		}
	}
	return Entry{}, false
}
