package caps

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/etherx-go/xmpp/ext/disco"
	"github.com/etherx-go/xmpp/ext/form"
)

// The names of the hash functions that are sent: SHA-1, which XEP-0115 makes
// mandatory (section 9.1), and those in the examples of XEP-0390.
const (
	SHA1    = "sha-1"
	SHA256  = "sha-256"
	SHA3256 = "sha3-256"
)

// newHash returns a hash function by its name, nil if it is not known. MD5 and
// older ones are left out: who can find preimages could poison a cache.
func newHash(name string) hash.Hash {
	switch name {
	case SHA1:
		return sha1.New()
	case "sha-224":
		return sha256.New224()
	case SHA256:
		return sha256.New()
	case "sha-384":
		return sha512.New384()
	case "sha-512":
		return sha512.New()
	case SHA3256:
		return sha3.New256()
	case "sha3-512":
		return sha3.New512()
	}
	return nil
}

// ErrIllFormed is returned for information that no hash can stand for
// (XEP-0115, section 5.4, and XEP-0390, section 4.1). It comes wrapped.
var ErrIllFormed = errors.New("caps: ill-formed")

// ErrMismatch is returned for information that is not what a hash stands for.
var ErrMismatch = errors.New("caps: the hash is that of something else")

// ErrUnknownHash is returned for hash functions that are not known. It comes
// wrapped.
var ErrUnknownHash = errors.New("caps: unknown hash function")

// sum hashes input by the function of that name.
func sum(algo string, input []byte) (string, error) {
	h := newHash(algo)
	if h == nil {
		return "", fmt.Errorf("%w %q", ErrUnknownHash, algo)
	}
	h.Write(input)
	return string(h.Sum(nil)), nil
}

// VerificationString returns the string S of XEP-0115, section 5.1, which Ver
// hashes. It refuses what section 5.4 calls ill-formed: an identity, a feature
// or a FORM_TYPE that is there twice, or a FORM_TYPE with several values. Forms
// without a FORM_TYPE that counts are ignored.
func VerificationString(info disco.Info) (string, error) {
	ids := slices.Clone(info.Identities)
	slices.SortFunc(ids, compareIdentities)
	if hasTwice(ids) {
		return "", illFormed("an identity is there twice")
	}
	features := slices.Sorted(slices.Values(info.Features))
	if hasTwice(features) {
		return "", illFormed("a feature is there twice")
	}
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(id.Category + "/" + id.Type + "/" + id.Lang + "/" + id.Name + "<")
	}
	for _, f := range features {
		b.WriteString(f + "<")
	}
	forms, err := sortForms(info.Forms)
	if err != nil {
		return "", err
	}
	for _, d := range forms {
		writeForm(&b, d)
	}
	return b.String(), nil
}

func illFormed(why string) error { return fmt.Errorf("%w: %s", ErrIllFormed, why) }

func compareIdentities(a, b disco.Identity) int {
	for _, c := range [...]int{strings.Compare(a.Category, b.Category), strings.Compare(a.Type, b.Type),
		strings.Compare(a.Lang, b.Lang)} {
		if c != 0 {
			return c
		}
	}
	return strings.Compare(a.Name, b.Name)
}

// hasTwice reports whether a sorted slice holds something twice.
func hasTwice[T comparable](sorted []T) bool {
	return len(slices.Compact(slices.Clone(sorted))) < len(sorted)
}

// sortForms returns the forms with a FORM_TYPE, in its order. The others are
// left out: "ignore the form but continue processing".
func sortForms(forms []form.Data) ([]form.Data, error) {
	var all []form.Data
	for _, d := range forms {
		switch len(formTypes(d)) {
		case 0:
		case 1:
			all = append(all, d)
		default:
			return nil, illFormed("a FORM_TYPE has several values")
		}
	}
	slices.SortStableFunc(all, func(a, b form.Data) int { return strings.Compare(formType(a), formType(b)) })
	for i := 1; i < len(all); i++ {
		if formType(all[i-1]) == formType(all[i]) {
			return nil, illFormed("a FORM_TYPE is there twice")
		}
	}
	return all, nil
}

