package sso

import "time"

// WakeUp has Run look who is to be told.
func WakeUp(p *Provider) { p.wakeUp() }

// VerifyAssertion gives what a client's keys signed.
func VerifyAssertion(c *Client, token string) ([]byte, error) { return c.verify(token) }

// BearersKept is how many sessions at clients have less than their allowance.
func BearersKept(p *Provider) int { return len(p.bearers.of) }

// ReconcileEvery has Run look for missed ends as often.
func ReconcileEvery(p *Provider, d time.Duration) { p.reconcileEvery = d }
