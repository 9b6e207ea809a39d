package forwardauth

import (
	"container/list"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"cpsgate/identity"
	"cpsgate/sessions"
)

// The fields of an answer that lets a request go on. Proxies must take them
// from requests, under every spelling, before they add ours.
const (
	FieldUser        = "Remote-User"          // PS_IdNat
	FieldName        = "Remote-Name"          // given name, family name; UTF-8
	FieldGroups      = "Remote-Groups"        // comma-separated: roles, profession-<code>, specialty-<code>
	FieldMethod      = "X-Cpsgate-Method"     // cps or fido2
	FieldProof       = "X-Cpsgate-Proof"      // who vouched for the passkey
	FieldACR         = "X-Cpsgate-Acr"        // level, as OpenID Connect clients get it
	FieldAuthTime    = "X-Cpsgate-Auth-Time"  // of the last proof by PIN, Unix seconds
	FieldSession     = "X-Cpsgate-Session"    // handle, for logs; opens nothing
	FieldIdNat       = "X-Cpsgate-Id-Nat"     // PS_IdNat, as Remote-User
	FieldProfession  = "X-Cpsgate-Profession" // code of TRE_G15
	FieldSpecialties = "X-Cpsgate-Specialties"
	FieldStructure   = "X-Cpsgate-Structure"
	FieldToken       = "X-Cpsgate-Token" // all of this as a signed JWT
)

// Field is one field of an answer; Values has one element, or none for a field
// that has nothing to tell.
type Field struct {
	Name   string
	Values []string
}

// Pass is what an application may know of a request. It is shared: nobody
// changes it.
type Pass struct{ Fields []Field }

// kept is a pass with what it rests on; never changed.
type kept struct {
	token   string
	session sessions.Session
	person  *identity.Professional
	pass    *Pass
	until   time.Time // then the token is signed again
}

// good tells whether the pass still tells the truth of the session just read.
func (k *kept) good(s sessions.Session, p *identity.Professional, now time.Time) bool {
	return k != nil && k.person == p && now.Before(k.until) && sameProof(k.session, s)
}

// sameProof compares what a pass tells of a session.
func sameProof(a, b sessions.Session) bool {
	return a.ID == b.ID && a.Holder == b.Holder && a.Method == b.Method && a.State == b.State &&
		a.AuthenticatedAt.Equal(b.AuthenticatedAt) && a.CardTokenID == b.CardTokenID && a.InCard == b.InCard && a.Proof == b.Proof &&
		slices.Equal(a.PasskeyID, b.PasskeyID)
}

// pass makes one for a session just found.
func (g *Gate) pass(ctx context.Context, h *host, token string, s sessions.Session, person *identity.Professional) (*kept, error) {
	now, p := g.o.Now(), *person
	acr, amr := g.o.Context(s)
	c := claims{
		Issuer: g.o.SignOn, Audience: h.Origin, Subject: string(s.Holder), Session: s.ID,
		IssuedAt: now.Unix(), Expires: now.Add(g.o.TokenLife).Unix(), AuthTime: s.AuthenticatedAt.Unix(),
		ACR: acr, AMR: amr, Method: string(s.Method), Proof: string(s.Proof),
		Name: fullName(p), FamilyName: p.FamilyName, GivenName: p.GivenName, Groups: groupsOf(p),
		Specialties: p.Specialties, Structure: string(p.Structure),
	}
	if p.Profession != 0 {
		c.Profession = strconv.Itoa(int(p.Profession))
	}
	signed := ""
	if slices.Contains(h.told, FieldToken) {
		var err error
		if signed, err = g.o.Sign(ctx, c); err != nil {
			return nil, fmt.Errorf("signing a token: %w", err)
		}
	}
	return &kept{
		token: token, session: s, person: person, pass: &Pass{c.fields(signed, h.told)},
		until: now.Add(g.o.TokenLife / 5 * 4), // whoever gets it has a fifth of its life to read it
	}, nil
}

// claims are the signed token's (RFC 7519 §4.1, OpenID Connect Core §2 and §5.1).
type claims struct {
	Issuer   string   `json:"iss"`
	Audience string   `json:"aud"` // the application's origin
	Subject  string   `json:"sub"`
	Session  string   `json:"sid"`
	IssuedAt int64    `json:"iat"`
	Expires  int64    `json:"exp"`
	AuthTime int64    `json:"auth_time"`
	ACR      string   `json:"acr,omitempty"`
	AMR      []string `json:"amr,omitempty"`
	Method   string   `json:"cps_method"`
	Proof    string   `json:"cps_proof,omitempty"`

	Name        string   `json:"name,omitempty"`
	FamilyName  string   `json:"family_name,omitempty"`
	GivenName   string   `json:"given_name,omitempty"`
	Groups      []string `json:"groups,omitempty"`
	Profession  string   `json:"cps_profession,omitempty"`
	Specialties []string `json:"cps_specialties,omitempty"`
	Structure   string   `json:"cps_structure,omitempty"`
}

