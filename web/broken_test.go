package web_test

import (
	"context"
	"io"
	"net/http"
	"testing"

	"cpsgate/audit"
	"cpsgate/identity"
	"cpsgate/web"
)

// tearing is a trail that can be read to its first page only.
type tearing struct{ audit.Trail }

func (t tearing) Search(ctx context.Context, q audit.Query) (audit.Page, error) {
	if q.After != "" {
		return audit.Page{}, errDisk
	}
	return t.Trail.Search(ctx, q)
}

// TestAnExportThatFailsBreaksOff: half a file never looks like a whole one.
func TestAnExportThatFailsBreaksOff(t *testing.T) {
	h := newHouse(t, plan{options: func(o *web.Options) { o.Trail = tearing{o.Trail} }})
	auditor, _ := h.staff(identity.RoleAuditor)
	for range 600 { // more than a page
		must(t, audit.New(h.store, audit.Options{}).Record(t.Context(), &audit.Event{Kind: audit.KindLogout, Outcome: audit.Done}))
	}
	r, err := http.NewRequest(http.MethodGet, mainOrigin+"/audit/export", nil)
	must(t, err)
	response, err := auditor.client.Do(r)
	must(t, err)
	defer response.Body.Close()
	if text, err := io.ReadAll(response.Body); err == nil || response.StatusCode != http.StatusOK {
		t.Errorf("%d, %d bytes that look whole", response.StatusCode, len(text))
	}
}
