package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

// cardCommand works on one card, or on the list of those opposed.
type cardCommand struct {
	Show        cardShowCommand       `cmd:"" help:"Show what is known of a card."`
	Suspend     cardSuspendCommand    `cmd:"" help:"Stop a card, its passkeys and its sessions, until it is reactivated."`
	Revoke      cardRevokeCommand     `cmd:"" help:"Stop a card, its passkeys and its sessions, for good."`
	Oppositions cardOppositionCommand `cmd:"" help:"Suspend the cards that a list says were opposed (Porteurs_CPS_CPF): exit 3 if some of its rows are not understood."`
}

// tokenID reads a card's number as printed on it, or its whole token id.
func tokenID(s string) (string, error) {
	id, err := enroll.TokenID(s)
	if err != nil {
		return "", fmt.Errorf("%q: not a card number: ten digits, as printed on it", s)
	}
	return id, nil
}

// cardFlags name one card of a data directory.
type cardFlags struct {
	dataFlag
	Card string `arg:"" help:"The ten digits printed on the card, or its token id 8025000001/…"`
}

type cardSuspendCommand struct {
	cardFlags
	Reason string `help:"Why, for the audit: lost, stolen …" required:""`
}

// Run suspends the card.
func (c cardSuspendCommand) Run(env *environment) error {
	return c.stop(env, c.Reason, identity.CardSuspended)
}

type cardRevokeCommand struct {
	cardFlags
	Reason string `help:"Why, for the audit." required:""`
}

// Run revokes the card.
func (c cardRevokeCommand) Run(env *environment) error {
	return c.stop(env, c.Reason, identity.CardRevoked)
}

// stop ends what stands on the card; a running server's sessions within
// seconds.
func (c cardFlags) stop(env *environment, reason string, state identity.CardState) error {
	id, err := tokenID(c.Card)
	if err != nil {
		return unusable(err)
	}
	return c.open(env, func(r *record) error {
		stop := r.Suspend
		if state == identity.CardRevoked {
			stop = r.Revoke
		}
		if err := stop(env.ctx, act(reason), id); err != nil {
			return r.refused(audit.Event{Kind: audit.KindCardState, Card: id, Detail: string(state)}, err)
		}
		on, err := r.store.PasskeysOn(env.ctx, id)
		if err != nil {
			return err
		}
		fmt.Fprintf(env.stdout, "card %s is %s, with %d passkeys; its sessions end within seconds\n", id, state, len(on))
		return nil
	})
}

type cardShowCommand struct {
	cardFlags
	JSON bool `help:"Print as JSON."`
}

// cardReport is what is known of a card. Keys are part of the command's
// contract.
type cardReport struct {
	TokenID      string              `json:"tokenId"`
	Type         string              `json:"type"`
	Generation   identity.Generation `json:"generation,omitempty"`
	State        identity.CardState  `json:"state"`
	StateReason  string              `json:"stateReason,omitempty"`
	Against      string              `json:"against,omitempty"`
	Holder       identity.PSIdNat    `json:"holder"`
	Name         string              `json:"name"`
	FirstSeen    time.Time           `json:"firstSeen"`
	LastSeen     time.Time           `json:"lastSeen"`
	Certificates []cardCertificate   `json:"certificates"`
	Passkeys     []cardPasskey       `json:"passkeys"`
}

type cardCertificate struct {
	Serial    string    `json:"serial"`
	Issuer    string    `json:"issuer"`
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
}

type cardPasskey struct {
	ID          string                `json:"id"`
	Name        string                `json:"name"`
	State       identity.PasskeyState `json:"state"`
	StateReason string                `json:"stateReason,omitempty"`
	Proof       identity.ProofKind    `json:"proof"`
	CreatedAt   time.Time             `json:"createdAt"`
	LastUsedAt  *time.Time            `json:"lastUsedAt,omitempty"`
}

