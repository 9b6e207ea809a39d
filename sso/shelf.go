package sso

import (
	"context"
	"time"

	"cpsgate/identity"
	"cpsgate/sessions"
)

// The records that a store keeps for the provider. They are aliases of unnamed
// types so that a store need not import this package.
type (
	// ClientRecord is one client that was not configured by file.
	ClientRecord = struct {
		ID     string
		Record []byte // opaque to the shelf
	}

	// GrantRecord is one signing-in at one client: what its tokens stand on.
	GrantRecord = struct {
		ID      string
		Client  string
		Holder  string
		Session string    // public handle
		Record  []byte    // opaque to the shelf
		Until   time.Time // may be thrown away afterwards
		Ended   string    // why; "" = in force
	}

	// GrantedSession is a session that grants stand on.
	GrantedSession = struct {
		Session string // public handle
		Holder  string
	}

	// TokenRecord is one token of a grant.
	TokenRecord = struct {
		Hash    [32]byte // SHA-256 of the token
		Grant   string
		Refresh bool
		Until   time.Time
		Used    bool // a refresh token that was exchanged
	}

	// ActivityRecord is in what a card's holder comes.
	ActivityRecord = struct {
		Card       string // token id
		Holder     string
		Profession int
		Training   bool
		Structure  string
		Employer   string
		SeenAt     time.Time
	}

	// LogoutRecord is a client that is to be told of a session's end.
	LogoutRecord = struct {
		Client   string
		Session  string
		Holder   string
		EndedAt  time.Time
		Attempts int
		Next     time.Time // when to try
	}
)

// ClientShelf keeps clients. SaveClient puts or replaces one; RemoveClient of
// an unknown one is no error.
type ClientShelf interface {
	SSOClients(ctx context.Context) ([]ClientRecord, error)
	SaveSSOClient(ctx context.Context, c ClientRecord) error
	RemoveSSOClient(ctx context.Context, id string) error
}

// GrantShelf keeps grants and the hashes of their tokens.
type GrantShelf interface {
	// AddGrant keeps a grant with its tokens; false when its ID is there, ended
	// or not: then nothing is kept.
	AddGrant(ctx context.Context, g GrantRecord, tokens ...TokenRecord) (added bool, err error)
	// GrantOf finds a token and its grant.
	GrantOf(ctx context.Context, hash [32]byte) (t TokenRecord, g GrantRecord, found bool, err error)
	// UseToken marks a token used and keeps what takes its place; false when it
	// is used already, or its grant is not in force: then nothing is kept.
	UseToken(ctx context.Context, hash [32]byte, fresh ...TokenRecord) (first bool, err error)
	// EndGrant ends a grant. One that is not there is kept as ended until a
	// time, so that it cannot come.
	EndGrant(ctx context.Context, id, reason string, until time.Time) error
	// WithdrawGrant ends one whose tokens nobody has: from then on it stands on no
	// session, whose end is owed to nobody for it.
	WithdrawGrant(ctx context.Context, id, reason string) error
	// HasGrants tells whether grants stand on a session.
	HasGrants(ctx context.Context, session string) (bool, error)
	// EndGrantsOf ends those of a session, and keeps in the same transaction whom
	// that is owed to: it gives the grants to owed, once, those that ended before
	// too, for their clients have not been told that the session is over. From
	// then on they stand on no session. owed may not come back to the shelf.
	EndGrantsOf(ctx context.Context, session, reason string, owed func([]GrantRecord) []LogoutRecord) error
	// GrantedSessions lists sessions that grants stand on, after one, by their
	// handles.
	GrantedSessions(ctx context.Context, after string, most int) ([]GrantedSession, error)
	// First tells whether a value is seen for the first time, and remembers it.
	First(ctx context.Context, hash [32]byte, until time.Time) (bool, error)
	// Consent is the scopes that a person has agreed to tell a client, "" for
	// none; SaveConsent keeps them.
	Consent(ctx context.Context, holder, client string) (scopes string, err error)
	SaveConsent(ctx context.Context, holder, client, scopes string) error
	// SweepGrants throws away what is over at now.
	SweepGrants(ctx context.Context, now time.Time) error
}

// ActivityShelf keeps what cards' certificates said of their holders.
// ActivitiesOf gives those of a person's active cards, the latest seen first.
type ActivityShelf interface {
	SaveActivity(ctx context.Context, a ActivityRecord) error
	ActivitiesOf(ctx context.Context, holder string) ([]ActivityRecord, error)
}

// LogoutShelf keeps the clients that are to be told.
type LogoutShelf interface {
	AddLogouts(ctx context.Context, due ...LogoutRecord) error // or replaces them
	// ClientsDue lists the clients of those due at now.
	ClientsDue(ctx context.Context, now time.Time) ([]string, error)
	// ClaimLogouts gives those of a client that are due at now and moves them to
	// until, so that no other node takes them meanwhile; with an error none.
	ClaimLogouts(ctx context.Context, client string, now, until time.Time, most int) ([]LogoutRecord, error)
	RemoveLogout(ctx context.Context, client, session string) error
}

// Shelf keeps all that outlives a request; *store.Store is one.
type Shelf interface {
	ActivityShelf
	GrantShelf
	LogoutShelf
}

// Once keeps what may be taken once; *sessions.Once is one.
type Once interface {
	Put(ctx context.Context, kind string, value any, ttl time.Duration) (key string, err error)
	Take(ctx context.Context, kind, key string, into any) error
}

// Sessions tells which sessions there are; *sessions.Manager does.
type Sessions interface {
	OfHolder(ctx context.Context, holder identity.PSIdNat) ([]sessions.Session, error)
	// HandlesOf gives the handles of all that several people have;
	// sessions.ErrUnreadable where somebody has one that cannot be read here.
	HandlesOf(ctx context.Context, holders ...identity.PSIdNat) (map[string]bool, error)
}
