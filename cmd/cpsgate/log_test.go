package main

import (
	"bytes"
	stdlog "log"
	"log/slog"
	"strings"
	"testing"
)

// TestLibrariesLogByOurs: in our form, at debug level, so not at all by default;
// what the standard library says is a warning.
func TestLibrariesLogByOurs(t *testing.T) {
	before, to, flags := slog.Default(), stdlog.Writer(), stdlog.Flags()
	defer func() {
		slog.SetDefault(before)
		stdlog.SetOutput(to)
		stdlog.SetFlags(flags)
	}()
	for level, want := range map[slog.Level]string{
		slog.LevelInfo:  `{"level":"WARN","msg":"of the standard library"}`,
		slog.LevelDebug: `{"level":"DEBUG","msg":"registered route","a":1,"g":{"endpoint":"/oauth/token"}}` + "\n" + `{"level":"WARN","msg":"of the standard library"}`,
	} {
		var said bytes.Buffer
		adoptLibraries(slog.New(slog.NewJSONHandler(&said, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})))
		slog.With("a", 1).WithGroup("g").Error("registered route", "endpoint", "/oauth/token")
		stdlog.Print("of the standard library")
		if got := strings.TrimSpace(said.String()); got != want {
			t.Errorf("at %s:\n%s", level, got)
		}
	}
}
