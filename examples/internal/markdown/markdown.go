// Package markdown reads the project's documents, so that tests can show that
// what they say is so.
package markdown

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Root returns the root of the repository: the folder with go.work.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.work above the working directory")
		}
		dir = parent
	}
}

// Files returns the documents, as paths relative to the root.
func Files(t testing.TB) []string {
	t.Helper()
	root := Root(t)
	files := []string{"README.md", "CHANGELOG.md"}
	guides, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(guides) == 0 {
		t.Fatalf("no documents in docs: %v", err)
	}
	for _, g := range guides {
		files = append(files, filepath.Join("docs", filepath.Base(g)))
	}
	return files
}

// Read returns a document.
func Read(t testing.TB, file string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(Root(t), file))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Block is a fenced block of a document.
type Block struct {
	File string // relative to the root
	Line int    // of the fence
	Lang string
	Text string // with a newline at the end of each line
}

// Blocks returns the fenced blocks of all documents that are in a language.
func Blocks(t testing.TB, lang string) (blocks []Block) {
	t.Helper()
	for _, file := range Files(t) {
		var block *Block
		n := 0
		for line := range strings.Lines(Read(t, file)) {
			n++
			fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
			switch {
			case block == nil && isFence:
				block = &Block{File: file, Line: n, Lang: fence}
			case block != nil && isFence:
				if block.Lang == lang {
					blocks = append(blocks, *block)
				}
				block = nil
			case block != nil:
				block.Text += line
			}
		}
		if block != nil {
			t.Fatalf("%s:%d: the block is not closed", file, block.Line)
		}
	}
	return blocks
}

// Command is a line of an sh block.
type Command struct {
	File string
	Args []string // words, without the variables that are set before the command
}

// Commands returns the commands of all documents. Of the shell's language it
// knows words, quotes, variables before a command, comments, and && between
// commands.
func Commands(t testing.TB) (commands []Command) {
	t.Helper()
	for _, b := range Blocks(t, "sh") {
		text := strings.ReplaceAll(b.Text, "\\\n", " ")
		for line := range strings.Lines(text) {
			var args []string
			for _, word := range append(words(t, b, line), "&&") {
				switch {
				case word == "&&" && args != nil:
					commands = append(commands, Command{b.File, args})
					args = nil
				case word == "&&", args == nil && strings.Contains(word, "="):
				default:
					args = append(args, word)
				}
			}
		}
	}
	return commands
}

// words splits a line of an sh block.
func words(t testing.TB, b Block, line string) (words []string) {
	t.Helper()
	var word strings.Builder
	var quote rune
	in := false // within a word
	for _, r := range strings.TrimSuffix(line, "\n") + " " {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, in = r, true
		case r == '#' && !in:
			return words
		case r == ' ':
			if in {
				words = append(words, word.String())
				word.Reset()
			}
			in = false
		case strings.ContainsRune("$`|;<>()", r):
			t.Fatalf("%s:%d: %q: this test does not understand %q", b.File, b.Line, line, r)
		default:
			word.WriteRune(r)
			in = true
		}
	}
	if quote != 0 {
		t.Fatalf("%s:%d: %q: a quote is not closed", b.File, b.Line, line)
	}
	return words
}

// Tables returns the tables of a document that have this header, each as its
// rows of cells, without the header.
func Tables(t testing.TB, file string, header ...string) (rows [][]string) {
	t.Helper()
	in := false
	for line := range strings.Lines(Read(t, file)) {
		cells := row(line)
		switch {
		case cells == nil:
			in = false
		case equal(cells, header):
			in = true
		case in && strings.Trim(strings.Join(cells, ""), "-: ") != "":
			if len(cells) != len(header) {
				t.Fatalf("%s: %q has %d cells, the header %d", file, line, len(cells), len(header))
			}
			rows = append(rows, cells)
		}
	}
	if len(rows) == 0 {
		t.Fatalf("%s has no table %q", file, header)
	}
	return rows
}

// row returns the cells of a table's line, nil if it is none.
func row(line string) []string {
	line = strings.TrimSpace(line)
	if len(line) < 2 || line[0] != '|' || line[len(line)-1] != '|' {
		return nil
	}
	cells := strings.Split(line[1:len(line)-1], "|")
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	return cells
}

func equal(a, b []string) bool { return strings.Join(a, "|") == strings.Join(b, "|") }
