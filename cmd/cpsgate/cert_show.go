package main

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"cpsgate/mtls"
)

// Run shows the first certificate of the file.
func (c *certShowCommand) Run(env *environment) error {
	der, err := readLeaf(env, c.File)
	if err != nil {
		return unusable(err)
	}
	certificate, err := mtls.ParseCertificate(der)
	if err != nil {
		return unusable(fmt.Errorf("%s: %w", c.File, err))
	}
	report := reportShow(certificate)
	if c.JSON {
		return writeJSON(env.stdout, report)
	}
	return writeShow(env.stdout, report)
}

// showReport is the JSON of cert show. Nothing in it is verified.
type showReport struct {
	Claims     *holderReport     `json:"claims"`
	Subject    [][]nameAttribute `json:"subject"` // one list per relative distinguished name
	Issuer     string            `json:"issuer"`
	Serial     string            `json:"serial"`
	NotBefore  string            `json:"notBefore"`
	NotAfter   string            `json:"notAfter"`
	Key        string            `json:"key"`
	Signature  string            `json:"signature"`
	SHA256     string            `json:"sha256"`
	Extensions []extensionReport `json:"extensions"`
	Problem    string            `json:"problem,omitempty"` // what could not be read
}

type nameAttribute struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

type extensionReport struct {
	OID      string   `json:"oid"`
	Name     string   `json:"name"`
	Critical bool     `json:"critical"`
	Meaning  []string `json:"meaning,omitempty"`
	Value    string   `json:"value"` // hexadecimal
}

func reportShow(certificate *x509.Certificate) showReport {
	claims := mtls.ReadClaims(certificate)
	report := showReport{
		Claims:    reportHolder(claims.Unverified()),
		Issuer:    mtls.FormatName(certificate.RawIssuer),
		Serial:    mtls.FormatSerial(certificate.SerialNumber),
		NotBefore: rfc3339(certificate.NotBefore),
		NotAfter:  rfc3339(certificate.NotAfter),
		Key:       mtls.DescribeKey(certificate.PublicKey),
		Signature: certificate.SignatureAlgorithm.String(),
		SHA256:    mtls.Fingerprint(certificate),
		Subject:   reportName(certificate.RawSubject),
	}
	report.Claims.Certificate = nil // stands above
	for _, extension := range certificate.Extensions {
		name, meaning := claims.Meaning(extension)
		report.Extensions = append(report.Extensions, extensionReport{
			OID: extension.Id.String(), Name: name, Critical: extension.Critical, Meaning: meaning, Value: hex.EncodeToString(extension.Value),
		})
	}
	if claims.Err != nil {
		report.Problem = claims.Err.Error()
	}
	return report
}

func reportName(der []byte) [][]nameAttribute {
	name, err := mtls.ReadName(der)
	if err != nil {
		return nil
	}
	var report [][]nameAttribute
	for _, rdn := range name {
		report = append(report, reportRDN(rdn))
	}
	return report
}

func reportRDN(rdn pkix.RelativeDistinguishedNameSET) []nameAttribute {
	var attributes []nameAttribute
	for _, a := range rdn {
		attributes = append(attributes, nameAttribute{mtls.AttributeLabel(a.Type), mtls.AttributeText(a.Value)})
	}
	return attributes
}

func writeShow(w io.Writer, r showReport) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", r.Claims.line())
	r.Claims.describe(&b)
	b.WriteString("\nsubject\n")
	for _, rdn := range r.Subject {
		var parts []string
		for _, a := range rdn {
			parts = append(parts, a.Type+"="+a.Value)
		}
		fmt.Fprintf(&b, "  %s\n", strings.Join(parts, " + "))
	}
	fmt.Fprintf(&b, "issuer       %s\nserial       %s\nvalid        %s to %s\nkey          %s\nsignature    %s\nSHA-256      %s\n",
		r.Issuer, r.Serial, r.NotBefore, r.NotAfter, r.Key, r.Signature, r.SHA256)
	b.WriteString("\nextensions\n")
	for _, e := range r.Extensions {
		critical := ""
		if e.Critical {
			critical = ", critical"
		}
		fmt.Fprintf(&b, "  %s (%s%s)\n", e.Name, e.OID, critical)
		lines := e.Meaning
		if len(lines) == 0 {
			lines = []string{e.Value}
		}
		for _, line := range lines {
			fmt.Fprintf(&b, "    %s\n", line)
		}
	}
	if r.Problem != "" {
		fmt.Fprintf(&b, "\nnot read: %s\n", strings.ReplaceAll(r.Problem, "\n", "; "))
	}
	b.WriteString("\nnothing here is verified: cpsgate cert verify judges\n")
	_, err := io.WriteString(w, b.String())
	return err
}
