package corpus

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// generator writes XML as some client would. It does without the writers that the
// benchmarks measure, for other people's software quotes in other ways.
type generator struct {
	rand  *rand.Rand
	buf   []byte
	now   time.Time
	quote byte // of the attributes of this stanza
	eager bool // escape what need not be
}

// stanzaStyle chooses anew how stanzas are quoted and escaped.
func (g *generator) stanzaStyle() {
	g.quote = '\''
	if g.percent(40) {
		g.quote = '"'
	}
	g.eager = g.below(2) == 1
}

func (g *generator) below(n int) int            { return g.rand.IntN(n) }
func (g *generator) percent(p int) bool         { return g.rand.IntN(100) < p }
func (g *generator) one(of []string) string     { return of[g.rand.IntN(len(of))] }
func (g *generator) either(of ...string) string { return g.one(of) }
func (g *generator) raw(s string)               { g.buf = append(g.buf, s...) }

// open writes a start tag; attrs are names and values in turn.
func (g *generator) open(name string, attrs ...string) {
	g.raw("<" + name)
	for i := 0; i < len(attrs); i += 2 {
		g.attr(attrs[i], attrs[i+1])
	}
	g.raw(">")
}

func (g *generator) close(name string) { g.raw("</" + name + ">") }

// empty writes an element of a tag without content.
func (g *generator) empty(name string, attrs ...string) {
	g.open(name, attrs...)
	g.buf = append(g.buf[:len(g.buf)-1], "/>"...)
}

// leaf writes an element with nothing but text.
func (g *generator) leaf(name, text string, attrs ...string) {
	g.open(name, attrs...)
	g.text(text)
	g.close(name)
}

func (g *generator) attr(name, value string) {
	g.raw(" " + name + "=")
	g.buf = append(g.buf, g.quote)
	for _, c := range []byte(value) {
		switch {
		case c == '&':
			g.raw("&amp;")
		case c == '<':
			g.raw("&lt;")
		case c == '>' && g.eager:
			g.raw("&gt;")
		case c == '\'' && (c == g.quote || g.eager):
			g.raw("&apos;")
		case c == '"' && (c == g.quote || g.eager):
			g.raw("&quot;")
		default:
			g.buf = append(g.buf, c)
		}
	}
	g.buf = append(g.buf, g.quote)
}

func (g *generator) text(s string) {
	for i, r := range s {
		switch {
		case r == '&':
			g.raw("&amp;")
		case r == '<':
			g.raw("&lt;")
		case r == '>':
			g.raw("&gt;")
		case r == '\'' && g.eager:
			g.raw("&apos;")
		case r == '"' && g.eager:
			g.raw("&quot;")
		case r > 0xffff && g.eager && i%7 == 0:
			g.raw(fmt.Sprintf("&#x%X;", r))
		default:
			g.raw(string(r))
		}
	}
}

func (g *generator) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.rand.Uint32())
	}
	return b
}

func (g *generator) hex(digits int) string { return hex.EncodeToString(g.bytes(digits / 2)) }
func (g *generator) base64(n int) string   { return base64.StdEncoding.EncodeToString(g.bytes(n)) }
func (g *generator) device() string        { return fmt.Sprint(g.rand.Uint32() >> 1) }
func (g *generator) number(n int) string   { return fmt.Sprint(g.below(n)) }

func (g *generator) uuid() string {
	h := g.hex(32)
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
}

// id is a stanza id as one of four clients makes it.
func (g *generator) id() string {
	switch g.below(4) {
	case 0:
		return g.uuid()
	case 1:
		return g.hex(12)
	case 2:
		return strings.NewReplacer("+", "_", "/", "-", "=", "").Replace(g.base64(16))
	}
	return "iq-" + g.number(1000000)
}

func (g *generator) bare() string {
	local := g.one(locals)
	if g.percent(60) {
		local += g.number(9999)
	}
	return local + "@" + g.one(domains)
}

func (g *generator) full() string { return g.bare() + "/" + g.one(resources) }

// occupant is the address of somebody in a room.
func (g *generator) occupant() string {
	return g.one(rooms) + "@conference." + g.one(domains) + "/" + g.one(locals)
}

// stamp is some time after the last one.
func (g *generator) stamp() string {
	g.now = g.now.Add(time.Duration(g.below(90000)) * time.Millisecond)
	return g.now.Format("2006-01-02T15:04:05.000Z")
}

// line is text of n bytes and a word, in one language.
func (g *generator) line(n int) string {
	lang := g.one(languages)
	spaces := lang != "zh" && lang != "ja"
	var b strings.Builder
	for b.Len() < n {
		if b.Len() > 0 && spaces {
			b.WriteByte(' ')
		}
		switch p := g.below(100); {
		case p < 3:
			b.WriteString(g.one(emoji))
		case p < 7:
			b.WriteString(g.one(specials))
		default:
			b.WriteString(g.one(words[lang]))
		}
	}
	return b.String()
}

// chatLine is a line of 20 to 500 bytes, most of them short.
func (g *generator) chatLine() string {
	return g.line(min(20+int(g.rand.ExpFloat64()*70), 500))
}
