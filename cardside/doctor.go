package cardside

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"cpsgate/cardside/ctap2"
	"cpsgate/cardside/libfido2"
	"cpsgate/cardside/pcsc"
	"cpsgate/cardside/pkcs11"
)

// CheckName names a line of the doctor's.
type CheckName string

// The checks, in the order they are made.
const (
	CheckBuild       CheckName = "build"
	CheckService     CheckName = "service"
	CheckReaders     CheckName = "readers"
	CheckCard        CheckName = "card"
	CheckApplication CheckName = "application"
	CheckPIN         CheckName = "pin"
	CheckModule      CheckName = "pkcs11"
	CheckServer      CheckName = "server"
	CheckClock       CheckName = "clock"
)

// CheckNames lists the checks.
func CheckNames() []CheckName {
	return []CheckName{CheckBuild, CheckService, CheckReaders, CheckCard, CheckApplication, CheckPIN, CheckModule, CheckServer, CheckClock}
}

// CheckState is how a check came out.
type CheckState string

// The states.
const (
	CheckOK      CheckState = "ok"
	CheckWarning CheckState = "warning" // it works, and will not for long or not wholly
	CheckFailed  CheckState = "failed"
	CheckSkipped CheckState = "skipped" // nothing to look at, or what it needs failed
)

// Check is a line of the doctor's.
type Check struct {
	Name  CheckName
	State CheckState
	Found string // what was seen, in the words of the machine
	Err   error  // of a warning or a failure; Explain says it in words
}

// Errors that only the doctor meets.
var (
	ErrPartial  = errors.New("a part of this program is missing")
	ErrFewTries = errors.New("few PIN tries are left")
	ErrExpired  = errors.New("the card's certificate has expired")
	ErrClock    = errors.New("this workstation's clock is wrong")
)

// Examination says what the doctor looks at.
type Examination struct {
	Choice Choice
	Module string // PKCS#11; "": the Cryptolib's
	Server string // "https://sso.hospital.example"; "": none
	// Language is that of what was found.
	Language Language
	Now      func() time.Time
	// Trust verifies the server; nil: the system's roots.
	Trust *x509.CertPool
}

// doctor carries what one check finds to the next.
type doctor struct {
	Examination
	emit    func(Check)
	session *pcsc.Context
	card    *Card
	info    ctap2.Info
}

// Diagnose makes every check, tells emit of each as it is made, and reports
// whether nothing failed.
func Diagnose(ctx context.Context, e Examination, emit func(Check)) bool {
	healthy := true
	d := &doctor{Examination: e}
	d.emit = func(c Check) {
		healthy = healthy && c.State != CheckFailed
		emit(c)
	}
	defer d.close()
	d.build()
	if d.service(ctx) && d.readers(ctx) && d.openCard(ctx) && d.application(ctx) {
		d.pin(ctx)
	}
	d.module()
	d.server(ctx)
	return healthy
}

func (d *doctor) close() {
	if d.card != nil {
		d.card.Close()
	}
	if d.session != nil {
		d.session.Close()
	}
}

// verdict emits a check and reports whether the next ones can be made; those
// named, that cannot, are skipped.
func (d *doctor) verdict(name CheckName, found string, err error, skip ...CheckName) bool {
	if err == nil {
		d.emit(Check{Name: name, State: CheckOK, Found: found})
		return true
	}
	d.emit(Check{Name: name, State: CheckFailed, Found: found, Err: err})
	for _, next := range skip {
		d.emit(Check{Name: next, State: CheckSkipped})
	}
	return false
}

func (d *doctor) build() {
	var has, lacks []string
	for _, part := range []struct {
		name string
		is   bool
	}{{"PC/SC", pcsc.Available}, {"libfido2", libfido2.Available}, {"PKCS#11", pkcs11.Available}} {
		if part.is {
			has = append(has, part.name)
		} else {
			lacks = append(lacks, part.name)
		}
	}
	check := Check{Name: CheckBuild, State: CheckOK, Found: strings.Join(has, ", ")}
	if len(lacks) > 0 {
		check.State, check.Err = CheckWarning, fmt.Errorf("%w: %s", ErrPartial, strings.Join(lacks, ", "))
	}
	d.emit(check)
}

func (d *doctor) service(ctx context.Context) bool {
	var err error
	d.session, err = pcsc.Establish(ctx)
	return d.verdict(CheckService, "", err, CheckReaders, CheckCard, CheckApplication, CheckPIN)
}

func (d *doctor) readers(ctx context.Context) bool {
	readers, err := d.session.Readers(ctx)
	if err == nil && len(readers) == 0 {
		err = &pcsc.Error{Op: "listing readers", Kind: pcsc.ErrNoReader}
	}
	return d.verdict(CheckReaders, strings.Join(readers, ", "), err, CheckCard, CheckApplication, CheckPIN)
}

