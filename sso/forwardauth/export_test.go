package forwardauth

import "time"

// Passes are what is kept ready, with a bound for tests.
type Passes struct{ p *passes }

func NewPasses(most int) Passes {
	p := newPasses()
	p.most = most
	return Passes{p}
}

func (p Passes) Put(cookie string, until time.Time) {
	p.p.put(nil, cookie, &kept{token: "t", until: until})
}
func (p Passes) Has(cookie string) bool { return p.p.get(nil, cookie) != nil }
func (p Passes) Len() int               { return len(p.p.keys) }
