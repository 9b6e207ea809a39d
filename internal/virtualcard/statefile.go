package virtualcard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"cpsgate/internal/virtualcard/authenticator"
)

// maxStateFile bounds what is read as a card's state.
const maxStateFile = 1 << 20

// loadState reads a card's state; found is false if there is no file yet.
func loadState(path string) (s authenticator.State, found bool, err error) {
	if path == "" {
		return s, false, nil
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, false, nil
	}
	if err != nil {
		return s, false, fmt.Errorf("reading the card's state: %w", err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxStateFile+1))
	if err != nil {
		return s, false, fmt.Errorf("reading the card's state: %w", err)
	}
	if s, err = parseState(content); err != nil {
		return s, false, fmt.Errorf("reading the card's state from %s: %w", path, err)
	}
	return s, true, nil
}

// parseState is strict: an unknown key, a second document or a file too long is
// another program's file.
func parseState(content []byte) (s authenticator.State, err error) {
	if len(content) > maxStateFile {
		return s, errors.New("file too long")
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return s, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return s, errors.New("something follows the state")
	}
	return s, nil
}

// saveState replaces the file as a whole, readable by its owner alone: it holds
// private keys.
func saveState(path string, s authenticator.State) error {
	content, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("saving the card's state: %w", err)
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("saving the card's state: %w", err)
	}
	defer os.Remove(temporary.Name()) // gone already if all went well
	_, err = temporary.Write(append(content, '\n'))
	if err = errors.Join(err, temporary.Close()); err != nil {
		return fmt.Errorf("saving the card's state: %w", err)
	}
	if err := os.Rename(temporary.Name(), path); err != nil {
		return fmt.Errorf("saving the card's state: %w", err)
	}
	return nil
}
