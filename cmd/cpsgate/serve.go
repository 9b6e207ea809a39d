package main

import (
	"fmt"
	"log/slog"
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
	log := slog.New(slog.NewJSONHandler(env.stderr, nil))
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
	return p.Serve(env.ctx, l)
}
