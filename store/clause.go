package store

import (
	"fmt"
	"strconv"
	"strings"

	"cpsgate/enroll"
)

// clause gathers the conditions of a query. A "?" in one becomes the next
// numbered parameter, as PostgreSQL and SQLite both read.
type clause struct {
	conditions []string
	args       []any
}

func (c *clause) and(condition string, args ...any) {
	c.conditions = append(c.conditions, c.numbered(condition, args...))
}

func (c *clause) numbered(text string, args ...any) string {
	var b strings.Builder
	for _, a := range args {
		before, after, _ := strings.Cut(text, "?")
		c.args = append(c.args, a)
		b.WriteString(before)
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(len(c.args)))
		text = after
	}
	b.WriteString(text)
	return b.String()
}

func (c *clause) where() string {
	if len(c.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.conditions, " AND ")
}

func (c *clause) limit(n int) string { return c.numbered(" LIMIT ?", n) }

// in asks that a column be one of some words.
func in[T ~string](c *clause, column string, words []T) {
	marks, args := make([]string, len(words)), make([]any, len(words))
	for i, w := range words {
		marks[i], args[i] = "?", string(w)
	}
	c.and(column+" IN ("+strings.Join(marks, ", ")+")", args...)
}

// pieces asks for the rows that hold one of several conditions besides those
// gathered, and come first in the order: each condition gives no more than the
// page, from an index of its own, so that nothing long is ever sorted.
func (c *clause) pieces(table, id string, parts []string, order string, most int) string {
	limit := c.limit(most)
	for i, part := range parts {
		all := strings.Join(append([]string{part}, c.conditions...), " AND ")
		parts[i] = fmt.Sprintf("SELECT %s FROM (SELECT %s FROM %s WHERE %s%s%s) AS piece%d", id, id, table, all, order, limit, i)
	}
	return id + " IN (" + strings.Join(parts, " UNION ") + ")"
}

// inStates is the WHERE of a list of which some states are asked for.
func inStates[T ~string](c *clause, table string, states []T, order string, most int) string {
	if len(states) < 2 {
		if len(states) == 1 {
			c.and("state = ?", string(states[0]))
		}
		return c.where()
	}
	var parts []string
	for _, s := range states {
		parts = append(parts, c.numbered("state = ?", string(s)))
	}
	return " WHERE " + c.pieces(table, "id", parts, order, most)
}

// place is the cursor of a list ordered by a time and an id.
func place(at int64, id string) string { return fmt.Sprintf("%d.%s", at, id) }

// latestFirst begins the query for what comes after a place, going backwards.
func latestFirst(after, timeColumn, idColumn string) (clause, error) {
	var c clause
	if after == "" {
		return c, nil
	}
	number, id, found := strings.Cut(after, ".")
	var at int64
	if _, err := fmt.Sscanf(number, "%d", &at); err != nil || !found {
		return c, &enroll.Refusal{Reason: enroll.ReasonCursor, Err: err}
	}
	c.and("("+timeColumn+", "+idColumn+") < (?, ?)", at, id)
	return c, nil
}
