package enroll

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cpsgate/audit"
	"cpsgate/identity"
)

// PeopleQuery looks for people by the beginning of a name ("dupont", "dupont
// je", "jean dupont"), of a PS_IdNat, or of an RPPS; or by a whole card number.
// Case, accents and hyphens do not matter.
type PeopleQuery struct {
	Text  string // "": everybody
	After string // the cursor that the page before gave
	Limit int    // 0: 50; at most 200
}

// PeoplePage is one page; Next is empty on the last one.
type PeoplePage struct {
	People []identity.Professional
	Next   string
}

// Bounds of pages.
const (
	usualPage = 50
	maxPage   = 200
)

func pageSize(limit int) int {
	if limit <= 0 {
		return usualPage
	}
	return min(limit, maxPage)
}

// cursor is what a page gives to find the next: which of the query's ranges,
// and the place in it.
type cursor struct {
	Range int    `json:"r,omitempty"`
	Key   string `json:"k,omitempty"`
	IdNat string `json:"i,omitempty"`
}

func (c cursor) String() string {
	b, _ := json.Marshal(c) //nolint:errchkjson // two strings and a number
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseCursor(s string) (c cursor, err error) {
	if s == "" {
		return c, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil || c.Range < 0 {
		return cursor{}, &Refusal{Reason: ReasonCursor, Err: err}
	}
	return c, nil
}

// SearchPeople gives one page of those who match, in the order of their names;
// of an identifier's matches, in its order. What the text means is tried in
// turn, and the first meaning that matches anybody is taken.
func (r *Registry) SearchPeople(ctx context.Context, q PeopleQuery) (PeoplePage, error) {
	at, err := parseCursor(q.After)
	if err != nil {
		return PeoplePage{}, err
	}
	if tokenID, is := cardNumber(q.Text); is {
		page, err := r.holderOf(ctx, tokenID)
		if err != nil || len(page.People) > 0 {
			return page, err
		}
	}
	ranges := meanings(q.Text)
	limit := pageSize(q.Limit)
	for i := at.Range; i < len(ranges); i++ {
		ranges[i].Limit = limit + 1
		if i == at.Range {
			ranges[i].After = Place{Key: at.Key, IdNat: at.IdNat}
		}
		people, err := r.records.PeopleBetween(ctx, ranges[i])
		if err != nil {
			return PeoplePage{}, err
		}
		if len(people) > 0 || q.After != "" {
			return peoplePage(people, limit, i, ranges[i].By), nil
		}
	}
	return PeoplePage{}, nil
}

func peoplePage(people []identity.Professional, limit, index int, by Index) PeoplePage {
	if len(people) <= limit {
		return PeoplePage{People: people}
	}
	people = people[:limit]
	last := people[limit-1]
	next := cursor{Range: index, Key: SearchKey(last), IdNat: string(last.IdNat)}
	if by == ByGiven {
		next.Key = GivenKey(last)
	}
	return PeoplePage{People: people, Next: next.String()}
}

func (r *Registry) holderOf(ctx context.Context, tokenID string) (PeoplePage, error) {
	card, err := r.records.Card(ctx, tokenID)
	if errors.Is(err, ErrNotFound) {
		return PeoplePage{}, nil
	}
	if err != nil {
		return PeoplePage{}, err
	}
	p, err := r.records.Professional(ctx, card.Holder)
	return PeoplePage{People: []identity.Professional{p}}, err
}

// meanings are the ranges of the index that a text may stand for, the likelier
// first.
func meanings(text string) []Range {
	text = strings.TrimSpace(text)
	if text == "" {
		return []Range{{By: ByName}}
	}
	if text[0] >= '0' && text[0] <= '9' {
		id := strings.ToUpper(strings.ReplaceAll(text, " ", ""))
		ranges := []Range{prefixed(ByIdNat, id)}
		if len(id) <= 11 { // an RPPS as people write it, without its type digit
			ranges = append(ranges, prefixed(ByIdNat, "8"+id))
		}
		return ranges
	}
	name := Fold(text)
	if name == "" {
		return nil
	}
	return []Range{prefixed(ByName, name), prefixed(ByGiven, name)}
}

// prefixed is the range of what begins with prefix. Keys are of visible ASCII
// and spaces, so '\x7f' comes after all that may follow.
func prefixed(by Index, prefix string) Range {
	return Range{By: by, From: prefix, To: prefix + "\x7f"}
}

// Staff lists those who hold a role here, in the order of their names.
func (r *Registry) Staff(ctx context.Context) ([]identity.Professional, error) {
	return r.records.Staff(ctx)
}

// roles are those that may be given.
func roles() []identity.Role {
	return []identity.Role{identity.RoleOperator, identity.RoleApprover, identity.RoleAuditor, identity.RoleAdmin}
}

// Grant gives a role, by the policy's rule: nil is done, an Approval is the
// request that waits for another person. The console grants alone, and to
// somebody not known yet: the first administrator.
func (r *Registry) Grant(ctx context.Context, act Act, subject identity.PSIdNat, role identity.Role) (*Approval, error) {
	if !slices.Contains(roles(), role) {
		return nil, &Refusal{Reason: ReasonRoleUnknown, Detail: string(role)}
	}
	return r.undertake(ctx, act, Approval{Deed: DeedGrant, Subject: subject, Role: role})
}

// Withdraw takes a role away, at once: that needs one pair of eyes. Requests for it
// are closed. The last administrator's is left, but to the console. A machine client,
// which proves no PIN, takes neither an administrator's nor an approver's: whoever
// has its secret could leave the desk without those who decide.
func (r *Registry) Withdraw(ctx context.Context, act Act, subject identity.PSIdNat, role identity.Role) error {
	if !slices.Contains(roles(), role) {
		return &Refusal{Reason: ReasonRoleUnknown, Detail: string(role)}
	}
	return r.records.Change(ctx, func(u Unit) error {
		if err := r.may(ctx, u, act, rightGrant); err != nil {
			return err
		}
		if act.Client != "" && (role == identity.RoleAdmin || role == identity.RoleApprover) {
			return &Refusal{Reason: ReasonRolePerson, Holder: subject, Detail: string(role)}
		}
		p, err := u.Professional(ctx, subject)
		if err != nil {
			return unknownPerson(subject, err)
		}
		if act.Client == "" || p.HasRole(role) { // what people ask for is no program's to close
			request := Approval{Deed: DeedGrant, Subject: subject, Role: role}
			if err := r.closeLike(ctx, u, request, act.Actor(), reasonWithdrawn); err != nil {
				return err
			}
		}
		e := r.event(act, audit.KindRoleWithdraw)
		e.Subject, e.Detail = subject, string(role)
		if !p.HasRole(role) {
			e.Detail += ", not held"
			return r.record(ctx, u, e)
		}
		if role == identity.RoleAdmin && !act.Console {
			if err := anotherAdmin(ctx, u, subject); err != nil {
				return err
			}
		}
		p.Roles = slices.DeleteFunc(slices.Clone(p.Roles), func(has identity.Role) bool { return has == role })
		if err := u.SaveProfessional(ctx, p); err != nil {
			return err
		}
		return r.record(ctx, u, e)
	})
}

func anotherAdmin(ctx context.Context, u Unit, but identity.PSIdNat) error {
	staff, err := u.Staff(ctx)
	if err != nil {
		return err
	}
	for _, p := range staff {
		if p.IdNat != but && p.HasRole(identity.RoleAdmin) {
			return nil
		}
	}
	return &Refusal{Reason: ReasonLastAdmin, Holder: but}
}

// grant is the deed itself.
func (r *Registry) grant(ctx context.Context, u Unit, a Approval) error {
	p, err := u.Professional(ctx, a.Subject)
	if errors.Is(err, ErrNotFound) && a.By == (Act{Console: true}).Actor() {
		p, err = newPerson(a.Subject)
	}
	if err != nil {
		return unknownPerson(a.Subject, err)
	}
	if !p.HasRole(a.Role) {
		p.Roles = append(slices.Clone(p.Roles), a.Role)
	}
	return u.SaveProfessional(ctx, p)
}

// newPerson is somebody of whom only the identifier is known; the card's first
// use says the name.
func newPerson(id identity.PSIdNat) (identity.Professional, error) {
	if err := id.Check(); err != nil {
		return identity.Professional{}, fmt.Errorf("PS_IdNat %q: %w", id, err)
	}
	p := identity.Professional{IdNat: id, UserHandle: make([]byte, userHandleBytes)}
	rand.Read(p.UserHandle) // never fails since Go 1.24
	return p, nil
}

func unknownPerson(id identity.PSIdNat, err error) error {
	if errors.Is(err, ErrNotFound) {
		return &Refusal{Reason: ReasonPersonUnknown, Holder: id, Err: err}
	}
	return err
}
