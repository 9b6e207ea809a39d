package main

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/rp"
)

// DeskConfig is what a hospital settles about its enrolment desk. The acts that
// weigh are four-eyes (the default: one asks, another approves, with a PIN just
// proved), alone (one suffices) or never.
type DeskConfig struct {
	// DeskProof is enrolling on the operator's word, with no certificate of the
	// card used. never: the same card proves itself, always.
	DeskProof string `yaml:"desk_proof"`
	// Reset is emptying an applet that holds something before enrolling it.
	Reset string `yaml:"reset"`
	// Reactivate is bringing a suspended card back.
	Reactivate string `yaml:"reactivate"`
	// Grant is giving a role.
	Grant string `yaml:"grant"`

	// ProgramsApprove lets a program with the scope "approvals" approve what a
	// person asked for, in place of an approver with a PIN just proved.
	ProgramsApprove bool `yaml:"programs_approve"`

	// Ticket is how long a code waits to be typed, and then how long the sitting
	// that it begins may last; default 15m, 1h at most.
	Ticket time.Duration `yaml:"ticket"`
	// FreshPIN is how old the last PIN of who approves or grants may be; default
	// 5m, 1h at most.
	FreshPIN time.Duration `yaml:"fresh_pin"`
	// Request is how long a request waits for another person; default 24h.
	Request time.Duration `yaml:"request"`
	// WrongCodes is how many wrong codes one address may type within Lock before
	// it must wait for that long; default 10 and 5m.
	WrongCodes int           `yaml:"wrong_codes"`
	Lock       time.Duration `yaml:"lock"`

	// MinPINLength is the shortest PIN of an applet, in characters; default 6, 4
	// at least (CTAP 2.1 §6.5.1), 63 at most.
	MinPINLength int `yaml:"min_pin_length"`
	// SetMinPINLength writes that length to the applet, which then holds to it
	// by itself (CTAP 2.1 §6.11.4).
	SetMinPINLength bool `yaml:"set_min_pin_length"`
	// ForcePINChange begins with a random PIN that must be changed at its first use.
	ForcePINChange bool `yaml:"force_pin_change"`
	// CredProtect is the passkey's protection level, 1 to 3 (CTAP 2.1 §12.1); 0,
	// the default, leaves it to the applet.
	CredProtect int `yaml:"cred_protect"`
	// EnterpriseAttestation asks the applet to name itself (CTAP 2.1 §7.1).
	EnterpriseAttestation bool `yaml:"enterprise_attestation"`

	// SelfEnrolment is what people may register in a session that their card's
	// certificate opened: never, cards (the applet of that card, of one of
	// CardModels) or keys (security keys too). Left out: cards where CardModels
	// names any, else never.
	SelfEnrolment string `yaml:"self_enrolment"`
	// CardModels are the AAGUIDs of cards' applets. Nothing else tells a card from
	// a key: what browsers call the reader differs.
	CardModels []string `yaml:"card_models"`
}

// AuditConfig is how long events are kept.
type AuditConfig struct {
	// Retention removes events older than this, once a day, leaving a signed
	// checkpoint; 720h (30 days) at least. 0, the default, keeps all.
	Retention time.Duration `yaml:"retention"`
}

// Values of the desk's keys.
const (
	ruleFourEyes = "four-eyes"
	selfCards    = "cards"
	defaultPIN   = 6
	longestPIN   = 63 // bytes, CTAP 2.1 §6.5.1
	leastPIN     = 4
	longestWait  = time.Hour
)

func (c *DeskConfig) setDefaults() {
	for _, rule := range []*string{&c.DeskProof, &c.Reset, &c.Reactivate, &c.Grant} {
		setDefault(rule, ruleFourEyes)
	}
	setDefault(&c.Ticket, 15*time.Minute)
	setDefault(&c.FreshPIN, 5*time.Minute)
	setDefault(&c.Request, 24*time.Hour)
	setDefault(&c.WrongCodes, 10)
	setDefault(&c.Lock, 5*time.Minute)
	setDefault(&c.MinPINLength, defaultPIN)
	if len(c.CardModels) > 0 {
		setDefault(&c.SelfEnrolment, selfCards)
	}
	setDefault(&c.SelfEnrolment, string(enroll.SelfNever))
}

