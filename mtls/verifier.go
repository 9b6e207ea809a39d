package mtls

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"cpsgate/identity"
)

// Verifier judges certificates: trust, policy and evidence in, a cardholder or
// a Refusal out. It is safe for concurrent use. It performs no I/O: what
// evidence there is, others have fetched before.
type Verifier struct {
	ground     atomic.Pointer[ground]
	evidence   Evidence
	signatures signatureMemo
	memo       pathMemo
}

// ground is what judgements stand on: a trust, and the policy for its
// authorities. The two change together.
type ground struct {
	trust  *Trust
	policy Policy
}

// NewVerifier refuses a policy that says nothing sensible. With no evidence
// (nil), every certificate whose revocation is required is refused.
func NewVerifier(trust *Trust, policy Policy, evidence Evidence) (*Verifier, error) {
	if trust == nil {
		return nil, ErrNoAnchors
	}
	if err := policy.check(); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	if policy.Profile == "" {
		policy.Profile = ProfileCPS
	}
	if evidence == nil {
		evidence = NewCRLSet()
	}
	v := &Verifier{evidence: evidence}
	v.ground.Store(&ground{trust, policy})
	return v, nil
}

// Trust is the trust in force.
func (v *Verifier) Trust() *Trust { return v.ground.Load().trust }

// Policy is the policy in force.
func (v *Verifier) Policy() Policy { return v.ground.Load().policy }

// Replace puts another trust in force, for judgements that begin afterwards,
// with the rules for its authorities (Policy.PerIssuer). Nil is refused: there
// is no judging without anchors.
func (v *Verifier) Replace(trust *Trust, perIssuer map[string]RevocationPolicy) error {
	next, err := v.newGround(trust, perIssuer)
	if err != nil {
		return err
	}
	v.ground.Store(next)
	return nil
}

// newGround is what Replace would put in force, checked.
func (v *Verifier) newGround(trust *Trust, perIssuer map[string]RevocationPolicy) (*ground, error) {
	if trust == nil {
		return nil, ErrNoAnchors
	}
	policy := v.Policy()
	policy.PerIssuer = perIssuer
	if err := policy.check(); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	return &ground{trust, policy}, nil
}

// Verify judges the certificate that a client proved to hold the key of. The
// error is a *Refusal. The cardholder is who the verified certificate names;
// whether that card is welcome here is for its record to say.
func (v *Verifier) Verify(leaf Leaf, now time.Time) (identity.Cardholder, error) {
	verdict := v.Judge(leaf, now)
	if verdict.Refusal != nil {
		return identity.Cardholder{}, verdict.Refusal
	}
	return verdict.Holder, nil
}

// Judge is Verify for those who log which leniencies were used.
func (v *Verifier) Judge(leaf Leaf, now time.Time) Verdict { return v.judge(leaf, now, nil) }

// Verdict is a judgement with its reasoning.
type Verdict struct {
	Holder  identity.Cardholder // who was let in; the zero value when refused
	Refusal *Refusal            // nil: accepted
	Path    []*x509.Certificate // leaf first, anchor last; nil when none was found
	Steps   []Step              // in the order they were taken; Explain alone gives them
	// Allowed are the leniencies of the policy without which the certificate
	// would have been refused, each once: for the log and the audit.
	Allowed []Allowance
}

// Allowance is a leniency that was used.
type Allowance string

// The allowances.
const (
	AllowedUnchecked Allowance = "revocation-off"        // not looked at
	AllowedUnknown   Allowance = "revocation-if-present" // no evidence held, none required
	AllowedStale     Allowance = "stale-crl"             // within grace, or accepted
	AllowedByBypass  Allowance = "bypass"                // a manual bypass is in force
)

// Step is one check of a judgement.
type Step struct {
	Rule   string // what must hold
	Clause string // who asks for it
	Detail string // what was found
	Holds  bool
}

// Explain judges as Verify does and tells every step.
func (v *Verifier) Explain(leaf Leaf, now time.Time) Verdict {
	var steps []Step
	verdict := v.judge(leaf, now, &steps)
	verdict.Steps = steps
	return verdict
}

// judgement is one certificate being judged: the trust, the policy and the
// time stay the same from its first step to its last.
type judgement struct {
	*Verifier
	trust  *Trust
	policy Policy
	now    time.Time
	steps  *[]Step // nil: nobody wants to know

	crlWork int                 // CRL signers looked into, see maxCRLSigners
	signers []*x509.Certificate // being looked into, the outermost first
	open    *[]OCSPQuestion     // collects what OCSP could still tell; nil: see Questions
	allowed []Allowance
}

func (v *Verifier) begin(now time.Time, steps *[]Step) *judgement {
	g := v.ground.Load()
	return &judgement{Verifier: v, trust: g.trust, policy: g.policy, now: now, steps: steps}
}

// holds notes a step that holds. What is costly to say comes as an argument
// that says it when asked (named, saying): mostly nobody asks.
func (j *judgement) holds(rule, clause, format string, args ...any) {
	if j.steps != nil {
		*j.steps = append(*j.steps, Step{Rule: rule, Clause: clause, Detail: fmt.Sprintf(format, args...), Holds: true})
	}
}

// named is a certificate's subject, written when printed.
type named struct{ certificate *x509.Certificate }

