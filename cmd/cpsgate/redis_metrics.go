package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// roundTrips counts and times the round trips to Redis.
type roundTrips struct {
	seconds *prometheus.HistogramVec
}

func newRoundTrips() *roundTrips {
	return &roundTrips{prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "cpsgate_redis_round_trip_seconds",
		Help:    "Round trips to Redis, by whether they went well.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2},
	}, []string{"outcome"})}
}

func (r *roundTrips) observe(_ int, took time.Duration, err error) {
	outcome := "ok"
	if err != nil {
		outcome = "error"
	}
	r.seconds.WithLabelValues(outcome).Observe(took.Seconds())
}
