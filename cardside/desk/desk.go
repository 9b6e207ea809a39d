package desk

import (
	"context"
	"crypto/x509"
	"time"

	"cpsgate/cardside"
	"cpsgate/cardside/ctap2"
	"cpsgate/cardside/pkcs11"
)

// Options says where and with what a ticket is enrolled.
type Options struct {
	Server      string         // https://sso.hospital.example
	Trust       *x509.CertPool // verifies it, and the card host; nil: the system's roots
	Code        string         // the ticket's, as people type it
	Workstation string         // as the desk calls it
	Language    cardside.Language
	Choice      cardside.Choice
	Module      string // PKCS#11; "": the Cryptolib's
	// Erase empties an applet that holds something, once the desk allows it.
	Erase bool
	// Patience is how long the server may be away in the middle of a sitting.
	Patience time.Duration
	Person   Person
	Now      func() time.Time

	// Tell, if set, is told of each step; Away, of a server that does not
	// answer; Desk, every two seconds, that the desk is waited for.
	Tell func(Progress)
	Away func(left time.Duration)
	Desk func(Step)
}

// Person is whoever holds the card. PINs that it gives are cleared after use.
type Person struct {
	CardPIN    pkcs11.PIN                                                          // of the card's certificate; not asked where a keypad does
	CurrentPIN func(ctx context.Context) ([]byte, error)                           // that the applet has already
	NewPIN     func(ctx context.Context, least int, refused error) ([]byte, error) // typed twice; refused: why the one before would not do
	Give       func(first []byte) error                                            // hands over a PIN that was drawn
	Again      bool                                                                // what was wrong can be typed again
}

// Step is a step of a sitting.
type Step string

// The steps, in their order. Those of the protocol have its names.
const (
	StepCard               Step = "card"
	StepApplet             Step = "applet"
	StepClaimed            Step = "claimed"
	StepResetNeeded        Step = "reset-needed"
	StepResetDone          Step = "reset-done"
	StepCardPIN            Step = "card-pin"
	StepCertificateMissing Step = "certificate-missing"
	StepProved             Step = "proved"
	StepPIN                Step = "pin"
	StepMaking             Step = "making"
	StepProving            Step = "proving"
	StepActive             Step = "active"
)

// Progress is a step that has been reached, with what there is to say of it.
type Progress struct {
	Step       Step
	Reader     string // of card; "": a security key
	Generation cardside.Generation
	Applet     AppletState // of applet
	Held       int         // credentials in it, where it says; else -1
	Holder     string      // of claimed and proved; "": not known yet
	Reason     cardside.Reason
}

// AppletState is what an applet is like before enrolment.
type AppletState string

// The states.
const (
	AppletBlank  AppletState = "blank"
	AppletPIN    AppletState = "pin-set"
	AppletHolds  AppletState = "holds"
	AppletChange AppletState = "pin-must-change"
)

// Proof is how the person was vouched for.
type Proof string

// The proofs.
const (
	ProofSameCard Proof = "same-card"
	ProofDesk     Proof = "desk"
)

// Outcome is a passkey enrolled.
type Outcome struct {
	Ticket   string       `json:"ticket"`
	Holder   string       `json:"holder"`
	Passkey  Passkey      `json:"passkey"`
	Proof    Proof        `json:"proof"`
	TokenID  string       `json:"tokenId,omitempty"` // of the card's certificate
	AAGUID   ctap2.AAGUID `json:"aaguid"`
	PIN      PINOutcome   `json:"pin"`
	Left     Remains      `json:"-"`
	Requests int          `json:"requests"` // to the server
	// Machine is the time from the code to the passkey, people's not counted.
	Machine time.Duration `json:"-"`
}

// PINOutcome is what became of the applet's PIN.
type PINOutcome string

// The outcomes.
const (
	PINChosen  PINOutcome = "chosen"
	PINChanged PINOutcome = "changed"
	PINKept    PINOutcome = "kept"
	PINDrawn   PINOutcome = "drawn" // to be changed at its first use
)

// sitting is one ticket being enrolled.
type sitting struct {
	Options
	server  *server
	card    *cardside.Card
	info    ctap2.Info
	current []byte // the PIN that the applet had, if it was asked for
	held    int
	answer  claimed
	number  string // the card's own, from its certificate
	pin     []byte
	done    Outcome
	owed    *note // that the applet was emptied, or may have been: the server has not recorded it
	began   time.Time
	people  time.Duration // spent by people
}

// Enrol enrols the card in the reader for the ticket of a code. Before the code
// is given to the server, and so used up, the card has been read and found fit.
// A sitting that began and did not end well is an *Unfinished.
func Enrol(ctx context.Context, o Options) (Outcome, error) {
	server, err := newServer(o.Server, o)
	if err != nil {
		return Outcome{}, err
	}
	s := &sitting{Options: o, server: server, began: time.Now()}
	defer s.close()
	if err := s.open(ctx); err != nil {
		return Outcome{}, err
	}
	if err := s.readApplet(ctx); err != nil {
		return Outcome{}, err
	}
	if err := s.claim(ctx); err != nil {
		return Outcome{}, err
	}
	if err := s.sit(ctx); err != nil {
		return s.unfinished(ctx, err)
	}
	return s.outcome(), nil
}

func (s *sitting) close() {
	clear(s.pin)
	clear(s.current)
	s.server.close()
	if s.card != nil {
		s.card.Close()
	}
}

func (s *sitting) outcome() Outcome {
	s.done.Requests, s.done.Machine = s.server.requests, time.Since(s.began)-s.people
	s.tell(Progress{Step: StepActive, Holder: s.done.Holder})
	return s.done
}

func (s *sitting) tell(p Progress) {
	if s.Tell != nil {
		s.Tell(p)
	}
}

// byPerson does what a person takes time for.
func (s *sitting) byPerson(f func() error) error {
	began := time.Now()
	defer func() { s.people += time.Since(began) }()
	return f()
}

// sit goes from the code taken to the passkey active. Nothing is changed on a
// card before it is known whose it is.
func (s *sitting) sit(ctx context.Context) error {
	if err := s.answer.Policy.check(); err != nil {
		return err
	}
	if err := s.answer.Policy.metBy(s.info, s.card.Name, s.erases()); err != nil {
		return err
	}
	due := s.prove
	if s.erases() {
		left, err := s.empty(ctx)
		if err != nil {
			return err
		}
		if !left {
			due = s.options
		}
	}
	return s.watched(ctx, func(ctx context.Context) error { return s.stages(ctx, due) })
}

// empty proves the card, and erases its applet once the desk allows it.
func (s *sitting) empty(ctx context.Context) (left bool, err error) {
	err = s.watched(ctx, func(ctx context.Context) error {
		if _, err := s.prove(ctx); err != nil {
			return err
		}
		return s.mayErase(ctx)
	})
	if err != nil {
		return false, err
	}
	return s.erase(ctx) // not watched: it may have to be taken out for that
}

// stages makes the passkey and uses it, on a card that shows first whose it is,
// or has shown it and stayed where it was.
func (s *sitting) stages(ctx context.Context, due func(context.Context) (asked, error)) error {
	next, err := due(ctx)
	if err != nil {
		return err
	}
	if err := s.choosePIN(ctx); err != nil {
		return err
	}
	return s.enrol(ctx, next)
}