func (n named) String() string { return nameOf(n.certificate) }

// saying is text that is made when printed.
type saying func() string

func (s saying) String() string { return s() }

// refused notes the refusal as a step; with nil it does nothing.
func (j *judgement) refused(rule string, r *Refusal) *Refusal {
	if r != nil && j.steps != nil {
		*j.steps = append(*j.steps, Step{Rule: rule, Clause: r.Clause, Detail: string(r.Reason) + ": " + r.Detail})
	}
	return r
}

func (v *Verifier) judge(leaf Leaf, now time.Time, steps *[]Step) Verdict {
	j := v.begin(now, steps)
	if len(leaf.DER) == 0 {
		return Verdict{Refusal: j.refused("a certificate was sent", refuse(NoCertificate, "RFC 5246 §7.4.6", "the client sent none"))}
	}
	unverified, err := leaf.parse()
	if err != nil {
		r := refuse(Malformed, "RFC 5280 §4.1", err.Error())
		r.Err = err
		return Verdict{Refusal: j.refused("it can be read", r)}
	}
	claims := ReadClaims(unverified)
	claims.issuer = j.trust.written[string(unverified.RawIssuer)]
	j.holds("it can be read", "RFC 5280 §4.1", "serial %X, issued by %s", unverified.SerialNumber,
		saying(func() string { return FormatName(unverified.RawIssuer) }))
	found, refusal := j.certificate(claims)
	if refusal != nil {
		claimed := claims.cardholder(now)
		refusal.NotBefore, refusal.NotAfter = unverified.NotBefore, unverified.NotAfter
		refusal.Claimed, refusal.ClaimedSubject = &claimed, FormatName(unverified.RawSubject)
		return Verdict{Refusal: refusal, Path: found}
	}
	holder := claims.cardholder(now)
	holder.Certificate.SignerKey = keyHash(found[1])
	return Verdict{Holder: holder, Path: found, Allowed: j.allowed}
}

func (j *judgement) allow(a Allowance) {
	if !slices.Contains(j.allowed, a) {
		j.allowed = append(j.allowed, a)
	}
}

// certificate takes the steps in the order that helps people: of what presents
// itself as the IGC-Santé's, the wrong kind is told before the wrong issuer,
// so that who chose the signature certificate learns that. Every step must
// hold, so their order decides the words and never the verdict.
func (j *judgement) certificate(claims Claims) (path, *Refusal) {
	cps := j.policy.Profile == ProfileCPS
	if cps && claims.fromIGC() {
		if r := j.profile(claims); r != nil {
			return nil, r
		}
	}
	c := claims.Certificate
	if r := j.refused("within its validity", j.outsideValidity(c)); r != nil {
		return nil, r
	}
	if paths := j.remembered(c); paths != nil {
		if good, r := j.onPaths(claims, paths); r == nil {
			return good, nil
		}
		j.startAgain()
	}
	paths, err := j.trust.paths(c, j.now, j.policy, j.usage())
	if err != nil {
		return nil, j.refused("a path to an anchor", untrusted(err))
	}
	good, r := j.onPaths(claims, paths)
	if r == nil {
		j.memo.remember(j.trust, sha256.Sum256(c.Raw), paths)
	}
	return good, r
}

// onPaths takes the steps that come after a path was found.
func (j *judgement) onPaths(claims Claims, paths []path) (path, *Refusal) {
	if j.policy.Profile == ProfileCPS && !claims.fromIGC() {
		if r := j.profile(claims); r != nil {
			return paths[0], r
		}
	}
	return j.firstGood(paths)
}

// startAgain forgets what was noted on paths that are not judged by after all.
func (j *judgement) startAgain() {
	j.allowed, j.crlWork = nil, 0
	if j.open != nil {
		*j.open = nil
	}
}

func (j *judgement) profile(claims Claims) *Refusal {
	for _, check := range cpsProfile() {
		if r := check.refuse(claims, j.policy); r != nil {
			if r.Clause == "" {
				r.Clause = check.clause
			}
			return j.refused(check.rule, r)
		}
		j.holds(check.rule, check.clause, "")
	}
	return nil
}

// firstGood returns the first path whose issuer and revocation hold; when none
// does, the refusal that says most: revoked, then anything else.
func (j *judgement) firstGood(paths []path) (path, *Refusal) {
	var worst *Refusal
	for _, candidate := range paths {
		r := j.path(candidate)
		if r == nil {
			return candidate, nil
		}
		if worst == nil || r.Reason == Revoked && worst.Reason != Revoked {
			worst = r
		}
	}
	return paths[0], worst
}

func (j *judgement) path(p path) *Refusal {
	j.explainPath(p)
	if j.policy.Profile == ProfileCPS {
		if r := j.refused("issued by an authority for persons' cards", checkIssuer(p[1], j.policy)); r != nil {
			return r
		}
		j.holds("issued by an authority for persons' cards", profileClause+"authorities", "%s", named{p[1]})
	}
	return j.revocation(p)
}

func (j *judgement) usage() x509.ExtKeyUsage {
	if j.policy.Profile == ProfileAny {
		return x509.ExtKeyUsageAny
	}
	return x509.ExtKeyUsageClientAuth
}
