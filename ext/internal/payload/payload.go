// Package payload finds payloads in whatever can become a stanza.
package payload

import "github.com/etherx-go/xmpp/stanza"

// Source is a *stanza.Stanza, a *stanza.Message, or another face of a stanza.
type Source interface {
	Stanza() (*stanza.Stanza, error)
}

// Stanza returns m as a stanza, nil if it cannot be one.
func Stanza(m Source) *stanza.Stanza {
	st, err := m.Stanza()
	if err != nil {
		return nil
	}
	return st
}

// Of returns the first payload of m that T describes, if it is well-formed, and
// m as a stanza. Stanzas of type error have none: what stands there is what
// was sent to somebody else.
func Of[T any](m Source) (v T, st *stanza.Stanza, ok bool) {
	if st = Stanza(m); st == nil || st.Type == stanza.TypeError {
		return v, nil, false
	}
	v, ok, err := stanza.Decode[T](st)
	if !ok || err != nil {
		var zero T
		return zero, st, false
	}
	return v, st, true
}

// Edit returns st without the payloads that drop chooses, and with those of add
// behind the others.
func Edit(st *stanza.Stanza, drop func(stanza.Element) bool, add ...any) (*stanza.Stanza, error) {
	if drop != nil {
		st = st.Without(drop)
	}
	if len(add) == 0 {
		return st, nil
	}
	return st.Adding(add...)
}