func (c DeskConfig) check() error {
	for _, rule := range c.rules() {
		if err := oneOf("desk."+rule.key, *rule.value, ruleFourEyes, string(enroll.Alone), string(enroll.Never)); err != nil {
			return err
		}
	}
	if err := oneOf("desk.self_enrolment", c.SelfEnrolment, string(enroll.SelfNever), selfCards, string(enroll.SelfKeys)); err != nil {
		return err
	}
	switch {
	case c.SelfEnrolment == selfCards && len(c.CardModels) == 0:
		return errors.New("desk.self_enrolment: cards needs desk.card_models, which tell a card from a key")
	case c.Ticket < time.Minute || c.Ticket > longestWait:
		return errors.New("desk.ticket: a minute to an hour")
	case c.FreshPIN < 30*time.Second || c.FreshPIN > longestWait:
		return errors.New("desk.fresh_pin: 30 seconds to an hour")
	case c.Request < time.Minute || c.Request > 30*24*time.Hour:
		return errors.New("desk.request: a minute to 720h")
	case c.WrongCodes < 1 || c.WrongCodes > 100:
		return errors.New("desk.wrong_codes: 1 to 100")
	case c.Lock < time.Minute || c.Lock > 24*time.Hour:
		return errors.New("desk.lock: a minute to 24h")
	case c.MinPINLength < leastPIN || c.MinPINLength > longestPIN:
		return fmt.Errorf("desk.min_pin_length: %d to %d", leastPIN, longestPIN)
	case c.CredProtect < 0 || c.CredProtect > 3:
		return errors.New("desk.cred_protect: 0 to 3")
	}
	_, err := c.cardModels()
	return err
}

func (c AuditConfig) check() error {
	if c.Retention != 0 && c.Retention < audit.LeastRetention {
		return fmt.Errorf("audit.retention: %s at least, or 0 to keep all", audit.LeastRetention)
	}
	return nil
}

// deskRule is one act that the policy rules, by its key.
type deskRule struct {
	key    string
	value  *string
	into   func(*enroll.Policy) *enroll.Rule
	lenity string // what it means that one suffices
}

func (c *DeskConfig) rules() []deskRule {
	return []deskRule{
		{"desk_proof", &c.DeskProof, func(p *enroll.Policy) *enroll.Rule { return &p.DeskProof }, "one operator's word enrols a card that did not prove itself"},
		{"reset", &c.Reset, func(p *enroll.Policy) *enroll.Rule { return &p.Reset }, "one operator has an applet emptied"},
		{"reactivate", &c.Reactivate, func(p *enroll.Policy) *enroll.Rule { return &p.Reactivate }, "one operator brings a suspended card back"},
		{"grant", &c.Grant, func(p *enroll.Policy) *enroll.Rule { return &p.Grant }, "one administrator gives any role"},
	}
}

func (c DeskConfig) cardModels() (models [][16]byte, err error) {
	for _, s := range c.CardModels {
		model, err := rp.ParseAAGUID(s)
		if err != nil {
			return nil, fmt.Errorf("desk.card_models: %w", err)
		}
		if model == [16]byte{} {
			return nil, errors.New("desk.card_models: the zero AAGUID names no model")
		}
		models = append(models, model)
	}
	return models, nil
}

// deskPolicy is the desk's policy; what is laxer than the default is logged.
func deskPolicy(c DeskConfig, log *slog.Logger) (enroll.Policy, error) {
	models, err := c.cardModels()
	if err != nil {
		return enroll.Policy{}, err
	}
	p := enroll.Policy{
		ProgramsApprove: c.ProgramsApprove,
		CodeLife:        c.Ticket, Fresh: c.FreshPIN, ApprovalLife: c.Request, WrongCodes: c.WrongCodes, LockFor: c.Lock,
		Applet: enroll.AppletPolicy{
			MinPINLength: c.MinPINLength, SetMinPINLength: c.SetMinPINLength, ForcePINChange: c.ForcePINChange,
			CredProtect: c.CredProtect, EnterpriseAttestation: c.EnterpriseAttestation,
		},
		CardModels: models,
	}
	for _, rule := range c.rules() {
		if *rule.value != ruleFourEyes {
			*rule.into(&p) = enroll.Rule(*rule.value)
		}
		if *rule.value == string(enroll.Alone) {
			log.Warn("leniency in force", "desk."+rule.key, *rule.value, "means", rule.lenity)
		}
	}
	if p.ProgramsApprove {
		log.Warn("leniency in force", "desk.programs_approve", true, "means", "a program stands in for the second person")
	}
	if c.SelfEnrolment != selfCards {
		p.SelfEnrolment = enroll.SelfEnrolment(c.SelfEnrolment)
	}
	if p.SelfEnrolment == enroll.SelfKeys {
		log.Warn("leniency in force", "desk.self_enrolment", c.SelfEnrolment, "means", "security keys open accounts beside cards")
	}
	if c.MinPINLength < defaultPIN {
		log.Warn("leniency in force", "desk.min_pin_length", c.MinPINLength, "means", "shorter PINs than six characters")
	}
	return p, nil
}

// openRetention prepares the pruning that the configuration asks for.
func (p *program) openRetention(c *Config, log *audit.Log) error {
	if c.Audit.Retention == 0 {
		return nil
	}
	key, err := audit.LoadOrMakeKey(filepath.Join(c.Data, audit.KeyFileName))
	if err != nil {
		return fmt.Errorf("audit.retention: %w", err)
	}
	p.retention = &audit.Retention{Log: log, Ledger: p.store, Key: key, Keep: c.Audit.Retention, Errors: p.log}
	return nil
}
