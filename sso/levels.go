package sso

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"cpsgate/identity"
	"cpsgate/sessions"
)

// Way is how a session was opened, as levels are made of.
type Way string

// The ways: a certificate, or a passkey by who vouched for it.
const (
	WayCertificate     Way = "certificate"
	WayPasskeySameCard Way = "passkey-same-card"
	WayPasskeySelf     Way = "passkey-certificate" // registered in a session opened by certificate
	WayPasskeyDesk     Way = "passkey-desk"
)

func ways() []Way { return []Way{WayCertificate, WayPasskeySameCard, WayPasskeySelf, WayPasskeyDesk} }

// Level is an Authentication Context Class (acr) and the ways that reach it.
type Level struct {
	ACR  string
	Ways []Way
	// Answers are other values of acr_values that ask for this level: "eidas1",
	// that Pro Santé Connect's clients send.
	Answers []string
}

// Levels are the strongest first.
type Levels []Level

// DefaultLevels set the certificate and a passkey made on the same card above
// one that was registered from a session by certificate, and that above one
// that rests on the desk's word.
func DefaultLevels() Levels {
	return Levels{
		{ACR: "urn:cpsgate:acr:card", Ways: []Way{WayCertificate, WayPasskeySameCard}},
		{ACR: "urn:cpsgate:acr:registered", Ways: []Way{WayPasskeySelf}},
		{ACR: "urn:cpsgate:acr:desk", Ways: []Way{WayPasskeyDesk}, Answers: []string{"eidas1"}},
	}
}

// Check wants every way at one level, and every name once.
func (l Levels) Check() error {
	var seenWays []Way
	var seenNames []string
	for _, level := range l {
		if level.ACR == "" || len(level.Ways) == 0 {
			return errors.New("a level needs an acr and ways")
		}
		for _, name := range append([]string{level.ACR}, level.Answers...) {
			if slices.Contains(seenNames, name) {
				return fmt.Errorf("acr %q stands twice", name)
			}
			seenNames = append(seenNames, name)
		}
		for _, w := range level.Ways {
			if !slices.Contains(ways(), w) || slices.Contains(seenWays, w) {
				return fmt.Errorf("way %q is unknown or stands twice", w)
			}
			seenWays = append(seenWays, w)
		}
	}
	if len(seenWays) != len(ways()) {
		return fmt.Errorf("some of %v are at no level", ways())
	}
	return nil
}

// wayOf is how the session was opened. A passkey of which nobody knows who
// vouched counts as the weakest.
func wayOf(s sessions.Session) Way {
	switch {
	case s.Method == identity.MethodCPS:
		return WayCertificate
	case s.Proof == identity.ProofSameCard:
		return WayPasskeySameCard
	case s.Proof == identity.ProofCertificate:
		return WayPasskeySelf
	}
	return WayPasskeyDesk
}

// rank is a session's level: 0 is the strongest.
func (l Levels) rank(s sessions.Session) int {
	return slices.IndexFunc(l, func(level Level) bool { return slices.Contains(level.Ways, wayOf(s)) })
}

// Context is the acr and amr of a session (RFC 8176 §2). A key that is no card
// may have asked for a fingerprint: then no PIN is claimed. That it stands on a
// card's certificate makes it no card.
func (l Levels) Context(s sessions.Session) (acr string, amr []string) {
	if at := l.rank(s); at >= 0 {
		acr = l[at].ACR
	}
	if !s.ByCard() {
		return acr, []string{"hwk", "user", "mfa"}
	}
	return acr, []string{"sc", "hwk", "pin", "user", "mfa"}
}

// asked is the weakest level that one of the values asks for, as its rank. A
// value that is not ours asks for nothing: acr_values is a preference (OpenID
// Connect Core §3.1.2.1).
func (l Levels) asked(values []string) (rank int, any bool) {
	for i := len(l) - 1; i >= 0; i-- {
		for _, v := range values {
			if v == l[i].ACR || slices.Contains(l[i].Answers, v) {
				return i, true
			}
		}
	}
	return 0, false
}

// demand is what reaches a rank, or a stronger one.
func (l Levels) demand(rank int) (methods []identity.Method, proofs []identity.ProofKind) {
	for _, level := range l[:rank+1] {
		for _, w := range level.Ways {
			switch w {
			case WayCertificate:
				methods = append(methods, identity.MethodCPS)
			case WayPasskeySameCard:
				proofs = append(proofs, identity.ProofSameCard)
			case WayPasskeySelf:
				proofs = append(proofs, identity.ProofCertificate)
			case WayPasskeyDesk:
				proofs = append(proofs, identity.ProofDesk)
			}
		}
	}
	if len(proofs) > 0 {
		methods = append(methods, identity.MethodFIDO2)
	}
	return methods, proofs
}

// AtLeast is what a session must meet to reach an acr, or a stronger one; false
// for one that there is not.
func (l Levels) AtLeast(acr string) (sessions.Demand, bool) {
	rank, known := l.asked([]string{acr})
	if !known {
		return sessions.Demand{}, false
	}
	methods, proofs := l.demand(rank)
	return sessions.Demand{Methods: methods, Proofs: proofs}, true
}

// values lists every acr that there is.
func (l Levels) values() (all []string) {
	for _, level := range l {
		all = append(append(all, level.ACR), level.Answers...)
	}
	return all
}

// Groups names what an application may found rights on: roles here,
// "profession-10", "specialty-SM26", and "student-10" for who studies for it.
func Groups(p identity.Professional) []string {
	groups := make([]string, 0, len(p.Roles)+len(p.Specialties)+1)
	for _, r := range p.Roles {
		groups = append(groups, string(r))
	}
	if p.Profession != 0 {
		group := "profession-"
		if p.Training {
			group = "student-"
		}
		groups = append(groups, group+strconv.Itoa(int(p.Profession)))
	}
	for _, s := range p.Specialties {
		groups = append(groups, "specialty-"+s)
	}
	return groups
}
