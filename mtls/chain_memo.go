package mtls

import (
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"sync"
	"time"
)

// pathMemo remembers which paths were found for a certificate, by its bytes and
// under one trust, so that a card that comes every day is not verified under its
// authority's key every time. What is remembered does not turn with time:
// signatures, names, constraints, policies. What does is looked at at each use:
// the validity of every certificate, and revocation, which is no part of a path.
//
// It makes an acceptance cheaper and never makes one: refusals are not
// remembered, and one that is met on a remembered path is judged again in full.
type pathMemo struct {
	mu    sync.Mutex
	trust *Trust
	// Two generations: the recent one turns into the one before when it is full,
	// and what was not asked for since then is forgotten.
	recent, before map[certificateHash][]path
}

type certificateHash [sha256.Size]byte

// maxRemembered bounds a generation: a hospital's cards, at some 150 octets each.
const maxRemembered = 1 << 13

// find gives what lies above the certificate on each of its paths; nil: nothing
// is remembered.
func (m *pathMemo) find(t *Trust, certificate certificateHash) []path {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.trust != t {
		return nil
	}
	if above, found := m.recent[certificate]; found {
		return above
	}
	above, found := m.before[certificate]
	if found {
		m.put(certificate, above)
	}
	return above
}

// remember keeps the paths of a certificate, without the certificate.
func (m *pathMemo) remember(t *Trust, certificate certificateHash, paths []path) {
	above := make([]path, len(paths))
	for i, p := range paths {
		above[i] = slices.Clone(p[1:])
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.trust != t {
		m.trust, m.recent, m.before = t, nil, nil
	}
	m.put(certificate, above)
}

// put adds to the recent generation. The caller holds mu.
func (m *pathMemo) put(certificate certificateHash, above []path) {
	if len(m.recent) >= maxRemembered {
		m.recent, m.before = nil, m.recent
	}
	if m.recent == nil {
		m.recent = map[certificateHash][]path{}
	}
	m.recent[certificate] = above
}

// remembered are the paths of a certificate that were found before and whose
// authorities are all valid now; nil: it must be verified. Who wants to be told
// every step is told of every step taken.
func (j *judgement) remembered(c *x509.Certificate) []path {
	if j.steps != nil {
		return nil
	}
	var paths []path
	for _, above := range j.memo.find(j.trust, sha256.Sum256(c.Raw)) {
		if !above.validAt(j.now) {
			return nil
		}
		paths = append(paths, append(path{c}, above...))
	}
	return paths
}

func (p path) validAt(now time.Time) bool {
	return !slices.ContainsFunc(p, func(c *x509.Certificate) bool { return validAt(c, now) != nil })
}
