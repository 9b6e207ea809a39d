package sso

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Clients are the applications known here: those of the configuration, which
// stand first and are not changed here, and those of the shelf.
type Clients struct {
	o     ClientsOptions
	files map[string]*Client
}

// ClientsOptions of Clients; Shelf and Tell are needed.
type ClientsOptions struct {
	Shelf ClientShelf
	Files []Client // configured by file

	// Tell records what was changed, before it is.
	Tell Tell
}

// Errors of changing clients. Callers compare with errors.Is.
var (
	ErrClientExists  = errors.New("a client of this id is there already")
	ErrClientUnknown = errors.New("no client of this id")
	ErrClientOfFile  = errors.New("this client is of the configuration file: change it there")
	ErrNoSecret      = errors.New("this client proves itself without a secret")
)

// NewClients checks the clients of the file.
func NewClients(o ClientsOptions) (*Clients, error) {
	c := &Clients{o: o, files: map[string]*Client{}}
	for _, client := range o.Files {
		if err := client.Complete(); err != nil {
			return nil, err
		}
		if c.files[client.ID] != nil {
			return nil, fmt.Errorf("%w %q: stands twice", ErrClient, client.ID)
		}
		c.files[client.ID] = &client
	}
	return c, nil
}

// Find finds a client by its id; ErrClientUnknown.
func (c *Clients) Find(ctx context.Context, id string) (*Client, error) {
	if client := c.files[id]; client != nil {
		return client, nil
	}
	kept, err := c.o.Shelf.SSOClients(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading clients: %w", err)
	}
	for _, record := range kept {
		if record.ID == id && id != "" {
			return readClient(record)
		}
	}
	return nil, ErrClientUnknown
}

// listening tells which clients want to be told of ended sessions. One whose
// record cannot be read does: what it wants is found when it is told.
func (c *Clients) listening(ctx context.Context) (func(id string) bool, error) {
	kept, err := c.o.Shelf.SSOClients(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading clients: %w", err)
	}
	want := map[string]bool{}
	for _, record := range kept {
		client, err := readClient(record)
		want[record.ID] = err != nil || client.BackChannelLogout != ""
	}
	for id, client := range c.files {
		want[id] = client.BackChannelLogout != ""
	}
	return func(id string) bool { return want[id] }, nil
}

func readClient(record ClientRecord) (*Client, error) {
	c := new(Client)
	if err := json.Unmarshal(record.Record, c); err != nil || c.ID != record.ID {
		return nil, fmt.Errorf("client %q: its record cannot be read", record.ID)
	}
	return c, nil
}

// OfFile tells whether a client is of the configuration.
func (c *Clients) OfFile(id string) bool { return c.files[id] != nil }

// All lists the clients by id.
func (c *Clients) All(ctx context.Context) ([]*Client, error) {
	kept, err := c.o.Shelf.SSOClients(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading clients: %w", err)
	}
	var all []*Client
	for _, client := range c.files {
		all = append(all, client)
	}
	for _, record := range kept {
		client, err := readClient(record)
		if err != nil {
			return nil, err
		}
		if !c.OfFile(client.ID) {
			all = append(all, client)
		}
	}
	slices.SortFunc(all, func(a, b *Client) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}

// Add keeps a new client, and gives its secret where it has one: it is shown
// once and cannot be had again.
func (c *Clients) Add(ctx context.Context, client Client) (secret string, err error) {
	if client.Auth == "" || client.Auth == AuthSecretBasic || client.Auth == AuthSecretPost {
		secret, client.SecretHash = NewSecret()
	}
	if err := client.Complete(); err != nil {
		return "", err
	}
	switch _, err := c.Find(ctx, client.ID); {
	case err == nil:
		return "", fmt.Errorf("%w: %s", ErrClientExists, client.ID)
	case !errors.Is(err, ErrClientUnknown):
		return "", err
	}
	return secret, c.save(ctx, client, "added")
}

// RotateSecret gives a client another secret; the old one is dead at once.
func (c *Clients) RotateSecret(ctx context.Context, id string) (secret string, err error) {
	client, err := c.kept(ctx, id)
	if err != nil {
		return "", err
	}
	if client.SecretHash == "" {
		return "", ErrNoSecret
	}
	changed := *client
	secret, changed.SecretHash = NewSecret()
	return secret, c.save(ctx, changed, "secret-rotated")
}

// Remove forgets a client and all that it was granted.
func (c *Clients) Remove(ctx context.Context, id string) error {
	if _, err := c.kept(ctx, id); err != nil {
		return err
	}
	if _, err := c.o.Tell(ctx, Event{Kind: EventClient, Reason: "removed", Client: id}); err != nil {
		return err
	}
	if err := c.o.Shelf.RemoveSSOClient(ctx, id); err != nil {
		return fmt.Errorf("removing a client: %w", err)
	}
	return nil
}

// kept finds a client that may be changed here.
func (c *Clients) kept(ctx context.Context, id string) (*Client, error) {
	if c.OfFile(id) {
		return nil, ErrClientOfFile
	}
	return c.Find(ctx, id)
}

func (c *Clients) save(ctx context.Context, client Client, what string) error {
	record, err := json.Marshal(client)
	if err != nil {
		return err
	}
	e := Event{Kind: EventClient, Reason: what, Client: client.ID, Detail: strings.Join(client.RedirectURIs, " ")}
	if _, err := c.o.Tell(ctx, e); err != nil {
		return err
	}
	if err := c.o.Shelf.SaveSSOClient(ctx, ClientRecord{ID: client.ID, Record: record}); err != nil {
		return fmt.Errorf("keeping a client: %w", err)
	}
	return nil
}
