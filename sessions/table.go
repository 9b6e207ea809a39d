package sessions

import "cpsgate/identity"

// table is the sessions in memory with their indexes. Manager.mu guards it.
type table struct {
	sessions     map[key]*Session
	ids          map[string]key
	holders      index
	cards        index
	passkeys     index
	workstations index
}

func newTable() *table {
	return &table{
		sessions: map[key]*Session{}, ids: map[string]key{},
		holders: index{}, cards: index{}, passkeys: index{}, workstations: index{},
	}
}

func (t *table) insert(k key, s *Session) {
	t.sessions[k] = s
	t.ids[s.ID] = k
	t.holders.add(string(s.Holder), k)
	t.cards.add(s.CardTokenID, k)
	t.passkeys.add(string(s.PasskeyID), k)
	t.workstations.add(s.Workstation, k)
}

// remove takes a session out; false when it is not there.
func (t *table) remove(k key) bool {
	s, found := t.sessions[k]
	if !found {
		return false
	}
	delete(t.sessions, k)
	if t.ids[s.ID] == k {
		delete(t.ids, s.ID)
	}
	t.holders.drop(string(s.Holder), k)
	t.cards.drop(s.CardTokenID, k)
	t.passkeys.drop(string(s.PasskeyID), k)
	t.workstations.drop(s.Workstation, k)
	return true
}

// leastRecent is the holder's session that was seen longest ago, among those
// other than the one to spare.
func (t *table) leastRecent(holder identity.PSIdNat, spare key) (oldest key) {
	first := true
	for k := range t.holders[string(holder)] {
		if k == spare {
			continue
		}
		if first || t.sessions[k].LastSeenAt.Before(t.sessions[oldest].LastSeenAt) {
			oldest, first = k, false
		}
	}
	return oldest
}

// index lists keys by a value; the empty value is not indexed.
type index map[string]map[key]struct{}

func (x index) add(value string, k key) {
	if value == "" {
		return
	}
	if x[value] == nil {
		x[value] = map[key]struct{}{}
	}
	x[value][k] = struct{}{}
}

func (x index) drop(value string, k key) {
	delete(x[value], k)
	if len(x[value]) == 0 {
		delete(x, value)
	}
}

func (x index) keys(value string) []key {
	var keys []key
	for k := range x[value] {
		keys = append(keys, k)
	}
	return keys
}
