package main

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"cpsgate/identity"
	"cpsgate/mtls"
)

// verdictReport is the JSON of cert verify.
type verdictReport struct {
	Verdict string `json:"verdict"` // accepted, refused
	Reason  string `json:"reason"`  // "" when accepted
	Detail  string `json:"detail"`
	Clause  string `json:"clause,omitempty"`
	At      string `json:"at"`
	// Allowed are leniencies without which it would have been refused.
	Allowed []mtls.Allowance `json:"allowed,omitempty"`
	// Holder is whom the verified certificate names; Claimed is what a refused
	// one says, for which nobody vouches.
	Holder  *holderReport `json:"holder,omitempty"`
	Claimed *holderReport `json:"claimed,omitempty"`
	Path    []pathReport  `json:"path,omitempty"`  // with --explain
	Steps   []stepReport  `json:"steps,omitempty"` // with --explain
}

type holderReport struct {
	Subject     string             `json:"subject,omitempty"` // profile any, where nobody is identified
	IdNat       string             `json:"idNat,omitempty"`
	FamilyName  string             `json:"familyName,omitempty"`
	GivenName   string             `json:"givenName,omitempty"`
	Title       string             `json:"title,omitempty"`
	Profession  *codeReport        `json:"profession,omitempty"`
	Training    bool               `json:"training,omitempty"`
	Specialties []string           `json:"specialties,omitempty"`
	Structure   string             `json:"structure,omitempty"`
	Employer    string             `json:"employer,omitempty"`
	Card        *holderCard        `json:"card,omitempty"`
	Certificate *certificateReport `json:"certificate,omitempty"`
}

type codeReport struct {
	Code  int    `json:"code"`
	Label string `json:"label"`
}

type holderCard struct {
	TokenID string `json:"tokenId"`
	Type    string `json:"type"`
	Test    bool   `json:"test"`
}

type certificateReport struct {
	Issuer      string `json:"issuer"`
	Serial      string `json:"serial"`
	Fingerprint string `json:"sha256"`
	NotBefore   string `json:"notBefore"`
	NotAfter    string `json:"notAfter"`
}

type pathReport struct {
	Subject     string `json:"subject"`
	Fingerprint string `json:"sha256"`
}

type stepReport struct {
	Rule   string `json:"rule"`
	Clause string `json:"clause"`
	Detail string `json:"detail,omitempty"`
	Holds  bool   `json:"holds"`
}

func reportVerdict(v mtls.Verdict, at time.Time, anonymous, explain bool) verdictReport {
	report := verdictReport{Verdict: "accepted", At: rfc3339(at), Allowed: v.Allowed}
	switch {
	case v.Refusal == nil && anonymous:
		report.Holder = &holderReport{Subject: mtls.FormatName(v.Path[0].RawSubject), Certificate: reportCertificate(v.Holder.Certificate)}
	case v.Refusal == nil:
		report.Holder = reportHolder(v.Holder)
	default:
		report.Verdict, report.Reason, report.Detail, report.Clause = "refused", string(v.Refusal.Reason), v.Refusal.Detail, v.Refusal.Clause
		if v.Refusal.Claimed != nil {
			report.Claimed = reportHolder(*v.Refusal.Claimed)
		}
		if anonymous && report.Claimed != nil {
			report.Claimed = &holderReport{Subject: v.Refusal.ClaimedSubject, Certificate: report.Claimed.Certificate}
		}
	}
	if explain {
		report.Path, report.Steps = reportPath(v.Path), reportSteps(v.Steps)
	}
	return report
}

func reportHolder(h identity.Cardholder) *holderReport {
	who := h.Professional
	report := &holderReport{
		IdNat: string(who.IdNat), FamilyName: who.FamilyName, GivenName: who.GivenName, Title: who.Title,
		Training: who.Training, Specialties: who.Specialties, Structure: string(who.Structure), Employer: who.Employer,
		Certificate: reportCertificate(h.Certificate),
	}
	if who.Profession != 0 {
		report.Profession = &codeReport{int(who.Profession), who.Profession.String()}
	}
	if h.Card.TokenID != "" {
		report.Card = &holderCard{h.Card.TokenID, h.Card.Type.String(), h.Card.Test}
	}
	return report
}

func reportCertificate(c identity.Certificate) *certificateReport {
	return &certificateReport{c.Issuer, c.Serial, c.Fingerprint, rfc3339(c.NotBefore), rfc3339(c.NotAfter)}
}

func reportPath(path []*x509.Certificate) []pathReport {
	var report []pathReport
	for _, c := range path {
		report = append(report, pathReport{mtls.FormatName(c.RawSubject), mtls.Fingerprint(c)})
	}
	return report
}

func reportSteps(steps []mtls.Step) []stepReport {
	var report []stepReport
	for _, s := range steps {
		report = append(report, stepReport(s))
	}
	return report
}

func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// writeVerdict says the same in words: the verdict first, who next.
func writeVerdict(w io.Writer, r verdictReport) error {
	var b strings.Builder
	if r.Reason == "" {
		fmt.Fprintf(&b, "accepted: %s\n", r.Holder.line())
		r.Holder.describe(&b)
	} else {
		fmt.Fprintf(&b, "refused: %s\n", r.Reason)
		fmt.Fprintf(&b, "  why      %s\n", r.Detail)
		if r.Clause != "" {
			fmt.Fprintf(&b, "  asked by %s\n", r.Clause)
		}
		if r.Claimed != nil {
			fmt.Fprintf(&b, "the certificate claims (not verified): %s\n", r.Claimed.line())
			r.Claimed.describe(&b)
		}
	}
	for _, allowed := range r.Allowed {
		fmt.Fprintf(&b, "let pass by policy: %s\n", allowed)
	}
	fmt.Fprintf(&b, "judged as of %s\n", r.At)
	writeSteps(&b, r)
	_, err := io.WriteString(w, b.String())
	return err
}

func writeSteps(b *strings.Builder, r verdictReport) {
	if len(r.Steps) == 0 {
		return
	}
	b.WriteString("\nreasoning:\n")
	for i, s := range r.Steps {
		mark := "holds"
		if !s.Holds {
			mark = "FAILS"
		}
		fmt.Fprintf(b, "%3d. %s  %s  [%s]\n", i+1, mark, s.Rule, s.Clause)
		if s.Detail != "" {
			fmt.Fprintf(b, "            %s\n", s.Detail)
		}
	}
}

// line is how a professional is always shown: Family NAME Given name —
// profession — PS_IdNat.
func (h *holderReport) line() string {
	if h.Subject != "" {
		return h.Subject
	}
	profession := h.Title
	if h.Profession != nil {
		profession = h.Profession.Label
	}
	var parts []string
	for _, part := range []string{strings.TrimSpace(h.FamilyName + " " + h.GivenName), profession, h.IdNat} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return "nobody"
	}
	return strings.Join(parts, " — ")
}

func (h *holderReport) describe(b *strings.Builder) {
	if h.Card != nil {
		test := ""
		if h.Card.Test {
			test = ", TEST"
		}
		fmt.Fprintf(b, "  card     %s (%s%s)\n", h.Card.TokenID, h.Card.Type, test)
	}
	if h.Employer != "" || h.Structure != "" {
		fmt.Fprintf(b, "  employer %s\n", strings.TrimSpace(h.Employer+" "+h.Structure))
	}
	if c := h.Certificate; c != nil {
		fmt.Fprintf(b, "  serial   %s\n  issuer   %s\n  valid    %s to %s\n", c.Serial, c.Issuer, c.NotBefore, c.NotAfter)
	}
}
