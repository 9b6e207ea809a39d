package sso

// WakeUp has Run look who is to be told.
func WakeUp(p *Provider) { p.wakeUp() }

// VerifyAssertion gives what a client's keys signed.
func VerifyAssertion(c *Client, token string) ([]byte, error) { return c.verify(token) }
