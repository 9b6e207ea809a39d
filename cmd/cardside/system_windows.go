package main

const (
	terminalPath        = "CONIN$"
	inheritsDescriptors = false
)

// noCoreDumps has nothing to do where programs leave none unasked.
func noCoreDumps() error { return nil }
