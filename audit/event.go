package audit

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"cpsgate/identity"
)

// Outcome is how a decision or an act ended.
type Outcome string

// The outcomes. Decisions are accepted or refused; acts are done or failed.
const (
	Accepted Outcome = "accepted"
	Refused  Outcome = "refused"
	Done     Outcome = "done"
	Failed   Outcome = "failed"
)

// The kinds of event, so that one spelling is used by all who record and search.
const (
	KindLoginCPS       = "login.cps"
	KindLoginFIDO2     = "login.fido2"
	KindLogout         = "logout"
	KindSessionEnd     = "session.end"
	KindSessionsEnd    = "sessions.end" // all of a person, card, passkey or workstation
	KindSessionLock    = "session.lock"
	KindCardSeen       = "card.seen"        // a card signed in here for the first time
	KindCardState      = "card.state"       // suspended, reactivated, revoked
	KindCertificate    = "certificate.seen" // a new certificate on a known card
	KindPasskeyAdd     = "passkey.add"
	KindPasskeyActive  = "passkey.active" // the proof of use succeeded
	KindPasskeySuspend = "passkey.suspend"
	KindPasskeyRename  = "passkey.rename"
	KindPasskeyRemove  = "passkey.remove"
	KindProxyHeader    = "proxy.header" // identity headers from whom they may not come
	KindApplication    = "application"  // somebody goes on to an application, or may not

	KindTicketOpen    = "ticket.open"
	KindTicketClaim   = "ticket.claim" // its code was typed at a workstation
	KindTicketCard    = "ticket.card"  // the card was proved by its certificate
	KindTicketCancel  = "ticket.cancel"
	KindTicketAbandon = "ticket.abandon" // the sitting ended before its passkey was active
	KindTicketExpire  = "ticket.expire"
	KindTicketProve   = "ticket.prove" // a refused step of a sitting
	KindDeskProof     = "ticket.desk-proof"
	KindReset         = "ticket.reset"
	KindEmptied       = "ticket.reset-done" // the workstation emptied the applet, or may have

	KindApprovalRequest = "approval.request"
	KindApprovalPropose = "approval.propose" // by cpsgate itself
	KindApprovalApprove = "approval.approve"
	KindApprovalDecline = "approval.decline"
	KindApprovalExpire  = "approval.expire"

	KindRoleGrant        = "role.grant"
	KindRoleWithdraw     = "role.withdraw"
	KindCardReplace      = "card.replace"
	KindPeopleImport     = "people.import"
	KindPeopleExport     = "people.export"
	KindOppositionImport = "opposition.import"
	KindClientAdd        = "client.add"
	KindClientRevoke     = "client.revoke"
	KindAuditExport      = "audit.export"
	KindAuditPrune       = "audit.prune"

	KindRevocationBypass = "revocation.bypass" // begun, or ended before its time
)

// Event is one decision or act. The order of fields is that of their encoding:
// new ones go last, and are left out when empty, so that old events keep their
// hashes. Log assigns Sequence, Previous and Hash, and ID and At where empty.
//
// No field may hold a PIN, a token, a cookie or an assertion.
type Event struct {
	Sequence uint64    `json:"seq"`
	ID       string    `json:"id"` // short, shown to people: "7K3M-9QXD"
	At       time.Time `json:"at"`

	Kind    string  `json:"kind"`
	Outcome Outcome `json:"outcome"`
	Reason  string  `json:"reason,omitempty"` // the typed reason of a refusal, or why the act was done

	Actor    identity.PSIdNat `json:"actor,omitempty"`   // who acted; empty: nobody yet, or cpsgate itself
	Subject  identity.PSIdNat `json:"subject,omitempty"` // whom it is about
	Approver identity.PSIdNat `json:"approver,omitempty"`

	Card              string `json:"card,omitempty"` // token id
	CertificateSerial string `json:"certificateSerial,omitempty"`
	CertificateIssuer string `json:"certificateIssuer,omitempty"`

	CredentialHash string `json:"credentialHash,omitempty"` // see HashCredential
	AAGUID         string `json:"aaguid,omitempty"`
	Attestation    string `json:"attestation,omitempty"` // the verdict
	Proof          string `json:"proof,omitempty"`

	Method      string `json:"method,omitempty"`
	Session     string `json:"session,omitempty"` // the public handle
	Address     string `json:"address,omitempty"`
	UserAgent   string `json:"userAgent,omitempty"`
	Workstation string `json:"workstation,omitempty"`
	Reader      string `json:"reader,omitempty"`

	Detail string `json:"detail,omitempty"` // for operators, English

	Previous [32]byte `json:"-"`
	Hash     [32]byte `json:"-"`
}

// The most bytes kept of a text; what is longer ends in "…".
const (
	maxWord   = 64  // kinds, reasons, identifiers of our own
	maxName   = 256 // what certificates, browsers and readers say
	maxIssuer = 512
	maxDetail = 1024
)

// neutralise bounds every text of the event and replaces what does not print:
// what a browser or a certificate says must not forge lines of a log, nor
// steer a terminal.
func (e *Event) neutralise() {
	e.At = e.At.UTC().Truncate(time.Microsecond)
	e.ID = printable(e.ID, maxWord)
	e.Kind = printable(e.Kind, maxWord)
	e.Outcome = printable(e.Outcome, maxWord)
	e.Reason = printable(e.Reason, maxName)
	e.Actor = printable(e.Actor, maxWord)
	e.Subject = printable(e.Subject, maxWord)
	e.Approver = printable(e.Approver, maxWord)
	e.Card = printable(e.Card, maxWord)
	e.CertificateSerial = printable(e.CertificateSerial, maxWord)
	e.CertificateIssuer = printable(e.CertificateIssuer, maxIssuer)
	e.CredentialHash = printable(e.CredentialHash, maxWord)
	e.AAGUID = printable(e.AAGUID, maxWord)
	e.Attestation = printable(e.Attestation, maxWord)
	e.Proof = printable(e.Proof, maxWord)
	e.Method = printable(e.Method, maxWord)
	e.Session = printable(e.Session, maxWord)
	e.Address = printable(e.Address, maxWord)
	e.UserAgent = printable(e.UserAgent, maxName)
	e.Workstation = printable(e.Workstation, maxName)
	e.Reader = printable(e.Reader, maxName)
	e.Detail = printable(e.Detail, maxDetail)
}

const ellipsis = "…"

// printable replaces every rune that does not print by U+FFFD (controls, line
// separators, direction overrides, bytes that are no UTF-8) and cuts s to at
// most limit bytes, at a rune.
func printable[T ~string](s T, limit int) T {
	var b strings.Builder
	for _, r := range string(s) {
		if !unicode.IsPrint(r) {
			r = utf8.RuneError
		}
		if b.Len()+utf8.RuneLen(r) > limit {
			return T(cut(b.String(), limit-len(ellipsis))) + ellipsis
		}
		b.WriteRune(r)
	}
	return T(b.String())
}

// cut keeps the whole runes within the first limit bytes.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
