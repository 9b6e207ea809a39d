package main

type webauthnCommand struct{}

func (webauthnCommand) Run(*environment) error { return refused() }
