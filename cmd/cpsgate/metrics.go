package main

import (
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"cpsgate/mtls"
)

// revocationCollector tells, at each scrape, how it stands with the evidence:
// what an alarm is set on.
type revocationCollector struct {
	judge *judge

	verdict, info, thisUpdate, nextUpdate, entries, nextFetch, failing, bypass, trust *prometheus.Desc
}

func newRevocationCollector(j *judge) *revocationCollector {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("cpsgate_"+name, help, labels, nil)
	}
	return &revocationCollector{
		judge:      j,
		verdict:    describe("crl_verdict", "1 for the verdict on an authority's CRL: fresh, expiring, stale or missing.", "authority", "kind", "verdict"),
		info:       describe("crl_info", "1 for the CRL in force: its number, and where it came from.", "authority", "kind", "number", "source"),
		thisUpdate: describe("crl_this_update_timestamp_seconds", "When a CRL in force was issued.", "authority", "kind"),
		nextUpdate: describe("crl_next_update_timestamp_seconds", "When a CRL in force ends.", "authority", "kind"),
		entries:    describe("crl_entries", "Revoked certificates in a CRL in force.", "authority", "kind"),
		nextFetch:  describe("crl_next_fetch_timestamp_seconds", "When a CRL is fetched next.", "authority", "kind"),
		failing:    describe("crl_fetch_failing_seconds", "For how long fetching a CRL has failed; 0 when it does not.", "authority", "kind"),
		bypass:     describe("revocation_bypass_until_timestamp_seconds", "When the manual bypass ends; 0 when there is none."),
		trust:      describe("trust_reload_failures_total", "Reloads of the trust that failed since the start; the last good one stayed in force."),
	}
}

func (c *revocationCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.verdict, c.info, c.thisUpdate, c.nextUpdate, c.entries, c.nextFetch, c.failing, c.bypass, c.trust} {
		to <- d
	}
}

func (c *revocationCollector) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	for _, s := range onePerKind(c.judge.crls.Status()) {
		kind := "complete"
		if s.Delta {
			kind = "delta"
		}
		for _, v := range []mtls.CRLVerdict{mtls.CRLIsFresh, mtls.CRLIsExpiring, mtls.CRLIsStale, mtls.CRLIsMissing} {
			is := 0.0
			if s.Verdict == v {
				is = 1
			}
			gauge(c.verdict, is, s.Authority, kind, string(v))
		}
		failing := 0.0
		if !s.FailingFrom.IsZero() {
			failing = c.judge.now().Sub(s.FailingFrom).Seconds()
		}
		gauge(c.failing, failing, s.Authority, kind)
		if !s.NextFetch.IsZero() {
			gauge(c.nextFetch, seconds(s.NextFetch), s.Authority, kind)
		}
		if s.Verdict != mtls.CRLIsMissing {
			gauge(c.info, 1, s.Authority, kind, numberOf(s), strings.ToValidUTF8(s.Source, "\uFFFD"))
			gauge(c.thisUpdate, seconds(s.ThisUpdate), s.Authority, kind)
			gauge(c.nextUpdate, seconds(s.NextUpdate), s.Authority, kind)
			gauge(c.entries, float64(s.Entries), s.Authority, kind)
		}
	}
	until := 0.0
	if b := c.judge.crls.Bypass(); b != nil {
		until = seconds(b.Until)
	}
	gauge(c.bypass, until)
	to <- prometheus.MustNewConstMetric(c.trust, prometheus.CounterValue, float64(c.judge.trust.State().Failures))
}

// onePerKind leaves one of each authority's complete CRLs and one of its deltas:
// where it splits them by scope, the one that ends first, with the entries of all.
func onePerKind(all []mtls.CRLStatus) []mtls.CRLStatus {
	var one []mtls.CRLStatus
	for _, s := range all { // in this order, the first to end first
		if last := len(one) - 1; last >= 0 && one[last].Authority == s.Authority && one[last].Delta == s.Delta {
			one[last].Entries += s.Entries
			continue
		}
		one = append(one, s)
	}
	return one
}

// numberOf is a CRL's number, "" for one without.
func numberOf(s mtls.CRLStatus) string {
	if s.Number == nil {
		return ""
	}
	return s.Number.String()
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// adminHandler adds /metrics to what web answers on the admin listener.
func (p *program) adminHandler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		newRevocationCollector(p.judge), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	if p.redis != nil {
		registry.MustRegister(p.trips.seconds)
	}
	if p.gate != nil {
		registry.MustRegister(newForwardCollector(p.gate))
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.Handle("/", p.web.Admin())
	return mux
}
