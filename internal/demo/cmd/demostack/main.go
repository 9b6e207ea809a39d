// Command demostack is the demonstration stack's own programs in one binary;
// compose.yaml runs each in a container of its own.
//
// Exit codes: 0 done, 1 failed, 2 unusable flags.
package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"cpsgate/internal/demo"
)

type commands struct {
	Make    makeCommand    `cmd:"" help:"Make secrets, certificates and sample cards, where they are not there yet."`
	PKI     pkiCommand     `cmd:"" name:"pki" help:"Serve CRLs, OCSP and the directory."`
	Start   startCommand   `cmd:"" help:"Serve the page that says what to click."`
	Headers headersCommand `cmd:"" help:"Be application 1, behind a proxy."`
	Client  clientCommand  `cmd:"" help:"Be application 2, an OpenID client."`
	Health  healthCommand  `cmd:"" help:"Exit 0 if an address answers 200."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (code int) {
	var cli commands
	exited := false
	parser, err := kong.New(&cli, kong.Name("demostack"), kong.Description("The demonstration stack's own programs."),
		kong.Writers(stdout, stderr), kong.BindTo(ctx, (*context.Context)(nil)), kong.BindTo(stdout, (*io.Writer)(nil)),
		kong.Exit(func(c int) { exited, code = true, c })) // --help
	if err != nil {
		fmt.Fprintln(stderr, "demostack:", err)
		return 2
	}
	selected, err := parser.Parse(args)
	if exited {
		return code
	}
	if err != nil {
		fmt.Fprintln(stderr, "demostack:", err)
		return 2
	}
	if err := selected.Run(); err != nil {
		fmt.Fprintln(stderr, "demostack:", err)
		return 1
	}
	return 0
}

type makeCommand struct {
	In     string   `required:"" placeholder:"DIR" help:"Folder of the places: server, edge, redis, client, desk, public."`
	Config string   `required:"" placeholder:"FILE" help:"The server's configuration: put into its place at each start."`
	SignOn string   `required:"" placeholder:"HOST" help:"The main host."`
	Card   string   `required:"" placeholder:"HOST" help:"The card host."`
	Edge   []string `required:"" placeholder:"HOST" help:"What the proxy serves by itself."`
}

func (c makeCommand) Run(out io.Writer) error {
	places := demo.PlacesIn(c.In)
	made, err := places.Make(demo.Names{SignOn: c.SignOn, Card: c.Card, Edge: c.Edge}, time.Now)
	if err == nil {
		err = places.Configure(c.Config)
	}
	switch {
	case err != nil:
		return err
	case made:
		fmt.Fprintln(out, "made: secrets, certificates, sample cards")
	default:
		fmt.Fprintln(out, "all there from before")
	}
	return nil
}

type pkiCommand struct {
	Public    string `required:"" placeholder:"DIR" help:"The public place."`
	Listen    string `default:":8080" help:"HTTP."`
	Directory string `default:":3890" help:"LDAP."`
}

func (c pkiCommand) Run(ctx context.Context) error {
	authorities, err := demo.OpenAuthorities(c.Public)
	if err != nil {
		return err
	}
	web, err := listen(ctx, c.Listen)
	if err != nil {
		return err
	}
	directory, err := listen(ctx, c.Directory)
	if err != nil {
		return err
	}
	return authorities.Serve(ctx, web, directory)
}

type startCommand struct {
	Public       string `required:"" placeholder:"DIR" help:"The public place."`
	Listen       string `default:":8080"`
	At           string `required:"" placeholder:"URL" help:"Where browsers find this page."`
	SignOn       string `required:"" placeholder:"URL" help:"The main host."`
	Application1 string `required:"" name:"application-1" placeholder:"URL"`
	Application2 string `required:"" name:"application-2" placeholder:"URL"`
}

func (c startCommand) Run(ctx context.Context) error {
	page, err := demo.StartStack(c.Public, demo.Addresses{Start: c.At, SignOn: c.SignOn, Applications: [2]string{c.Application1, c.Application2}})
	if err != nil {
		return err
	}
	return serve(ctx, c.Listen, page)
}

type headersCommand struct {
	Listen string `default:":8080"`
}

func (c headersCommand) Run(ctx context.Context) error { return serve(ctx, c.Listen, demo.Headers()) }

type clientCommand struct {
	Listen     string `default:":8080"`
	Issuer     string `required:"" placeholder:"URL"`
	Origin     string `required:"" placeholder:"URL" help:"Of this application."`
	ClientID   string `required:"" name:"client-id"`
	SecretFile string `required:"" placeholder:"FILE"`
	Root       string `required:"" placeholder:"FILE" help:"PEM of the authority of the issuer's server certificate."`
}

func (c clientCommand) Run(ctx context.Context) error {
	secret, err := os.ReadFile(c.SecretFile)
	if err != nil {
		return err
	}
	root, err := os.ReadFile(c.Root)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(root) {
		return fmt.Errorf("%s: no PEM certificate", c.Root)
	}
	client, err := demo.NewClient(demo.ClientOptions{
		Issuer: c.Issuer, Origin: c.Origin, ID: c.ClientID, Secret: strings.TrimSpace(string(secret)), Roots: roots,
	})
	if err != nil {
		return err
	}
	return serve(ctx, c.Listen, client.Handler())
}

type healthCommand struct {
	URL string `arg:"" help:"What to ask."`
}

// Run asks once.
func (c healthCommand) Run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

func serve(ctx context.Context, address string, h http.Handler) error {
	l, err := listen(ctx, address)
	if err != nil {
		return err
	}
	return demo.Serve(ctx, l, h)
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err == nil {
		slog.Info("listening", "address", l.Addr().String())
	}
	return l, err
}
