package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"cpsgate/mtls"
)

// ocspWait bounds what all questions of one login may take together, beyond
// the deadline of each: a responder that is down must not hold a login.
const ocspWait = time.Second

// openOCSP refuses a configuration by which nobody could be asked.
func openOCSP(c OCSPConfig, policy mtls.OCSPPolicy, now func() time.Time, log *slog.Logger) (*mtls.OCSPClient, error) {
	if len(c.Hosts) == 0 {
		return nil, errors.New("ocsp.hosts: none, and trust.ocsp wants responders asked")
	}
	if c.Fallback == nil && slices.Contains(c.Hosts, nationalResponder) {
		c.Fallback = []string{"http://" + nationalResponder}
	}
	fetcher := &mtls.Fetcher{Hosts: c.Hosts, OCSPDeadline: c.Deadline}
	for key, addresses := range map[string][]string{"responders": c.Responders, "fallback": c.Fallback} {
		for _, address := range addresses {
			if err := fetcher.CheckResponder(address); err != nil {
				return nil, fmt.Errorf("ocsp.%s: %w", key, err)
			}
		}
	}
	if len(c.Responders) == 0 && len(c.Fallback) == 0 {
		log.Warn("nobody to ask about the certificates behind passkeys, until a card of the same authority comes by", "key", "ocsp.fallback")
	}
	return &mtls.OCSPClient{
		Fetch: fetcher.OCSP, Responders: c.Responders, Fallback: c.Fallback, Policy: policy, Now: now,
	}, nil
}

// ask has what it can of the answers at hand before the certificate is judged.
func (j *judge) ask(questions []mtls.OCSPQuestion) {
	asked := questions[:0:0]
	for _, q := range questions {
		if len(j.ocsp.Whom(q)) > 0 {
			asked = append(asked, q)
			continue
		}
		issuer := mtls.FormatName(q.Issuer.RawSubject)
		if _, told := j.mute.LoadOrStore(issuer, true); !told {
			j.log.Warn("OCSP: a certificate names no responder, and none is configured", "issuer", issuer)
		}
	}
	if len(asked) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), j.wait)
	defer cancel()
	if err := j.ocsp.AskAll(ctx, asked); err != nil {
		j.log.Warn("OCSP not answered", "error", err)
	}
}
