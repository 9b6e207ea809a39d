package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"cpsgate/cardside"
	"cpsgate/cardside/desk"
)

// words says this program's texts in one language.
type words struct{ language cardside.Language }

func wordsFor(language cardside.Language) words { return words{language} }

// text is one text in both languages.
type text struct{ fr, en string }

// f is the text of a key, with its verbs filled in.
func (w words) f(key string, args ...any) string {
	t := allTexts[key]
	format := t.fr
	if w.language == cardside.English {
		format = t.en
	}
	if len(args) == 0 {
		return format
	}
	return fmt.Sprintf(format, args...)
}

// count is the text of a key for so many, or of key.one for a single one; none is
// singular in French.
func (w words) count(key string, n int) string {
	if n == 1 || n == 0 && w.language != cardside.English {
		key += ".one"
	}
	return w.f(key, n)
}

// yesNo says a boolean.
func (w words) yesNo(b bool) string {
	if b {
		return w.f("yes")
	}
	return w.f("no")
}

// say writes a line for a person.
func (a *act) say(key string, args ...any) {
	fmt.Fprintln(a.stdout, a.f(key, args...))
}

// print writes a result: as JSON if that was asked for, else in words.
func (a *act) print(result any, inWords func()) error {
	if !a.JSON {
		inWords()
		return nil
	}
	lines := jsonLines(a.stdout)
	lines.SetIndent("", "  ")
	return lines.Encode(result)
}

// table writes pairs of a label and what it says.
func (a *act) table(rows [][2]string) {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintf(w, "%s\t%s\n", row[0], row[1])
	}
	w.Flush()
}

// failure is an error as JSON.
type failure struct {
	Error cardside.Explanation `json:"error"`
	Code  int                  `json:"exitCode"`
	Left  *desk.Remains        `json:"leftOnCard,omitempty"` // of a sitting that began
}

// fail says an error and returns its exit code.
func (w words) fail(env *environment, asJSON bool, err error) int {
	var misuse *misuse
	if errors.As(err, &misuse) {
		return w.misused(env, err)
	}
	e := desk.Explain(err, w.language)
	var unfinished *desk.Unfinished
	var left *desk.Remains
	if errors.As(err, &unfinished) {
		left = &unfinished.Left
	}
	code := int(cardside.ExitCodeOf(e.Reason))
	if asJSON {
		lines := jsonLines(env.stdout)
		lines.SetIndent("", "  ")
		if lines.Encode(failure{e, code, left}) == nil {
			return code
		}
	}
	w.explain(env.stderr, e)
	if unfinished != nil {
		w.unfinished(env.stderr, unfinished)
	}
	return code
}

// explain writes what happened, why, and what to do now.
func (w words) explain(out io.Writer, e cardside.Explanation) {
	fmt.Fprintf(out, "%s\n%s\n", e.Title, e.Why)
	if len(e.Do) > 0 {
		fmt.Fprintln(out, w.f("todo"))
	}
	for _, step := range e.Do {
		fmt.Fprintf(out, "  - %s\n", step)
	}
	if e.Server != nil {
		fmt.Fprintln(out, w.f("event", e.Server.Event))
	}
	fmt.Fprintf(out, "(%s: %s)\n", e.Reason, e.Detail)
}

// misuse is a command line that cannot be carried out; its text is said as it
// stands.
type misuse struct{ text string }

func (m *misuse) Error() string { return m.text }

func (w words) misused(env *environment, err error) int {
	fmt.Fprintf(env.stderr, "cardside: %v\n%s\n", err, w.f("see-help"))
	return int(cardside.ExitUsage)
}

// waiting says what is waited for: on a terminal on one line that counts down,
// else once for each thing.
func (a *act) waiting(w cardside.Waiting) {
	where := w.Reader
	if where == "" {
		where = a.f("any-reader")
	}
	line := a.f("wait."+string(w.For), where, w.Left.Round(time.Second))
	if a.redraw {
		fmt.Fprint(exact(a.stderr), "\r\x1b[K")
		fmt.Fprint(a.stderr, line)
	} else if w.For != a.lastWait.For {
		fmt.Fprintln(a.stderr, line)
	}
	a.lastWait = w
}

// waited clears the line of what was waited for.
func (a *act) waited() {
	if a.redraw && a.lastWait.For != "" {
		fmt.Fprint(exact(a.stderr), "\r\x1b[K")
	}
	a.lastWait = cardside.Waiting{}
}

// fewTries warns before a PIN is sent.
func (a *act) fewTries(left int) {
	fmt.Fprintln(a.stderr, a.f("few-tries", cardside.Tries(left, a.language)))
}

// list joins words, or says that there are none.
func (w words) list(all []string) string {
	if len(all) == 0 {
		return w.f("none")
	}
	return strings.Join(all, ", ")
}
