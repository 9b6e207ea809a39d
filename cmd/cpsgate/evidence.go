package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/mtls"
	"cpsgate/web"
)

// judge is the verifier that the pages ask, with what feeds it: CRLs kept
// fresh, OCSP answers asked for before they are needed, trust reloaded.
type judge struct {
	*mtls.Verifier
	crls  *mtls.Refresher
	ocsp  *mtls.OCSPClient // nil: nobody is asked
	wait  time.Duration    // for all questions of one login
	trust *mtls.TrustReloader
	log   *slog.Logger
	now   func() time.Time

	mute    sync.Map  // issuers about whose certificates nobody can be asked, as told in the log
	watched ocspWatch // certificates that sessions stand on; asked about again

	// news holds one token while a CRL came into force that nobody has looked
	// at yet for the certificates of known cards.
	news chan struct{}
}

func openJudge(ctx context.Context, c *Config, log *slog.Logger, now func() time.Time) (*judge, error) {
	trust, err := loadTrust(c)
	if err != nil {
		return nil, err
	}
	policy, err := loadPolicy(c, trust, log)
	if err != nil {
		return nil, err
	}
	j := &judge{wait: c.OCSP.Deadline + ocspWait, log: log, now: now, news: make(chan struct{}, 1)}
	j.watched.stands = c.Sessions.longest()
	tell := func(o *mtls.RefreshOptions) {
		o.OnRevoked = func(context.Context, mtls.RevocationNews) { j.tell() }
	}
	if j.crls, err = openRefresher(c, trust, log, now, tell); err != nil {
		return nil, err
	}
	j.crls.Scan(ctx) // the drop folder counts from the first login on
	sources, err := c.CRL.sources(trust)
	if err != nil {
		return nil, err
	}
	warnOfBareKeys(sources, j.crls.Status(), log)
	var evidence mtls.Evidence = j.crls
	if policy.UsesOCSP() {
		if j.ocsp, err = openOCSP(c.OCSP, policy.OCSP, now, log); err != nil {
			return nil, err
		}
		evidence = struct {
			*mtls.Refresher
			*mtls.OCSPClient
		}{j.crls, j.ocsp}
	}
	if j.Verifier, err = mtls.NewVerifier(trust, policy, evidence); err != nil {
		return nil, err
	}
	j.trust = &mtls.TrustReloader{
		Verifier: j.Verifier, Log: log, Now: now,
		Load:    func() (*mtls.Trust, error) { return loadTrust(c) },
		Rules:   func(trust *mtls.Trust) (map[string]mtls.RevocationPolicy, error) { return j.reloadedRules(c, trust) },
		Follow:  func(trust *mtls.Trust) error { return j.followCRLs(ctx, c, trust) },
		Listing: func() (string, error) { return listing(slices.Concat(c.Trust.Anchors, c.Trust.Intermediates)) },
	}
	return j, nil
}

// followCRLs has the CRLs of a trust's authorities followed.
func (j *judge) followCRLs(ctx context.Context, c *Config, trust *mtls.Trust) error {
	sources, err := c.CRL.sources(trust)
	if err != nil {
		return err
	}
	if err := j.crls.Follow(ctx, sources); err != nil {
		return err
	}
	warnOfBareKeys(sources, j.crls.Status(), j.log)
	return nil
}

// Verify asks the responders that the policy wants asked, then judges. What
// cannot be had is for the policy to weigh, so it is only logged.
func (j *judge) Verify(leaf mtls.Leaf, now time.Time) (identity.Cardholder, error) {
	if j.ocsp != nil {
		j.ask(j.Questions(leaf, now))
	}
	verdict := j.Judge(leaf, now)
	if verdict.Refusal != nil {
		return identity.Cardholder{}, verdict.Refusal
	}
	j.letIn(verdict, now)
	return verdict.Holder, nil
}

// letIn tells the leniencies by which a certificate opened a door, and keeps it
// in mind while sessions may stand on it.
func (j *judge) letIn(verdict mtls.Verdict, now time.Time) {
	c := verdict.Holder.Certificate
	if len(verdict.Allowed) > 0 {
		j.log.Warn("leniency used", "allowed", verdict.Allowed, "serial", c.Serial, "issuer", c.Issuer)
	}
	j.watched.note(c, now)
}

// Recheck is Verify for a certificate seen before: the door of its passkeys.
func (j *judge) Recheck(c identity.Certificate, now time.Time) error {
	if j.ocsp != nil {
		j.ask(j.StoredQuestions(c, now))
	}
	verdict := j.JudgeStored(c, now)
	if verdict.Refusal != nil {
		return verdict.Refusal
	}
	j.letIn(verdict, now)
	return nil
}

// standing is what certificates are judged by now, for the pages.
func (j *judge) standing() web.Revocation {
	return web.Revocation{
		Lists: j.crls.Status(), Refused: j.crls.Refused(), Bypass: j.crls.Bypass(),
		Trust: j.Trust(), Reload: j.trust.State(), Policy: j.Policy(),
	}
}

func (j *judge) tell() {
	select {
	case j.news <- struct{}{}:
	default: // told already, and not yet looked at
	}
}

// verdictOn judges a certificate seen before, for the card record: missing
// evidence is doubt, and changes nothing there. So is a verdict that a leniency
// made: it may open the door, and tells of nobody that they are good again.
func (j *judge) verdictOn(c identity.Certificate) enroll.Verdict {
	switch verdict := j.JudgeStored(c, j.now()); {
	case verdict.Refusal == nil && len(verdict.Allowed) == 0:
		return enroll.Good
	case verdict.Refusal != nil && verdict.Refusal.Reason == mtls.Revoked:
		return enroll.Revoked
	}
	return enroll.Doubtful
}

// follow makes cards follow their certificates after each new CRL, and once at
// the start, until ctx ends.
func (j *judge) follow(ctx context.Context, registry *enroll.Registry) {
	j.tell()
	for {
		select {
		case <-ctx.Done():
			return
		case <-j.news:
			if err := registry.Recheck(ctx, "CRL", j.verdictOn); err != nil && ctx.Err() == nil {
				j.log.Error("cards do not follow the new CRL yet", "error", err)
				j.retry(ctx)
			}
		}
	}
}

// followRetry is how long to wait before cards are looked at again after a
// failure of the store.
const followRetry = 10 * time.Second

func (j *judge) retry(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(followRetry):
		j.tell()
	}
}

// run keeps the evidence and the trust fresh until ctx ends; each hangup
// reloads the trust at once.
func (j *judge) run(ctx context.Context, hangups <-chan struct{}) {
	done := make(chan struct{})
	go func() { defer close(done); j.crls.Run(ctx) }()
	j.trust.Run(ctx, hangups)
	<-done
}

// listing tells the content of files and folders by names, sizes and times.
func listing(paths []string) (string, error) {
	var b strings.Builder
	var failures []error
	for _, path := range paths {
		files, err := filesIn(path)
		if err != nil {
			failures = append(failures, err)
		}
		for _, file := range files {
			info, err := os.Stat(file)
			if err != nil {
				failures = append(failures, err)
				continue
			}
			fmt.Fprintf(&b, "%s %d %d\n", file, info.Size(), info.ModTime().UnixNano())
		}
	}
	return b.String(), errors.Join(failures...)
}
