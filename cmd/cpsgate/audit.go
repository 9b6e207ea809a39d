package main

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"cpsgate/audit"
	"cpsgate/store"
)

// auditCommand looks at the audit.
type auditCommand struct {
	Verify auditVerifyCommand `cmd:"" help:"Verify the audit chain: exit 0 intact, 1 broken (says where), 2 unusable."`
	Show   auditShowCommand   `cmd:"" help:"Show the event whose number a person read out."`
	Export auditExportCommand `cmd:"" help:"Write events as JSON Lines, as they are verified."`
	Prune  auditPruneCommand  `cmd:"" help:"Remove old events, leaving a signed checkpoint."`
}

// auditPlace says where the audit is kept.
type auditPlace struct {
	Data     string `help:"The server's data directory." type:"path" placeholder:"DIR" xor:"place" required:""`
	Database string `help:"A store's file, or a copy of one." type:"path" placeholder:"FILE" xor:"place" required:""`
}

// open opens the store to look at.
func (p auditPlace) open(env *environment) (*store.Store, error) {
	file := p.Database
	if file == "" {
		file = filepath.Join(p.Data, store.FileName)
	}
	return store.OpenReadOnly(env.ctx, file)
}

// auditVerifyCommand walks the whole chain; see package audit for what it can
// and cannot find.
type auditVerifyCommand struct {
	auditPlace
	Checkpoint []string `help:"A tail noted earlier outside, as printed by this command; may be repeated." placeholder:"SEQUENCE:HASH" sep:"none"`
	Signer     string   `help:"Fingerprint of the key that signs checkpoints where old events were pruned; with --data, that of its own key file." placeholder:"SHA256"`
	JSON       bool     `help:"Print the verdict as JSON."`
}

// Run verifies the chain and prints the verdict.
func (c auditVerifyCommand) Run(env *environment) error {
	checkpoints, err := parseCheckpoints(c.Checkpoint)
	if err != nil {
		return unusable(err)
	}
	report, err := c.verify(env, checkpoints)
	if err != nil {
		return unusable(err)
	}
	if err := c.print(env.stdout, report); err != nil {
		return err
	}
	if !report.Intact() {
		return refused()
	}
	return nil
}

func parseCheckpoints(texts []string) ([]audit.Tail, error) {
	var checkpoints []audit.Tail
	for _, text := range texts {
		tail, err := audit.ParseTail(text)
		if err != nil {
			return nil, fmt.Errorf("--checkpoint %q: %w", text, err)
		}
		checkpoints = append(checkpoints, tail)
	}
	return checkpoints, nil
}

func (c auditVerifyCommand) verify(env *environment, checkpoints []audit.Tail) (report audit.Report, err error) {
	s, err := c.open(env)
	if err != nil {
		return audit.Report{}, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	err = s.Chain(env.ctx, func(chain audit.Chain) error {
		signer, err := c.signer(chain.Signed)
		if err != nil {
			return err
		}
		report, err = audit.Verify(chain.Events, audit.Expected{
			End: &chain.Tail, Checkpoints: checkpoints, Signed: chain.Signed, Signer: signer,
		})
		return err
	})
	return report, err
}

// signer is the fingerprint that signed checkpoints must be of: the flag's, or
// that of the key in the data directory. A chain whose beginning was pruned
// cannot be judged without: who forges its beginning signs it too.
func (c auditVerifyCommand) signer(signed []audit.Checkpoint) (string, error) {
	if c.Signer != "" || len(signed) == 0 {
		return strings.ToLower(c.Signer), nil
	}
	said := audit.Fingerprint(signed[len(signed)-1].Key)
	if c.Data == "" {
		return "", fmt.Errorf("old events were pruned, and the checkpoint that stands for them is signed by %s: "+
			"if that is your key, say so with --signer", said)
	}
	key, err := audit.LoadKey(filepath.Join(c.Data, audit.KeyFileName))
	if err != nil {
		return "", fmt.Errorf("%w (or name the key's fingerprint with --signer)", err)
	}
	return audit.Fingerprint(key.Public().(ed25519.PublicKey)), nil //nolint:forcetypeassert // documented of ed25519
}

func (c auditVerifyCommand) print(w io.Writer, r audit.Report) error {
	if c.JSON {
		return json.NewEncoder(w).Encode(auditVerdict(r))
	}
	if r.Intact() {
		if r.Start.Sequence > 0 {
			fmt.Fprintf(w, "events up to %d were pruned; the checkpoint is signed by %s\n", r.Start.Sequence, r.Signer)
		}
		for _, noted := range r.Pruned {
			fmt.Fprintf(w, "event %d, which was noted, is pruned: nothing to compare with\n", noted.Sequence)
		}
		_, err := fmt.Fprintf(w, "intact: %d events\ncheckpoint to note elsewhere: %s\n", r.Events, r.Last)
		return err
	}
	fmt.Fprintf(w, "broken: %d events read\n", r.Events)
	for i := range r.Faults {
		fmt.Fprintln(w, r.Faults[i].Error())
	}
	if r.More > 0 {
		fmt.Fprintf(w, "and %d more\n", r.More)
	}
	return nil
}

// auditVerification is the verdict as JSON.
type auditVerification struct {
	Verdict string           `json:"verdict"` // intact or broken
	Events  uint64           `json:"events"`
	Tail    auditTailJSON    `json:"tail"`
	Start   *auditTailJSON   `json:"start,omitempty"`  // where pruning left the beginning
	Signer  string           `json:"signer,omitempty"` // of the checkpoint there
	Faults  []auditFaultJSON `json:"faults"`
	More    int              `json:"moreFaults,omitempty"`
}

type auditTailJSON struct {
	Sequence uint64 `json:"sequence"`
	Hash     string `json:"hash"`
}

type auditFaultJSON struct {
	Kind     audit.FaultKind `json:"kind"`
	Sequence uint64          `json:"sequence"`
	ID       string          `json:"id,omitempty"`
	Detail   string          `json:"detail"`
}

func auditVerdict(r audit.Report) auditVerification {
	v := auditVerification{
		Verdict: "intact", Events: r.Events, More: r.More, Faults: []auditFaultJSON{},
		Tail: auditTailJSON{r.Last.Sequence, hex.EncodeToString(r.Last.Hash[:])},
	}
	if r.Start.Sequence > 0 {
		v.Start, v.Signer = &auditTailJSON{r.Start.Sequence, hex.EncodeToString(r.Start.Hash[:])}, r.Signer
	}
	for _, f := range r.Faults {
		v.Verdict = "broken"
		v.Faults = append(v.Faults, auditFaultJSON(f))
	}
	return v
}
