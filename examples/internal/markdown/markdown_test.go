package markdown

import (
	"slices"
	"testing"
)

func TestWords(t *testing.T) {
	for line, want := range map[string][]string{
		"":                           nil,
		"# nothing":                  nil,
		"go test work\n":             {"go", "test", "work"},
		"go  run ./x -listen '' # x": {"go", "run", "./x", "-listen", ""},
		`A=b go run "a b"'c'#d`:      {"A=b", "go", "run", "a bc#d"},
		"cd x && go test ./...":      {"cd", "x", "&&", "go", "test", "./..."},
	} {
		if got := words(t, Block{}, line); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

func TestRow(t *testing.T) {
	for line, want := range map[string][]string{
		"no table\n":       nil,
		"|":                nil,
		"| a | b c |\n":    {"a", "b c"},
		"|---|---|":        {"---", "---"},
		"  | `-x` | | y |": {"`-x`", "", "y"},
	} {
		if got := row(line); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

// TestDocuments: the documents are found, with what the tests look for in them.
func TestDocuments(t *testing.T) {
	if files := Files(t); !slices.Contains(files, "README.md") || !slices.Contains(files, "docs/architecture.md") {
		t.Errorf("files %q", files)
	}
	commands := Commands(t)
	if !slices.ContainsFunc(commands, func(c Command) bool { return slices.Equal(c.Args, []string{"go", "test", "work"}) }) {
		t.Errorf("commands %q", commands)
	}
	if len(Blocks(t, "go")) == 0 || len(Tables(t, "README.md", "to", "read")) == 0 {
		t.Error("README.md has no code or no table")
	}
}
