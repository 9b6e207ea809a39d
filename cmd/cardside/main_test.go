package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"cpsgate/cardside"
	"cpsgate/cardside/libfido2"
)

// TestMain lets the test program be the child in which libfido2 runs.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == libfido2.ChildArgument {
		os.Exit(libfido2.Main(os.Stdin, os.Stdout, os.Stderr))
	}
	// Under -race each child would wait a second before it ends.
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	os.Exit(m.Run())
}

// outcome is what a command line came to.
type outcome struct {
	t      *testing.T
	args   []string
	code   cardside.ExitCode
	out    string
	errors string
}

// command runs a command line; fd 3 of the program holds the lines of pins.
func command(t *testing.T, pins string, args ...string) outcome {
	t.Helper()
	return commandIn(t, t.Context(), pins, args...)
}

func commandIn(t *testing.T, ctx context.Context, pins string, args ...string) outcome {
	t.Helper()
	var out, complaints bytes.Buffer
	env := &environment{
		ctx: ctx, stdin: strings.NewReader(""), stdout: &out, stderr: &complaints,
		getenv: func(string) string { return "" }, now: time.Now,
		descriptor: func(fd int) (io.ReadCloser, error) {
			if fd != 3 {
				return nil, errors.New("not open")
			}
			return io.NopCloser(strings.NewReader(pins)), nil
		},
	}
	if pins != "" {
		args = append(args, "--pin-fd", "3")
	}
	code := run(env, args)
	for _, secret := range strings.Fields(pins) {
		if strings.Contains(out.String()+complaints.String(), secret) {
			t.Errorf("cardside %q shows the PIN", args)
		}
	}
	return outcome{t, args, cardside.ExitCode(code), out.String(), complaints.String()}
}

// ends wants an exit code.
func (o outcome) ends(want cardside.ExitCode) outcome {
	o.t.Helper()
	if o.code != want {
		o.t.Fatalf("cardside %q: exit code %d, want %d\n%s%s", o.args, o.code, want, o.out, o.errors)
	}
	return o
}

// says wants words in what was written, on either stream.
func (o outcome) says(want ...string) outcome {
	o.t.Helper()
	for _, words := range want {
		if !strings.Contains(o.out+o.errors, words) {
			o.t.Fatalf("cardside %q does not say %q:\n%s%s", o.args, words, o.out, o.errors)
		}
	}
	return o
}

// json reads the result.
func (o outcome) json(into any) outcome {
	o.t.Helper()
	if err := json.Unmarshal([]byte(o.out), into); err != nil {
		o.t.Fatalf("cardside %q: %v\n%s%s", o.args, err, o.out, o.errors)
	}
	return o
}

// reason wants an error's reason, in JSON.
func (o outcome) reason(want cardside.Reason) outcome {
	o.t.Helper()
	var f failure
	o.json(&f)
	if f.Error.Reason != want || f.Code != int(o.code) || f.Error.Title == "" {
		o.t.Fatalf("cardside %q: %+v; want %s", o.args, f, want)
	}
	return o
}
