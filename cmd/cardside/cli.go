package main

import (
	"io"
	"slices"
	"strings"
	"time"

	"cpsgate/cardside"
	"cpsgate/cardside/pcsc"

	"github.com/alecthomas/kong"
)

// globals are the flags of every command.
type globals struct {
	Reader   string        `short:"r" placeholder:"NAME" help:"help.reader"`
	Key      string        `placeholder:"PATH" help:"help.key"`
	Engine   string        `enum:"auto,ctap2,libfido2" default:"auto" help:"help.engine"`
	Timeout  time.Duration `default:"30s" help:"help.timeout"`
	JSON     bool          `help:"help.json"`
	Lang     string        `enum:"fr,en," default:"" help:"help.lang"`
	Protocol string        `enum:"any,t0,t1" default:"any" help:"help.protocol"`
	APDU     string        `name:"apdu" enum:"auto,short,extended" default:"auto" help:"help.apdu"`
	Module   string        `placeholder:"PATH" help:"help.module"`
	PINFd    int           `name:"pin-fd" default:"-1" placeholder:"N" help:"help.pin-fd"`

	SpendLastTry       bool `help:"help.spend-last-try"`
	AcceptNonCanonical bool `help:"help.accept-non-canonical"`
}

// commands is the command line; each command is a struct with a Run method
// that takes *act.
type commands struct {
	globals

	Readers     readersCommand     `cmd:"" help:"help.readers"`
	Info        infoCommand        `cmd:"" help:"help.info"`
	Doctor      doctorCommand      `cmd:"" help:"help.doctor"`
	Enroll      enrollCommand      `cmd:"" help:"help.enroll"`
	PIN         pinCommand         `cmd:"" name:"pin" help:"help.pin"`
	Make        makeCommand        `cmd:"" help:"help.make"`
	Assert      assertCommand      `cmd:"" help:"help.assert"`
	Credentials credentialsCommand `cmd:"" help:"help.credentials"`
	Reset       resetCommand       `cmd:"" help:"help.reset"`
	Watch       watchCommand       `cmd:"" help:"help.watch"`
	Help        helpCommand        `cmd:"" help:"help.help"`
}

// dashed makes identifiers that begin with a dash, as base64url may, values and
// not flags: joined to their flag, or behind "--".
func dashed(args []string) []string {
	var out, last []string
	for i, arg := range args {
		before := ""
		if i > 0 {
			before = args[i-1]
		}
		isID := strings.HasPrefix(arg, "-") && len(arg) >= 16
		switch {
		case isID && before == "delete":
			last = []string{"--", arg}
		case isID && slices.Contains([]string{"--exclude", "--allow", "--user-id", "--public-key"}, before):
			out[len(out)-1] += "=" + arg
		default:
			out = append(out, arg)
		}
	}
	return append(out, last...)
}

// translate puts this language's texts where the tags hold their keys.
func (w words) translate(k *kong.Kong) error {
	return kong.Visit(k.Model, func(node kong.Visitable, next kong.Next) error {
		switch n := node.(type) {
		case *kong.Application:
			if n.HelpFlag != nil {
				n.HelpFlag.Help = w.f("help.flag")
			}
		case *kong.Node:
			w.replace(&n.Help)
		case *kong.Value:
			w.replace(&n.Help)
		case *kong.Flag:
			w.replace(&n.Help)
		}
		return next(nil)
	})
}

func (w words) replace(help *string) {
	if _, is := helpTexts[*help]; is {
		*help = w.f(*help)
	}
}

// languageOf reads --lang before the command line is parsed, since its errors
// are said in that language too; else the environment's language, else French.
func languageOf(args []string, getenv func(string) string) cardside.Language {
	for i, arg := range args {
		value, is := strings.CutPrefix(arg, "--lang=")
		if arg == "--lang" && i+1 < len(args) {
			value, is = args[i+1], true
		}
		if is {
			return language(value)
		}
	}
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if value := getenv(name); value != "" {
			return language(value)
		}
	}
	return cardside.French
}

func language(locale string) cardside.Language {
	if strings.HasPrefix(locale, "en") {
		return cardside.English
	}
	return cardside.French
}

// choice is the card that the flags mean.
func (a *act) choice(record io.Writer) cardside.Choice {
	return cardside.Choice{
		Reader: a.Reader, Key: a.Key, Engine: cardside.EngineName(a.Engine), Patience: a.Timeout, Waiting: a.waiting,
		Protocol:     map[string]pcsc.Protocol{"any": pcsc.AnyProtocol, "t0": pcsc.OnlyT0, "t1": pcsc.OnlyT1}[a.Protocol],
		Extended:     map[string]pcsc.Extended{"auto": pcsc.ExtendedAuto, "short": pcsc.ExtendedNever, "extended": pcsc.ExtendedAlways}[a.APDU],
		Record:       record,
		SpendLastTry: a.SpendLastTry, AcceptNotCanonical: a.AcceptNonCanonical, FewTries: a.fewTries,
	}
}

// open waits for the card that the flags mean.
func (a *act) open() (*cardside.Card, error) {
	card, err := cardside.Open(a.ctx, a.choice(nil))
	a.waited()
	return card, err
}
