package push

import (
	"encoding/xml"

	"github.com/etherx-go/xmpp/ext/form"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// Registration says where notifications go, the element <enable/> (section 5).
// Service and Node together name it among those of an account.
type Registration struct {
	// Service is the address of the app's service. It must be set.
	Service jid.JID
	// Node is the delivery target there, as the app's server has named it.
	Node string
	// Options are what the service wants to get with each notification: the fields
	// of the form of publish options but FORM_TYPE. See [Secret].
	Options []form.Field
}

// Secret is the option of services that want one to be let in (section 5, example
// 9).
func Secret(secret string) form.Field { return form.Field{Var: "secret", Values: []string{secret}} }

// XMLName returns the name of the element.
func (Registration) XMLName() xml.Name { return xml.Name{Space: NS, Local: "enable"} }

// AppendXML appends the element. The error is a bad-request if there is no service.
func (r Registration) AppendXML(dst []byte) ([]byte, error) {
	return r.append(dst, func(dst []byte) []byte { return dst })
}

// append appends the element, with further attributes.
func (r *Registration) append(dst []byte, attrs func([]byte) []byte) (_ []byte, err error) {
	if dst, err = appendTarget(dst, "enable", r.Service, r.Node); err != nil {
		return dst, err
	}
	if dst = attrs(dst); len(r.Options) == 0 {
		return append(dst, "/>"...), nil
	}
	if dst, err = appendOptions(append(dst, '>'), r.Options); err != nil {
		return dst, err
	}
	return append(dst, "</enable>"...), nil
}

// appendTarget begins an element that names a service and a node.
func appendTarget(dst []byte, name string, service jid.JID, node string) ([]byte, error) {
	if service.IsZero() {
		return dst, errNoService()
	}
	dst = append(append(append(dst, '<'), name...), " xmlns='"+NS+"'"...)
	dst = stanza.AppendAttr(dst, "jid", service.String())
	if node != "" {
		dst = stanza.AppendAttr(dst, "node", node)
	}
	return dst, nil
}

func errNoService() error { return stanza.NewError(stanza.BadRequest, "say which push service") }

// ParseXML reads the element. It is a bad-request without an address, and
// jid-malformed if that is none.
func (r *Registration) ParseXML(e stanza.Element) (err error) {
	*r = Registration{}
	if r.Service, r.Node, err = parseTarget(e); err != nil {
		return err
	}
	r.Options = parseOptions(e)
	return nil
}

func parseTarget(e stanza.Element) (service jid.JID, node string, err error) {
	addr := e.Attr("jid")
	if addr == "" {
		return jid.JID{}, "", errNoService()
	}
	if service, err = jid.Parse(addr); err != nil {
		return jid.JID{}, "", stanza.NewError(stanza.JIDMalformed, err.Error())
	}
	return service, e.Attr("node"), nil
}

// appendOptions appends the form of publish options.
func appendOptions(dst []byte, options []form.Field) ([]byte, error) {
	return form.New(form.Submit, nsPublishOptions, options...).AppendXML(dst)
}

// parseOptions returns the fields of the form of publish options in e, but FORM_TYPE.
func parseOptions(e stanza.Element) []form.Field { return fieldsOf(e, nsPublishOptions) }

// fieldsOf returns the fields of the form in e that has this FORM_TYPE, and not that
// one. The type of the form and of the field are not looked at: XEP-0357 shows forms
// without.
func fieldsOf(e stanza.Element, formType string) []form.Field {
	for c := range e.Children() {
		if !c.Is(form.NS, "x") {
			continue
		}
		var d form.Data
		if err := d.ParseXML(c); err != nil || d.Text(form.FormType) != formType {
			continue
		}
		var fields []form.Field
		for _, f := range d.Fields {
			if f.Var != form.FormType {
				fields = append(fields, f)
			}
		}
		return fields
	}
	return nil
}

// removal is the element <disable/> (section 6). Without a node it stands for all of
// the service.
type removal struct {
	service jid.JID
	node    string
}

func (removal) XMLName() xml.Name { return xml.Name{Space: NS, Local: "disable"} }

func (r removal) AppendXML(dst []byte) ([]byte, error) {
	dst, err := appendTarget(dst, "disable", r.service, r.node)
	if err != nil {
		return dst, err
	}
	return append(dst, "/>"...), nil
}

func (r *removal) ParseXML(e stanza.Element) (err error) {
	r.service, r.node, err = parseTarget(e)
	return err
}
