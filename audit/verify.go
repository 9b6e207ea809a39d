package audit

import (
	"errors"
	"fmt"
	"iter"
	"slices"
)

// FaultKind is what is wrong at one place of the chain.
type FaultKind string

// The faults.
const (
	FaultEdited     FaultKind = "edited"      // the content does not give the hash
	FaultMissing    FaultKind = "missing"     // sequences are skipped: events were removed
	FaultReordered  FaultKind = "reordered"   // an event stands where another belongs
	FaultUnlinked   FaultKind = "unlinked"    // does not follow the event before it as that now stands
	FaultTruncated  FaultKind = "truncated"   // the tail kept apart names a later event
	FaultBeyondTail FaultKind = "beyond-tail" // events after the tail kept apart, or another last event
	FaultCheckpoint FaultKind = "checkpoint"  // not what was noted outside
	FaultSignature  FaultKind = "signature"   // a signed checkpoint is forged, or one is not there
)

// Fault is one place where the chain is broken. A Ledger's reader yields it as
// the error beside an event that it found edited or out of place.
type Fault struct {
	Kind     FaultKind
	Sequence uint64
	ID       string // of the event there, when it can be told
	Detail   string
}

func (f *Fault) Error() string {
	at := fmt.Sprintf("event %d", f.Sequence)
	if f.ID != "" {
		at += " (" + f.ID + ")"
	}
	return fmt.Sprintf("%s: %s: %s", at, f.Kind, f.Detail)
}

// Chain is a ledger's content as of one moment.
type Chain struct {
	Tail   Tail         // kept apart from the events
	Signed []Checkpoint // left where events were pruned, in order
	Events iter.Seq2[Event, error]
}

// Expected is what the chain is compared with besides itself.
type Expected struct {
	Start       Tail         // the place before the first event; zero: the beginning, or the last of Signed
	End         *Tail        // the tail kept apart; nil: not known, a cut tail stays unseen
	Checkpoints []Tail       // noted outside; two that differ for one event cannot both hold
	Signed      []Checkpoint // the ledger's own, see Chain
	Signer      string       // the Fingerprint of the key that signs those; "": whoever they name
}

// Report is Verify's verdict.
type Report struct {
	Events uint64
	Last   Tail
	Faults []Fault // the first hundred, in order
	More   int     // faults beyond those

	Start  Tail   // where the events begin: after a signed checkpoint, or zero
	Signer string // of the signed checkpoints: the Fingerprint of their key
	Pruned []Tail // noted outside, of events that were pruned: nothing to compare with
}

// Intact reports that nothing was found.
func (r Report) Intact() bool { return len(r.Faults) == 0 }

const maxFaults = 100

// Verify walks the chain and says every place where it is broken. The error is
// for events that could not be read at all; a broken chain is in the Report.
func Verify(events iter.Seq2[Event, error], expected Expected) (Report, error) {
	v := verifier{checkpoints: map[uint64][]Tail{}}
	for _, c := range expected.Checkpoints {
		if noted := v.checkpoints[c.Sequence]; !slices.Contains(noted, c) {
			v.checkpoints[c.Sequence] = append(noted, c)
		}
	}
	v.start(expected)
	for e, err := range events {
		var fault *Fault
		if err != nil && !errors.As(err, &fault) {
			return v.report, fmt.Errorf("reading audit events: %w", err)
		}
		v.event(e, fault)
	}
	v.end(expected)
	v.report.Last = v.last
	return v.report, nil
}

// start finds where the events must begin, and judges the signed checkpoints
// that say so.
func (v *verifier) start(expected Expected) {
	v.last = expected.Start
	v.checkpoint(v.last, "")
	signer := expected.Signer
	for _, c := range expected.Signed {
		if signer == "" {
			signer = Fingerprint(c.Key)
		}
		switch {
		case !c.Signed():
			v.fault(Fault{FaultSignature, c.Sequence, "", "the checkpoint's signature is not good"})
		case signer != Fingerprint(c.Key):
			v.fault(Fault{FaultSignature, c.Sequence, "", "the checkpoint is signed by another key, " + Fingerprint(c.Key)})
		case c.From != v.last || c.Sequence != c.From.Sequence+c.Pruned:
			v.fault(Fault{FaultSignature, c.Sequence, "", fmt.Sprintf("the checkpoint does not follow that of event %d", v.last.Sequence)})
		}
		v.last, v.report.Signer = c.Tail, Fingerprint(c.Key)
		v.checkpoint(v.last, "")
	}
	v.report.Start = v.last
	for _, c := range expected.Checkpoints {
		noted := v.checkpoints[c.Sequence]
		if len(noted) == 0 || c.Sequence >= v.last.Sequence {
			continue
		}
		delete(v.checkpoints, c.Sequence)
		v.report.Pruned = append(v.report.Pruned, noted...)
		if len(noted) > 1 {
			v.fault(Fault{FaultCheckpoint, c.Sequence, "", "different events were noted, and one was pruned"})
		}
	}
}

type verifier struct {
	report      Report
	last        Tail
	checkpoints map[uint64][]Tail // those not met yet; several of one sequence differ
}

func (v *verifier) event(e Event, fault *Fault) {
	v.report.Events++
	if fault != nil {
		v.fault(*fault)
	} else {
		v.place(e)
		if !e.Sealed() {
			v.fault(Fault{FaultEdited, e.Sequence, e.ID, "its content does not give its hash"})
		}
	}
	if e.Sequence > v.last.Sequence {
		v.last = Tail{e.Sequence, e.Hash}
		v.checkpoint(v.last, e.ID)
	}
}

// place compares the event with the one before it.
func (v *verifier) place(e Event) {
	next := v.last.Sequence + 1
	switch {
	case e.Sequence < next:
		v.fault(Fault{FaultReordered, e.Sequence, e.ID, fmt.Sprintf("stands after event %d", v.last.Sequence)})
	case e.Sequence == next+1:
		v.fault(Fault{FaultMissing, next, "", "this event is not there"})
	case e.Sequence > next:
		v.fault(Fault{FaultMissing, next, "", fmt.Sprintf("events %d to %d are not there", next, e.Sequence-1)})
	case e.Previous != v.last.Hash:
		v.fault(Fault{FaultUnlinked, e.Sequence, e.ID, fmt.Sprintf("does not follow event %d as that now stands", v.last.Sequence)})
	}
}

func (v *verifier) checkpoint(at Tail, id string) {
	for _, noted := range v.checkpoints[at.Sequence] {
		if noted != at {
			v.fault(Fault{FaultCheckpoint, at.Sequence, id, "is not the event that was noted"})
		}
	}
	delete(v.checkpoints, at.Sequence)
}

func (v *verifier) end(expected Expected) {
	if end := expected.End; end != nil {
		switch {
		case end.Sequence > v.last.Sequence:
			v.fault(Fault{FaultTruncated, v.last.Sequence + 1, "", fmt.Sprintf("the tail names event %d", end.Sequence)})
		case *end != v.last:
			v.fault(Fault{FaultBeyondTail, end.Sequence, "", fmt.Sprintf("the tail does not name the last event, %d", v.last.Sequence)})
		}
	}
	for _, c := range expected.Checkpoints {
		for range v.checkpoints[c.Sequence] {
			v.fault(Fault{FaultCheckpoint, c.Sequence, "", "the event that was noted is not there"})
		}
		delete(v.checkpoints, c.Sequence)
	}
}

func (v *verifier) fault(f Fault) {
	if len(v.report.Faults) == maxFaults {
		v.report.More++
		return
	}
	v.report.Faults = append(v.report.Faults, f)
}