// Run prints the card; exit 1 when it is not known here.
func (c cardShowCommand) Run(env *environment) (err error) {
	id, err := tokenID(c.Card)
	if err != nil {
		return unusable(err)
	}
	s, err := auditPlace{Data: c.Data}.open(env)
	if err != nil {
		return unusable(err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	report, err := reportCard(env, s, id)
	if errors.Is(err, enroll.ErrNotFound) {
		return fmt.Errorf("card %s is not known here", id)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(env.stdout).Encode(report)
	}
	report.print(env)
	return nil
}

func reportCard(env *environment, s enroll.Reader, id string) (cardReport, error) {
	card, err := s.Card(env.ctx, id)
	if err != nil {
		return cardReport{}, err
	}
	person, err := s.Professional(env.ctx, card.Holder)
	if err != nil {
		return cardReport{}, err
	}
	report := cardReport{
		TokenID: id, Type: card.Type.String(), Generation: card.Generation, State: card.State, StateReason: card.StateReason, Against: card.Against,
		Holder: card.Holder, Name: person.FamilyName + " " + person.GivenName, FirstSeen: card.FirstSeen, LastSeen: card.LastSeen,
		Certificates: []cardCertificate{}, Passkeys: []cardPasskey{},
	}
	certificates, err := s.CertificatesOf(env.ctx, id)
	if err != nil {
		return cardReport{}, err
	}
	for _, c := range certificates {
		report.Certificates = append(report.Certificates, cardCertificate{c.Serial, c.Issuer, c.NotBefore, c.NotAfter})
	}
	passkeys, err := s.PasskeysOn(env.ctx, id)
	for _, p := range passkeys {
		row := cardPasskey{ID: base64.RawURLEncoding.EncodeToString(p.ID), Name: p.Name, State: p.State, StateReason: p.StateReason, Proof: p.Proof.Kind, CreatedAt: p.CreatedAt}
		if !p.LastUsedAt.IsZero() {
			row.LastUsedAt = &p.LastUsedAt
		}
		report.Passkeys = append(report.Passkeys, row)
	}
	return report, err
}

func (r cardReport) print(env *environment) {
	state := string(r.State)
	if r.StateReason != "" {
		state += " (" + r.StateReason + ")"
	}
	if r.Against != "" {
		state += ", also " + r.Against
	}
	fmt.Fprintf(env.stdout, "card %s, %s %s\nstate %s\nholder %s, %s\nseen %s to %s\n", r.TokenID, r.Type, r.Generation, state,
		r.Holder, r.Name, r.FirstSeen.Format(time.DateOnly), r.LastSeen.Format(time.DateOnly))
	for _, c := range r.Certificates {
		fmt.Fprintf(env.stdout, "certificate %s, %s to %s\n", c.Serial, c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly))
	}
	for _, p := range r.Passkeys {
		fmt.Fprintf(env.stdout, "passkey %q, %s, proof %s, of %s, id %s\n", p.Name, p.State, p.Proof, p.CreatedAt.Format(time.DateOnly), p.ID)
	}
}

type cardOppositionCommand struct {
	dataFlag
	File   string `arg:"" help:"The list, with its header; - reads standard input."`
	DryRun bool   `help:"Read and compare; change nothing."`
	Reason string `help:"Why, for the audit." default:"daily list"`
}

// Run imports the list: rows that are not understood are told, and the others
// applied, exit 3; where none is understood nothing is, exit 1.
func (c cardOppositionCommand) Run(env *environment) error {
	return c.open(env, func(r *record) error {
		in, err := input(env, c.File)
		if err != nil {
			return unusable(err)
		}
		defer in.Close()
		report, err := r.ImportOppositions(env.ctx, act(c.Reason), in, enroll.ImportOptions{DryRun: c.DryRun})
		if err != nil {
			return importError(r.refused(audit.Event{Kind: audit.KindOppositionImport, Detail: filepath.Base(c.File)}, err))
		}
		printRows(env.stderr, report.Errors, report.More)
		if report.Nothing() {
			return r.wrongRows(audit.KindOppositionImport, c.File, report.Wrong(), report.Rows)
		}
		done := "applied"
		if c.DryRun {
			done = "dry run, nothing changed"
		}
		fmt.Fprintf(env.stdout, "%s: %d of %d rows, %d opposed, %d cards known here, %d suspended, %d proposed for reactivation\n",
			done, report.Understood(), report.Rows, report.Opposed, report.Known, report.Suspended, report.Proposed)
		if report.Wrong() > 0 {
			return &exitError{code: exitPartly, err: fmt.Errorf("%d rows not understood, and not applied", report.Wrong())}
		}
		return nil
	})
}
