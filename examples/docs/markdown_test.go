package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/etherx-go/xmpp/examples/internal/markdown"
)

// dedent takes away the indentation that all lines have.
func dedent(lines []string) string {
	common, first := "", true
	for _, l := range lines {
		if strings.TrimSpace(l) == "" {
			continue
		}
		indent := l[:len(l)-len(strings.TrimLeft(l, "\t"))]
		if first || len(indent) < len(common) {
			common, first = indent, false
		}
	}
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(strings.TrimRight(strings.TrimPrefix(l, common), " \t"))
		b.WriteByte('\n')
	}
	return b.String()
}

// contains reports whether lines has the block, at any indentation.
func contains(lines []string, block string) bool {
	n := strings.Count(block, "\n")
	first, _, _ := strings.Cut(block, "\n")
	for i := 0; i+n <= len(lines); i++ {
		if strings.HasSuffix(strings.TrimRight(lines[i], " \t"), first) && dedent(lines[i:i+n]) == block {
			return true
		}
	}
	return false
}

func TestContains(t *testing.T) {
	lines := []string{"func f() {", "\tif x {", "\t\ty()", "", "\t\tz()", "\t}", "}"}
	for block, want := range map[string]bool{
		"if x {\n\ty()\n\n\tz()\n}\n": true, "y()\n\nz()\n": true, "y()\nz()\n": false, "if x {\ny()\n": false, "z()\n\t}\n": false,
		"func f() {\n\tif x {\n\t\ty()\n": true,
	} {
		if got := contains(lines, block); got != want {
			t.Errorf("%q: %v", block, got)
		}
	}
}

// TestGoBlocks: the code of the documents stands in a file of the examples,
// word for word, where it is compiled and run by a test.
func TestGoBlocks(t *testing.T) {
	sources := make(map[string][]string)
	root := filepath.Join(markdown.Root(t), "examples")
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(file) != ".go" {
			return err
		}
		b, err := os.ReadFile(file)
		sources[file] = strings.Split(string(b), "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	blocks := markdown.Blocks(t, "go")
	if len(blocks) < 20 {
		t.Errorf("only %d blocks were found", len(blocks))
	}
	for _, b := range blocks {
		want := dedent(strings.Split(strings.TrimSuffix(b.Text, "\n"), "\n"))
		found := false
		for _, lines := range sources {
			found = found || contains(lines, want)
		}
		if !found {
			t.Errorf("%s:%d: this code stands in no example:\n%s", b.File, b.Line, b.Text)
		}
	}
}

// TestShellBlocks: the packages that the commands name exist.
func TestShellBlocks(t *testing.T) {
	root := markdown.Root(t)
	for _, c := range markdown.Commands(t) {
		if len(c.Args) < 3 || c.Args[0] != "go" {
			t.Errorf("%s: %q is not a command of go", c.File, c.Args)
			continue
		}
		name := c.Args[2]
		switch c.Args[1] {
		case "run":
			files, err := filepath.Glob(filepath.Join(root, name, "main.go"))
			if !strings.HasPrefix(name, "./") || len(files) != 1 || err != nil {
				t.Errorf("%s: %q: there is no such program", c.File, c.Args)
			}
		case "test":
			if name != "work" && !isPackage(filepath.Join(root, name)) {
				t.Errorf("%s: %q: there is no such package", c.File, c.Args)
			}
		case "get":
			mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
			if err != nil || !strings.HasPrefix(string(mod), "module "+name+"\n") {
				t.Errorf("%s: %q: that is not this module (%v)", c.File, c.Args, err)
			}
		default:
			t.Errorf("%s: %q: this test does not know the command", c.File, c.Args)
		}
	}
}

func isPackage(dir string) bool {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	return err == nil && len(files) > 0
}

// testRef is the name of a test in the README: a folder, a dot, a function.
var testRef = regexp.MustCompile("`([a-z0-9/]+)\\.(Test[A-Za-z0-9_]+)`")

// TestSupportTable: every "yes" in the README names a test, and the test is
// there and does something.
func TestSupportTable(t *testing.T) {
	rows := markdown.Tables(t, "README.md", "feature", "client", "server", "state")
	yes := 0
	for _, row := range rows {
		for _, cell := range row[1:3] {
			word, ref, _ := strings.Cut(cell, " ")
			m := testRef.FindStringSubmatch(ref)
			switch {
			case word == "yes" && m != nil && m[0] == ref:
				yes++
				checkTest(t, m[1], m[2])
			case word == "yes":
				t.Errorf("%s: %q does not name a test", row[0], cell)
			case cell != "no" && cell != "–":
				t.Errorf("%s: %q", row[0], cell)
			}
		}
		if row[3] == "" || (row[3] == "later") != (row[1] == "no" && row[2] == "no") {
			t.Errorf("%s: state %q", row[0], row[3])
		}
	}
	if yes < 20 {
		t.Errorf("only %d tests were found in the table", yes)
	}
}

// checkTest checks that a folder has a test that can fail.
func checkTest(t *testing.T, dir, name string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(markdown.Root(t), dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(src), "func "+name+"(") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, src, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || fn.Name.Name != name {
				continue
			}
			if !canFail(fn) {
				t.Errorf("%s.%s cannot fail", dir, name)
			}
			return
		}
	}
	t.Errorf("there is no test %s in %s", name, dir)
}

