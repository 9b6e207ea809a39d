// Package layout holds the picture of the house: who may import whom, and which
// outside packages stay behind which door. Its test reads the import clauses of
// every Go file of the module and compares them to House, the one table.
//
// Guarantees: every file counts, whatever its build tags; a package that the
// table does not know is a violation, so a new one cannot slip in; an area that
// the table names wrongly is an error.
//
// Non-guarantees: it reads this module's files alone. What an outside package
// imports in its turn is not followed; that the server builds without C is
// shown by building it with CGO_ENABLED=0.
package layout

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Rules is a picture of a module. An area is a package, "identity", or a
// package with everything below it, "mtls/...". The longest name that fits
// a package is its area; within an area imports are free.
type Rules struct {
	Module string
	// Imports lists, for each area, the areas that it may import.
	Imports map[string][]string
	// Tests lists what test files may import besides; AnyArea stands for all.
	Tests map[string][]string
	// Confined lists, for an outside package and all below it, the areas whose
	// files, tests included, may import it.
	Confined map[string][]string
	// StandardOnly are the areas that import nothing from outside the standard
	// library and this module.
	StandardOnly []string
	// Server is a package of which neither itself nor anything it reaches in
	// this module may import what NeverServer lists.
	Server      string
	NeverServer []string
}

// AnyArea is the key of Rules.Tests that holds for every area.
const AnyArea = "*"

// Violation is one import clause, or one package, against the rules.
type Violation struct {
	File   string
	Line   int
	Reason string
}

func (v Violation) String() string { return fmt.Sprintf("%s:%d: %s", v.File, v.Line, v.Reason) }

// clause is one import as it stands in a file.
type clause struct {
	file   string
	line   int
	from   string // package path within the module
	path   string // as written
	target string // package path within the module, "" for another's
	test   bool
}

// Check reads the tree, a module's root, and returns what stands against the
// rules, in the order of the files.
func (r Rules) Check(tree fs.FS) ([]Violation, error) {
	if err := r.sound(); err != nil {
		return nil, err
	}
	clauses, packages, err := r.read(tree)
	if err != nil {
		return nil, err
	}
	var found []Violation
	for _, pkg := range slices.Sorted(maps.Keys(packages)) {
		if r.area(pkg) == "" {
			found = append(found, Violation{packages[pkg], 1, fmt.Sprintf("package %s is not in the table", pkg)})
		}
	}
	for _, c := range clauses {
		if reason := r.judge(c); reason != "" {
			found = append(found, Violation{c.file, c.line, reason})
		}
	}
	return append(found, r.serverSide(clauses)...), nil
}

// sound refuses tables that name an area which they do not define.
func (r Rules) sound() error {
	for _, table := range []map[string][]string{r.Imports, r.Tests, r.Confined} {
		for key, areas := range table {
			for _, area := range areas {
				if _, known := r.Imports[area]; !known {
					return fmt.Errorf("layout: %s names %s, which is no area", key, area)
				}
			}
		}
	}
	for _, area := range slices.Concat(slices.Collect(maps.Keys(r.Tests)), r.StandardOnly) {
		if _, known := r.Imports[area]; !known && area != AnyArea {
			return fmt.Errorf("layout: %s is no area", area)
		}
	}
	return nil
}

// area is the longest area that holds the package, "" when there is none.
func (r Rules) area(pkg string) string {
	if _, known := r.Imports[pkg]; known {
		return pkg
	}
	for at := pkg; at != "."; at = path.Dir(at) {
		if _, known := r.Imports[at+"/..."]; known {
			return at + "/..."
		}
	}
	return ""
}

// judge says why a clause is against the rules, or nothing.
func (r Rules) judge(c clause) string {
	from := r.area(c.from)
	if from == "" {
		return "" // the package itself is reported
	}
	if c.target == "" {
		return r.judgeOutside(c, from)
	}
	to := r.area(c.target)
	switch {
	case to == from && to != "", slices.Contains(r.Imports[from], to):
		return ""
	case c.test && (slices.Contains(r.Tests[AnyArea], to) || slices.Contains(r.Tests[from], to)):
		return ""
	case c.test:
		return fmt.Sprintf("tests of %s may not import %s", c.from, c.target)
	}
	return fmt.Sprintf("%s may not import %s", c.from, c.target)
}

func (r Rules) judgeOutside(c clause, from string) string {
	for outside, areas := range r.Confined {
		if under(c.path, outside) && !slices.Contains(areas, from) {
			return fmt.Sprintf("%s may not import %s: it belongs to %s", c.from, c.path, strings.Join(areas, ", "))
		}
	}
	first, _, _ := strings.Cut(c.path, "/")
	if slices.Contains(r.StandardOnly, from) && strings.Contains(first, ".") {
		return fmt.Sprintf("%s may not import %s: the standard library alone", c.from, c.path)
	}
	return ""
}

// serverSide follows the imports from Server, tests left out.
func (r Rules) serverSide(clauses []clause) []Violation {
	reached := map[string]bool{r.Server: true}
	for grown := true; grown; {
		grown = false
		for _, c := range clauses {
			if !c.test && c.target != "" && reached[c.from] && !reached[c.target] {
				reached[c.target], grown = true, true
			}
		}
	}
	var found []Violation
	for _, c := range clauses {
		never := slices.ContainsFunc(r.NeverServer, func(outside string) bool { return under(c.path, outside) })
		if never && !c.test && reached[c.from] {
			found = append(found, Violation{c.file, c.line, fmt.Sprintf("%s is part of the server, which never imports %s", c.from, c.path)})
		}
	}
	return found
}

// under reports whether an import path is that of a package or below it.
func under(imported, outside string) bool {
	return imported == outside || strings.HasPrefix(imported, outside+"/")
}

// read collects the import clauses of every Go file, and for each package the
// first of its files.
func (r Rules) read(tree fs.FS) ([]clause, map[string]string, error) {
	var clauses []clause
	packages := map[string]string{}
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (ignored(name) || otherModule(tree, name)):
			return fs.SkipDir
		case entry.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		if pkg := path.Dir(name); packages[pkg] == "" {
			packages[pkg] = name
		}
		found, err := r.clauses(tree, name)
		clauses = append(clauses, found...)
		return err
	})
	return clauses, packages, err
}

// otherModule: a folder with a go.mod of its own is no part of this one.
func otherModule(tree fs.FS, dir string) bool {
	_, err := fs.Stat(tree, path.Join(dir, "go.mod"))
	return dir != "." && err == nil
}

// ignored are the folders that the go command ignores too, and build output.
func ignored(dir string) bool {
	base := path.Base(dir)
	return dir != "." && (base == "testdata" || base == "vendor" || dir == "bin" || dir == "tmp" ||
		strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_"))
}

func (r Rules) clauses(tree fs.FS, name string) ([]clause, error) {
	source, err := fs.ReadFile(tree, name)
	if err != nil {
		return nil, fmt.Errorf("layout: %w", err)
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, parser.ImportsOnly)
	if err != nil {
		return nil, fmt.Errorf("layout: %w", err)
	}
	var found []clause
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("layout: %s: %w", name, err)
		}
		c := clause{
			file: name, line: files.Position(spec.Pos()).Line, from: path.Dir(name),
			path: imported, test: strings.HasSuffix(name, "_test.go"),
		}
		if inner, ours := strings.CutPrefix(imported, r.Module+"/"); ours {
			c.target = inner
		}
		found = append(found, c)
	}
	return found, nil
}
