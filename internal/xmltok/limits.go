package xmltok

// Defaults and outer bounds of [Limits].
const (
	DefaultElement  = 256 << 10
	DefaultTag      = 64 << 10
	DefaultDepth    = 128
	DefaultAttrs    = 64
	DefaultChildren = 20_000

	// Offsets are kept in 32 bits; what has "no limit" ends here.
	maxElement = 1 << 30
	maxDepth   = 1 << 16
	maxAttrs   = 1 << 10
	// minTag lets every end tag pass whose name is compared in one go.
	minTag = 32

	// bindingsPerAttr times Limits.Attrs prefixes may be bound at one place,
	// so that looking one up has a bound.
	bindingsPerAttr = 4
	// maxReference bounds a reference from & to ; in bytes (leading zeros).
	maxReference = 64
	// maxDecl bounds the XML declaration in bytes.
	maxDecl = 1 << 10
)

// Limits bound what a [Scanner] takes. A field that is 0 means its default. A
// negative one means no limit for Element (which then ends at 1 GiB) and
// Children; Tag, Depth and Attrs always have a limit, so there it means the
// default.
type Limits struct {
	Element  int // bytes of one first-level element, default 256 KiB
	Tag      int // bytes of one start tag, also the stream header, default 64 KiB, at least 32, else never above Element
	Depth    int // levels of elements below the stream root, default 128, at most 65,536
	Attrs    int // attributes of one start tag, with namespace declarations, default 64, at most 1,024
	Children int // elements within one first-level element at all depths, without itself, default 20,000
}

// filled returns l with every field set.
func (l Limits) filled() Limits {
	l.Element = bounded(l.Element, DefaultElement, maxElement, maxElement)
	l.Tag = max(bounded(l.Tag, DefaultTag, DefaultTag, l.Element), minTag)
	l.Depth = bounded(l.Depth, DefaultDepth, DefaultDepth, maxDepth)
	l.Attrs = bounded(l.Attrs, DefaultAttrs, DefaultAttrs, maxAttrs)
	l.Children = bounded(l.Children, DefaultChildren, maxElement, maxElement)
	return l
}

// bounded returns v, with def for 0, none for a negative value, at most most.
func bounded(v, def, none, most int) int {
	switch {
	case v == 0:
		v = def
	case v < 0:
		v = none
	}
	return min(v, most)
}
