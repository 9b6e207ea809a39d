package enroll

import (
	"context"
	"time"

	"cpsgate/audit"
	"cpsgate/identity"
)

// Records is where the card record is kept.
//
// Change runs act as one transaction, serialisable with all others: everything
// or nothing, as though one came after the other. It commits when act gives
// nil. A store may run act again after a conflict, so act touches nothing but
// its Unit; and act must not call Records itself, which may wait for it.
type Records interface {
	Reader
	Change(ctx context.Context, act func(Unit) error) error
}

// Unit is one transaction: what it reads, what it writes, and the audit events
// that go with it.
type Unit interface {
	Reader
	Writer
	audit.Ledger
}

// Reader finds records; ErrNotFound where there is none.
type Reader interface {
	People
	Directory
	Cards
	Certificates
	Passkeys
	Tickets
	Approvals
	Clients
	Figures
	Changes
}

// People finds professionals; ProfessionalsOf those of some identifiers that
// there are, in no order.
type People interface {
	ProfessionalsOf(ctx context.Context, ids []identity.PSIdNat) ([]identity.Professional, error)
	Professional(ctx context.Context, idNat identity.PSIdNat) (identity.Professional, error)
	ProfessionalByHandle(ctx context.Context, userHandle []byte) (identity.Professional, error)
}

// Cards finds cards and their certificates.
type Cards interface {
	Card(ctx context.Context, tokenID string) (identity.Card, error)
	CardsOf(ctx context.Context, holder identity.PSIdNat) ([]identity.Card, error)
	CertificatesOf(ctx context.Context, tokenID string) ([]identity.Certificate, error) // the latest first
	CardsAfter(ctx context.Context, tokenID string, limit int) ([]identity.Card, error) // all cards, in that order
}

// Directory lists people: PeopleBetween those whose key lies in a range of
// bytes, in that order; Staff those who hold a role.
type Directory interface {
	PeopleBetween(ctx context.Context, r Range) ([]identity.Professional, error)
	Staff(ctx context.Context) ([]identity.Professional, error)
}

// Range is a piece of an index: From ≤ key < To (an empty To is no bound),
// after the place that After names, in order. By is the key.
type Range struct {
	By       Index
	From, To string
	After    Place
	Limit    int
}

// Index names what a Range is over.
type Index int

// The indexes of people.
const (
	ByName  Index = iota // SearchKey, then PS_IdNat
	ByGiven              // GivenKey, then PS_IdNat
	ByIdNat              // PS_IdNat
)

// Place is where a page ended; the zero Place is before everything.
type Place struct{ Key, IdNat string }

// Certificates finds certificates across cards. CurrentCertificates gives, for
// cards after a token id and in its order, the latest certificate of each card
// that is not revoked.
type Certificates interface {
	CertificateBySerial(ctx context.Context, issuerKey, serial string) (identity.Certificate, error)
	CurrentCertificates(ctx context.Context, afterTokenID string, limit int) ([]identity.Certificate, error)
}

// Tickets finds tickets, by id, by what is kept of their code or of their
// sitting's secret, and by a query. TicketsDue gives those not ended whose time
// is over.
type Tickets interface {
	Ticket(ctx context.Context, id string) (TicketRecord, error)
	TicketByCode(ctx context.Context, codeHash string) (TicketRecord, error)
	TicketBySecret(ctx context.Context, secretHash string) (TicketRecord, error)
	TicketPage(ctx context.Context, q TicketQuery) (TicketPage, error)
	TicketsDue(ctx context.Context, now time.Time, limit int) ([]string, error)
}

// Approvals finds requests. ApprovalLike finds the one that waits for the same
// deed, on the same person, card, ticket and role.
type Approvals interface {
	Approval(ctx context.Context, id string) (Approval, error)
	ApprovalLike(ctx context.Context, a Approval) (Approval, error)
	ApprovalPage(ctx context.Context, q ApprovalQuery) (ApprovalPage, error)
	ApprovalsDue(ctx context.Context, now time.Time, limit int) ([]string, error)
}

// Clients finds machine clients.
type Clients interface {
	Client(ctx context.Context, name string) (Client, error)
	ClientByToken(ctx context.Context, tokenHash string) (Client, error)
	Clients(ctx context.Context) ([]Client, error)
}

// Figures are the counts behind Statistics.
type Figures interface {
	CountCards(ctx context.Context) ([]CardCount, error)
	CountFirsts(ctx context.Context, from, to time.Time) ([]FirstCount, error)
	CountLogins(ctx context.Context, from, to time.Time) ([]LoginCount, error)
	CountExpiring(ctx context.Context, from, to time.Time) ([]ExpiryCount, error)
	CountRefusals(ctx context.Context, from, to time.Time) ([]RefusalCount, error)
}

// Changes tells what happened since a place of the audit, by any process:
// those events that change a card or a passkey, or end sessions.
type Changes interface {
	Event(ctx context.Context, id string) (audit.Event, error)
	LastEvent(ctx context.Context) (sequence uint64, err error)
	LastEventBefore(ctx context.Context, t time.Time) (sequence uint64, err error) // 0: none
	ChangesAfter(ctx context.Context, sequence uint64) ([]Change, error)
}

// Change is one event that changed a card or a passkey, or ends sessions.
type Change struct {
	Sequence uint64
	Event    string // its id
	Kind     string // one of ChangeKinds
	Card     string
	Subject  identity.PSIdNat
}

// Passkeys finds passkeys, revoked ones too, oldest first. PasskeysOn gives
// those that stand on a card: that live in it or, living in none, were vouched
// for by its certificate.
type Passkeys interface {
	Passkey(ctx context.Context, credentialID []byte) (identity.Passkey, error)
	PasskeysOf(ctx context.Context, holder identity.PSIdNat) ([]identity.Passkey, error)
	PasskeysOn(ctx context.Context, tokenID string) ([]identity.Passkey, error)
}

// Writer makes or updates records. What a record is keyed by, whose it is and
// what was proved when it was made stay as first written: a professional's
// user handle, a card's holder and first sight, a certificate but for SeenAt,
// a passkey but for its name, count, backup state, state and last use.
// SaveCertificate of a known issuer and serial with another fingerprint, card
// or holder is ErrConflict.
type Writer interface {
	SaveProfessional(ctx context.Context, people ...identity.Professional) error
	SaveCard(ctx context.Context, c identity.Card) error
	SaveCertificate(ctx context.Context, c identity.Certificate) error
	SavePasskey(ctx context.Context, p identity.Passkey) error
	DeskWriter
}

// DeskWriter makes or updates what the desk keeps. A ticket's code, operator
// and opening stay as first written; so do a client's token and scopes, and
// what an approval asks for.
type DeskWriter interface {
	SaveTicket(ctx context.Context, t TicketRecord) error
	SaveApproval(ctx context.Context, a Approval) error
	SaveClient(ctx context.Context, c Client) error
}
