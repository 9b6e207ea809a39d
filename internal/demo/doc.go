// Package demo is what the demonstration stack (compose.yaml) needs beside the
// product: its secrets and sample cards, made at the first start; the host of
// the test PKI's CRLs, OCSP and directory; a start page; and two applications
// of a hospital, one behind a proxy that asks cpsgate, one an OpenID client.
//
// It knows nothing of cpsgate's inside: the applications are clients as any
// other would be. It protects nothing, its PKI's keys are public.
package demo
