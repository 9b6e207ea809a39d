package audit

import (
	"context"

	"cpsgate/identity"
)

// Circumstances are what a request knows of itself before anything is decided.
// Carried by the context, they fill the empty fields of every event recorded
// under it, so that an act deep below need not be told who asked from where.
type Circumstances struct {
	Actor       identity.PSIdNat
	Method      identity.Method
	Session     string
	Address     string
	UserAgent   string
	Workstation string
}

type circumstancesKey struct{}

// WithCircumstances returns a context that carries c in place of those before.
func WithCircumstances(ctx context.Context, c Circumstances) context.Context {
	return context.WithValue(ctx, circumstancesKey{}, c)
}

// WithoutActor returns a context for what nobody signed in does, where somebody
// may be: the place stays, and the person, method and session go.
func WithoutActor(ctx context.Context) context.Context {
	c := circumstancesOf(ctx)
	c.Actor, c.Method, c.Session = "", "", ""
	return WithCircumstances(ctx, c)
}

func circumstancesOf(ctx context.Context) Circumstances {
	c, _ := ctx.Value(circumstancesKey{}).(Circumstances)
	return c
}

func (c Circumstances) fill(e *Event) {
	for _, f := range []struct {
		into  *string
		value string
	}{
		{(*string)(&e.Actor), string(c.Actor)},
		{&e.Method, string(c.Method)},
		{&e.Session, c.Session},
		{&e.Address, c.Address},
		{&e.UserAgent, c.UserAgent},
		{&e.Workstation, c.Workstation},
	} {
		if *f.into == "" {
			*f.into = f.value
		}
	}
}