func (d *doctor) openCard(ctx context.Context) bool {
	var err error
	if d.card, err = Open(ctx, d.Choice); err != nil {
		return d.verdict(CheckCard, "", err, CheckApplication, CheckPIN)
	}
	found := d.Choice.Key
	if link := d.card.Link(ctx); link != nil {
		model := strings.ToUpper(string(d.card.Generation))
		if d.card.Generation == Unknown {
			model = d.Language.pick("modèle inconnu", "unknown model")
		}
		found = fmt.Sprintf("%s, %s, %s, ATR %X", d.card.Reader, model, link.Protocol, d.card.ATR)
	}
	return d.verdict(CheckCard, found, nil)
}

func (d *doctor) application(ctx context.Context) bool {
	var err error
	d.info, err = d.card.Info(ctx)
	found := ""
	if len(d.info.Versions) > 0 {
		found = fmt.Sprintf("%s, AAGUID %s", strings.Join(d.info.Versions, " "), d.info.AAGUID)
	}
	return d.verdict(CheckApplication, found, err, CheckPIN)
}

func (d *doctor) pin(ctx context.Context) {
	if !d.info.HasPIN() {
		d.emit(Check{Name: CheckPIN, State: CheckOK, Found: d.Language.pick("vierge", "blank")})
		return
	}
	retries, err := d.card.Retries(ctx)
	if err == nil {
		err = retries.Allow(false)
	}
	if err == nil && retries.Left <= ctap2.WarnTries {
		d.emit(Check{Name: CheckPIN, State: CheckWarning, Found: d.tries(retries), Err: ErrFewTries})
		return
	}
	d.verdict(CheckPIN, d.tries(retries), err)
}

func (d *doctor) tries(r ctap2.Retries) string {
	return fmt.Sprintf(d.Language.pick("en place, il reste %s", "set, %s left"), Tries(r.Left, d.Language))
}

// module reads the authentication certificate through PKCS#11, which needs no
// PIN.
func (d *doctor) module() {
	module, err := pkcs11.Open(d.Module)
	if errors.Is(err, pkcs11.ErrNotBuilt) {
		d.emit(Check{Name: CheckModule, State: CheckSkipped})
		return
	}
	if err != nil {
		d.verdict(CheckModule, "", err)
		return
	}
	defer module.Close()
	now := d.Now()
	key, err := module.Authentication(pkcs11.Choice{Now: now})
	if err != nil {
		d.verdict(CheckModule, "", err)
		return
	}
	defer key.Close()
	found := fmt.Sprintf("%s, %s, %s", key.Token.Label, key.Profile.TokenID, key.Certificate.NotAfter.Format(time.DateOnly))
	if now.After(key.Certificate.NotAfter) {
		err = ErrExpired
	}
	d.verdict(CheckModule, found, err)
}

// serverLimit bounds the visit to the server.
const serverLimit = 10 * time.Second

// skewLimit is how far the clocks may differ: codes and challenges live a
// minute.
const skewLimit = 30 * time.Second

func (d *doctor) server(ctx context.Context) {
	if d.Server == "" {
		d.emit(Check{Name: CheckServer, State: CheckSkipped})
		d.emit(Check{Name: CheckClock, State: CheckSkipped})
		return
	}
	date, status, err := d.visit(ctx)
	if !d.verdict(CheckServer, status, err, CheckClock) {
		return
	}
	skew := d.Now().Sub(date).Round(time.Second)
	found := fmt.Sprintf("%+v", skew)
	if skew.Abs() > skewLimit {
		d.verdict(CheckClock, found, ErrClock)
		return
	}
	d.verdict(CheckClock, found, nil)
}

// visit asks the server for its first page and reads its clock.
func (d *doctor) visit(ctx context.Context) (date time.Time, status string, err error) {
	ctx, cancel := context.WithTimeout(ctx, serverLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, d.Server, nil)
	if err != nil || request.URL.Scheme != "https" {
		return time.Time{}, "", fmt.Errorf("%w: %q is no https address", ErrServer, d.Server)
	}
	client := &http.Client{
		Transport:     Transport(d.Trust),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return time.Time{}, "", Unreached(err)
	}
	response.Body.Close()
	if date, err = http.ParseTime(response.Header.Get("Date")); err != nil {
		return time.Time{}, response.Status, fmt.Errorf("%w: it does not tell the time: %w", ErrServer, err)
	}
	if response.StatusCode >= http.StatusInternalServerError {
		return date, response.Status, fmt.Errorf("%w: it answers %s", ErrServer, response.Status)
	}
	return date, response.Status, nil
}
