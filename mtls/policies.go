package mtls

import (
	"crypto/x509"
	"slices"
)

// anyPolicy is 2.5.29.32.0.
const anyPolicy = "2.5.29.32.0"

const policyClause = "RFC 5280 §6.1.3 (d) to (f), RFC 9618"

// policyNode is a node of the valid_policy_graph (RFC 9618 §5.2): one
// certificate's policy, the policies of the next one that continue it, and
// the nodes it continues itself.
type policyNode struct {
	policy   string
	expected []string
	parents  []*policyNode
}

// policyState is the state of RFC 5280 §6.1.2 that concerns policies. RFC 9618
// made of the tree a graph with at most one node a policy and depth, so that
// its size stays that of the certificates.
type policyState struct {
	layer          map[string]*policyNode // the graph's deepest level; nil: the graph is NULL
	explicitPolicy int
	inhibitAny     int
	mapping        int
}

// check runs the policy part of path validation with the user's inputs, which
// crypto/x509 takes only in part: its own run, with none of them, came before.
func (p CertificatePolicies) check(chain path) error {
	n := len(chain) - 1
	s := policyState{
		layer:          map[string]*policyNode{anyPolicy: {policy: anyPolicy, expected: []string{anyPolicy}}},
		explicitPolicy: n + 1, inhibitAny: n + 1, mapping: n + 1,
	}
	if len(p.Required) > 0 {
		s.explicitPolicy = 0
	}
	if p.InhibitAny {
		s.inhibitAny = 0
	}
	if p.InhibitMapping {
		s.mapping = 0
	}
	for i := n - 1; i >= 0; i-- {
		c := chain[i]
		s.descend(c, i == 0)
		if s.explicitPolicy == 0 && s.layer == nil {
			return pathFault(policyClause, "%s: no certificate policy holds for the path up to here, and one is required", nameOf(c))
		}
		if i == 0 {
			break
		}
		if !s.mapPolicies(c) {
			return pathFault("RFC 5280 §6.1.4 (a)", "%s: a policy mapping to or from anyPolicy", nameOf(c))
		}
		s.prepareNext(c)
	}
	return s.wrapUp(chain[0], slices.Concat(p.Required, p.Acceptable))
}

// descend is §6.1.3 (d), (e).
func (s *policyState) descend(c *x509.Certificate, last bool) {
	if len(c.Policies) == 0 || s.layer == nil {
		s.layer = nil
		return
	}
	next := map[string]*policyNode{}
	hasAny := false
	for _, oid := range c.Policies {
		policy := oid.String()
		if policy == anyPolicy {
			hasAny = true
			continue
		}
		// (d)(1): from the nodes that expect it, else from anyPolicy's.
		parents := s.expecting(policy)
		if len(parents) == 0 && s.layer[anyPolicy] != nil {
			parents = []*policyNode{s.layer[anyPolicy]}
		}
		if len(parents) > 0 {
			next[policy] = &policyNode{policy: policy, expected: []string{policy}, parents: parents}
		}
	}
	// (d)(2): anyPolicy continues whatever nothing else continued.
	if hasAny && (s.inhibitAny > 0 || !last && selfIssued(c)) {
		for _, parent := range s.layer {
			for _, policy := range parent.expected {
				switch node := next[policy]; {
				case node == nil:
					next[policy] = &policyNode{policy: policy, expected: []string{policy}, parents: []*policyNode{parent}}
				case !slices.ContainsFunc(c.Policies, func(o x509.OID) bool { return o.String() == policy }):
					node.parents = append(node.parents, parent)
				}
			}
		}
	}
	if s.layer = next; len(next) == 0 {
		s.layer = nil
	}
}

func (s *policyState) expecting(policy string) []*policyNode {
	var found []*policyNode
	for _, node := range s.layer {
		if slices.Contains(node.expected, policy) {
			found = append(found, node)
		}
	}
	return found
}

// mapPolicies is §6.1.4 (a), (b); false for a mapping with anyPolicy.
func (s *policyState) mapPolicies(c *x509.Certificate) bool {
	mappings := map[string][]string{}
	for _, m := range c.PolicyMappings {
		from, to := m.IssuerDomainPolicy.String(), m.SubjectDomainPolicy.String()
		if from == anyPolicy || to == anyPolicy {
			return false
		}
		mappings[from] = append(mappings[from], to)
	}
	for from, to := range mappings {
		node := s.layer[from]
		switch {
		case s.layer == nil:
		case s.mapping == 0:
			delete(s.layer, from)
		case node != nil:
			node.expected = to
		case s.layer[anyPolicy] != nil:
			s.layer[from] = &policyNode{policy: from, expected: to, parents: []*policyNode{s.layer[anyPolicy]}}
		}
	}
	if s.layer != nil && len(s.layer) == 0 {
		s.layer = nil
	}
	return true
}

// prepareNext is §6.1.4 (h) to (j).
func (s *policyState) prepareNext(c *x509.Certificate) {
	if !selfIssued(c) {
		s.explicitPolicy = max(s.explicitPolicy-1, 0)
		s.mapping = max(s.mapping-1, 0)
		s.inhibitAny = max(s.inhibitAny-1, 0)
	}
	lower := func(state *int, value int, zero bool) {
		if (value > 0 || zero) && value < *state {
			*state = value
		}
	}
	lower(&s.explicitPolicy, c.RequireExplicitPolicy, c.RequireExplicitPolicyZero)
	lower(&s.mapping, c.InhibitPolicyMapping, c.InhibitPolicyMappingZero)
	lower(&s.inhibitAny, c.InhibitAnyPolicy, c.InhibitAnyPolicyZero)
}

// wrapUp is §6.1.5 (a), (b), (g).
func (s *policyState) wrapUp(leaf *x509.Certificate, wanted []x509.OID) error {
	s.explicitPolicy = max(s.explicitPolicy-1, 0)
	if leaf.RequireExplicitPolicyZero {
		s.explicitPolicy = 0
	}
	if s.explicitPolicy > 0 || s.userConstrained(wanted) {
		return nil
	}
	return pathFault("RFC 5280 §6.1.5 (g), RFC 9618", "none of the certificate policies wanted holds for its path")
}

// userConstrained tells whether the user-constrained-policy-set is not empty.
// A policy counts by its name in the anchor's domain: the topmost node of it
// below anyPolicy (RFC 9618 §5.4).
func (s *policyState) userConstrained(wanted []x509.OID) bool {
	if s.layer == nil {
		return false
	}
	all := len(wanted) == 0 || slices.ContainsFunc(wanted, func(o x509.OID) bool { return o.String() == anyPolicy })
	if all || s.layer[anyPolicy] != nil {
		return true
	}
	seen := map[*policyNode]bool{}
	var visit func(*policyNode) bool
	visit = func(node *policyNode) bool {
		if seen[node] {
			return false
		}
		seen[node] = true
		for _, parent := range node.parents {
			if parent.policy == anyPolicy {
				if slices.ContainsFunc(wanted, func(o x509.OID) bool { return o.String() == node.policy }) {
					return true
				}
				continue
			}
			if visit(parent) {
				return true
			}
		}
		return false
	}
	for _, node := range s.layer {
		if visit(node) {
			return true
		}
	}
	return false
}
