package sessions

// table is the sessions in memory with their indexes. memory.mu guards it.
type table struct {
	sessions map[key]*Session
	handles  map[string]int // how many sessions bear an ID: two during a rotation
	indexes  map[by]index
}

func newTable() *table {
	return &table{
		sessions: map[key]*Session{}, handles: map[string]int{},
		indexes: map[by]index{byHolder: {}, byCard: {}, byPasskey: {}, byWorkstation: {}},
	}
}

func (t *table) insert(k key, s *Session) {
	t.sessions[k] = s
	t.handles[s.ID]++
	for by, value := range s.indexed() {
		t.indexes[by].add(value, k)
	}
}

// remove takes a session out; nil when it is not there.
func (t *table) remove(k key) *Session {
	s, found := t.sessions[k]
	if !found {
		return nil
	}
	delete(t.sessions, k)
	if t.handles[s.ID]--; t.handles[s.ID] == 0 {
		delete(t.handles, s.ID)
	}
	for by, value := range s.indexed() {
		t.indexes[by].drop(value, k)
	}
	return s
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
