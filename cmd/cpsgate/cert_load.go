package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"cpsgate/mtls"
)

// readLeaf gives the DER of the first certificate in the file. A broken
// certificate is a matter for the judgement, a file that holds none is
// unusable.
func readLeaf(env *environment, path string) ([]byte, error) {
	data, err := readCertificateFile(env, path)
	if err != nil {
		return nil, err
	}
	blocks, err := mtls.CertificateBlocks(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return blocks[0], nil
}

func readCertificateFile(env *environment, path string) ([]byte, error) {
	var source io.Reader = env.stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		source = file
	}
	data, err := io.ReadAll(io.LimitReader(source, mtls.MaxCertificateFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return data, nil
}

// filesIn is the path itself, or the files right below it, links followed,
// hidden ones left out.
func filesIn(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, entry := range entries {
		file := filepath.Join(path, entry.Name())
		info, err := os.Stat(file)
		if err != nil {
			return nil, err
		}
		if info.Mode().IsRegular() && entry.Name()[0] != '.' {
			files = append(files, file)
		}
	}
	return files, nil
}

// certificatesIn reads the certificates of a folder and says which files it
// could not use. A folder may hold other things too, CRLs for one: what holds
// no certificate is passed over.
func certificatesIn(env *environment, folder string) (found []*x509.Certificate, broken []error, err error) {
	files, err := filesIn(folder)
	if err != nil {
		return nil, nil, err
	}
	for _, file := range files {
		data, err := readCertificateFile(env, file)
		if err != nil {
			return nil, nil, err
		}
		certificates, err := mtls.ReadCertificates(data)
		switch {
		case errors.Is(err, mtls.ErrNoCertificate) || err != nil && isCRL(data):
		case err != nil:
			broken = append(broken, fmt.Errorf("%s: %w", file, err))
		}
		found = append(found, certificates...)
	}
	return found, broken, nil
}

// isCRL tells a DER CRL among certificates.
func isCRL(data []byte) bool {
	_, err := x509.ParseRevocationList(data)
	return err == nil
}

// crlsIn reads the CRLs of a folder and says which files it could not read:
// evidence that is there and not understood. Certificates beside them are
// passed over.
func crlsIn(env *environment, folder string, limits mtls.CRLLimits) (lists []*mtls.CRL, broken []error, err error) {
	files, err := filesIn(folder)
	if err != nil {
		return nil, nil, err
	}
	for _, path := range files {
		list, err := readCRLFile(path, limits)
		if err != nil {
			if data, e := readCertificateFile(env, path); e == nil && holdsCertificates(data) {
				continue
			}
			broken = append(broken, fmt.Errorf("%s: %w", path, err))
			continue
		}
		lists = append(lists, list)
	}
	return lists, broken, nil
}

func holdsCertificates(data []byte) bool {
	_, err := mtls.ReadCertificates(data)
	return err == nil
}

func readCRLFile(path string, limits mtls.CRLLimits) (*mtls.CRL, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return mtls.ReadCRL(file, limits)
}

// ocspAnswers reads OCSP responses, DER or PEM.
func ocspAnswers(env *environment, paths []string) ([][]byte, error) {
	var answers [][]byte
	for _, path := range paths {
		data, err := readCertificateFile(env, path)
		if err != nil {
			return nil, err
		}
		if block, _ := pem.Decode(data); block != nil && block.Type == "OCSP RESPONSE" {
			data = block.Bytes
		}
		answers = append(answers, data)
	}
	return answers, nil
}
