package docs

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/examples/internal/markdown"
)

var update = flag.Bool("update", false, "write docs/requirements.md anew")

const requirements = "docs/requirements.md"

// numRequirements is how many rows the document has: none gets lost.
const numRequirements = 647

// TestRequirements compares docs/requirements.md with the tests: every requirement
// of the documents that XMPP began with names the tests that bear its id, in their
// name or in a string of their code; a comment shows nothing. One that is
// deliberately not met says why. Run it with -update after a test has changed.
func TestRequirements(t *testing.T) {
	src := scanTests(t)
	doc := markdown.Read(t, requirements)
	var out strings.Builder
	rows := make(map[string]bool)
	for line := range strings.Lines(doc) {
		cells := strings.Split(strings.TrimSuffix(line, "\n"), " | ")
		id := strings.TrimPrefix(cells[0], "| ")
		if len(cells) != 5 || !isRequirement(id) {
			out.WriteString(line)
			continue
		}
		if rows[id] {
			t.Errorf("%s is there twice", id)
		}
		rows[id] = true
		shown := src.show(id)
		why, never := strings.CutPrefix(cells[4], "never: ")
		switch {
		case shown != "":
			cells[4] = shown + " |"
		case !never:
			t.Errorf("%s: no test shows it", id)
			cells[4] = "open |"
		case len(strings.Fields(why)) < 4:
			t.Errorf("%s: it is not said why it is not met", id)
		}
		out.WriteString(strings.Join(cells, " | ") + "\n")
	}
	if len(rows) != numRequirements {
		t.Errorf("%d requirements, want %d", len(rows), numRequirements)
	}
	if *update {
		if err := os.WriteFile(filepath.Join(markdown.Root(t), requirements), []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if out.String() != doc {
		t.Errorf("%s is not what the tests say: run go test ./docs -run Requirements -update in examples, and look at the difference", requirements)
	}
}

func isRequirement(id string) bool {
	return regexp.MustCompile(`^[A-Z][A-Z0-9]*-`).MatchString(id) && !strings.Contains(id, " ")
}

// sources are the declarations of all tests.
type sources struct {
	tests []declaration // functions that go test runs
	other []declaration // what they use, at the top level of test files
}

type declaration struct {
	dir, name string
	text      []byte
	ids       map[string]bool // that stand in the text
}

// idPattern finds what looks like an id; what follows it as punctuation is cut off.
var idPattern = regexp.MustCompile(`[A-Z][A-Z0-9]*[0-9]*-[A-Za-z0-9._-]*[A-Za-z0-9]`)

// scanTests reads all test files of the repository.
func scanTests(t *testing.T) *sources {
	t.Helper()
	src, root := new(sources), markdown.Root(t)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root:
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "requirements_test.go"):
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		return src.add(path, filepath.ToSlash(rel))
	})
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func (s *sources) add(path, dir string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, text, parser.ParseComments)
	if err != nil {
		return err
	}
	for _, decl := range file.Decls {
		start := fset.Position(decl.Pos()).Offset
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Doc != nil {
			start = fset.Position(fn.Doc.Pos()).Offset
		}
		d := declaration{dir: dir, text: text[start:fset.Position(decl.End()).Offset], ids: idsIn(decl)}
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			d.name = decl.Name.Name
			if decl.Recv == nil && isTest(d.name) {
				s.tests = append(s.tests, d)
				continue
			}
			s.other = append(s.other, d)
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok {
					d.name, d.ids = v.Names[0].Name, idsIn(v)
					s.other = append(s.other, d)
				}
			}
		}
	}
	return nil
}

// idsIn returns the ids in the strings of the code: those in comments do not count.
func idsIn(n ast.Node) map[string]bool {
	ids := make(map[string]bool)
	ast.Inspect(n, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			for _, id := range idPattern.FindAllString(lit.Value, -1) {
				ids[id] = true
			}
		}
		return true
	})
	return ids
}

func isTest(name string) bool {
	return strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Fuzz") || strings.HasPrefix(name, "Example")
}

// maxShown is how many tests are named for one requirement.
const maxShown = 3

// show returns the tests that bear an id: in their name, in their text, or in a
// table that they use.
func (s *sources) show(id string) string {
	inName := "TestReq_" + strings.NewReplacer("-", "_", ".", "_").Replace(id)
	var found []string
	for _, d := range s.tests {
		if d.name == inName || strings.HasPrefix(d.name, inName+"_") || d.ids[id] {
			found = append(found, d.String())
		}
	}
	for _, o := range s.other {
		if o.ids[id] {
			found = append(found, s.users(o, 3)...)
		}
	}
	slices.Sort(found)
	found = slices.Compact(found)
	if len(found) > maxShown {
		found = append(found[:maxShown], fmt.Sprintf("%d more", len(found)-maxShown))
	}
	return strings.Join(found, ", ")
}

func (d declaration) String() string {
	if d.dir == "." {
		return d.name
	}
	return d.dir + "." + d.name
}

// users returns the tests of the same folder that use a declaration, directly or by
// way of others.
func (s *sources) users(o declaration, depth int) (found []string) {
	uses := func(d declaration) bool {
		return d.dir == o.dir && d.name != o.name && containsWord(d.text, o.name)
	}
	for _, d := range s.tests {
		if uses(d) {
			found = append(found, d.String())
		}
	}
	if depth > 0 && len(found) == 0 {
		for _, d := range s.other {
			if uses(d) {
				found = append(found, s.users(d, depth-1)...)
			}
		}
	}
	return found
}

func containsWord(text []byte, word string) bool {
	for {
		i := bytes.Index(text, []byte(word))
		if i < 0 {
			return false
		}
		before := i == 0 || !isIdent(text[i-1])
		text = text[i+len(word):]
		if before && (len(text) == 0 || !isIdent(text[0])) {
			return true
		}
	}
}

func isIdent(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}
