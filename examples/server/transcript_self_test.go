package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	testName = regexp.MustCompile(`Test\w+`)
	fileName = regexp.MustCompile(`\w+/\w+_test\.go`)
)

// checkReferences checks that there are the tests that "see" names.
func (tr *transcript) checkReferences(t *testing.T) {
	t.Helper()
	for _, g := range tr.groups {
		for _, e := range g.examples {
			for _, name := range fileName.FindAllString(e.see, -1) {
				if _, err := os.Stat(filepath.Join("..", "..", name)); err != nil {
					t.Errorf("%s, line %d: %v", tr.name, e.line, err)
				}
			}
			for _, name := range testName.FindAllString(e.see, -1) {
				folder, _, _ := strings.Cut(e.see, ",")
				if !hasTest(t, filepath.Join("..", "..", folder), name) {
					t.Errorf("%s, line %d: there is no %s in %s", tr.name, e.line, name, folder)
				}
			}
		}
	}
}

func hasTest(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "func "+name+"(t *testing.T)") {
			return true
		}
	}
	return false
}

// TestTranscriptMatch shows that the comparison sees what is different.
func TestTranscriptMatch(t *testing.T) {
	for _, tt := range []struct{ name, want, got, diff string }{
		{"the same", "<iq type='result' id='a'/>", "<iq id='a' type='result'/>", ""},
		{"order of attributes and children", "<a x='1' y='2'><b/><c/></a>", "<a y='2' x='1'><c/><b/></a>", ""},
		{"white space", "<a> b\n c </a>", "<a>b c</a>", ""},
		{"addresses that are not shown", "<message/>", "<message to='a@b' from='c@d' xml:lang='en'/>", ""},
		{"another address", "<message from='a@b'/>", "<message from='c@b'/>", "from of <message>"},
		{"no address", "<message from='a@b'/>", "<message/>", "has no from"},
		{"another id", "<iq type='result' id='a'/>", "<iq type='result' id='b'/>", "id of <iq>"},
		{"id of a push", "<iq type='set' id='a'/>", "<iq type='set' id='b'/>", ""},
		{"id of a push, none", "<iq type='set' id='a'/>", "<iq type='set'/>", "has no id"},
		{"another name", "<a/>", "<b/>", "want"},
		{"another namespace", "<a><b xmlns='x'/></a>", "<a><b xmlns='y'/></a>", "no <{x}b>"},
		{"a child too few", "<a><b/><b/></a>", "<a><b/></a>", "no <{jabber:client}b>"},
		{"a child too many", "<a><b/></a>", "<a><b/><b/></a>", "want no more"},
		{"more children allowed", "<a><b/><etc/></a>", "<a><c/><b/></a>", ""},
		{"an attribute too many", "<a/>", "<a x='1'/>", "want none"},
		{"anything", "<a x='*'>*</a>", "<a x='1'>b</a>", ""},
		{"another text", "<a><b>1</b></a>", "<a><b>2</b></a>", "text of <b>"},
		{"one name, one value", "<a x='{n}'><b y='{n}'/></a>", "<a x='1'><b y='1'/></a>", ""},
		{"one name, two values", "<a x='{n}'><b y='{n}'/></a>", "<a x='1'><b y='2'/></a>", "y of <b>"},
		{"a name for nothing", "<a x='{n}'/>", "<a x=''/>", "x of <a>"},
		{"what an error returns", "<iq type='error'><query/><error/></iq>", "<iq type='error'><error code='1'/></iq>", ""},
		{"no error", "<iq type='error'><error/></iq>", "<iq type='error'><query/></iq>", "no <{jabber:client}error>"},
		{"another error", "<iq type='error'><error><a/></error></iq>", "<iq type='error'><error><b/></error></iq>", "no <"},
		{"the end", "</stream:stream>", "<a/>", "want </stream>"},
		{"a beginning", "<stream:stream from='a'>", "<stream:stream from='a' id='1'>", ""},
		{"a beginning with a version", "<stream:stream from='a'>", "<stream:stream from='a' version='1.0'>", "want none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want, err := parseNodes(tt.want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := parseNodes(tt.got)
			if err != nil {
				t.Fatal(err)
			}
			m := make(names)
			err = m.match(want[0], got[0])
			switch {
			case tt.diff == "" && err != nil:
				t.Errorf("differs: %v", err)
			case tt.diff != "" && (err == nil || !strings.Contains(err.Error(), tt.diff)):
				t.Errorf("got %v, want %s", err, tt.diff)
			case err != nil && len(m) > 0:
				t.Errorf("remembers %v of what is different", m)
			}
		})
	}
}

// TestTranscriptNames shows that what the server has made is sent back to it.
func TestTranscriptNames(t *testing.T) {
	m := names{"id push1": "made", "{key}": "secret"}
	const text = `<iq type='result' id='push1'/><iq id="push1"><key>{key}</key></iq><iq id='other'/>`
	const want = `<iq type='result' id='made'/><iq id="made"><key>secret</key></iq><iq id='other'/>`
	if got := m.fill(text); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestTranscriptSyntax shows that a transcript with mistakes is refused.
func TestTranscriptSyntax(t *testing.T) {
	const begin = "group: g\nclient 1: a@b/c\nexample: 1/1 title\n"
	for _, tt := range []struct{ name, text, err string }{
		{"good", begin + "C: <a>\n</a>\nS: <b/>\n!: a rule\n!S: <c/>\n+S*: <d/>\n", ""},
		{"no group", "example: 1/1\n", "no group"},
		{"no example", "group: g\nclient 1: a@b/c\nC: <a/>\n", "no example"},
		{"no client", begin + "2C: <a/>\n", "no client 2"},
		{"nothing overridden", begin + "!: a rule\n", "nothing is overridden"},
		{"no reason", begin + "S: <a/>\n!:\n", "no reason"},
		{"no rule", begin + "S: <a/>\n!S: <b/>\n", "no rule"},
		{"something else", "group: g\nwhat\n", "what is"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr, err := parseTranscript(tt.text)
			switch {
			case tt.err == "" && err != nil:
				t.Fatal(err)
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Fatalf("got %v, want %s", err, tt.err)
			case err == nil:
				e := tr.groups[0].examples[0]
				if len(e.lines) != 5 || !e.overridden() || e.hidden() || !e.lines[1].replaced || e.lines[0].text != "<a>\n</a>" {
					t.Errorf("got %+v", e)
				}
			}
		})
	}
}
