package xhtml

// kind is what has to be known of an element.
type kind uint8

const (
	inline  kind = 1 << iota
	block        // begins a line
	para         // is set apart by an empty line
	list         // holds items
	item         // stands in a list
	heading      // stands not in another one
	void         // has no content
	plain        // has no attributes, not even a style
)

// elements are those that are accepted: the profile of XEP-0071, section 7.8,
// and the rest of the Text Module, section 6.2, which one may ignore, but which
// does no harm. Definition lists "SHOULD be ignored if received" (section 7.4).
var elements = map[string]kind{
	"a":          inline,
	"blockquote": block | para,
	"br":         inline | void | plain,
	"cite":       inline,
	"em":         inline | plain,
	"img":        inline | void,
	"li":         block | item,
	"ol":         block | list,
	"p":          block | para,
	"span":       inline,
	"strong":     inline | plain,
	"ul":         block | list,

	"abbr": inline, "acronym": inline, "code": inline, "dfn": inline, "kbd": inline,
	"q": inline, "samp": inline, "var": inline,
	"address": block, "div": block, "pre": block | para,
	"h1": block | para | heading, "h2": block | para | heading, "h3": block | para | heading,
	"h4": block | para | heading, "h5": block | para | heading, "h6": block | para | heading,
}

// silent are the elements that are ignored with their content, which is not a
// text for the reader.
var silent = map[string]bool{"head": true, "script": true, "style": true, "title": true}

func (k kind) is(of kind) bool { return k&of != 0 }
