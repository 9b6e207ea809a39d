package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"cpsgate/cardside"
)

func TestCommandLinesThatCannotBe(t *testing.T) {
	for name, args := range map[string][]string{
		"no such command":            {"enrole"},
		"no such flag":               {"info", "--pin", "1234"},
		"make for nobody":            {"make"},
		"an unknown engine":          {"info", "--engine", "magic"},
		"an excluded id of no kind":  {"make", "--rp", "x", "--exclude", "?"},
		"a user id of no kind":       {"make", "--rp", "x", "--user-id", "?"},
		"a public key of no kind":    {"assert", "--rp", "x", "--public-key", "?"},
		"a credential id of no kind": {"credentials", "delete", "?"},
		"a reset not really meant":   {"reset"},
	} {
		t.Run(name, func(t *testing.T) { command(t, "", args...).ends(cardside.ExitUsage) })
	}
}

func TestHelpIsInBothLanguages(t *testing.T) {
	command(t, "", "--help").ends(cardside.ExitDone).says("Lecteurs et cartes de ce poste", "--pin-fd")
	command(t, "", "--help", "--lang", "en").ends(cardside.ExitDone).says("Readers and cards of this workstation")
	for _, of := range [][]string{nil, {"make"}, {"credentials", "delete"}, {"pin", "change"}, {"doctor"}, {"reset"}} {
		if shown := command(t, "", append(of, "--help")...).ends(cardside.ExitDone); strings.Contains(shown.out, "help.") || strings.Contains(shown.out, "context-sensitive") {
			t.Errorf("%q shows keys instead of texts:\n%s", of, shown.out)
		}
	}
	command(t, "", "help", "exit-codes").ends(cardside.ExitDone).says(" 6  code faux", "pin-wrong")
	command(t, "", "--lang=en", "help", "exit-codes").ends(cardside.ExitDone).says(" 6  wrong PIN", "pin-wrong")
	command(t, "", "reset", "--lang", "en").ends(cardside.ExitUsage).says("To really do it")
}

func TestLanguageOf(t *testing.T) {
	env := func(all map[string]string) func(string) string { return func(name string) string { return all[name] } }
	tests := []struct {
		name string
		args []string
		env  map[string]string
		want cardside.Language
	}{
		{"French comes first", nil, nil, cardside.French},
		{"the environment's", nil, map[string]string{"LANG": "en_GB.UTF-8"}, cardside.English},
		{"LC_ALL counts before LANG", nil, map[string]string{"LANG": "en_GB", "LC_ALL": "fr_FR"}, cardside.French},
		{"the flag counts before all", []string{"--lang", "en"}, map[string]string{"LANG": "fr_FR"}, cardside.English},
		{"the flag in one word", []string{"info", "--lang=fr"}, map[string]string{"LANG": "en_GB"}, cardside.French},
		{"another language is French", nil, map[string]string{"LANG": "de_DE"}, cardside.French},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := languageOf(tt.args, env(tt.env)); got != tt.want {
				t.Fatalf("got %s", got)
			}
		})
	}
}

func TestIdentifiersThatLookLikeFlags(t *testing.T) {
	const id = "-C1R2HLD9_b8OsEwSGJRUL6ONTBgujNXTJCzChRe58E"
	tests := []struct{ args, want []string }{
		{[]string{"credentials", "delete", id, "--json"}, []string{"credentials", "delete", "--json", "--", id}},
		{[]string{"make", "--exclude", id, "--exclude", "x", "--json"}, []string{"make", "--exclude=" + id, "--exclude", "x", "--json"}},
		{[]string{"reset", "--really-erase-this-card"}, []string{"reset", "--really-erase-this-card"}},
		{[]string{"credentials", "delete", "--json", "x"}, []string{"credentials", "delete", "--json", "x"}},
	}
	for _, tt := range tests {
		if got := dashed(tt.args); !slices.Equal(got, tt.want) {
			t.Errorf("%q became %q; want %q", tt.args, got, tt.want)
		}
	}
}

var verb = regexp.MustCompile(`%(\[\d\])?[a-zA-Z]`)

// Every text says the same in both languages: none is missing, and both hold
// the same verbs.
func TestTextsAreWhole(t *testing.T) {
	for key, text := range allTexts {
		if text.fr == "" || text.en == "" {
			t.Errorf("%s: a language is missing", key)
		}
		fr, en := verb.FindAllString(text.fr, -1), verb.FindAllString(text.en, -1)
		if !slices.Equal(fr, en) {
			t.Errorf("%s: %v and %v", key, fr, en)
		}
	}
	for _, code := range cardside.ExitCodes() {
		if _, said := texts[fmt.Sprintf("exit.%d", code)]; !said {
			t.Errorf("exit code %d is not explained", code)
		}
	}
	for _, check := range cardside.CheckNames() {
		if _, said := texts["check."+string(check)]; !said {
			t.Errorf("the doctor's %s has no name", check)
		}
	}
}

