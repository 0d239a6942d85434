package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
)

// addComponent reads -component.
func (o *options) addComponent(v string) error {
	name, secret, _ := strings.Cut(v, "=")
	j, err := jid.Parse(name)
	switch {
	case err != nil || !j.IsDomain() || secret == "":
		return errors.New("want name=secret")
	case o.components[j.Domain()].Secret != "":
		return fmt.Errorf("%s has a secret already", j)
	case o.components == nil:
		o.components = make(map[string]server.Component)
	}
	o.components[j.Domain()] = server.Component{Secret: secret}
	return nil
}

// componentAddr returns where to wait for components, "" for nowhere.
func (o *options) componentAddr() string {
	if len(o.components) == 0 {
		return ""
	}
	return o.listenComponent
}

// externals returns which external components there are, nil for none. Those on other
// machines need TLS.
func (o *options) externals() *server.Components {
	if o.componentAddr() == "" {
		return nil
	}
	return &server.Components{Known: o.components}
}
