package main

import (
	"time"
)

type webauthnCommand struct {
	Verify webauthnVerifyCommand `cmd:"" help:"Judge a captured ceremony as the server would: offline, at a chosen time. Exit 0 accepted, 1 refused, 2 unusable input."`
}

type webauthnVerifyCommand struct {
	Response         string    `arg:"" name:"RESPONSE.json" help:"What the browser answered (PublicKeyCredential.toJSON); - for standard input."`
	Ceremony         string    `required:"" enum:"registration,authentication" help:"registration or authentication."`
	RPID             string    `name:"rp-id" required:"" placeholder:"ID" help:"RP ID that the ceremony was for."`
	Origin           []string  `required:"" sep:"none" placeholder:"URL" help:"Origin expected, with its port unless it is the default. May be given several times."`
	Challenge        string    `required:"" placeholder:"B64URL" help:"Challenge sent, in base64url."`
	Credential       string    `placeholder:"FILE" help:"The passkey that should answer: what this command printed for its registration with --json. Needed for authentication."`
	UserVerification string    `enum:"required,preferred" default:"required" help:"required, as the server does, or preferred."`
	AttestationRoots string    `placeholder:"DIR" help:"Demand an attestation that chains to a certificate of this folder. Default: take any, and record it."`
	At               time.Time `placeholder:"RFC3339" help:"Judge as of that time. Default: now."`
	JSON             bool      `name:"json" help:"As JSON."`
}
