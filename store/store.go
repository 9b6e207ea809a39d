package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the database/sql driver "sqlite"

	"cpsgate/audit"
	"cpsgate/enroll"
)

// FileName is the store's file within a data directory.
const FileName = "cpsgate.db"

// busyTimeout is how long one waits for another process's write.
const busyTimeout = 5 * time.Second

//go:embed migrations/*.sql
var migrations embed.FS

// Errors of Open. Callers compare with errors.Is.
var (
	ErrPermissions = errors.New("others than its owner can reach the file: chmod 600")
	ErrNewer       = errors.New("made by a newer cpsgate")
	ErrNotAStore   = errors.New("not a cpsgate store")
)

// Store is an open store. It is safe for concurrent use.
type Store struct {
	reader // over readers

	writer  *sql.DB // one connection; nil when opened read-only
	readers *sql.DB
}

var (
	_ enroll.Records = (*Store)(nil)
	_ audit.Ledger   = (*Store)(nil)
)

// Open opens the store at path, makes it if it is not there, and brings its
// tables up to date.
func Open(ctx context.Context, path string) (*Store, error) {
	if err := private(path); err != nil {
		return nil, fmt.Errorf("opening store: %w", err)
	}
	writer, err := connect(path, 1, "_txlock=immediate", "_pragma=journal_mode(WAL)", "_pragma=synchronous(FULL)")
	if err != nil {
		return nil, fmt.Errorf("opening store %s: %w", path, err)
	}
	s := &Store{writer: writer}
	if err := s.start(ctx, path); err != nil {
		return nil, errors.Join(fmt.Errorf("opening store %s: %w", path, err), s.Close())
	}
	return s, nil
}

// OpenReadOnly opens an existing store to look at, in the version that this
// cpsgate writes. Everything that changes it fails. Where SQLite cannot make
// its companion files (an evidence copy on read-only media), a file that has
// none is read as one that nobody writes to.
func OpenReadOnly(ctx context.Context, path string) (*Store, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("opening store: %w", err)
	}
	_, noCompanion := os.Stat(path + "-wal")
	s, err := openToRead(ctx, path, "mode=ro")
	if err != nil && noCompanion != nil {
		if frozen, frozenErr := openToRead(ctx, path, "mode=ro", "immutable=1"); frozenErr == nil {
			return frozen, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening store %s: %w", path, err)
	}
	return s, nil
}

func openToRead(ctx context.Context, path string, parameters ...string) (*Store, error) {
	s := &Store{}
	err := s.openReaders(path, parameters...)
	if err == nil {
		err = s.checkVersion(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close closes the store; what was committed is kept.
func (s *Store) Close() error {
	var errs []error
	for _, db := range []*sql.DB{s.readers, s.writer} { // the writer last: it checkpoints the WAL
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

func (s *Store) start(ctx context.Context, path string) error {
	provider, err := migrator(s.writer)
	if err != nil {
		return err
	}
	current, newest, err := provider.GetVersions(ctx)
	if err != nil {
		return err
	}
	if current > newest {
		return fmt.Errorf("%w: version %d, this one knows %d", ErrNewer, current, newest)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrating: %w", err)
	}
	return s.openReaders(path)
}

func (s *Store) openReaders(path string, parameters ...string) error {
	readers, err := connect(path, 8, append(parameters, "_pragma=query_only(1)")...)
	if err != nil {
		return err
	}
	s.readers, s.reader = readers, reader{readers}
	return nil
}

// checkVersion refuses a file without our tables, or with others than ours.
func (s *Store) checkVersion(ctx context.Context) error {
	var current int64
	err := s.readers.QueryRowContext(ctx, `SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version`).Scan(&current)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotAStore, err)
	}
	provider, err := migrator(s.readers)
	if err != nil {
		return err
	}
	sources := provider.ListSources()
	if newest := sources[len(sources)-1].Version; current != newest {
		return fmt.Errorf("its version is %d, this cpsgate reads %d", current, newest)
	}
	return nil
}

func migrator(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithGoMigrations(backfill()))
}

// connect opens a pool of at most n connections to the file.
func connect(path string, n int, parameters ...string) (*sql.DB, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	dsn := "file:" + (&url.URL{Path: filepath.ToSlash(absolute)}).EscapedPath() +
		fmt.Sprintf("?_pragma=busy_timeout(%d)&_pragma=foreign_keys(1)", busyTimeout.Milliseconds())
	for _, p := range parameters {
		dsn += "&" + p
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}

// private makes the file for its owner only when it is not there, and refuses
// one that is there for others too. SQLite gives its companion files the same
// mode. A file that is there is not opened: closing it would drop the locks of
// another Store of this process (POSIX fcntl).
func private(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		return f.Close()
	}
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s: not a regular file", path)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s (mode %04o): %w", path, info.Mode().Perm(), ErrPermissions)
	}
	return nil
}
