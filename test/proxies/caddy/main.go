// Command caddy is Caddy as it is published, for the test of the snippet in
// docs/forward-auth.md. It is a module of its own, so that what it needs is
// none of cpsgate's.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func main() { caddycmd.Main() }
