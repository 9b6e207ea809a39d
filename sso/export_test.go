package sso

// WakeUp has Run look who is to be told.
func WakeUp(p *Provider) { p.wakeUp() }

// VerifyAssertion gives what a client's keys signed.
func VerifyAssertion(c *Client, token string) ([]byte, error) { return c.verify(token) }

// BearersKept is how many sessions at clients have less than their allowance.
func BearersKept(p *Provider) int { return len(p.bearers.of) }
