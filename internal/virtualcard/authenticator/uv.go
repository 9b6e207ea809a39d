package authenticator

// builtInUV performs the card's own verification, for the uv option of a
// command (CTAP 2.1 §6.1.2 step 11.2).
func (e *Engine) builtInUV() error {
	if e.options.BuiltInUV == nil {
		return statusInvalidOption
	}
	if e.tryUV() == nil {
		return nil
	}
	if e.pinSet() {
		return statusPUATRequired
	}
	return statusOperationDenied
}

// tryUV spends a UV try (CTAP 2.1 §6.5.3.1).
func (e *Engine) tryUV() error {
	if e.state.UVRetries == 0 {
		return statusUVBlocked
	}
	e.dirty = true
	if e.options.BuiltInUV() {
		e.state.UVRetries = maxUVTries
		return nil
	}
	e.state.UVRetries--
	if e.state.UVRetries == 0 {
		return statusUVBlocked
	}
	return statusUVInvalid
}
