package chromium

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// axeRules are the tags of the rules applied: WCAG 2.0 to 2.2, A and AA, which
// RGAA 4.1 builds on, and axe's best practices.
const axeRules = `['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa','best-practice']`

// Axe is the source of axe-core: the file named by CPSGATE_AXE, or
// ../shared/tools/axe.min.js beside the source tree. It is empty where
// neither is there; Accessible then checks names and roles alone.
func Axe() string {
	file := os.Getenv("CPSGATE_AXE")
	if file == "" {
		_, here, _, _ := goruntime.Caller(0)
		file = filepath.Join(filepath.Dir(here), "..", "..", "..", "shared", "tools", "axe.min.js")
	}
	source, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return string(source)
}

// Accessible fails the test for each accessibility fault of the page as it
// stands: controls and images without a name in the browser's own
// accessibility tree and, where axe-core is at hand, axe's rules.
func (tab *Tab) Accessible() {
	tab.t.Helper()
	for _, fault := range append(tab.unnamed(), tab.axeViolations()...) {
		tab.t.Errorf("%s: %s", tab.URL(), fault)
	}
}

// unnamed lists controls, images and pages without an accessible name
// (WCAG 2.1 §4.1.2, §1.1.1, §2.4.2).
func (tab *Tab) unnamed() (faults []string) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	tree, err := chromedp.Call(ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	if err != nil {
		tab.t.Fatalf("reading the accessibility tree: %v", err)
	}
	for _, node := range tree.Nodes {
		if node.Ignored || node.Role == nil {
			continue
		}
		role := axText(node.Role)
		switch role {
		case "RootWebArea", "button", "link", "textbox", "checkbox", "radio", "combobox", "image", "heading":
			if strings.TrimSpace(axText(node.Name)) == "" {
				faults = append(faults, role+" without a name")
			}
		}
	}
	return faults
}

func axText(v *accessibility.Value) string {
	if v == nil {
		return ""
	}
	var s string
	_ = json.Unmarshal(v.Value, &s) // a value that is no string counts as none
	return s
}

// axeViolations runs axe-core in a world of its own, so that the page's CSP
// stands as it is.
func (tab *Tab) axeViolations() []string {
	tab.t.Helper()
	source := Axe()
	if source == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	frames, err := chromedp.Call(ctx, page.GetFrameTree, cdp.Empty{})
	if err != nil {
		tab.t.Fatalf("axe: %v", err)
	}
	world, err := chromedp.Call(ctx, page.CreateIsolatedWorld, page.CreateIsolatedWorldParams{FrameID: frames.FrameTree.Frame.ID})
	if err != nil {
		tab.t.Fatalf("axe: %v", err)
	}
	evaluate := func(script string) string {
		r, err := chromedp.Call(ctx, runtime.Evaluate, runtime.EvaluateParams{
			Expression: script, ContextID: world.ExecutionContextID, AwaitPromise: new(true), ReturnByValue: new(true),
		})
		if err != nil || r.ExceptionDetails != nil {
			tab.t.Fatalf("axe: %v %v", err, r)
		}
		var s string
		_ = json.Unmarshal(r.Result.Value, &s) // the source itself has no string value
		return s
	}
	evaluate(source)
	raw := evaluate(`axe.run(document, {runOnly: ` + axeRules + `}).then(r => JSON.stringify({
		rules: r.passes.length + r.violations.length,
		faults: r.violations.map(v => v.id + ": " + v.help + " " + v.nodes.map(n => n.html).join(" | "))}))`)
	var result struct {
		Rules  int
		Faults []string
	}
	if err := json.Unmarshal([]byte(raw), &result); err != nil || result.Rules == 0 {
		tab.t.Fatalf("axe judged nothing: %v %q", err, raw)
	}
	return result.Faults
}

func quote(s string) string {
	raw, _ := json.Marshal(s) // a string always marshals
	return string(raw)
}
