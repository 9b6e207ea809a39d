package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"cpsgate/internal/testpki"
	"cpsgate/internal/virtualcard"
	"cpsgate/internal/virtualcard/authenticator"
)

// flags is the command line: where the card sits, what it is, what it does wrong.
type flags struct {
	Address    string `default:"${address}" help:"Where vpcd waits for the card; the second reader is one port further." name:"vpcd" placeholder:"HOST:PORT"`
	ReaderConf string `default:"/etc/reader.conf.d" help:"pcscd's reader configuration, to tell the reader's name." placeholder:"DIR"`
	State      string `help:"File that keeps the card between runs; made if absent." placeholder:"FILE"`
	Trace      bool   `help:"Print each APDU and its answer on standard error."`

	CPS3     bool   `group:"card" help:"Be a CPS3: no FIDO2 applet." name:"cps3"`
	Protocol string `default:"t0" enum:"t0,t1" group:"card" help:"Transmission protocol: t0 or t1."`
	KeepATR  bool   `group:"card" help:"With t1: leave the ATR offering T=0 first." name:"keep-atr"`
	ATR      string `group:"card" help:"Another ATR, in hexadecimal." name:"atr" placeholder:"HEX"`
	Extended bool   `group:"card" help:"Take extended length APDUs (needs t1)."`

	CTAP         string        `default:"2.1" enum:"2.0,2.1-pre,2.1" group:"FIDO2 applet" help:"Version: 2.0, 2.1-pre or 2.1." name:"ctap"`
	AAGUID       string        `group:"FIDO2 applet" help:"AAGUID; by default one that is plainly a test's." name:"aaguid" placeholder:"UUID"`
	Attestation  string        `default:"testpki" enum:"${attestations}" group:"FIDO2 applet" help:"Attestation: ${enum}."`
	ResidentKeys int           `default:"8" group:"FIDO2 applet" help:"How many discoverable credentials fit."`
	MinPIN       int           `default:"4" group:"FIDO2 applet" help:"Minimum PIN length." name:"min-pin"`
	PINTries     int           `default:"8" group:"FIDO2 applet" help:"Wrong PINs until the PIN is blocked." name:"pin-tries"`
	PIN          string        `group:"FIDO2 applet" help:"PIN already set on a new card (a test PIN: others see command lines)." name:"test-pin" placeholder:"PIN"`
	PINTriesLeft int           `group:"FIDO2 applet" help:"With --test-pin: tries left." name:"pin-tries-left" placeholder:"N"`
	ResetWindow  time.Duration `default:"10s" group:"FIDO2 applet" help:"How long after power-up a reset is obeyed; negative: always."`
	TwoStepReset bool          `group:"FIDO2 applet" help:"Obey the second reset only, after a power cycle."`
	HMACSecret   bool          `group:"FIDO2 applet" help:"Offer the extension hmac-secret." name:"hmac-secret"`
	Enterprise   bool          `group:"FIDO2 applet" help:"Offer enterprise attestation."`

	Applet           string        `default:"works" enum:"works,absent,dead,mute" group:"faults" help:"FIDO2 applet: works, absent (6A82), dead (6985 to all, SELECT too), mute (6985 after SELECT)."`
	GetResponse      string        `default:"any" enum:"any,iso,command" group:"faults" help:"Class of GET RESPONSE: any, iso (00 only), command (the command's only)."`
	SelectMore       bool          `group:"faults" help:"Answer SELECT with 61xx."`
	U2F              bool          `group:"faults" help:"Say U2F_V2 to SELECT." name:"u2f"`
	KeepAlive        int           `group:"faults" help:"Say \"at work\" N times before an answer, to programs that allow it." placeholder:"N"`
	NonCanonicalInfo bool          `group:"faults" help:"Encode getInfo out of order." name:"non-canonical-info"`
	ForgetOnSelect   bool          `group:"faults" help:"Forget PIN tokens at each SELECT."`
	Delay            time.Duration `group:"faults" help:"Wait before each answer." placeholder:"DURATION"`
	EjectAt          int           `group:"faults" help:"Leave the reader instead of answering the N-th APDU." placeholder:"N"`
	Return           time.Duration `group:"faults" help:"Come back so long after leaving; by default the program ends." placeholder:"DURATION"`
}

