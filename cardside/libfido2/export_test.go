package libfido2

// ReadReply is the parser of what a child says, for its fuzz test.
func ReadReply(output []byte) error {
	_, err := readReply(output)
	return err
}

// Harden is what a child does first.
var Harden = harden
