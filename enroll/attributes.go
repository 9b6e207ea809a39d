package enroll

import (
	"slices"
	"strconv"
	"strings"

	"cpsgate/identity"
)

// attribute is one thing known of a person, which a certificate may say and a
// file too.
type attribute struct {
	name identity.Attribute
	said func(identity.Professional) bool // false: it is empty, and nobody said it
	same func(a, b identity.Professional) bool
	take func(into *identity.Professional, from identity.Professional)
	text func(identity.Professional) string // as a file has it
}

// attributes are all of them, in the order of the columns of an export.
var attributes = []attribute{
	attributeOf(identity.AttributeFamilyName, func(p *identity.Professional) *string { return &p.FamilyName }, asText),
	attributeOf(identity.AttributeGivenName, func(p *identity.Professional) *string { return &p.GivenName }, asText),
	attributeOf(identity.AttributeTitle, func(p *identity.Professional) *string { return &p.Title }, asText),
	attributeOf(identity.AttributeProfession, func(p *identity.Professional) *identity.Profession { return &p.Profession }, asCode),
	always(attributeOf(identity.AttributeTraining, func(p *identity.Professional) *bool { return &p.Training }, strconv.FormatBool)),
	{
		name: identity.AttributeSpecialties,
		said: func(p identity.Professional) bool { return len(p.Specialties) > 0 },
		same: func(a, b identity.Professional) bool { return slices.Equal(a.Specialties, b.Specialties) },
		take: func(into *identity.Professional, from identity.Professional) { into.Specialties = from.Specialties },
		text: func(p identity.Professional) string { return strings.Join(p.Specialties, " ") },
	},
	attributeOf(identity.AttributeStructure, func(p *identity.Professional) *identity.StructureID { return &p.Structure }, asText),
	attributeOf(identity.AttributeEmployer, func(p *identity.Professional) *string { return &p.Employer }, asText),
}

// attributeOf is the attribute that is one field, empty at its zero value.
func attributeOf[T comparable](name identity.Attribute, field func(*identity.Professional) *T, text func(T) string) attribute {
	var none T
	return attribute{
		name: name,
		said: func(p identity.Professional) bool { return *field(&p) != none },
		same: func(a, b identity.Professional) bool { return *field(&a) == *field(&b) },
		take: func(into *identity.Professional, from identity.Professional) { *field(into) = *field(&from) },
		text: func(p identity.Professional) string { return text(*field(&p)) },
	}
}

// always is an attribute whose zero value says something too.
func always(a attribute) attribute {
	a.said = func(identity.Professional) bool { return true }
	return a
}

func asText[T ~string](s T) string { return string(s) }

func asCode(p identity.Profession) string {
	if p == 0 {
		return ""
	}
	return strconv.Itoa(int(p))
}

// certified is the person with what a certificate says now. What another said
// before and this one does not is gone; what a file said meanwhile stays.
func certified(known, says identity.Professional) identity.Professional {
	next := known
	next.Proved = nil
	for _, a := range attributes {
		said := a.said(says)
		if said || known.HasProved(a.name) {
			a.take(&next, says)
		}
		if said {
			next.Proved = append(next.Proved, a.name)
		}
	}
	return next
}
