package main

type auditCommand struct{}

func (auditCommand) Run(*environment) error { return refused() }
