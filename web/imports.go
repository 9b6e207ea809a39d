package web

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"cpsgate/enroll"
)

// importState is where an imported file stands.
type importState string

// The states: checking → good → applying → done; or an end before that.
const (
	importChecking  importState = "checking" // read and compared; nothing changes
	importGood      importState = "good"     // may be applied
	importWrong     importState = "wrong"    // holds what cannot be taken: nothing was changed
	importApplying  importState = "applying"
	importDone      importState = "done"
	importCancelled importState = "cancelled" // nothing was changed
	importFailed    importState = "failed"    // by a fault of ours: nothing was changed
)

// running reports that the file is being worked on now.
func (s importState) running() bool { return s == importChecking || s == importApplying }

// importReport is what an import of either kind found and did.
type importReport struct {
	rows    int
	counts  []importCount
	told    []enroll.RowError // rows about which there is something to say
	more    int               // such rows beyond those
	as      rowWords
	refused bool // nothing of it is applied
}

// rowWords are the keys of what is said of the rows told.
type rowWords struct{ heading, says string }

var (
	rowsToMend  = rowWords{"import.faults", "import.faulty"}
	rowsKept    = rowWords{"import.notes", "import.noted"}          // people: a certificate said otherwise
	rowsSkipped = rowWords{"import.skipped", "import.skipped.says"} // oppositions: the others are applied
)

// importCount is one number of a report, by the key of its words.
type importCount struct {
	words string
	n     int
}

// How long imports are remembered, and how many of them.
const (
	importPatience = time.Hour // a checked file waits for that long to be applied
	importMemory   = 24 * time.Hour
	maxImports     = 20
)

// importing is one uploaded file on its way. It is worked on in the background,
// by this process, whether or not a page looks on.
type importing struct {
	id, name string // name: of the file, as the browser said
	kind     importKind
	by       string // who brought it, as pages write it
	at       time.Time
	rows     int // lines after the header, as counted when it came

	mu     sync.Mutex // guards what follows
	state  importState
	done   int // rows dealt with
	report importReport
	err    error // why it failed
	file   *os.File
	cancel context.CancelFunc
	idle   chan struct{} // closed when it is not worked on
	ended  time.Time
}

// importStanding is how an import stands at one moment.
type importStanding struct {
	state  importState
	done   int
	report importReport
	err    error
	ended  time.Time
}

func (j *importing) now() importStanding {
	j.mu.Lock()
	defer j.mu.Unlock()
	return importStanding{j.state, j.done, j.report, j.err, j.ended}
}

// whenIdle is closed once the import is not worked on.
func (j *importing) whenIdle() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.idle
}

// begin moves the import from one state to the next, and gives the context of
// the work; false: it is in another state.
func (j *importing) begin(ctx context.Context, from, to importState) (context.Context, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.state != from {
		return nil, false
	}
	ctx, j.cancel = context.WithCancel(context.WithoutCancel(ctx))
	j.state, j.done, j.idle = to, 0, make(chan struct{})
	return ctx, true
}

// importEnd is how one piece of work on an import ended.
type importEnd struct {
	state  importState
	report importReport
	err    error
}

// work runs the import over the file from its beginning.
func (j *importing) work(ctx context.Context, act enroll.Act, dry bool) importEnd {
	_, err := j.file.Seek(0, io.SeekStart)
	var report importReport
	if err == nil {
		report, err = j.kind.run(ctx, act, j.file, enroll.ImportOptions{DryRun: dry, Progress: j.tell})
	}
	end := importEnd{importDone, report, err}
	switch {
	case err == nil && report.refused, errors.As(err, new(*enroll.Refusal)):
		end.state = importWrong
	case errors.Is(err, context.Canceled):
		end.state = importCancelled
	case err != nil:
		end.state = importFailed
	case dry:
		end.state = importGood
	}
	return end
}

func (j *importing) tell(done int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.done = done
}

// conclude notes how the work ended, and lets the file go unless it may still be
// applied.
func (j *importing) conclude(end importEnd, now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.cancel()
	j.state, j.report, j.err, j.ended = end.state, end.report, end.err, now
	if j.state != importGood {
		j.drop()
	}
	close(j.idle)
}

// drop lets the file go. The caller holds mu, or is alone with the import.
func (j *importing) drop() {
	if j.file != nil {
		_ = j.file.Close() // it was read; what it held is kept, or nobody's
		_ = os.Remove(j.file.Name())
		j.file = nil
	}
}

// stop ends an import that is worked on, or puts one away that waits.
func (j *importing) stop(now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.state.running():
		j.cancel()
	case j.state == importGood:
		j.state, j.ended = importCancelled, now
		j.drop()
	}
}

// imports are those that this process knows: one is worked on at a time.
type imports struct {
	mu  sync.Mutex // guards all
	all []*importing
	wg  sync.WaitGroup
}

// add takes an import in, unless another is worked on.
func (k *imports) add(j *importing, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tidy(now)
	if slices.ContainsFunc(k.all, func(j *importing) bool { return j.now().state.running() }) {
		return false
	}
	k.all = append(k.all, j)
	return true
}

// tidy forgets what is old. The caller holds mu.
func (k *imports) tidy(now time.Time) {
	k.all = slices.DeleteFunc(k.all, func(j *importing) bool {
		is := j.now()
		if is.state == importGood && now.Sub(is.ended) > importPatience {
			j.stop(now)
		}
		return !is.state.running() && now.Sub(is.ended) > importMemory
	})
	for len(k.all) >= maxImports {
		k.all[0].stop(now)
		k.all = k.all[1:]
	}
}

func (k *imports) find(id string) *importing {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, j := range k.all {
		if j.id == id {
			return j
		}
	}
	return nil
}

// latest lists the imports, the latest first.
func (k *imports) latest(now time.Time) []*importing {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tidy(now)
	list := slices.Clone(k.all)
	slices.Reverse(list)
	return list
}

// stop ends all of them and waits for those that are worked on.
func (k *imports) stop(now time.Time) {
	k.mu.Lock()
	all := slices.Clone(k.all)
	k.mu.Unlock()
	for _, j := range all {
		j.stop(now)
	}
	k.wg.Wait()
}
