package sso

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"cpsgate/sessions"
)

// grantID is a grant's: found again from its code, which nobody else knows.
func grantID(code string) string {
	sum := sha256.Sum256([]byte("grant\x00" + code))
	return hex.EncodeToString(sum[:16])
}

// reused ends the grant of a code or token that came twice: either of the two
// that sent it has stolen it (RFC 6749 §4.1.2, RFC 9700 §4.14.2).
func (p *Provider) reused(ctx context.Context, client *Client, id, reason string) error {
	if err := p.endGrant(ctx, id, reason); err != nil {
		return err
	}
	e := Event{Kind: EventReuse, Refused: true, Reason: reason, Client: client.ID, Detail: "grant " + id}
	return p.tell(ctx, e, refuse(InvalidGrant, reason, "this was used before: all tokens given for it are revoked"))
}

// grantOutlives is how much longer than its session a grant is kept: until the
// session's end by time has been seen, and its client told.
const grantOutlives = time.Hour

// addGrant keeps a grant, and sees afterwards that its session still stands: one
// that ended meanwhile may have ended its grants before this one came.
func (p *Provider) addGrant(ctx context.Context, id string, g grant, session sessions.Session, tokens []TokenRecord) error {
	record, err := json.Marshal(g)
	if err != nil {
		return err
	}
	until := session.ExpiresAt.Add(grantOutlives)
	added, err := p.o.Shelf.AddGrant(ctx, GrantRecord{
		ID: id, Client: g.Client, Holder: string(g.Holder), Session: g.Session, Record: record, Until: until,
	}, tokens...)
	if err != nil {
		return fmt.Errorf("keeping a grant: %w", err)
	}
	if !added { // it came a second time meanwhile
		return refuse(InvalidGrant, "code-replayed", "this code came twice")
	}
	if _, err := p.standing(ctx, g); err != nil {
		return errors.Join(err, p.withdraw(ctx, id))
	}
	return nil
}

// withdraw ends a grant before its tokens are given to anybody.
func (p *Provider) withdraw(ctx context.Context, id string) error {
	if err := p.o.Shelf.WithdrawGrant(ctx, id, "session-over"); err != nil {
		return fmt.Errorf("withdrawing a grant: %w", err)
	}
	return nil
}

// endGrant ends a grant; one that is still to come does not come.
func (p *Provider) endGrant(ctx context.Context, id, reason string) error {
	if err := p.o.Shelf.EndGrant(ctx, id, reason, p.o.Now().Add(longestLife)); err != nil {
		return fmt.Errorf("ending a grant: %w", err)
	}
	return nil
}

// stillAdmitted tells whether the holder of a grant may use the client still:
// groups are lost while sessions last. If not, the grant ends.
func (p *Provider) stillAdmitted(ctx context.Context, client *Client, id string, g grant) error {
	if len(client.Groups) == 0 {
		return nil
	}
	person, err := p.Person(ctx, g.Holder)
	if err != nil {
		return fmt.Errorf("reading who signed in: %w", err)
	}
	var refused *Refusal
	if err := admitted(client, person); !errors.As(err, &refused) {
		return err
	}
	if err := p.endGrant(ctx, id, refused.Reason); err != nil {
		return err
	}
	refused.Code = InvalidGrant
	return refused
}

// standing finds the session that a grant stands on. Ended, locked or another's:
// then nothing stands on it.
func (p *Provider) standing(ctx context.Context, g grant) (sessions.Session, error) {
	of, err := p.o.Sessions.OfHolder(ctx, g.Holder)
	if err != nil {
		return sessions.Session{}, fmt.Errorf("reading sessions: %w", err)
	}
	for _, s := range of {
		if s.ID == g.Session && s.Holder == g.Holder && s.State == sessions.StateActive {
			return s, nil
		}
	}
	return sessions.Session{}, refuse(InvalidGrant, "session-over", "the session that this stands on has ended")
}

// grantOf finds the grant that a token is of, if it is in force. What was
// ended, or is too old, is as unknown.
func (p *Provider) grantOf(ctx context.Context, hash [32]byte) (TokenRecord, GrantRecord, grant, error) {
	unknown := refuse(InvalidGrant, "token-unknown", "this token is unknown, revoked, or too old")
	token, record, found, err := p.o.Shelf.GrantOf(ctx, hash)
	if err != nil {
		return TokenRecord{}, GrantRecord{}, grant{}, fmt.Errorf("reading a grant: %w", err)
	}
	if !found || record.Ended != "" || !p.o.Now().Before(token.Until) {
		return TokenRecord{}, GrantRecord{}, grant{}, unknown
	}
	var g grant
	if err := json.Unmarshal(record.Record, &g); err != nil || g.Client != record.Client || string(g.Holder) != record.Holder {
		return TokenRecord{}, GrantRecord{}, grant{}, fmt.Errorf("grant %s: its record cannot be read", record.ID)
	}
	return token, record, g, nil
}