// attestations are the values of --attestation.
func attestations() []string {
	names := []string{"testpki"}
	for _, fault := range authenticator.AttestationFaults() {
		names = append(names, string(fault))
	}
	return names
}

// options turns flags into a card's options.
func (f flags) options(stderr io.Writer) (virtualcard.Options, error) {
	o := virtualcard.Options{
		KeepATR: f.KeepATR, Extended: f.Extended, SelectMore: f.SelectMore, U2FVersion: f.U2F,
		KeepAlive: f.KeepAlive, Delay: f.Delay, EjectAt: f.EjectAt,
		PIN: f.PIN, PINTriesLeft: f.PINTriesLeft, StateFile: f.State,
		Protocol: map[string]virtualcard.Protocol{"t0": virtualcard.T0, "t1": virtualcard.T1}[f.Protocol],
		Applet: map[string]virtualcard.Applet{
			"works": virtualcard.AppletWorks, "absent": virtualcard.AppletAbsent,
			"dead": virtualcard.AppletDead, "mute": virtualcard.AppletMute,
		}[f.Applet],
		GetResponse: map[string]virtualcard.GetResponseRule{
			"any": virtualcard.GetResponseAny, "iso": virtualcard.GetResponseISO, "command": virtualcard.GetResponseCommand,
		}[f.GetResponse],
	}
	if f.CPS3 {
		o.Generation = virtualcard.CPS3
	}
	if f.ATR != "" {
		atr, err := hex.DecodeString(f.ATR)
		if err != nil {
			return o, fmt.Errorf("--atr: %w", err)
		}
		o.ATR = atr
	}
	if f.Trace {
		o.Trace = func(command, answer []byte) { fmt.Fprintf(stderr, "> %X\n< %X\n", command, answer) }
	}
	var err error
	o.FIDO, err = f.fido()
	return o, err
}

// fido turns flags into the options of the FIDO2 applet.
func (f flags) fido() (authenticator.Options, error) {
	aaguid, err := parseAAGUID(f.AAGUID)
	if err != nil {
		return authenticator.Options{}, fmt.Errorf("--aaguid: %w", err)
	}
	o := authenticator.Options{
		AAGUID: aaguid, ResidentKeys: f.ResidentKeys, MinPINLength: f.MinPIN, PINTries: f.PINTries,
		ResetWindow: f.ResetWindow, TwoStepReset: f.TwoStepReset, HMACSecret: f.HMACSecret,
		NonCanonicalInfo: f.NonCanonicalInfo, ForgetOnSelect: f.ForgetOnSelect,
		Version: map[string]authenticator.Version{
			"2.0": authenticator.CTAP20, "2.1-pre": authenticator.CTAP21Pre, "2.1": authenticator.CTAP21,
		}[f.CTAP],
	}
	if f.Attestation != "testpki" {
		o.Fault = authenticator.AttestationFault(f.Attestation)
	}
	pki, err := testpki.New(testpki.Options{Test: true})
	if err != nil {
		return o, err
	}
	pair, err := pki.Attestation(aaguid)
	if err != nil {
		return o, err
	}
	o.Attestation = authenticator.Attestation{Key: pair.Key, Chain: [][]byte{pair.DER}}
	if f.Enterprise {
		o.Enterprise = o.Attestation
	}
	return o, nil
}

// parseAAGUID reads a UUID; none is the virtual card's own.
func parseAAGUID(text string) (aaguid [16]byte, err error) {
	if text == "" {
		return authenticator.DefaultAAGUID, nil
	}
	decoded, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil {
		return aaguid, err
	}
	if len(decoded) != len(aaguid) {
		return aaguid, fmt.Errorf("%d bytes, not 16", len(decoded))
	}
	return [16]byte(decoded), nil
}
