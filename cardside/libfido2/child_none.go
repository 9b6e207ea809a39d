//go:build !cgo

package libfido2

// Available reports whether this program was built with libfido2.
const Available = false

func perform(*request) (reply, error) { return reply{}, ErrNotBuilt }
