package mtls

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// ErrNotWanted is a CRL of an authority that none of the sources is: a mirror
// of everything that is published holds many.
var ErrNotWanted = errors.New("no authority of the trust issues this CRL")

// errSourceLeft is a source that is followed no more since a CRL was found to
// be its own.
var errSourceLeft = errors.New("the authority has left the trust meanwhile")

// all are the sources in force. Whoever works on them works on these to the
// end, also when others are put in force meanwhile.
func (r *Refresher) all() []CRLSource { return *r.sources.Load() }

// Follow puts other sources in force, for a trust that was reloaded, with no
// restart: what is held of an authority that has left is dropped, and what lies
// in the folders of one that has come is taken. Sources that could not have
// been started with are refused, and those before stay.
func (r *Refresher) Follow(ctx context.Context, sources []CRLSource) error {
	if slices.EqualFunc(sources, r.all(), CRLSource.equal) {
		return nil
	}
	options := r.options
	options.Sources = sources
	if err := options.check(); err != nil {
		return err
	}
	r.mu.Lock()
	for slot := range r.held {
		same := func(s CRLSource) bool { return s.Name == slot.source }
		before, after := slices.IndexFunc(r.all(), same), slices.IndexFunc(sources, same)
		if after < 0 || !sources[after].Issuer.Equal(r.all()[before].Issuer) {
			delete(r.held, slot)
		}
	}
	r.sources.Store(&sources)
	r.publish()
	clear(r.seen) // what was nobody's may be somebody's now
	r.mu.Unlock()
	select {
	case r.moved <- struct{}{}:
	default: // the loops are about to look
	}
	r.Scan(ctx)
	return nil
}

// follows: what is held is of sources in force only. The caller holds mu.
func (r *Refresher) follows(source *CRLSource) bool {
	return slices.ContainsFunc(r.all(), func(s CRLSource) bool { return s.Name == source.Name && s.Issuer.Equal(source.Issuer) })
}

func (s CRLSource) equal(other CRLSource) bool {
	return s.Name == other.Name && s.Issuer.Equal(other.Issuer) && slices.Equal(s.URLs, other.URLs) && slices.Equal(s.DeltaURLs, other.DeltaURLs)
}

// sourceOf finds whose CRL it is: by name and key, two authorities may bear one
// name. With only, no other source will do.
func (r *Refresher) sourceOf(list *CRL, only *fetchKey) (*CRLSource, error) {
	refusal := fmt.Errorf("%w: %w", ErrNotWanted, crlFault(CRLOtherIssuer, 0, "%s", FormatName(list.Issuer)))
	sources := r.all()
	for i := range sources {
		s := &sources[i]
		if only != nil && s.Name != only.source || string(list.Issuer) != string(s.Issuer.RawSubject) {
			continue
		}
		if refusal = list.CheckSignature(s.Issuer); refusal == nil {
			return s, nil
		}
	}
	return nil, refusal
}

// addresses of an authority's complete CRL, or of its delta.
func (r *Refresher) addresses(name string, delta bool) (*CRLSource, []string) {
	sources := r.all()
	for i := range sources {
		if s := &sources[i]; s.Name == name {
			if delta {
				return s, s.DeltaURLs
			}
			return s, s.URLs
		}
	}
	return nil, nil
}
