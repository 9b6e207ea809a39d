package store

import (
	"context"
	"time"
)

// activityRecord is sso.ActivityRecord: the same unnamed type.
type activityRecord = struct {
	Card       string
	Holder     string
	Profession int
	Training   bool
	Structure  string
	Employer   string
	SeenAt     time.Time
}

// SaveActivity keeps what a card's certificate said last of its holder.
func (s *Store) SaveActivity(ctx context.Context, a activityRecord) error {
	return s.change(ctx, func(u unit) error {
		_, err := u.q.ExecContext(ctx, `INSERT INTO sso_activities (card, holder, profession, training, structure, employer, seen_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (card) DO UPDATE SET holder = excluded.holder, profession = excluded.profession, training = excluded.training,
				structure = excluded.structure, employer = excluded.employer, seen_at = excluded.seen_at`,
			a.Card, a.Holder, int64(a.Profession), a.Training, a.Structure, a.Employer, at(a.SeenAt))
		return err
	})
}

// ActivitiesOf gives those of a person's cards that are active, the latest seen
// first.
func (r reader) ActivitiesOf(ctx context.Context, holder string) ([]activityRecord, error) {
	rows, err := r.q.QueryContext(ctx, `SELECT a.card, a.holder, a.profession, a.training, a.structure, a.employer, a.seen_at
		FROM sso_activities a JOIN cards c ON c.token_id = a.card
		WHERE a.holder = $1 AND c.holder = a.holder AND c.state = 'active' ORDER BY a.seen_at DESC, a.card`, holder)
	return all(rows, err, func(r row) (a activityRecord, err error) {
		err = r.Scan(&a.Card, &a.Holder, &a.Profession, &a.Training, &a.Structure, &a.Employer, micros{&a.SeenAt})
		return a, err
	})
}
