// Package stack holds the test that brings compose.yaml up and walks the tour of
// its start page in a real browser. It has no code of its own, and its test is
// built by the tag "compose" alone: make test-compose runs it where a container
// engine answers.
package stack
