package sessions_test

import (
	"testing"
	"time"

	"cpsgate/identity"
	"cpsgate/sessions"
)

func TestDemand(t *testing.T) {
	certificate := sessions.Session{Method: identity.MethodCPS, AuthenticatedAt: start}
	desk := sessions.Session{Method: identity.MethodFIDO2, Proof: identity.ProofDesk, AuthenticatedAt: start}
	sameCard := sessions.Session{Method: identity.MethodFIDO2, Proof: identity.ProofSameCard, AuthenticatedAt: start}
	tests := []struct {
		name   string
		demand sessions.Demand
		of     sessions.Session
		after  time.Duration
		want   bool
	}{
		{"nothing asked", sessions.Demand{}, desk, 9 * time.Hour, true},
		{"at the maximum age", sessions.Demand{MaxAge: time.Minute}, desk, time.Minute, true},
		{"past the maximum age", sessions.Demand{MaxAge: time.Minute}, desk, time.Minute + 1, false},
		{"authenticated since", sessions.Demand{Since: start}, desk, time.Hour, true},
		{"authenticated before", sessions.Demand{Since: start.Add(1)}, desk, time.Hour, false},
		{"by one of the methods", sessions.Demand{Methods: []identity.Method{identity.MethodCPS, identity.MethodFIDO2}}, desk, 0, true},
		{"by another method", sessions.Demand{Methods: []identity.Method{identity.MethodCPS}}, desk, 0, false},
		{"no method will do", sessions.Demand{Methods: []identity.Method{}}, certificate, 0, false},
		{"a proof that will do", sessions.Demand{Proofs: []identity.ProofKind{identity.ProofSameCard}}, sameCard, 0, true},
		{"a weaker proof", sessions.Demand{Proofs: []identity.ProofKind{identity.ProofSameCard}}, desk, 0, false},
		{"a certificate needs no proof", sessions.Demand{Proofs: []identity.ProofKind{identity.ProofSameCard}}, certificate, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.demand.Met(tt.of, start.Add(tt.after)); got != tt.want {
				t.Errorf("met: %t", got)
			}
		})
	}
}
