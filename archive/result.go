package archive

import (
	"encoding/xml"
	"time"

	"github.com/etherx-go/xmpp/ext/datetime"
	"github.com/etherx-go/xmpp/ext/delay"
	"github.com/etherx-go/xmpp/ext/forward"
	"github.com/etherx-go/xmpp/ext/rsm"
	"github.com/etherx-go/xmpp/stanza"
)

// Message is a message of an archive.
type Message struct {
	// ID is its id in the archive, what a <stanza-id/> of the account says.
	ID string
	// At is when it was archived, to the millisecond.
	At time.Time
	// Stanza is the message itself; nil if it was removed, and only its place is
	// left (XEP-0313, section 3.2).
	Stanza *stanza.Stanza
}

// Result is a message of an archive on its way, the element <result/>.
type Result struct {
	Space   string // the namespace; "" stands for [NS]
	QueryID string // that of the query
	Message Message
}

// XMLName returns the name of the element.
func (r Result) XMLName() xml.Name { return xml.Name{Space: orNS(r.Space), Local: "result"} }

// AppendXML appends the element. The error is a bad-request if there is no id.
func (r Result) AppendXML(dst []byte) (_ []byte, err error) {
	if r.Message.ID == "" {
		return nil, errNoID()
	}
	dst = open(dst, "result", r.Space)
	if r.QueryID != "" {
		dst = stanza.AppendAttr(dst, "queryid", r.QueryID)
	}
	dst = append(stanza.AppendAttr(dst, "id", r.Message.ID), '>')
	var d *delay.Delay
	if !r.Message.At.IsZero() {
		d = &delay.Delay{Stamp: r.Message.At}
	}
	if r.Message.Stanza != nil {
		dst, err = forward.Forwarded{Stanza: r.Message.Stanza, Delay: d}.AppendXML(dst)
	} else {
		dst = append(dst, "<forwarded xmlns='"+forward.NS+"'>"...)
		if d != nil {
			dst, err = d.AppendXML(dst)
		}
		dst = append(dst, "</forwarded>"...)
	}
	if err != nil {
		return nil, err
	}
	return append(dst, "</result>"...), nil
}

// ParseXML reads the element. Without an id, or something forwarded, it is a
// bad-request.
func (r *Result) ParseXML(e stanza.Element) error {
	*r = Result{}
	id, fwd := e.Attr("id"), e.Child(forward.NS, "forwarded")
	if id == "" || fwd.IsZero() {
		return errNoID()
	}
	m := Message{ID: id}
	var f forward.Forwarded
	if err := fwd.Decode(&f); err == nil {
		m.Stanza = f.Stanza
	} else if !fwd.Child(stanza.NSClient, "message").IsZero() {
		return err
	} else if d := fwd.Child(delay.NS, "delay"); !d.IsZero() { // what was removed has only that
		f.Delay = new(delay.Delay)
		if d.Decode(f.Delay) != nil {
			f.Delay = nil
		}
	}
	if f.Delay != nil {
		m.At = f.Delay.Stamp
	}
	*r = Result{Space: spaceOf(e), QueryID: e.Attr("queryid"), Message: m}
	return nil
}

func errNoID() error {
	return stanza.NewError(stanza.BadRequest, "a result without an id, or without content")
}

// Fin is the end of an answer, the element <fin/>.
type Fin struct {
	Space   string // the namespace; "" stands for [NS]
	QueryID string // that of the query; only version 0 has it
	// Complete: nothing comes behind this page, or before it when pages are asked
	// for backward.
	Complete bool
	// Unstable: what was sent may change yet, and should not be kept (XEP-0313,
	// section 4.3.2).
	Unstable bool
	Set      rsm.Result
}

// XMLName returns the name of the element.
func (f Fin) XMLName() xml.Name { return xml.Name{Space: orNS(f.Space), Local: "fin"} }

// AppendXML appends the element.
func (f Fin) AppendXML(dst []byte) (_ []byte, err error) {
	dst = open(dst, "fin", f.Space)
	if f.QueryID != "" {
		dst = stanza.AppendAttr(dst, "queryid", f.QueryID)
	}
	if f.Complete {
		dst = append(dst, " complete='true'"...)
	}
	if f.Unstable {
		dst = append(dst, " stable='false'"...)
	}
	if dst, err = f.Set.AppendXML(append(dst, '>')); err != nil {
		return nil, err
	}
	return append(dst, "</fin>"...), nil
}

// ParseXML reads the element. It does not fail.
func (f *Fin) ParseXML(e stanza.Element) error {
	*f = Fin{Space: spaceOf(e), QueryID: e.Attr("queryid")}
	complete, stable := e.Attr("complete"), e.Attr("stable")
	f.Complete = complete == "true" || complete == "1"
	f.Unstable = stable == "false" || stable == "0"
	if set := e.Child(rsm.NS, "set"); !set.IsZero() {
		return set.Decode(&f.Set)
	}
	return nil
}

// Metadata says where an archive begins and ends, the element <metadata/>
// (XEP-0313, section 5). The zero Metadata is that of an empty archive, and asks
// for it.
type Metadata struct {
	Start, End Edge
}

// Edge is the first or the last message of an archive.
type Edge struct {
	ID string
	At time.Time
}

// IsEmpty reports whether the archive is empty.
func (m *Metadata) IsEmpty() bool { return m.Start.ID == "" || m.End.ID == "" }

// XMLName returns the name of the element.
func (Metadata) XMLName() xml.Name { return xml.Name{Space: NS, Local: "metadata"} }

// AppendXML appends the element.
func (m Metadata) AppendXML(dst []byte) ([]byte, error) {
	dst = open(dst, "metadata", NS)
	if m.IsEmpty() {
		return append(dst, "/>"...), nil
	}
	dst = m.Start.append(append(dst, '>'), "start")
	return append(m.End.append(dst, "end"), "</metadata>"...), nil
}

func (e *Edge) append(dst []byte, name string) []byte {
	dst = stanza.AppendAttr(append(append(dst, '<'), name...), "id", e.ID)
	if !e.At.IsZero() {
		dst = append(datetime.Append(append(dst, " timestamp='"...), e.At), '\'')
	}
	return append(dst, "/>"...)
}

// ParseXML reads the element. One that has only one end, or a time that is none,
// is a bad-request.
func (m *Metadata) ParseXML(e stanza.Element) (err error) {
	*m = Metadata{}
	start, end := e.Child(NS, "start"), e.Child(NS, "end")
	if start.IsZero() && end.IsZero() {
		return nil
	}
	if err = m.Start.parse(start); err == nil {
		err = m.End.parse(end)
	}
	if err != nil {
		*m = Metadata{}
	}
	return err
}

func (e *Edge) parse(el stanza.Element) error {
	at, err := datetime.Parse(el.Attr("timestamp"))
	e.ID, e.At = el.Attr("id"), at.UTC()
	if e.ID == "" || err != nil || e.At.Year() < 1 || e.At.Year() > 9999 || e.At.IsZero() {
		return stanza.NewError(stanza.BadRequest, "the end of an archive without id or time")
	}
	return nil
}
