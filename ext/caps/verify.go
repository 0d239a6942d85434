package caps

import (
	"errors"
	"slices"
	"strings"

	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/form"
)

// Verify reports whether info is what c stands for (XEP-0115, section 5.4): nil
// if it is. The error is [ErrMismatch], [ErrIllFormed] or [ErrUnknownHash], the
// last two wrapped; the last also for the legacy format, which cannot be
// verified.
//
// The way that XEP-0115 hashes lets other information have the same hash, and
// "is known to be vulnerable to certain cache poisoning attacks" (section 9.3).
// So what could be such other information is ill-formed here as well: text with
// the separator in it, features that could be identities or the other way
// round, and forms that could be features.
func (c Caps) Verify(info disco.Info) error { return verified(c.match(info)) }

// Verify reports whether info is what h stands for (XEP-0390, section 4.4), as
// [Caps.Verify] does.
func (h Hash) Verify(info disco.Info) error { return verified(h.match(info)) }

func verified(_ disco.Info, err error) error { return err }

// match returns info as it has the hash; see eachReading.
func (c Caps) match(info disco.Info) (disco.Info, error) {
	return eachReading(info, func(i disco.Info) error {
		ver, err := Ver(i, c.Hash)
		switch {
		case err != nil:
			return err
		case ver != c.Ver:
			return ErrMismatch
		}
		return unambiguous(i)
	})
}

func (h Hash) match(info disco.Info) (disco.Info, error) {
	return eachReading(info, func(i disco.Info) error {
		got, err := Sum(i, h.Algo)
		if err == nil && got != h {
			err = ErrMismatch
		}
		return err
	})
}

// eachReading calls try with info as it is, and, if that is not what was
// hashed, with the language of what has none of its own: "Implementations must
// take implicit values for the xml:lang attribute into account" (XEP-0390,
// section 4.1), but who has made the hash may not have known which language
// servers would put around it.
func eachReading(info disco.Info, try func(disco.Info) error) (disco.Info, error) {
	err := try(info)
	if !errors.Is(err, ErrMismatch) || info.Lang == "" {
		return info, err
	}
	implicit := info
	implicit.Identities = slices.Clone(info.Identities)
	for i := range implicit.Identities {
		if id := &implicit.Identities[i]; id.Lang == "" {
			id.Lang = info.Lang
		}
	}
	if err := try(implicit); err != nil {
		return info, err
	}
	return implicit, nil
}

// knownForms are the FORM_TYPEs that information is known to have. They are not
// features.
var knownForms = []string{
	"http://jabber.org/network/serverinfo",
	"http://jabber.org/protocol/muc#roominfo",
	"http://jabber.org/protocol/pubsub#meta-data",
	"urn:xmpp:dataforms:softwareinfo",
}

// unambiguous returns an error if a string S that is made of info could be made
// of other information as well, so that it could be served in its place. S is
// a list of strings, of which nothing says which are identities, features or
// form fields but their own shape and order:
//   - a separator in a string makes two strings of it;
//   - an identity has three slashes, and something before the first two; no
//     feature that is in use looks so, for URIs have two slashes together;
//   - features are in order, so that the last ones of them could only be told
//     as a form if its FORM_TYPE comes behind all features that are left.
func unambiguous(info disco.Info) error {
	last := ""
	for _, f := range info.Features {
		if strings.Contains(f, "<") || looksLikeIdentity(f) || f == "" {
			return illFormed("a feature could be something else")
		}
		last = max(last, f)
	}
	for _, id := range info.Identities {
		if id.Category == "" || id.Type == "" || strings.ContainsAny(id.Category+id.Type+id.Lang, "/<") ||
			strings.Contains(id.Name, "<") {
			return illFormed("an identity could be something else")
		}
	}
	if len(info.Identities) == 0 {
		return illFormed("there is no identity")
	}
	forms, err := sortForms(info.Forms)
	for _, d := range forms {
		if t := formType(d); t > last && !slices.Contains(knownForms, t) {
			return illFormed("a form could be features")
		}
		for _, f := range d.Fields {
			if strings.Contains(f.Var+strings.Join(f.Values, ""), "<") {
				return illFormed("a form has a separator in it")
			}
		}
	}
	return err
}

func looksLikeIdentity(feature string) bool {
	parts := strings.SplitN(feature, "/", 4)
	return len(parts) == 4 && parts[0] != "" && parts[1] != ""
}

// covered returns what a hash covers of info that it was verified for. The rest
// may be of any origin and must not be believed of others who have the same
// hash: forms without FORM_TYPE, tables, and what fields have beside values.
func covered(info disco.Info) disco.Info {
	c := disco.Info{Identities: info.Identities, Features: info.Features}
	for _, d := range info.Forms {
		if formType(d) == "" {
			continue
		}
		clean := form.Data{Type: form.Result}
		for _, f := range d.Fields {
			field := form.Field{Var: f.Var, Values: f.Values}
			if f.Var == form.FormType {
				field.Type = form.Hidden
			}
			clean.Fields = append(clean.Fields, field)
		}
		c.Forms = append(c.Forms, clean)
	}
	return c
}
