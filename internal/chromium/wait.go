package chromium

import (
	"context"
	"errors"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience bounds each step in a tab, longPatience what a page is to show of
// itself.
const (
	patience     = 20 * time.Second
	longPatience = 2 * time.Minute
)

// glance is the pause between two looks at a page.
const glance = 30 * time.Millisecond

// changed tells that the page went away under a step, which may be tried again
// on the page that follows it: the protocol's "server error" about a node or a
// context that is no longer there, or a node that has no place yet.
func changed(err error) bool {
	const serverError = -32000
	var said *cdproto.Error
	return errors.As(err, &said) && said.Code == serverError || errors.Is(err, chromedp.ErrInvalidDimensions)
}

// again tries a step until no page goes away under it. Not for steps that may
// have had their effect by then.
func again(ctx context.Context, step func(context.Context) error) error {
	for {
		err := step(ctx)
		if !changed(err) || ctx.Err() != nil {
			return err
		}
		time.Sleep(glance)
	}
}

// Until looks at the page until a condition in JavaScript, which changes nothing
// in it, is true or a promise of that, on whichever page follows this one. What
// the condition asks of an element that is not there yet (a TypeError) is not so yet.
func (tab *Tab) Until(what, condition string) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, longPatience)
	defer cancel()
	look := chromedp.Evaluate[bool]( // between two pages there is no body
		"(async () => !!document.body && !!(await ("+condition+")))().catch(e => { if (e instanceof TypeError) return false; throw e })",
		func(p *runtime.EvaluateParams) { p.AwaitPromise = new(true) })
	for {
		var so bool
		err := again(ctx, func(ctx context.Context) (err error) { so, err = chromedp.Run(ctx, look); return err })
		if so {
			return
		}
		if err != nil {
			tab.t.Fatalf("%s: not so after %v: %v\npage: %s", what, longPatience, err, tab.tryText())
		}
		time.Sleep(glance)
	}
}

// Shows waits until the page's visible text has a part.
func (tab *Tab) Shows(text string) {
	tab.t.Helper()
	tab.Until(text, "document.body.innerText.includes("+quote(text)+")")
}

// Click clicks on the first element that the CSS selector matches. An element
// whose page went away before the click is looked for on the next page.
func (tab *Tab) Click(selector string) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	click := chromedp.Click(chromedp.CSS(selector))
	if err := again(ctx, func(ctx context.Context) error { return chromedp.Do(ctx, click) }); err != nil {
		tab.t.Fatalf("clicking %s: %v\npage: %s", selector, err, tab.tryText())
	}
}
