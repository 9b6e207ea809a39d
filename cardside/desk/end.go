package desk

import (
	"context"
	"errors"
	"regexp"
	"time"

	"cpsgate/cardside"
	"cpsgate/cardside/pcsc"
)

// Remains is what a sitting has left on the card.
type Remains struct {
	Erased  bool `json:"erased"`      // the applet was emptied
	PIN     bool `json:"pinSet"`      // its PIN was set or changed
	Passkey bool `json:"passkey"`     // it holds a passkey that signs nobody in
	Used    bool `json:"passkeyUsed"` // and that may have become active, for all this workstation knows
	// Perhaps is what the card was asked to do when it fell silent: it may have
	// done it, or not.
	Perhaps Change `json:"perhaps,omitempty"`
}

// Change is something that is written to a card.
type Change string

// The changes, by the members of Remains.
const (
	ChangeErase   Change = "erased"
	ChangePIN     Change = "pinSet"
	ChangePasskey Change = "passkey"
)

// change has something written to the card, and keeps in mind that it may have
// been where no answer says.
func (s *sitting) change(ctx context.Context, what Change, write func() error) error {
	if err := context.Cause(ctx); err != nil { // before anything is asked
		return err
	}
	err := write()
	var link *pcsc.Error
	if errors.As(err, &link) || errors.Is(err, pcsc.ErrTransmission) || err != nil && ctx.Err() != nil {
		s.done.Left.Perhaps = what
	}
	return err
}

// Unfinished is a sitting that began and did not end well.
type Unfinished struct {
	Ticket string // "": the code's, whose answer got lost
	Left   Remains
	Told   bool // the server knows that it ended; else it does in time
	Err    error
}

func (u *Unfinished) Error() string { return "ticket " + u.Ticket + ": " + u.Err.Error() }

func (u *Unfinished) Unwrap() error { return u.Err }

// abandonLimit bounds the last word to the server.
const abandonLimit = 5 * time.Second

// over reports a sitting that the server has ended.
func over(err error) bool {
	return refusedFor(err, "sitting-unknown", "ticket-of-another", "ticket-used", "ticket-ended", "ticket-expired", "ticket-cancelled")
}

var reasonWord = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// unfinished tells the server that the sitting has ended, even where ctx has.
// It may turn out that the passkey had become active by then.
func (s *sitting) unfinished(ctx context.Context, cause error) (Outcome, error) {
	u := &Unfinished{Ticket: s.answer.Ticket, Left: s.done.Left, Told: over(cause), Err: cause}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonLimit)
	defer cancel()
	if s.done.Left.Perhaps == ChangeErase {
		s.owed = &note{Step: string(StepResetDone), Detail: string(cardside.ReasonOf(cause))}
	}
	if s.owed != nil { // the end is told all the same
		_ = s.server.once(last, s.server.client, s.server.origin+"/enroll/step", s.owed, new(standing))
	}
	if u.Told {
		return Outcome{}, u
	}
	reason := string(cardside.ReasonOf(cause))
	var refused *Refusal
	if errors.As(cause, &refused) && reasonWord.MatchString(refused.Reason) {
		reason = refused.Reason
	}
	err := s.server.once(last, s.server.client, s.server.origin+"/enroll/abandon", abandonment{reason}, nil)
	if s.done.Left.Used && refusedFor(err, "ticket-used") {
		return s.outcome(), nil
	}
	u.Told = err == nil || over(err)
	if u.Told {
		u.Left.Used = false // what was half made is revoked
	}
	return Outcome{}, u
}

// watch ends the context that it returns when the card, or its reader, goes.
func (s *sitting) watch(ctx context.Context) (watched context.Context, stop func()) {
	watched, cancel := context.WithCancelCause(ctx)
	if s.card.Reader == "" {
		return watched, func() { cancel(nil) }
	}
	gone := &pcsc.Error{Op: "watching the card", Kind: pcsc.ErrRemoved}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = pcsc.Watch(watched, func(e pcsc.Event) error { // fails with gone, or because watched has ended
			if e.Reader == s.card.Reader && (e.Kind == pcsc.CardRemoved || e.Kind == pcsc.ReaderRemoved) {
				cancel(gone)
				return gone
			}
			return nil
		})
	}()
	return watched, func() {
		cancel(nil)
		<-ended
	}
}

// watched does what must not see the card leave.
func (s *sitting) watched(ctx context.Context, f func(context.Context) error) error {
	ctx, stop := s.watch(ctx)
	defer stop()
	return s.orRemoved(ctx, f(ctx))
}

// orRemoved is err, or the removal of the card where that explains it: many a
// driver reports a failed transmission first.
func (s *sitting) orRemoved(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); errors.Is(cause, pcsc.ErrRemoved) {
		return cause
	}
	var failed *pcsc.Error
	if !errors.As(err, &failed) || ctx.Err() != nil {
		return err
	}
	still := s.card.Still(ctx)
	if errors.Is(still, pcsc.ErrRemoved) || errors.Is(still, pcsc.ErrNoReader) || errors.Is(still, pcsc.ErrNoCard) {
		return &pcsc.Error{Op: "finding the card again", Kind: pcsc.ErrRemoved}
	}
	return err
}

// Explain says an error of Enrol in words: the server's refusals in the
// server's own.
func Explain(err error, language cardside.Language) cardside.Explanation {
	e := cardside.Explain(err, language)
	var refused *Refusal
	if errors.As(err, &refused) {
		e.Sentence = cardside.Sentence{Title: refused.Title, Why: refused.Why, Do: refused.Do}
		e.Server = &cardside.ServerRefusal{Reason: refused.Reason, Event: refused.Event}
	}
	return e
}
