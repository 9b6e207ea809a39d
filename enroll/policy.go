package enroll

import "time"

// Rule is how an act that weighs more than others may be done.
type Rule string

// The rules. The zero one is the strictest under which the act can be done.
const (
	FourEyes Rule = ""      // one asks, another approves
	Alone    Rule = "alone" // one suffices
	Never    Rule = "never" // nobody may
)

// Policy is what a hospital settles about its desk; useful at zero.
type Policy struct {
	DeskProof  Rule // enrol on the operator's word, with no card certificate used
	Reset      Rule // empty an applet that holds something before enrolling it
	Reactivate Rule // bring a suspended card back
	Grant      Rule // give a role

	// ProgramsApprove lets a machine client with the scope approve what a person
	// asked for, in place of another person with a fresh PIN.
	ProgramsApprove bool

	CodeLife     time.Duration // of a ticket's code, and again of the sitting begun with it; 0: 15 minutes
	Fresh        time.Duration // how old a PIN may be for granting and approving; 0: 5 minutes
	ApprovalLife time.Duration // how long a request waits; 0: 24 hours

	// WrongCodes is how many wrong codes one address may type within LockFor
	// before it is locked for that long; 0: 10 and 5 minutes.
	WrongCodes int
	LockFor    time.Duration

	Applet AppletPolicy

	// SelfEnrolment is what people may register without the desk. CardModels
	// are the models (AAGUID) of cards' applets, where known. They alone tell a
	// card from a security key: without any, SelfCards is SelfNever, and what
	// SelfKeys lets in is a key.
	SelfEnrolment SelfEnrolment
	CardModels    [][16]byte
}

// AppletPolicy is what the workstation must ask of the applet, besides the PIN
// that the professional chooses.
type AppletPolicy struct {
	MinPINLength          int  `json:"minPinLength"`          // 0: the applet's own
	SetMinPINLength       bool `json:"setMinPinLength"`       // write it to the applet (CTAP 2.1 §6.11.4)
	ForcePINChange        bool `json:"forcePinChange"`        // a random first PIN, changed at its first use
	CredProtect           int  `json:"credProtect"`           // 0, or 1 to 3 (CTAP 2.1 §12.1)
	EnterpriseAttestation bool `json:"enterpriseAttestation"` // CTAP 2.1 §7.1
}

func (p Policy) withDefaults() Policy {
	for _, d := range []struct {
		of    *time.Duration
		usual time.Duration
	}{
		{&p.CodeLife, 15 * time.Minute},
		{&p.Fresh, 5 * time.Minute},
		{&p.ApprovalLife, 24 * time.Hour},
		{&p.LockFor, 5 * time.Minute},
	} {
		if *d.of == 0 {
			*d.of = d.usual
		}
	}
	if p.SelfEnrolment == SelfCards && len(p.CardModels) == 0 {
		p.SelfEnrolment = SelfNever
	}
	if p.WrongCodes == 0 {
		p.WrongCodes = 10
	}
	return p
}

// rule is the policy's word on a deed; a deed that is none is refused.
func (p Policy) rule(d Deed) Rule {
	switch d {
	case DeedDeskProof:
		return p.DeskProof
	case DeedReset:
		return p.Reset
	case DeedReactivate:
		return p.Reactivate
	case DeedGrant:
		return p.Grant
	}
	return Never
}
