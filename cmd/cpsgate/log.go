package main

import (
	"context"
	stdlog "log"
	"log/slog"
)

// adoptLibraries gives our logger to what asks for none: libraries that log by
// slog's default (github.com/zitadel/oidc), at debug level whatever they say, for
// each error of theirs comes back to us and is told once; and the standard
// library's log, as warnings. It is for the process: only commands call it.
func adoptLibraries(log *slog.Logger) {
	slog.SetDefault(slog.New(libraries{log.Handler()}))
	stdlog.SetOutput(slog.NewLogLogger(log.Handler(), slog.LevelWarn).Writer())
}

// libraries lowers every record to debug level.
type libraries struct{ to slog.Handler }

func (l libraries) Enabled(ctx context.Context, _ slog.Level) bool {
	return l.to.Enabled(ctx, slog.LevelDebug)
}

func (l libraries) Handle(ctx context.Context, r slog.Record) error {
	r.Level = slog.LevelDebug
	return l.to.Handle(ctx, r)
}

func (l libraries) WithAttrs(attrs []slog.Attr) slog.Handler { return libraries{l.to.WithAttrs(attrs)} }
func (l libraries) WithGroup(name string) slog.Handler       { return libraries{l.to.WithGroup(name)} }
