package sso

// WakeUp has Run look who is to be told.
func WakeUp(p *Provider) { p.wakeUp() }
