package libfido2_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"cpsgate/cardside/ctap2"
	"cpsgate/cardside/libfido2"
	"cpsgate/cardside/pcsc"
)

// actor is the environment variable that makes the test program a child that
// plays a part instead of speaking to a device.
const actor = "LIBFIDO2_TEST_SAYS"

// partHardened is a child that hardens itself and says what that changed.
const partHardened = "hardened"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == libfido2.ChildArgument {
		os.Setenv("GORACE", "atexit_sleep_ms=0")
		if part, is := os.LookupEnv(actor); is {
			play(part)
			return
		}
		os.Exit(libfido2.Main(os.Stdin, os.Stdout, os.Stderr))
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	os.Exit(m.Run())
}

func play(part string) {
	switch part {
	case "crash":
		fmt.Fprintln(os.Stderr, "a crash")
		os.Exit(3)
	case partHardened:
		hardened()
	case "hang":
		time.Sleep(time.Minute)
	case "flood":
		for range 1 << 12 {
			if _, err := os.Stdout.Write(make([]byte, 1<<10)); err != nil {
				os.Exit(1)
			}
		}
	default:
		fmt.Print(part)
	}
}

// playing is a client whose children say what a part says, in turn.
func playing(t *testing.T, opts libfido2.Options, parts ...string) *libfido2.Client {
	t.Helper()
	opts.Child = func(ctx context.Context) (*exec.Cmd, error) {
		if len(parts) == 0 {
			t.Error("one child too many")
			return nil, errors.New("no further part")
		}
		child := exec.CommandContext(ctx, os.Args[0], libfido2.ChildArgument)
		child.Env = append(os.Environ(), actor+"="+parts[0])
		parts = parts[1:]
		return child, nil
	}
	return libfido2.New(opts)
}

func TestChildrenThatFail(t *testing.T) {
	for name, part := range map[string]string{
		"one that crashes":        "crash",
		"one that says nothing":   "",
		"one that says too much":  "flood",
		"one that makes no sense": "{",
		"one that makes nothing":  "{}",
	} {
		t.Run(name, func(t *testing.T) {
			c := playing(t, libfido2.Options{}, part)
			if _, err := c.MakeCredential(t.Context(), ctap2.Creation{}); !errors.Is(err, libfido2.ErrChild) {
				t.Fatalf("got %v", err)
			}
		})
	}
	t.Run("one that hangs, when nobody waits any more", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := playing(t, libfido2.Options{}, "hang").Info(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestFailuresCross(t *testing.T) {
	tests := []struct {
		part string
		want error
	}{
		{`{"Failure":{"Text":"x","Status":46}}`, ctap2.StatusNoCredentials},
		{`{"Failure":{"Text":"x","Kind":"removed"}}`, pcsc.ErrRemoved},
		{`{"Failure":{"Text":"x","Kind":"no-applet"}}`, ctap2.ErrNoApplet},
		{`{"Failure":{"Text":"x","Kind":"not-built"}}`, libfido2.ErrNotBuilt},
		{`{"Failure":{"Text":"x","Kind":"of tomorrow"}}`, libfido2.ErrChild},
	}
	for _, tt := range tests {
		if _, err := playing(t, libfido2.Options{}, tt.part).Info(t.Context()); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v; want %v", tt.part, err, tt.want)
		}
	}
	if _, err := playing(t, libfido2.Options{}, `{"Info":{"AAGUID":"AAAA"}}`).Info(t.Context()); !errors.Is(err, ctap2.ErrMalformed) {
		t.Errorf("an AAGUID of three bytes: %v", err)
	}
}

// A PIN leaves this process only after the counter was read.
func TestPINWaitsForTheCounter(t *testing.T) {
	pin := ctap2.Request{PIN: []byte("271828")}
	tests := []struct {
		name  string
		opts  libfido2.Options
		parts []string
		want  error
	}{
		{"the last try is kept", libfido2.Options{}, []string{`{"Retries":1}`}, ctap2.ErrLastTry},
		{"the last try, on demand", libfido2.Options{SpendLastTry: true}, []string{`{"Retries":1}`, `{"Failure":{"Text":"x","Status":50}}`}, ctap2.StatusPINBlocked},
		{"none left", libfido2.Options{SpendLastTry: true}, []string{`{}`}, ctap2.StatusPINBlocked},
		{"a wrong PIN", libfido2.Options{}, []string{`{"Retries":5}`, `{"Failure":{"Text":"x","Status":49}}`}, ctap2.StatusPINInvalid},
		{"the counter cannot be read", libfido2.Options{}, []string{`{"Failure":{"Text":"x","Kind":"removed"}}`}, pcsc.ErrRemoved},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := playing(t, tt.opts, tt.parts...).GetAssertion(t.Context(), pin); !errors.Is(err, tt.want) {
				t.Fatalf("got %v; want %v", err, tt.want)
			}
		})
	}
	if string(pin.PIN) != "271828" {
		t.Error("the caller's PIN was cleared")
	}
}

func TestWritesAskFirst(t *testing.T) {
	stop := errors.New("another card")
	c := playing(t, libfido2.Options{BeforeWrite: func(context.Context) error { return stop }})
	if err := c.SetPIN(t.Context(), []byte("271828")); !errors.Is(err, stop) {
		t.Errorf("setPIN: %v", err)
	}
	if err := c.Reset(t.Context()); !errors.Is(err, stop) {
		t.Errorf("reset: %v", err)
	}
}

func TestMainReadsOneRequest(t *testing.T) {
	tests := []struct {
		name, request string
		code          int
		reply         string
	}{
		{"one it does not know", `{"Operation":"dance"}`, 0, `"Failure"`},
		{"one with an unknown member", `{"Operation":"info","Extra":1}`, 1, ""},
		{"nothing", "", 1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// In a process of its own: Main makes its process unreadable.
			child := exec.CommandContext(t.Context(), os.Args[0], libfido2.ChildArgument)
			child.Stdin = strings.NewReader(tt.request)
			var out bytes.Buffer
			child.Stdout = &out
			child.Run()
			if code := child.ProcessState.ExitCode(); code != tt.code || !strings.Contains(out.String(), tt.reply) {
				t.Errorf("exit %d: %s", code, out.String())
			}
		})
	}
}

func FuzzReply(f *testing.F) {
	f.Add([]byte(`{"Failure":{"Text":"x","Status":46}}`))
	f.Add([]byte(`{"Info":{"AAGUID":"AAAA"}}`))
	f.Fuzz(func(t *testing.T, output []byte) { libfido2.ReadReply(output) })
}
