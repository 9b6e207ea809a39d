//go:build linux && cgo

package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cpsgate/cardside"
	"cpsgate/internal/cardlab"
	"cpsgate/internal/testpki"
	"cpsgate/internal/virtualcard"
	"cpsgate/internal/virtualcard/authenticator"
)

// spoken is a transmission protocol, and what makes a virtual card speak it: of
// a CPS4's ATRs one offers T=0 alone, and pcsc-lite prefers T=1 in the others.
type spoken struct {
	name string
	set  func(*virtualcard.Options)
}

func protocols(t *testing.T) []spoken {
	t.Helper()
	atr, err := hex.DecodeString(virtualcard.ATRCPS4Variant)
	if err != nil {
		t.Fatal(err)
	}
	return []spoken{
		{"T=1", func(o *virtualcard.Options) { o.Protocol, o.KeepATR = virtualcard.T1, true }},
		{"T=0", func(o *virtualcard.Options) { o.Protocol, o.ATR = virtualcard.T0, atr }},
	}
}

// shelf is a bench with a card in each reader, by name.
type shelf map[string]*cardlab.Reader

// fill puts each card into a reader of its own, all at once: PC/SC takes its
// time with each.
func fill(t *testing.T, cards map[string]virtualcard.Options) shelf {
	t.Helper()
	lab := cardlab.Start(t, len(cards))
	all := shelf{}
	var wait sync.WaitGroup
	for name, options := range cards {
		reader := lab.Readers[len(all)]
		all[name] = reader
		card, err := virtualcard.New(options)
		if err != nil {
			t.Fatal(err)
		}
		wait.Go(func() {
			if err := reader.Insert(card); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	wait.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return all
}

// rules fails the test at any APDU that the cards taught not to send.
func rules(t *testing.T) func(command, answer []byte) {
	return func(command, answer []byte) {
		cla, ins, p1 := command[0], command[1], command[2]
		switch {
		case cla == 0x80 && ins == 0x12:
			t.Errorf("NFCCTAP_CONTROL inside a session: % X", command)
		case cla&0x80 != 0 && ins == 0x10 && p1 != 0:
			t.Errorf("P1 is not 00: % X", command)
		case cla&0x10 != 0 && len(command) != 5+int(command[4]):
			t.Errorf("Le in the middle of a chain: % X", command)
		}
	}
}

// knobs are cards that do their work, each in its own difficult way.
func knobs() map[string]virtualcard.Options {
	return map[string]virtualcard.Options{
		"plain":                      {},
		"GET RESPONSE in class 00":   {GetResponse: virtualcard.GetResponseISO},
		"GET RESPONSE in class 80":   {GetResponse: virtualcard.GetResponseCommand},
		"SELECT answered 61xx":       {SelectMore: true},
		"announces U2F":              {U2FVersion: true},
		"forgets tokens at SELECT":   {FIDO: authenticator.Options{ForgetOnSelect: true}},
		"slow":                       {Delay: 2 * time.Millisecond},
		"keeps alive who knows that": {KeepAlive: 3},
		"CTAP 2.1 PRE":               {FIDO: authenticator.Options{Version: authenticator.CTAP21Pre}},
		"reset in two steps":         {FIDO: authenticator.Options{TwoStepReset: true}},
		"small messages":             {FIDO: authenticator.Options{MaxMsgSize: 1024}},
		"extended length":            {Extended: true},
		"hmac-secret":                {FIDO: authenticator.Options{HMACSecret: true}},
		"longer PINs":                {FIDO: authenticator.Options{MinPINLength: 6}},
		"room for one key":           {FIDO: authenticator.Options{ResidentKeys: 1}},
		"reset at any time":          {FIDO: authenticator.Options{ResetWindow: -1}},
	}
}

// TestEveryCommandOnEveryCard walks the life of a card through every command,
// on both protocols, with each knob.
func TestEveryCommandOnEveryCard(t *testing.T) {
	for _, protocol := range protocols(t) {
		t.Run(protocol.name, func(t *testing.T) {
			cards := knobs()
			for name, options := range cards {
				if protocol.name == "T=0" && (options.Extended || options.SelectMore) {
					delete(cards, name) // knobs of T=1
					continue
				}
				protocol.set(&options)
				options.Trace = rules(t)
				cards[name] = options
			}
			for name, reader := range fill(t, cards) {
				t.Run(name, func(t *testing.T) {
					args := []string{"--reader", reader.Name}
					if cards[name].Extended {
						args = append(args, "--apdu", "extended")
					}
					life(t, protocol.name, cardside.EngineCTAP2, args)
					if name == "plain" {
						life(t, protocol.name, cardside.EngineLibfido2, append(args, "--engine", "libfido2"))
					}
				})
			}
		})
	}
}

// with appends flags to a command.
func with(flags []string, command ...string) []string { return append(command, flags...) }

// life is a card's, from its delivery to its erasure.
func life(t *testing.T, protocol string, engine cardside.EngineName, card []string) {
	blank := cardside.Inspection{}
	command(t, "", with(card, "info", "--json")...).ends(cardside.ExitDone).json(&blank)
	if !blank.Blank || blank.Generation != cardside.CPS4 || blank.Link.Protocol != protocol || blank.Engine != engine {
		t.Errorf("%+v", blank)
	}
	command(t, "", with(card, "make", "--rp", "sso.localhost", "--json")...).ends(cardside.ExitRefused).reason(cardside.ReasonBlank)
	command(t, "12\n", with(card, "pin", "set", "--json")...).ends(cardside.ExitRefused).reason(cardside.ReasonPINTooShort)
	command(t, "271828\n", with(card, "pin", "set")...).ends(cardside.ExitDone).says("Le code FIDO2 est en place")
	command(t, "271828\n", with(card, "pin", "set", "--json")...).ends(cardside.ExitRefused).reason(cardside.ReasonNotBlank)
	command(t, "", with(card, "info")...).ends(cardside.ExitDone).says("il reste 8 essais", "CPS4", protocol)

	var enrolled struct {
		Credential  struct{ ID, Type string }
		Attestation cardside.AttestationVerdict
		Proof       struct{ Signature string }
		Verified    bool `json:"userVerified"`
	}
	command(t, "271828\n", with(card, "make", "--rp", "sso.localhost", "--user", "exemple", "--json")...).ends(cardside.ExitDone).json(&enrolled)
	if enrolled.Credential.Type != "public-key" || enrolled.Attestation != cardside.AttestationSelf || enrolled.Proof.Signature != "right" || !enrolled.Verified {
		t.Errorf("%+v", enrolled)
	}
	id := enrolled.Credential.ID
	command(t, "271828\n", with(card, "make", "--rp", "sso.localhost", "--exclude", id, "--json")...).ends(cardside.ExitRefused).reason(cardside.ReasonExcluded)
	command(t, "271828\n", with(card, "assert", "--rp", "sso.localhost", "--allow", id)...).ends(cardside.ExitDone).says("a signé pour sso.localhost")
	command(t, "271828\n", with(card, "assert", "--rp", "sso.localhost", "--lang", "en")...).ends(cardside.ExitDone).says("has signed for sso.localhost", id)
	command(t, "271828\n", with(card, "assert", "--rp", "other.localhost", "--json")...).ends(cardside.ExitRefused).reason(cardside.ReasonNoCredentials)
	command(t, "000000\n", with(card, "assert", "--rp", "sso.localhost")...).ends(cardside.ExitPINWrong).says("il reste 7 essais")

	var stored []storedReport
	command(t, "271828\n", with(card, "credentials", "list", "--json")...).ends(cardside.ExitDone).json(&stored)
	if len(stored) != 1 || base64.RawURLEncoding.EncodeToString(stored[0].ID) != id || stored[0].UserName != "exemple" {
		t.Errorf("%+v", stored)
	}
	command(t, "271828\n314159\n", with(card, "pin", "change")...).ends(cardside.ExitDone).says("changé")
	command(t, "271828\n", with(card, "credentials", "delete", id)...).ends(cardside.ExitPINWrong)
	command(t, "314159\n", with(card, "credentials", "delete", id)...).ends(cardside.ExitDone).says("supprimée")
	command(t, "314159\n", with(card, "credentials", "list")...).ends(cardside.ExitDone).says("aucune clé")
	command(t, "", with(card, "reset")...).ends(cardside.ExitUsage)
	command(t, "", with(card, "reset", "--really-erase-this-card")...).ends(cardside.ExitDone).says("vierge")
	command(t, "", with(card, "info")...).ends(cardside.ExitDone).says("aucun code n'est encore choisi")
	command(t, "", with(card, "doctor")...).ends(cardside.ExitFindings).says("✓ Application FIDO2", "La Cryptolib CPS manque")
}

// TestCardsThatCannot shows each card that cannot be worked with to every
// command: the same reason and exit code from all, and words for the person.
func TestCardsThatCannot(t *testing.T) {
	type refusal struct {
		options virtualcard.Options
		reason  cardside.Reason
		code    cardside.ExitCode
	}
	cards := map[string]refusal{
		"CPS3":               {virtualcard.Options{Generation: virtualcard.CPS3}, cardside.ReasonNoApplet, cardside.ExitNotUsable},
		"no application":     {virtualcard.Options{Applet: virtualcard.AppletAbsent}, cardside.ReasonNoApplet, cardside.ExitNotUsable},
		"dead application":   {virtualcard.Options{Applet: virtualcard.AppletDead}, cardside.ReasonNotOverContact, cardside.ExitNotUsable},
		"mute application":   {virtualcard.Options{Applet: virtualcard.AppletMute}, cardside.ReasonNotOverContact, cardside.ExitNotUsable},
		"incorrect getInfo":  {virtualcard.Options{FIDO: authenticator.Options{NonCanonicalInfo: true}}, cardside.ReasonNotCanonical, cardside.ExitNotUsable},
		"one PIN try left":   {virtualcard.Options{PIN: "271828", PINTriesLeft: 1}, cardside.ReasonLastTry, cardside.ExitLastTry},
		"CTAP 2.0, no lists": {virtualcard.Options{PIN: "271828", FIDO: authenticator.Options{Version: authenticator.CTAP20}}, cardside.ReasonUnsupported, cardside.ExitRefused},
	}
	for _, protocol := range protocols(t) {
		t.Run(protocol.name, func(t *testing.T) {
			options := map[string]virtualcard.Options{}
			for name, card := range cards {
				if card.options.Generation == virtualcard.CPS4 {
					protocol.set(&card.options)
				}
				card.options.Trace = rules(t)
				options[name] = card.options
			}
			for name, reader := range fill(t, options) {
				t.Run(name, func(t *testing.T) {
					r := []string{"--reader", reader.Name, "--json"}
					want := cards[name]
					command(t, "271828\n", with(r, "credentials", "list")...).ends(want.code).reason(want.reason)
					if want.code != cardside.ExitNotUsable {
						return
					}
					command(t, "271828\n", with(r, "pin", "set")...).ends(want.code).reason(want.reason)
					command(t, "271828\n271828\n", with(r, "pin", "change")...).ends(want.code).reason(want.reason)
					command(t, "271828\n", with(r, "make", "--rp", "sso.localhost")...).ends(want.code).reason(want.reason)
					command(t, "271828\n", with(r, "assert", "--rp", "sso.localhost")...).ends(want.code).reason(want.reason)
					command(t, "271828\n", with(r, "credentials", "delete", "AAAA")...).ends(want.code).reason(want.reason)
					command(t, "", "info", "--reader", reader.Name).ends(want.code).says("Que faire maintenant")
					command(t, "", "doctor", "--reader", reader.Name).ends(cardside.ExitFindings).says("✗ Application FIDO2")
				})
			}
		})
	}
}

// onEach runs a test on both protocols, with one such card each.
func onEach(t *testing.T, options virtualcard.Options, test func(t *testing.T, reader string)) {
	t.Helper()
	cards := map[string]virtualcard.Options{}
	for _, protocol := range protocols(t) {
		o := options
		protocol.set(&o)
		cards[protocol.name] = o
	}
	for name, reader := range fill(t, cards) {
		t.Run(name, func(t *testing.T) { test(t, reader.Name) })
	}
}

func TestIncorrectCardsAreShownAndCanBeAccepted(t *testing.T) {
	onEach(t, virtualcard.Options{FIDO: authenticator.Options{NonCanonicalInfo: true}}, incorrectCard)
}

func incorrectCard(t *testing.T, reader string) {
	var shown cardside.Inspection
	command(t, "", "info", "--reader", reader, "--json").ends(cardside.ExitNotUsable).json(&shown)
	if shown.Info.AAGUID != authenticator.DefaultAAGUID {
		t.Errorf("%+v", shown)
	}
	command(t, "", "info", "--reader", reader, "--accept-non-canonical").ends(cardside.ExitDone).
		says("! La carte se présente dans une forme incorrecte")
	command(t, "271828\n", "pin", "set", "--reader", reader, "--accept-non-canonical").ends(cardside.ExitDone)
}

func TestTheLastTry(t *testing.T) {
	onEach(t, virtualcard.Options{PIN: "271828", PINTriesLeft: 3}, lastTry)
}

func lastTry(t *testing.T, reader string) {
	r := []string{"--reader", reader}
	command(t, "000000\n", with(r, "assert", "--rp", "sso.localhost")...).ends(cardside.ExitPINWrong).says("Attention : il reste 3 essais", "il reste 2 essais")
	command(t, "000000\n", with(r, "assert", "--rp", "sso.localhost")...).ends(cardside.ExitPINWrong).says("Attention : il reste 2 essais", "il reste 1 essai\n")
	command(t, "271828\n", with(r, "assert", "--rp", "sso.localhost")...).ends(cardside.ExitLastTry).says("--spend-last-try")
	command(t, "271828\n", with(r, "assert", "--rp", "sso.localhost", "--spend-last-try", "--json")...).
		ends(cardside.ExitRefused).reason(cardside.ReasonNoCredentials) // the right PIN, and no key
}

func TestAttestationsAsTheyAre(t *testing.T) {
	pki, err := testpki.New(testpki.Options{Test: true})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := pki.Attestation(authenticator.DefaultAAGUID)
	if err != nil {
		t.Fatal(err)
	}
	attestation := authenticator.Attestation{Key: pair.Key, Chain: [][]byte{pair.Certificate.Raw}}
	verdicts := map[authenticator.AttestationFault]cardside.AttestationVerdict{
		authenticator.FaultNone:         cardside.AttestationSigned,
		authenticator.FaultSelf:         cardside.AttestationSelf,
		authenticator.FaultNoStatement:  cardside.AttestationNone,
		authenticator.FaultBadSignature: cardside.AttestationWrong,
		authenticator.FaultWrongAAGUID:  cardside.AttestationSigned, // whose it is, the server judges
		authenticator.FaultStranger:     cardside.AttestationSigned,
	}
	cards := map[string]virtualcard.Options{}
	for fault := range verdicts {
		for _, protocol := range protocols(t) {
			o := virtualcard.Options{PIN: "271828", FIDO: authenticator.Options{Attestation: attestation, Fault: fault}}
			protocol.set(&o)
			cards[protocol.name+", fault "+string(fault)] = o
		}
	}
	for name, reader := range fill(t, cards) {
		_, fault, _ := strings.Cut(name, ", fault ")
		for _, engine := range []string{"ctap2", "libfido2"} {
			t.Run(name+", "+engine, func(t *testing.T) {
				var enrolled struct {
					Attestation cardside.AttestationVerdict
				}
				command(t, "271828\n", "make", "--rp", "sso.localhost", "--reader", reader.Name, "--engine", engine, "--json").
					ends(cardside.ExitDone).json(&enrolled)
				if want := verdicts[authenticator.AttestationFault(fault)]; enrolled.Attestation != want {
					t.Errorf("%s; want %s", enrolled.Attestation, want)
				}
			})
		}
	}
}

// TestOneEnrolmentsAPDUs counts what a blank card costs: getInfo, PIN,
// makeCredential with a certified attestation and its proof, in short APDUs.
func TestOneEnrolmentsAPDUs(t *testing.T) {
	pki, err := testpki.New(testpki.Options{Test: true})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := pki.Attestation(authenticator.DefaultAAGUID)
	if err != nil {
		t.Fatal(err)
	}
	var sent atomic.Int32
	o := virtualcard.Options{
		FIDO:  authenticator.Options{Attestation: authenticator.Attestation{Key: pair.Key, Chain: [][]byte{pair.Certificate.Raw}}},
		Trace: func([]byte, []byte) { sent.Add(1) },
	}
	protocols(t)[0].set(&o)
	reader := fill(t, map[string]virtualcard.Options{"card": o})["card"]
	before := sent.Load()
	command(t, "271828\n", "make", "--rp", "sso.localhost", "--rp-name", "Centre hospitalier d'exemple", "--user", "899900000001",
		"--display-name", "EXEMPLE Infirmière", "--set-pin", "--reader", reader.Name).ends(cardside.ExitDone).says("Première signature", "juste")
	if n := sent.Load() - before; n > 16 {
		t.Errorf("%d APDUs", n)
	} else {
		t.Logf("%d APDUs", n)
	}
}

func TestInfoIsRecordedOnce(t *testing.T) {
	options := virtualcard.Options{}
	protocols(t)[0].set(&options)
	reader := fill(t, map[string]virtualcard.Options{"card": options})["card"]
	file := filepath.Join(t.TempDir(), "card.jsonl")
	command(t, "", "info", "--reader", reader.Name, "--record", file).ends(cardside.ExitDone).says("Échange enregistré")
	recorded, err := os.ReadFile(file)
	if err != nil || !bytes.Contains(recorded, []byte(virtualcard.ATRCPS4)) {
		t.Errorf("%s, %v", recorded, err)
	}
	command(t, "", "info", "--reader", reader.Name, "--record", file, "--json").ends(cardside.ExitUsage).reason(cardside.ReasonFile)
	replayed := command(t, "", "info", "--replay", file).ends(cardside.ExitDone)
	live := command(t, "", "info", "--reader", reader.Name).ends(cardside.ExitDone)
	if replayed.out != live.out {
		t.Errorf("replayed:\n%s\nlive:\n%s", replayed.out, live.out)
	}
	command(t, "", "info", "--replay", "/etc/hostname").ends(cardside.ExitUsage)
}
