// Package sso signs people in to the hospital's applications: an OpenID
// provider (OpenID Connect Core 1.0, RFC 6749, RFC 9700) over the sessions that
// cpsgate opens.
//
// The rules of each request are here, over values and the time; what a person
// sees of it is web's. What the provider keeps, it keeps by small interfaces
// (KeyShelf, Shelf) whose records are plain, so that a store need not know this
// package.
package sso