func TestLinesFromADescriptor(t *testing.T) {
	long := strings.Repeat("7", maxEntry)
	tests := []struct {
		name  string
		input string
		want  []string // "" = an error
	}{
		{"one line", "1234\n", []string{"1234", ""}},
		{"a line without its end", "1234", []string{"1234", ""}},
		{"Windows' line", "1234\r\n", []string{"1234"}},
		{"two lines", "1234\n5678\n", []string{"1234", "5678", ""}},
		{"an empty line is an empty PIN", "\n5678", []string{"-", "5678"}},
		{"nothing", "", []string{""}},
		{"as long as can be", long + "\n", []string{long}},
		{"longer", long + "7\n", []string{""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lines := &lineReader{iotest.OneByteReader(strings.NewReader(tt.input))}
			for _, want := range tt.want {
				got, err := lines.next()
				if (err != nil) != (want == "") || want != "" && string(got) != strings.Trim(want, "-") {
					t.Fatalf("got %q, %v; want %q", got, err, want)
				}
			}
		})
	}
}

func TestHiddenEntry(t *testing.T) {
	tests := []struct {
		name  string
		keys  string
		want  string
		cause error
	}{
		{"a PIN and Enter", "1234\r", "1234", nil},
		{"a slip corrected", "1235\x7f4\r", "1234", nil},
		{"a wide character corrected", "12\u00e9\x0834\n", "1234", nil},
		{"begun again", "9999\x151234\r", "1234", nil},
		{"correcting nothing", "\x7f\x7f1\r", "1", nil},
		{"other control keys are nothing", "\x011\x1b2\r", "12", nil},
		{"given up", "12\x03", "", context.Canceled},
		{"closed", "12", "", context.Canceled},
		{"too long", strings.Repeat("7", maxEntry+1), "", errEntryTooLong},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readHidden(iotest.OneByteReader(strings.NewReader(tt.keys)))
			if string(got) != tt.want || !errors.Is(err, tt.cause) {
				t.Fatalf("got %q, %v", got, err)
			}
		})
	}
}

// screen is a terminal whose keys are typed beforehand.
type screen struct {
	io.Reader
	hidden, restored int
}

func (*screen) Close() error { return nil }
func (s *screen) Hide() (func() error, error) {
	s.hidden++
	return func() error { s.restored++; return nil }, nil
}

func TestNewPINIsTypedTwice(t *testing.T) {
	enter := func(keys string) ([]byte, *screen, string, error) {
		s := &screen{Reader: iotest.OneByteReader(strings.NewReader(keys))}
		var prompts strings.Builder
		a := &act{
			environment: &environment{ctx: t.Context(), stderr: &prompts, terminal: func() (terminal, error) { return s, nil }},
			words:       wordsFor(cardside.French), globals: &globals{},
		}
		pin, err := a.newPIN(t.Context(), -1, "prompt.new")
		return pin, s, prompts.String(), err
	}
	pin, s, prompts, err := enter("271828\r271828\r")
	if err != nil || string(pin) != "271828" || s.hidden != 2 || s.restored != 2 {
		t.Errorf("%q, %v; hidden %d times, restored %d", pin, err, s.hidden, s.restored)
	}
	if strings.Contains(prompts, "27") || !strings.Contains(prompts, "Encore une fois") {
		t.Errorf("prompts %q", prompts)
	}
	if pin, _, _, err := enter("271828\r271829\r"); !errors.Is(err, cardside.ErrPINsDiffer) || pin != nil {
		t.Errorf("two PINs: %q, %v", pin, err)
	}
}

func TestNobodyToAsk(t *testing.T) {
	a := &act{environment: &environment{ctx: t.Context(), stderr: io.Discard}, words: wordsFor(cardside.French), globals: &globals{PINFd: -1}}
	if _, err := a.pin("prompt.pin"); cardside.ReasonOf(err) != cardside.ReasonPINEntry {
		t.Errorf("got %v", err)
	}
}

// A person who interrupts is obeyed though the terminal says nothing.
func TestInterruptedEntry(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	silent, w := io.Pipe()
	defer w.Close()
	s := &screen{Reader: silent}
	if _, err := typed(ctx, s); !errors.Is(err, context.Canceled) || s.restored != 1 {
		t.Errorf("got %v, restored %d", err, s.restored)
	}
}
