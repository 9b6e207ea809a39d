// Package demo is what the demonstrations need beside the product: a start page,
// and two applications of a hospital, one behind a proxy that asks cpsgate, one
// an OpenID client, with a proxy where there is none. For the stack in containers
// (compose.yaml) also its secrets and sample cards, made at the first start, and
// the host of the test PKI's CRLs, OCSP and directory.
//
// It knows nothing of cpsgate's inside: the applications are clients as any
// other would be. It protects nothing, its PKI's keys are public.
package demo
