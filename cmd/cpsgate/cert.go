package main

import "time"

type certCommand struct {
	Show   certShowCommand   `cmd:"" help:"Show everything a certificate says, its private extensions decoded. Nothing is verified."`
	Verify certVerifyCommand `cmd:"" help:"Judge a certificate as the card listener would: offline, on files, at a chosen time. Exit 0 accepted, 1 refused, 2 unusable input."`
}

type certShowCommand struct {
	File string `arg:"" name:"FILE" help:"Certificate, DER or PEM; - for standard input."`
	JSON bool   `name:"json" help:"As JSON."`
}

type certVerifyCommand struct {
	Leaf          string    `arg:"" name:"LEAF" help:"Certificate to judge, DER or PEM; - for standard input."`
	Anchors       string    `placeholder:"DIR" help:"Trust anchors. Default: the two built-in authorities that issue persons' cards."`
	Intermediates string    `placeholder:"DIR" help:"Other certificates that a path may need, or that sign CRLs."`
	CRLs          string    `name:"crls" placeholder:"DIR" help:"CRLs, complete and delta."`
	OCSP          []string  `name:"ocsp" sep:"none" placeholder:"FILE" help:"OCSP response, DER or PEM; may be given several times."`
	At            time.Time `placeholder:"RFC3339" help:"Judge as of that time. Default: now."`
	Profile       string    `enum:"cps,any" default:"cps" help:"cps: the authentication certificate of a person's card; any: any valid certificate."`
	Policy        []string  `sep:"none" placeholder:"OID" help:"Certificate policy of which one must hold; may be given several times."`
	Revocation    string    `enum:"required,if-present,off" default:"required" help:"What must be known about revocation: required, if-present or off."`
	JSON          bool      `name:"json" help:"As JSON."`
	Explain       bool      `help:"Tell every step of the reasoning and the clause that asks for it."`

	InhibitMapping bool `name:"inhibit-policy-mapping" help:"Allow no policy mapping (RFC 5280 §6.1.1 (e))."`
	InhibitAny     bool `name:"inhibit-any-policy" help:"Do not process anyPolicy (RFC 5280 §6.1.1 (g))."`
}
