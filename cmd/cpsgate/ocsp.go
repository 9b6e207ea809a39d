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

// OCSPConfig is how responders are asked, where trust.ocsp says so.
type OCSPConfig struct {
	// Hosts are the only ones asked; default: that of the IGC-Santé's responder.
	Hosts []string `yaml:"hosts"`
	// Responders replace the addresses written in the certificates.
	Responders []string `yaml:"responders"`
	// Fallback are asked about the certificate behind a passkey, whose own
	// addresses are not kept, after those in the last card's of its authority
	// that came by since the start. Default: the IGC-Santé's responder about the
	// IGC-Santé's certificates, where hosts names it.
	Fallback []string `yaml:"fallback"`
	// Deadline for an answer; default 3s.
	Deadline time.Duration `yaml:"deadline"`
	// MaximumAge of an answer's thisUpdate; default 24h.
	MaximumAge time.Duration `yaml:"maximum_age"`
	// ClockSkew between the responders and this machine; default 5m, at most 1h.
	ClockSkew time.Duration `yaml:"clock_skew"`
	// Nonce is required (the default) or if-present, for responders that sign
	// their answers in advance.
	Nonce string `yaml:"nonce"`
}

// nationalResponder is the host of the IGC-Santé's OCSP responder.
const nationalResponder = "ocsp.esante.gouv.fr"

func (o *OCSPConfig) setDefaults() {
	setDefault(&o.Deadline, mtls.DefaultOCSPDeadline)
	setDefault(&o.MaximumAge, mtls.DefaultOCSPAge)
	setDefault(&o.ClockSkew, mtls.DefaultOCSPSkew)
	setDefault(&o.Nonce, string(mtls.NonceRequired))
	if o.Hosts == nil {
		o.Hosts = []string{nationalResponder}
	}
}

// maxOCSPSkew is as far as clocks may differ: past that they are to be set.
const maxOCSPSkew = time.Hour

func (o OCSPConfig) check() error {
	switch {
	case o.Deadline <= 0:
		return fmt.Errorf("ocsp.deadline: %s is no time to wait", o.Deadline)
	case o.MaximumAge <= 0:
		return fmt.Errorf("ocsp.maximum_age: %s is no age", o.MaximumAge)
	case o.ClockSkew <= 0 || o.ClockSkew > maxOCSPSkew:
		return fmt.Errorf("ocsp.clock_skew: %s is not between 0 and %s", o.ClockSkew, maxOCSPSkew)
	}
	return oneOf("ocsp.nonce", o.Nonce, string(mtls.NonceRequired), string(mtls.NonceIfPresent))
}

// policy is what an answer must be; each leniency in it is logged.
func (o OCSPConfig) policy(log *slog.Logger) mtls.OCSPPolicy {
	if mtls.NonceMode(o.Nonce) != mtls.NonceRequired {
		log.Warn("leniency in force", "ocsp.nonce", o.Nonce, "means", "an answer within its age may be a replay")
	}
	if o.MaximumAge > mtls.DefaultOCSPAge {
		log.Warn("leniency in force", "ocsp.maximum_age", o.MaximumAge, "means", "an answer older than a day is believed")
	}
	if o.ClockSkew > mtls.DefaultOCSPSkew {
		log.Warn("leniency in force", "ocsp.clock_skew", o.ClockSkew, "means", "an answer counts for that long past its end")
	}
	return mtls.OCSPPolicy{MaxAge: o.MaximumAge, ClockSkew: o.ClockSkew, Nonce: mtls.NonceMode(o.Nonce)}
}

// ocspWait bounds what all questions of one login may take together, beyond
// the deadline of each: a responder that is down must not hold a login.
const ocspWait = time.Second

// openOCSP refuses a configuration by which nobody could be asked: no hosts, or
// an address that they do not allow.
func openOCSP(c OCSPConfig, policy mtls.OCSPPolicy, now func() time.Time, log *slog.Logger) (*mtls.OCSPClient, error) {
	if len(c.Hosts) == 0 {
		return nil, errors.New("ocsp.hosts: none, and trust.ocsp wants responders asked")
	}
	var national []string
	if c.Fallback == nil && slices.Contains(c.Hosts, nationalResponder) {
		national = []string{"http://" + nationalResponder}
	}
	fetcher := &mtls.Fetcher{Hosts: c.Hosts, OCSPDeadline: c.Deadline}
	for key, addresses := range map[string][]string{"responders": c.Responders, "fallback": c.Fallback} {
		for _, address := range addresses {
			if err := fetcher.CheckResponder(address); err != nil {
				return nil, fmt.Errorf("ocsp.%s: %w", key, err)
			}
		}
	}
	if len(c.Responders) == 0 && len(c.Fallback) == 0 && len(national) == 0 {
		log.Warn("nobody to ask about the certificates behind passkeys, until a card of the same authority comes by", "key", "ocsp.fallback")
	}
	return &mtls.OCSPClient{
		Fetch: fetcher.OCSP, Check: fetcher.CheckResponder, Policy: policy, Now: now,
		Responders: c.Responders, Fallback: c.Fallback, IGCFallback: national,
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
			j.log.Warn("OCSP: nobody to ask: a certificate names no responder on a host of ocsp.hosts, and none is configured", "issuer", issuer)
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
