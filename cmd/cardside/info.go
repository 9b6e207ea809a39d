package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"cpsgate/cardside"
	"cpsgate/cardside/apdu"
	"cpsgate/cardside/ctap2"
)

type infoCommand struct {
	Record string `placeholder:"FILE" xor:"file" help:"help.info-record"`
	Replay string `placeholder:"FILE" xor:"file" help:"help.info-replay"`
}

// Run says everything that getInfo does. A card that introduces itself
// incorrectly is shown all the same, and then refused.
func (c infoCommand) Run(a *act) error {
	card, finish, err := c.card(a)
	if err != nil {
		return err
	}
	in, err := card.Inspect(a.ctx, a.language)
	card.Close()
	if fErr := finish(); err == nil {
		err = fErr
	}
	if err != nil && !errors.Is(err, ctap2.ErrNotCanonical) {
		return err
	}
	if pErr := a.print(in, func() { a.infoInWords(in) }); pErr != nil {
		return pErr
	}
	if c.Record != "" {
		fmt.Fprintln(a.stderr, a.f("info.recorded", c.Record))
	}
	if err != nil && a.JSON { // the report is the answer; the code says the rest
		a.code = cardside.ExitCodeOf(cardside.ReasonOf(err))
		return nil
	}
	return err
}

// card opens the card that is meant: in a reader, recorded on the way or not,
// or the one of a recording. finish ends the recording.
func (c infoCommand) card(a *act) (card *cardside.Card, finish func() error, err error) {
	nothing := func() error { return nil }
	switch {
	case c.Replay != "":
		file, err := os.Open(c.Replay)
		if err != nil {
			return nil, nil, err
		}
		defer file.Close()
		recording, err := apdu.ReadRecording(file)
		if err != nil {
			return nil, nil, &misuse{fmt.Sprintf("%s: %v", c.Replay, err)}
		}
		return cardside.Replay(recording, a.AcceptNonCanonical), nothing, nil
	case c.Record != "":
		file, err := os.OpenFile(c.Record, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, nil, err
		}
		card, err := cardside.Open(a.ctx, a.choice(file))
		a.waited()
		if err != nil { // nothing was said: the name is free for the next try
			return nil, nil, errors.Join(err, file.Close(), os.Remove(c.Record))
		}
		return card, file.Close, nil
	}
	card, err = a.open()
	return card, nothing, err
}

func (a *act) infoInWords(r cardside.Inspection) {
	var rows [][2]string
	row := func(label, value string) {
		if value != "" {
			rows = append(rows, [2]string{a.f("label." + label), value})
		}
	}
	if r.Link != nil {
		row("card", a.f("info.card", a.f("generation."+string(r.Generation)), r.Reader, r.Link.Protocol))
	}
	i := r.Info
	row("state", a.f(map[bool]string{true: "info.blank", false: "info.not-blank"}[r.Blank]))
	if r.Retries != nil {
		row("tries", a.f("info.tries", cardside.Tries(r.Retries.Left, a.language)))
		if r.Retries.PowerCycle {
			row("tries", a.f("info.power-cycle"))
		}
	}
	row("pin-length", a.f("info.pin-length", i.PINLength()))
	if i.ForcePINChange {
		row("pin-change", a.f("info.force-pin-change"))
	}
	row("model", i.AAGUID.String())
	row("versions", a.list(i.Versions))
	row("algorithms", a.algorithms(i.Algorithms))
	row("extensions", a.list(i.Extensions))
	if i.RemainingCredentials != nil {
		row("room", a.count("info.room", *i.RemainingCredentials))
	}
	row("protocols", a.list(numbers(i.PINProtocols)))
	row("transports", strings.Join(i.Transports, ", "))
	row("sizes", a.sizes(i))
	row("firmware", positive(int(i.Firmware)))
	row("certifications", certifications(i.Certifications))
	row("other", a.list(numbers(i.Other)))
	a.table(rows)
	a.options(i)
	for _, q := range r.Quirks {
		fmt.Fprintln(a.stdout, "! "+q.Text)
	}
}

// options says each option in words, in the order of their names.
func (a *act) options(i ctap2.Info) {
	a.say("label.options")
	var rows [][2]string
	var names []string
	for name := range i.Options {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		meaning := ""
		if _, known := texts["option."+name]; known {
			meaning = a.f("option." + name)
		}
		rows = append(rows, [2]string{"  " + name, a.yesNo(i.Options[name]) + "\t" + meaning})
	}
	a.table(rows)
}

var algorithmNames = map[int]string{ctap2.ES256: "ES256", ctap2.EdDSA: "EdDSA", ctap2.ES384: "ES384", ctap2.RS256: "RS256"}

func (a *act) algorithms(all []int) string {
	var found []string
	for _, alg := range all {
		if name, known := algorithmNames[alg]; known {
			found = append(found, name)
		} else {
			found = append(found, strconv.Itoa(alg))
		}
	}
	return strings.Join(found, ", ")
}

func (a *act) sizes(i ctap2.Info) string {
	var all []string
	for _, size := range []struct {
		key string
		n   int
	}{
		{"info.message", i.MaxMsgSize}, {"info.list", i.MaxCredentialsInList}, {"info.id", i.MaxCredentialID},
		{"info.blob", i.MaxCredBlob}, {"info.blobs", i.MaxLargeBlobs}, {"info.min-pin-rps", i.MaxMinPINRPIDs},
	} {
		if size.n > 0 {
			all = append(all, a.f(size.key, size.n))
		}
	}
	return strings.Join(all, ", ")
}

func certifications(all map[string]int) string {
	var found []string
	for name, level := range all {
		found = append(found, fmt.Sprintf("%s %d", name, level))
	}
	slices.Sort(found)
	return strings.Join(found, ", ")
}

func numbers(all []int) []string {
	var found []string
	for _, n := range all {
		found = append(found, strconv.Itoa(n))
	}
	return found
}

func positive(n int) string {
	if n <= 0 {
		return ""
	}
	return strconv.Itoa(n)
}
