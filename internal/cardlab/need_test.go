package cardlab_test

import (
	"fmt"
	"testing"

	"cpsgate/internal/cardlab"
)

// witness is a test that notes how it was given up.
type witness struct {
	testing.TB
	skipped, failed string
}

func (*witness) Helper()                             {}
func (w *witness) Skip(args ...any)                  { w.skipped = fmt.Sprint(args...) }
func (w *witness) Fatalf(format string, args ...any) { w.failed = fmt.Sprintf(format, args...) }

func TestWhatIsMissingIsNamed(t *testing.T) {
	t.Setenv("CPSGATE_TEST_ALL", "")
	const missing = "Debian packages missing: apt-get install first-package second-package"
	w := &witness{TB: t}
	cardlab.NeedPrograms(w, "sh:dash", "no-such-program:first-package", "no-such-either:second-package")
	if w.skipped != missing || w.failed != "" {
		t.Errorf("skipped %q, failed %q", w.skipped, w.failed)
	}
	t.Setenv("CPSGATE_TEST_ALL", "1")
	w = &witness{TB: t}
	cardlab.NeedPrograms(w, "no-such-program:first-package", "no-such-either:second-package")
	if w.skipped != "" || w.failed != missing+" (CPSGATE_TEST_ALL=1 forbids skipping)" {
		t.Errorf("skipped %q, failed %q", w.skipped, w.failed)
	}
	w = &witness{TB: t}
	cardlab.NeedPrograms(w, "sh:dash")
	if w.skipped+w.failed != "" {
		t.Errorf("nothing is missing: skipped %q, failed %q", w.skipped, w.failed)
	}
}
