package audit

import "crypto/ed25519"

// Resign signs a checkpoint as whoever holds the key would.
func Resign(c Checkpoint, key ed25519.PrivateKey) Checkpoint { return c.sign(key) }