// fields tells the same by single fields of these names, in this order.
func (c claims) fields(signed string, told []string) []Field {
	all := map[string]string{
		FieldUser: c.Subject, FieldName: c.Name, FieldGroups: strings.Join(c.Groups, ","),
		FieldMethod: c.Method, FieldProof: c.Proof, FieldACR: c.ACR, FieldAuthTime: strconv.FormatInt(c.AuthTime, 10),
		FieldSession: c.Session, FieldIdNat: c.Subject,
		FieldProfession: c.Profession, FieldSpecialties: strings.Join(c.Specialties, ","), FieldStructure: c.Structure,
		FieldToken: signed,
	}
	fields, values := make([]Field, 0, len(told)), make([]string, len(told)) // one array for all values: many passes are kept
	for i, name := range told {
		if values[i] = printable(all[name]); values[i] != "" {
			fields = append(fields, Field{name, values[i : i+1 : i+1]})
		}
	}
	return fields
}

// DefaultFields are those that an application is told unless it names others:
// how someone signed in, a handle for its logs, and the token, which has all the
// rest. With Cache-Control they are eight, and Go's map of eight is much cheaper
// to fill, copy and sort than one of nine.
func DefaultFields() []string { return []string{FieldMethod, FieldACR, FieldSession, FieldToken} }

// FieldNames lists all fields that an answer may carry, in the order in which it
// does.
func FieldNames() []string {
	return []string{
		FieldUser, FieldName, FieldGroups, FieldMethod, FieldProof, FieldACR, FieldAuthTime, FieldSession, FieldIdNat,
		FieldProfession, FieldSpecialties, FieldStructure, FieldToken,
	}
}

// printable drops what would end a field or begin another (RFC 9110 §5.5).
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\ufffd' {
			return -1
		}
		return r
	}, s)
}

func fullName(p identity.Professional) string {
	return strings.TrimSpace(p.GivenName + " " + p.FamilyName)
}

// groupsOf names what an application may found rights on.
func groupsOf(p identity.Professional) []string {
	groups := make([]string, 0, len(p.Roles)+len(p.Specialties)+1)
	for _, r := range p.Roles {
		groups = append(groups, string(r))
	}
	if p.Profession != 0 {
		group := "profession-"
		if p.Training {
			group = "student-" // of the profession, and not yet of it
		}
		groups = append(groups, group+strconv.Itoa(int(p.Profession)))
	}
	for _, s := range p.Specialties {
		groups = append(groups, "specialty-"+s)
	}
	return groups
}

// maxPasses bounds how many are kept ready. The one used longest ago gives way.
const maxPasses = 50_000

// passKey is a cookie at its host.
type passKey struct {
	host   *host
	cookie string
}

// passes keeps those in use ready.
type passes struct {
	most int

	mu    sync.Mutex // guards the two below
	order *list.List // of *readied, the latest used first
	keys  map[passKey]*list.Element
}

type readied struct {
	key  passKey
	kept *kept
}

func newPasses() *passes {
	return &passes{most: maxPasses, order: list.New(), keys: map[passKey]*list.Element{}}
}

// get gives nil where there is none.
func (p *passes) get(h *host, cookie string) *kept {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, found := p.keys[passKey{h, cookie}]
	if !found {
		return nil
	}
	p.order.MoveToFront(e)
	return e.Value.(*readied).kept
}

func (p *passes) put(h *host, cookie string, k *kept) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := passKey{h, cookie}
	if e, found := p.keys[key]; found {
		e.Value.(*readied).kept = k
		return
	}
	for len(p.keys) >= p.most {
		last := p.order.Back()
		delete(p.keys, last.Value.(*readied).key)
		p.order.Remove(last)
	}
	p.keys[key] = p.order.PushFront(&readied{key, k})
}

func (p *passes) drop(h *host, cookie string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := passKey{h, cookie}
	if e, found := p.keys[key]; found {
		p.order.Remove(e)
		delete(p.keys, key)
	}
}