// formTypes returns the different values of FORM_TYPE, none if it is not
// hidden.
func formTypes(d form.Data) (values []string) {
	for _, f := range d.Fields {
		if f.Var != form.FormType {
			continue
		}
		if f.Type != form.Hidden {
			return nil
		}
		values = append(values, f.Values...)
	}
	slices.Sort(values)
	return slices.Compact(values)
}

// formType returns the FORM_TYPE of a form, "" if there is none.
func formType(d form.Data) string {
	if all := formTypes(d); len(all) > 0 {
		return all[0]
	}
	return ""
}

// writeForm appends a form to S.
func writeForm(b *strings.Builder, d form.Data) {
	b.WriteString(formType(d) + "<")
	fields := slices.Clone(d.Fields)
	slices.SortStableFunc(fields, func(a, b form.Field) int { return strings.Compare(a.Var, b.Var) })
	for _, f := range fields {
		if f.Var == form.FormType {
			continue
		}
		b.WriteString(f.Var + "<")
		for _, v := range slices.Sorted(slices.Values(f.Values)) {
			b.WriteString(v + "<")
		}
	}
}

// Ver returns the hash of XEP-0115, section 5.1, as it stands in [Caps]: that of
// [VerificationString], in Base64. The error is [ErrIllFormed] or
// [ErrUnknownHash], wrapped.
func Ver(info disco.Info, algo string) (string, error) {
	s, err := VerificationString(info)
	if err != nil {
		return "", err
	}
	v, err := sum(algo, []byte(s))
	return base64.StdEncoding.EncodeToString([]byte(v)), err
}

// The separators of XEP-0390, section 4.1. XML cannot have them, so that no
// text can be taken for another.
const (
	unit   = 0x1f
	record = 0x1e
	group  = 0x1d
	file   = 0x1c
)

// HashInput returns what [Hash]es of XEP-0390 are made of (section 4.1). It
// refuses forms that are tables, and those without a FORM_TYPE. The error is
// [ErrIllFormed], wrapped.
func HashInput(info disco.Info) ([]byte, error) {
	if info.Unknown > 0 {
		return nil, illFormed("there are unknown elements")
	}
	var features, ids, forms []string
	for _, f := range info.Features {
		features = append(features, f+string(rune(unit)))
	}
	for _, id := range info.Identities {
		ids = append(ids, id.Category+"\x1f"+id.Type+"\x1f"+id.Lang+"\x1f"+id.Name+"\x1f\x1e")
	}
	for i := range info.Forms {
		s, err := formInput(&info.Forms[i])
		if err != nil {
			return nil, err
		}
		forms = append(forms, s)
	}
	return []byte(join(features, file) + join(ids, file) + join(forms, file)), nil
}

// formInput returns the part that a form has in the input.
func formInput(d *form.Data) (string, error) {
	switch ft := d.Field(form.FormType); {
	case d.Reported != nil || len(d.Items) > 0:
		return "", illFormed("a form is a table")
	case ft == nil || ft.Type != form.Hidden || len(ft.Values) == 0:
		return "", illFormed("a form has no FORM_TYPE")
	}
	var fields []string
	for _, f := range d.Fields {
		var values []string
		for _, v := range f.Values {
			values = append(values, v+string(rune(unit)))
		}
		slices.Sort(values)
		fields = append(fields, f.Var+string(rune(unit))+join(values, record))
	}
	return join(fields, group), nil
}

// join sorts and joins the parts, and puts an octet behind.
func join(parts []string, end byte) string {
	slices.Sort(parts)
	return strings.Join(parts, "") + string(rune(end))
}

// Sum returns the hash of the information by XEP-0390. The error is
// [ErrIllFormed] or [ErrUnknownHash], wrapped.
func Sum(info disco.Info, algo string) (Hash, error) {
	input, err := HashInput(info)
	if err != nil {
		return Hash{}, err
	}
	v, err := sum(algo, input)
	return Hash{algo, v}, err
}