// canFail reports whether a test calls a method of its t that lets it fail, or
// hands t to somebody who may, and does not skip itself.
func canFail(fn *ast.FuncDecl) bool {
	found, skips := false, false
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if sel, ok := call.Fun.(*ast.SelectorExpr); ok && isT(sel.X) {
			found = found || slices.Contains([]string{"Error", "Errorf", "Fatal", "Fatalf", "Fail", "FailNow"}, sel.Sel.Name)
			skips = skips || strings.HasPrefix(sel.Sel.Name, "Skip")
		}
		found = found || slices.ContainsFunc(call.Args, isT)
		return true
	})
	return found && !skips
}

func isT(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == "t"
}

func TestCanFail(t *testing.T) {
	for body, want := range map[string]bool{
		"": false, "t.Log(1)": false, "t.Errorf(``)": true, "check(t, 1)": true, "t.Run(``, func(t *testing.T) { t.Fatal() })": true,
		"t.Skip(); t.Fatal()": false, "x.Error()": false, "t.Parallel()": false,
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc TestX(t *testing.T) {\n"+body+"\n}", 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := canFail(f.Decls[0].(*ast.FuncDecl)); got != want {
			t.Errorf("%q: %v", body, got)
		}
	}
}

var (
	// link is a link of a document.
	link = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	// fenced is a block of code, in which there are none.
	fenced = regexp.MustCompile("(?s)\n```.*?\n```")
)

// TestLinks: what the documents link to exists.
// docs are the pages of the folder docs.
func docs(t *testing.T) (files []string) {
	for _, file := range markdown.Files(t) {
		if strings.HasPrefix(file, "docs/") {
			files = append(files, file)
		}
	}
	return files
}

func TestLinks(t *testing.T) {
	root := markdown.Root(t)
	linked := make(map[string]bool)
	for _, file := range markdown.Files(t) {
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(markdown.Read(t, file), ""), -1) {
			u, err := url.Parse(m[1])
			if err != nil {
				t.Errorf("%s: %s: %v", file, m[1], err)
				continue
			}
			if u.Scheme != "" {
				continue
			}
			target := path.Join(path.Dir(filepath.ToSlash(file)), u.Path)
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s: %s: %v", file, m[1], err)
			}
			if file == "README.md" {
				linked[target] = true
			}
		}
	}
	for _, file := range append(docs(t), "CHANGELOG.md", "LICENSE") {
		if !linked[file] {
			t.Errorf("README.md does not link to %s", file)
		}
	}
}

// TestLineLength: the README can be read in a terminal.
func TestLineLength(t *testing.T) {
	n := 0
	for line := range strings.Lines(markdown.Read(t, "README.md")) {
		n++
		line = strings.TrimSuffix(line, "\n")
		if w := utf8.RuneCountInString(line); w > 120 {
			t.Errorf("README.md:%d has %d characters", n, w)
		}
		if strings.TrimRight(line, " \t") != line {
			t.Errorf("README.md:%d ends with white space", n)
		}
	}
}
