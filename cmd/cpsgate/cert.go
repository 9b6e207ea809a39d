package main

type certCommand struct{}

func (certCommand) Run(*environment) error { return refused() }
