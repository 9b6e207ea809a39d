package web

import (
	"errors"
	"strconv"
	"strings"

	"cpsgate/audit"
	"cpsgate/enroll"
)

// importsView is the page of the forms.
type importsView struct {
	frame
	Latest []importRow
}

// importRow is an import in a list.
type importRow struct {
	ID, What, Name, By, At string
	State                  stateView
	Here                   bool
}

// importView is one import.
type importView struct {
	frame
	importRow
	Latest    []importRow
	Kind      string
	Say       string // what has happened, or is happening
	Why       string // why nothing was taken
	Running   bool
	Done, Of  int // rows
	Progress  importProgress
	Counts    []importNumber
	Rows      string
	MayApply  bool
	Faults    []faultView
	FaultHead string // what the rows listed are
	FaultSays string // how many they are, and what became of them
	More      string // of them that are not listed; "": none
	Page      string
	Pages     string
	Newer     string // where the pages before and after are
	Older     string
	FaultFile string
}

// importProgress is the rows dealt with of those there are, in words.
type importProgress struct{ Done, Of string }

// importNumber is one number of a report.
type importNumber struct {
	Label string
	N     string
}

// faultView is one row that is wrong.
type faultView struct {
	Line   int
	Reason string
}

// importStates are their words, and the look that they share with other states.
var importStates = map[importState]struct{ look, words, say string }{
	importChecking:  {"pending", "import.state.checking", "import.say.checking"},
	importGood:      {"pending", "import.state.good", "import.say.good"},
	importWrong:     {"revoked", "import.state.wrong", "import.say.wrong"},
	importApplying:  {"pending", "import.state.applying", "import.say.applying"},
	importDone:      {"active", "import.state.done", "import.say.done"},
	importCancelled: {"revoked", "import.state.cancelled", "import.say.cancelled"},
	importFailed:    {"revoked", "import.state.failed", "import.say.failed"},
}

// importPartly is what is said of a list some of whose rows were not understood.
var importPartly = map[importState]struct{ words, say string }{
	importGood:     {"import.state.partly-good", "import.say.partly-good"},
	importApplying: {"import.state.applying", "import.say.partly-applying"},
	importDone:     {"import.state.partly-done", "import.say.partly-done"},
}

// fieldWords are the columns' names, by those that they have in an export.
var fieldWords = map[string]string{
	"ps_idnat": "field.ps-idnat", "rpps": "field.rpps", "family_name": "field.family-name", "given_name": "field.given-name",
	"title": "field.title", "profession": "field.profession", "training": "field.training", "specialties": "field.specialties",
	"structure": "field.structure", "employer": "field.employer",
	"card number": "field.card-number", "holder": "field.holder", "opposition date": "field.opposition-date",
}

func (s *Server) importRow(j *importing, t *tongue) importRow {
	state, _ := t.importState(j.now())
	return importRow{ID: j.id, What: t.words[j.kind.words], Name: j.name, By: j.by, At: t.moment(j.at), State: state}
}

// importState is where an import stands, and what is said of that: nobody may
// take a list that was applied in part for a whole one.
func (t *tongue) importState(is importStanding) (stateView, string) {
	of := importStates[is.state]
	if partly, found := importPartly[is.state]; found && is.report.as == rowsSkipped && len(is.report.told) > 0 {
		of.look, of.words, of.say = "suspended", partly.words, partly.say
	}
	return stateView{of.look, t.words[of.words]}, t.words[of.say]
}

func (s *Server) importView(j *importing, t *tongue) importView {
	is := j.now()
	view := importView{
		importRow: s.importRow(j, t), Kind: j.kind.name, Running: is.state.running(), MayApply: is.state == importGood,
	}
	if _, view.Say = t.importState(is); is.state == importDone && j.kind.event == audit.KindOppositionImport && s.o.Registry.Untold() {
		view.Say += " " + t.words["desk.sessions-later"]
	}
	if view.Running {
		view.Of = max(j.rows, 1)
		view.Done = min(is.done, view.Of)
		view.Progress = importProgress{t.number(view.Done), t.number(j.rows)}
		return view
	}
	var refused *enroll.Refusal
	if errors.As(is.err, &refused) {
		if view.Why = s.reasonTitle(string(refused.Reason), t); refused.Row != nil {
			view.Why = t.words.fault(*refused.Row)
		}
	}
	if is.state == importGood || is.state == importDone {
		view.Counts = t.importNumbers(is.report)
	}
	view.Rows = t.number(is.report.rows)
	return view
}

func (t *tongue) importNumbers(r importReport) []importNumber {
	numbers := []importNumber{{t.words["import.rows"], t.number(r.rows)}}
	for _, c := range r.counts {
		numbers = append(numbers, importNumber{t.words[c.words], t.number(c.n)})
	}
	return numbers
}

// faultsShown is how many wrong rows a page lists.
const faultsShown = 50

// faultPage lists the rows told on one page.
func (v *importView) faultPage(r importReport, asked string, t *tongue) {
	all := len(r.told)
	if all == 0 {
		return
	}
	last := (all + faultsShown - 1) / faultsShown
	page, err := strconv.Atoi(asked)
	if err != nil || page < 1 || page > last {
		page = 1
	}
	for _, e := range r.told[(page-1)*faultsShown : min(page*faultsShown, all)] {
		v.Faults = append(v.Faults, faultView{e.Line, t.words.fault(e)})
	}
	here := pathImports + "/" + v.ID
	v.FaultFile, v.FaultHead = here+"/rows.csv", t.words[r.as.heading]
	v.FaultSays, _ = t.words.fill(r.as.says, map[string]string{"n": t.number(all + r.more), "rows": t.number(r.rows)}) // both are given
	v.Page, v.Pages = t.number(page), t.number(last)
	if r.more > 0 {
		v.More = t.number(r.more)
	}
	if page > 1 {
		v.Newer = here + "?page=" + strconv.Itoa(page-1)
	}
	if page < last {
		v.Older = here + "?page=" + strconv.Itoa(page+1)
	}
}

// fault says what is wrong with a row, in the words' language.
func (words catalogue) fault(e enroll.RowError) string {
	said, err := words.fill(faultKey(e.Fault), map[string]string{"field": words[fieldWords[e.Field]], "value": e.Value})
	if err != nil || said == "" {
		return e.Reason
	}
	return said
}

func faultKey(f enroll.Fault) string { return "fault." + string(f) }

// number groups digits as the language does.
func (t *tongue) number(n int) string {
	if t.tag == english {
		return strings.ReplaceAll(number(n), narrowNoBreak, ",")
	}
	return number(n)
}
