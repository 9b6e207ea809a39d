package e2e

import (
	"sync"
	"testing"

	"cpsgate/internal/chromium"
	"cpsgate/internal/testpki"
	"cpsgate/internal/virtualcard"
)

// falls kills the server outright, and starts it again on the same data.
func (h *hospital) falls() {
	h.t.Helper()
	if err := h.serve.Process.Kill(); err != nil {
		h.t.Error(err)
	}
	_ = h.serve.Wait() // it says that it was killed
	h.start()
}

// TestServerFallsWhileTheCardWorks: the sitting goes on where it was, and so does
// the desk's page.
func TestServerFallsWhileTheCardWorks(t *testing.T) {
	chromium.Need(t)
	h := openHospital(t, nil)
	s := h.openDesk()
	for _, at := range []struct {
		name    string
		command byte // CTAP 2.1 §6
	}{{"making the passkey", 0x01}, {"proving it", 0x02}} {
		t.Run(at.name, func(t *testing.T) {
			h.t = t
			var once sync.Once
			fell := false
			p := h.comes(testpki.CardSpec{FamilyName: "EXEMPLE", GivenName: "Camille", Profession: 10}, virtualcard.Options{
				Interrupt: func(message []byte, acted bool) error {
					if message[0] == at.command && acted {
						once.Do(func() { h.falls(); fell = true })
					}
					return nil
				},
			})
			s.enrols(p)
			if !fell {
				t.Error("the server did not fall")
			}
			s.operator.Press(chromium.KeyEnter) // the next ticket
		})
	}
	h.cpsgate("audit", "verify", "--data", h.path("data"))
}
