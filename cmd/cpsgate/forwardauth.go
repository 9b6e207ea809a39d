package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"cpsgate/enroll"
	"cpsgate/sso"
	"cpsgate/sso/forwardauth"
	"cpsgate/web"
)

// typForward is the typ of the token that goes with a request, so that it
// passes for no other of ours.
const typForward = "cpsgate-forward+jwt"

// openForwardAuth makes the gate of the applications behind proxies; nil where
// none is named.
func (p *program) openForwardAuth(ctx context.Context, c *Config, once forwardauth.Once) (*web.ForwardAuth, error) {
	if len(c.ForwardAuth.Applications) == 0 {
		return nil, nil
	}
	proxies, err := c.ForwardAuth.prefixes()
	if err != nil {
		return nil, err
	}
	c.SSO.sayProxied(p.log, p.workstations, proxies)
	key, err := p.keys.Derive(ctx, "forward-auth cookies")
	if err != nil {
		return nil, fmt.Errorf("forward_auth: %w", err)
	}
	o := forwardauth.Options{
		SignOn: c.Main.Origin, EnterPath: web.PathForwardEnter, Key: key, Once: once,
		Find: p.sessions.Find, Person: p.registry.Professional,
		Unknown: func(err error) bool { return errors.Is(err, enroll.ErrNotFound) },
		Sign: func(ctx context.Context, claims any) (string, error) {
			return p.keys.Sign(ctx, sso.ES256, typForward, claims)
		},
		Context: c.SSO.levels().Context, PeopleAge: c.ForwardAuth.PeopleAge, TokenLife: c.ForwardAuth.TokenLife, Now: p.now,
	}
	for _, a := range c.ForwardAuth.Applications {
		o.Applications = append(o.Applications, a.application(c.SSO.levels()))
	}
	gate, err := forwardauth.New(o)
	if err != nil {
		return nil, err
	}
	p.gate = gate
	return &web.ForwardAuth{Gate: gate, Proxies: proxies, Confirm: c.SSO.confirmation()}, nil
}

// forwardCollector tells how many checks ended in which way.
type forwardCollector struct {
	gate   *forwardauth.Gate
	checks *prometheus.Desc
}

func newForwardCollector(g *forwardauth.Gate) forwardCollector {
	return forwardCollector{g, prometheus.NewDesc("cpsgate_forward_auth_checks_total",
		"Requests that proxies asked about since the start, by verdict: pass, fault, or why refused.", []string{"verdict"}, nil)}
}

func (c forwardCollector) Describe(to chan<- *prometheus.Desc) { to <- c.checks }

func (c forwardCollector) Collect(to chan<- prometheus.Metric) {
	for verdict, n := range c.gate.Counts() {
		to <- prometheus.MustNewConstMetric(c.checks, prometheus.CounterValue, float64(n), verdict)
	}
}
