package web

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"cpsgate/mtls"
)

// alarmView is what asks for somebody: a sentence, and what a program said of
// it, in English.
type alarmView struct{ Text, Failure string }

// alarms tell of lists that are not fresh, with what that means for cards, and
// of what could not be taken.
func (t *tongue) alarms(r Revocation, now time.Time) []alarmView {
	var all []alarmView
	for _, s := range r.Lists {
		if s.Verdict == mtls.CRLIsFresh {
			continue
		}
		alarm := alarmView{Text: t.lacking(s, now)}
		if s.Verdict != mtls.CRLIsExpiring {
			alarm.Text += " " + t.consequence(r, s, now)
		}
		if !s.FailingFrom.IsZero() {
			alarm.Failure = s.Failure
		}
		all = append(all, alarm)
	}
	if err := r.Reload.Err; err != nil {
		all = append(all, alarmView{t.say("evidence.alarm.reload", "date", t.moment(r.Reload.FailedAt)), err.Error()})
	}
	if f := r.Refused; f != nil {
		all = append(all, alarmView{t.say("evidence.alarm.refused", "file", f.File, "date", t.moment(f.At)), f.Why})
	}
	return all
}

// lacking says what a list that is not fresh lacks.
func (t *tongue) lacking(s mtls.CRLStatus, now time.Time) string {
	name := s.Authority + ", " + t.words[listTitle(s.Delta)]
	switch s.Verdict {
	case mtls.CRLIsExpiring:
		return t.say("evidence.alarm.expiring", "list", name, "date", t.moment(s.NextUpdate), "duration", t.span(s.NextUpdate.Sub(now)))
	case mtls.CRLIsStale:
		return t.say("evidence.alarm.stale", "list", name, "date", t.moment(s.NextUpdate))
	case mtls.CRLIsFresh, mtls.CRLIsMissing:
	}
	return t.say("evidence.alarm.missing", "list", name)
}

// consequence is what a stale or missing list means for cards, by the policy of
// its authority.
func (t *tongue) consequence(r Revocation, s mtls.CRLStatus, now time.Time) string {
	rule := r.ruleOf(s.Fingerprint)
	missing := s.Verdict == mtls.CRLIsMissing
	switch {
	case s.Delta:
		return t.words["evidence.then.complete-alone"]
	case rule.Mode == mtls.RevocationOff, missing && rule.Mode == mtls.RevocationIfPresent:
		return t.words["evidence.then.unchecked"]
	case !missing && slices.ContainsFunc(r.Lists, func(d mtls.CRLStatus) bool {
		return d.Delta && d.Fingerprint == s.Fingerprint && now.Before(d.NextUpdate)
	}):
		return t.words["evidence.then.delta"]
	case !missing && rule.Stale == mtls.StaleAccept:
		return t.words["evidence.then.accepted"]
	case !missing && rule.Stale == mtls.StaleGrace && now.Before(s.NextUpdate.Add(rule.Grace)):
		return t.say("evidence.then.grace", "date", t.moment(s.NextUpdate.Add(rule.Grace)))
	case rule.OCSP != mtls.OCSPNever:
		return t.words["evidence.then.ocsp"]
	case r.Bypass != nil:
		return t.words["evidence.then.bypassed"]
	}
	return t.words["evidence.then.refused"]
}

func (r Revocation) ruleOf(fingerprint string) mtls.RevocationPolicy {
	for _, issuer := range r.Trust.Issuers() {
		if mtls.Fingerprint(issuer) == fingerprint {
			return r.Policy.RevocationFor(issuer.RawSubject)
		}
	}
	return r.Policy.Revocation
}

// revocationRules tells the rules for what one authority issued.
func (t *tongue) revocationRules(p mtls.RevocationPolicy) []ruleView {
	rule := func(words, lenient string) ruleView { return ruleView{t.words[words], lenient} }
	mode := map[mtls.RevocationMode]ruleView{
		mtls.RevocationRequired:  rule("evidence.rule.required", ""),
		mtls.RevocationIfPresent: rule("evidence.rule.if-present", "revocation: if-present"),
		mtls.RevocationOff:       rule("evidence.rule.off", "revocation: off"),
	}[p.Mode]
	stale := rule("evidence.rule.stale.refuse", "")
	switch p.Stale {
	case mtls.StaleGrace:
		stale = ruleView{t.say("evidence.rule.stale.grace", "duration", t.span(p.Grace)), "stale: grace:" + brief(p.Grace)}
	case mtls.StaleAccept:
		stale = rule("evidence.rule.stale.accept", "stale: accept")
	case mtls.StaleRefuse:
	}
	ocsp := map[mtls.OCSPUse]string{
		mtls.OCSPNever: "evidence.rule.ocsp.never", mtls.OCSPIfCRLUnavailable: "evidence.rule.ocsp.if-crl-unavailable", mtls.OCSPAlways: "evidence.rule.ocsp.always",
	}[p.OCSP]
	if p.Mode == mtls.RevocationOff {
		return []ruleView{mode}
	}
	return []ruleView{mode, stale, rule(ocsp, "")}
}

// policyRules tells what holds for all authorities.
func (t *tongue) policyRules(p mtls.Policy) []ruleView {
	leniency := func(l mtls.Leniency, refused, accepted, key string) ruleView {
		if l == mtls.Accept {
			return ruleView{t.words[accepted], key}
		}
		return ruleView{Text: t.words[refused]}
	}
	rules := []ruleView{
		leniency(p.TestCards, "evidence.rule.test.refuse", "evidence.rule.test.accept", "mode: test"),
		leniency(p.UnknownIdentifiers, "evidence.rule.identifiers.refuse", "evidence.rule.identifiers.accept", "mode: test"),
		{Text: t.words["evidence.rule.strength"]},
	}
	if p.UsesOCSP() {
		nonce := ruleView{Text: t.words["evidence.rule.nonce.required"]}
		if p.OCSP.Nonce == mtls.NonceIfPresent {
			nonce = ruleView{t.words["evidence.rule.nonce.if-present"], "ocsp.nonce: if-present"}
		}
		rules = append(rules, nonce)
	}
	return rules
}

// brief writes a duration as the configuration does, without what is nought.
func brief(d time.Duration) string {
	s := d.String()
	for _, nought := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, nought) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// say is words.say for texts whose values stand beside them: a test holds that
// they fit.
func (t *tongue) say(key string, args ...any) string {
	text, err := t.words.say(key, args...)
	if err != nil {
		return key
	}
	return text
}

// span writes a length of time that may be days.
func (t *tongue) span(d time.Duration) string {
	d = d.Round(time.Minute)
	if days := int(d.Hours() / 24); days >= 2 {
		return t.say("duration.days", "n", days)
	}
	return t.duration(d)
}

// count writes a large number in groups of three.
func (t *tongue) count(n int) string {
	digits := fmt.Sprint(n)
	separator := narrowNoBreak
	if t.tag == english {
		separator = ","
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + separator + digits[i:]
	}
	return digits
}
