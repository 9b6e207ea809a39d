package authenticator

// Limits that tests step over.
const (
	TokenFirstUse = tokenFirstUse
	TokenLife     = tokenLife
	RestLife      = restLife
)
