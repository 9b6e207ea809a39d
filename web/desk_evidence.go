package web

import (
	"crypto/x509"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"cpsgate/mtls"
)

// Revocation is what card certificates are judged by at a moment.
type Revocation struct {
	Lists   []mtls.CRLStatus
	Refused *mtls.RefusedFile // the last file that was not taken; nil: none
	Bypass  *mtls.Bypass      // in force; nil: none
	Trust   *mtls.Trust
	Reload  mtls.TrustState
	Policy  mtls.Policy
}

// evidenceView is the administrators' page on the evidence.
type evidenceView struct {
	frame
	At          string
	Bypass      *bypassView
	Alarms      []alarmView
	Authorities []authorityView
	Policy      []ruleView
}

type bypassView struct{ Until, Left, Since, By, Reason string }

// authorityView is one authority, with the rules for what it issued.
type authorityView struct {
	ID, Name, Role, Until, Fingerprint string
	Rules                              []ruleView
	Lists                              []listView
}

// ruleView is one choice of the policy. A lenient one bears the key by which
// the configuration makes it.
type ruleView struct{ Text, Lenient string }

type listView struct {
	Title string
	State stateView
	Facts []factView
}

// factView is one line on a list; Failure is what a program said, in English.
type factView struct {
	Label, Value, Failure string
	Broad                 bool // takes a line of its own
}

// evidencePage tells an administrator what the server judges by.
func (s *Server) evidencePage(c echo.Context) error {
	t, r, now := requestOf(c).tongue, s.o.Revocation(), s.o.Now()
	view := evidenceView{At: t.moment(now), Alarms: t.alarms(r, now), Policy: t.policyRules(r.Policy)}
	if b := r.Bypass; b != nil {
		view.Bypass = &bypassView{t.moment(b.Until), t.span(b.Until.Sub(now)), t.moment(b.At), b.By, b.Reason}
	}
	anchors := r.Trust.Anchors()
	for i, issuer := range r.Trust.Issuers() {
		lists := listsOf(r.Lists, issuer)
		isAnchor := slices.ContainsFunc(anchors, issuer.Equal)
		if len(lists) == 0 && !isAnchor {
			continue // held, and nothing is judged by it
		}
		view.Authorities = append(view.Authorities, t.authority(r, issuer, isAnchor, lists, i, now))
	}
	view.frame = s.deskFrame(c, t.words["evidence.title"])
	view.Script = ""
	return s.render(c, http.StatusOK, pageEvidence, view)
}

func listsOf(all []mtls.CRLStatus, issuer *x509.Certificate) []mtls.CRLStatus {
	var own []mtls.CRLStatus
	for _, s := range all {
		if s.Fingerprint == mtls.Fingerprint(issuer) {
			own = append(own, s)
		}
	}
	return own
}

func (t *tongue) authority(r Revocation, issuer *x509.Certificate, isAnchor bool, lists []mtls.CRLStatus, number int, now time.Time) authorityView {
	role := "evidence.role.other"
	if isAnchor {
		role = "evidence.role.anchor"
	}
	view := authorityView{
		ID: "authority-" + strconv.Itoa(number), Name: issuer.Subject.CommonName, Role: t.words[role],
		Until: t.date(issuer.NotAfter), Fingerprint: inGroups(mtls.Fingerprint(issuer), 8),
		Rules: t.revocationRules(r.Policy.RevocationFor(issuer.RawSubject)),
	}
	for _, s := range lists {
		view.Lists = append(view.Lists, t.list(s, now))
	}
	return view
}

// inGroups writes a long number so that it can be compared by eye.
func inGroups(text string, size int) string {
	var groups []string
	for part := range slices.Chunk([]byte(text), size) {
		groups = append(groups, string(part))
	}
	return strings.Join(groups, " ")
}

var listVerdicts = map[mtls.CRLVerdict]struct{ state, words string }{
	mtls.CRLIsFresh:    {"active", "evidence.verdict.fresh"},
	mtls.CRLIsExpiring: {"pending", "evidence.verdict.expiring"},
	mtls.CRLIsStale:    {"revoked", "evidence.verdict.stale"},
	mtls.CRLIsMissing:  {"revoked", "evidence.verdict.missing"},
}

func listTitle(delta bool) string {
	if delta {
		return "evidence.delta"
	}
	return "evidence.complete"
}

// list tells everything that is known of one list.
func (t *tongue) list(s mtls.CRLStatus, now time.Time) listView {
	verdict := listVerdicts[s.Verdict]
	view := listView{Title: t.words[listTitle(s.Delta)], State: stateView{verdict.state, t.words[verdict.words]}}
	fact := func(label, value string) {
		view.Facts = append(view.Facts, factView{Label: t.words[label], Value: value})
	}
	moment := func(label string, at time.Time) {
		if !at.IsZero() {
			fact(label, t.moment(at))
		}
	}
	if s.Verdict != mtls.CRLIsMissing {
		if s.Base != nil {
			fact("evidence.number", t.say("evidence.on-base", "number", s.Number, "base", s.Base))
		} else if s.Number != nil {
			fact("evidence.number", s.Number.String())
		}
		fact("evidence.this-update", t.say("evidence.ago", "date", t.moment(s.ThisUpdate), "duration", t.span(now.Sub(s.ThisUpdate))))
		moment("evidence.next-update", s.NextUpdate)
		moment("evidence.alarm-from", s.AlarmFrom)
		fact("evidence.entries", t.count(s.Entries))
		moment("evidence.confirmed", s.ConfirmedAt)
	}
	moment("evidence.next-fetch", s.NextFetch)
	moment("evidence.failing", s.FailingFrom)
	if s.Source != "" {
		view.Facts = append(view.Facts, factView{Label: t.words["evidence.source"], Value: s.Source, Broad: true})
	}
	if s.Failure != "" {
		view.Facts = append(view.Facts, factView{t.words["evidence.failure"], t.moment(s.FailedAt), s.Failure, true})
	}
	return view
}
