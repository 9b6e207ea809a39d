package mtls

import (
	"context"
	"math/big"
	"net/url"
	"slices"
	"time"
)

// CrowdedSerial is a serial of 16 octets whose record has that mixed word: a
// forger's way to crowd a bucket of the index.
func CrowdedSerial(mixed, upper uint64) *big.Int {
	k := serialKey{mid: upper}
	k.lo = k.unmix(mixed)
	return k.serial()
}

// TellAlarms looks at the verdicts once.
func (r *Refresher) TellAlarms(ctx context.Context, told map[[2]any]CRLVerdict) {
	known := map[fetchKey]CRLVerdict{}
	for key, verdict := range told {
		known[fetchKey{key[0].(string), key[1].(bool)}] = verdict
	}
	r.tellAlarms(ctx, known)
	for key, verdict := range known {
		told[[2]any{key.source, key.delta}] = verdict
	}
}

// FetchLoop is the part of Run that fetches one thing, until ctx ends.
func (r *Refresher) FetchLoop(ctx context.Context, name string, delta bool) {
	source, _ := r.addresses(name, delta)
	r.fetchLoop(ctx, source, delta)
}

// UTCDay and DERTime are the two readings of a UTCTime.
func UTCDay(element []byte) (int64, bool)      { return utcDay((*[15]byte)(element)) }
func DERTime(element []byte) (time.Time, bool) { return parseDERTime(element) }

// ParseBypass reads a bypass file's content.
func ParseBypass(text []byte) (*Bypass, error) { return parseBypass(text) }

// DirectorySearch is what an LDAP address asks for.
func DirectorySearch(address string) (attributes []string, scope int, err error) {
	target, err := url.Parse(address)
	if err != nil {
		return nil, 0, err
	}
	search, err := directorySearch(target)
	if err != nil {
		return nil, 0, err
	}
	return search.Attributes, search.Scope, nil
}

// DirectoryShape looks at octets of a directory, so many at a time.
func DirectoryShape(octets []byte, stride int) (wrong string, elements, depth int) {
	var s directoryShape
	for piece := range slices.Chunk(octets, stride) {
		if wrong = s.see(piece); wrong != "" {
			return wrong, s.elements, len(s.left)
		}
	}
	return "", s.elements, len(s.left)
}

// MayPass: a file refused so is tried again.
func MayPass(err error) bool { return mayPass(err) }

// Place puts a CRL in force; found runs between the look whose it is and that.
func (r *Refresher) Place(list *CRL, found func()) error {
	source, err := r.sourceOf(list, nil)
	if err != nil {
		return err
	}
	found()
	_, err = r.placeOf(source, list, crlOrigin{}, func(*heldCRL) error { return nil })
	return err
}
