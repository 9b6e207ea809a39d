package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"cpsgate/internal/heap"
)

// configFlag is shared by the commands that read the configuration file.
type configFlag struct {
	Config string `short:"c" required:"" env:"CPSGATE_CONFIG" placeholder:"FILE" help:"Configuration file (YAML)."`
}

func (f configFlag) load(env *environment) (*Config, error) {
	c, err := loadConfig(f.Config, env.environ)
	if err != nil {
		return nil, unusable(err)
	}
	return c, nil
}

type serveCommand struct {
	configFlag
}

// Run loads everything, listens, then serves until a signal.
func (cmd serveCommand) Run(env *environment) error {
	c, err := cmd.load(env)
	if err != nil {
		return err
	}
	heap.Spare(env.environ)
	log := slog.New(slog.NewJSONHandler(env.stderr, nil))
	adoptLibraries(log)
	p, err := openProgram(env.ctx, c, log, env.now)
	if err != nil {
		return unusable(err)
	}
	defer p.Close()
	l, err := listen(env.ctx, c)
	if err != nil {
		return unusable(fmt.Errorf("listening: %w", err))
	}
	log.Info("serving", "main", c.Main.Origin, "card", c.Card.Origin, "admin", l.admin.Addr().String())
	return p.Serve(env.ctx, l, hangups(env.ctx))
}

// hangups tells of each SIGHUP until ctx ends.
func hangups(ctx context.Context) <-chan struct{} {
	signals, told := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGHUP)
	go func() {
		defer signal.Stop(signals)
		for {
			select {
			case <-ctx.Done():
				return
			case <-signals:
				select {
				case told <- struct{}{}:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return told
}
