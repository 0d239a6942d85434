package jid

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
)

var fuzzSeeds = []string{
	"", "@", "/", "a", "a@b", "a@b/c", "Juliet@Example.COM/Balcony", "a.example.com/b@example.net",
	"fu\u00dfball@example.com", "\u03a3@example.com/foo", "henry\u2163@example.com", "king@example.com/\u265a",
	`foo\20bar@xn--bcher-kva.example.`, "a\u3002b\uff0ec\uff61", "\uff41\uff20b", "[2001:DB8::1]/x", "a@[fe80::1%25eth0]", "::1",
	"\u05d0\u05d1@\u05d0.example/\u05d01", "a\u0300\u0301@\u1e9e", "\u212a\u0130@\u00c5", "x--y.ab--c", "a\u200d\u094d", "-a.b-", "_x._tcp.b\u00fc",
	"xn--/", "xn--a.xn--b", "a@b/ \u00a0\u2003", "\ufb01.\u2100", "a\x00b", "\xff", "1\u00e9@\u65e5_",
}

// reference is Parse without any shortcut: each part goes through the profile of its RFC, ASCII or not.
func reference(s string) (string, error) {
	bare, resource, hasResource := strings.Cut(s, "/")
	local, domain, hasLocal := strings.Cut(bare, "@")
	if !hasLocal {
		local, domain = "", bare
	}
	var b strings.Builder
	part := func(in string, prepare func(string) (string, error)) error {
		if len(in) > maxRawPart || !utf8.ValidString(in) {
			return errors.New("raw")
		}
		out, err := settle(PartAddress, in, prepare)
		if err == nil && (out == "" || len(out) > MaxPartLen) {
			err = errors.New("length")
		}
		b.WriteString(out)
		return err
	}
	if hasLocal {
		if err := part(local, prepareLocal); err != nil {
			return "", err
		}
		if strings.ContainsAny(b.String(), `"&'/:<>@`) {
			return "", errors.New("excluded")
		}
		b.WriteByte('@')
	}
	prepareDomain := mapName
	if strings.HasPrefix(domain, "[") || strings.Count(domain, ":") > 1 {
		prepareDomain = func(s string) (string, error) { ip, err := appendIP(nil, s); return string(ip), err }
	}
	if err := part(trimSeparator(domain), prepareDomain); err != nil {
		return "", err
	}
	if hasResource {
		b.WriteByte('/')
		if err := part(resource, prepareResource); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// FuzzParse checks that parsing is stable, that the fast path and the shortcuts for ASCII give what the profiles give,
// and that refusals are of the one type.
func FuzzParse(f *testing.F) {
	for _, s := range fuzzSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		j, err := Parse(s)
		want, wantErr := reference(s)
		if (err == nil) != (wantErr == nil) || err == nil && j.s != want {
			t.Fatalf("Parse(%+q) = %+q, %v; without shortcuts %+q, %v", s, j.s, err, want, wantErr)
		}
		if fast, ok := scan(s); ok && (err != nil || fast != j || j.s != s) {
			t.Fatalf("fast path gives %+q for %+q, %v", fast.s, s, err)
		}
		if b, errB := ParseBytes([]byte(s)); b != j || (errB == nil) != (err == nil) {
			t.Fatalf("ParseBytes(%+q) = %+q, %v", s, b.s, errB)
		}
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || !j.IsZero() || len(e.Value) > maxErrorValue || e.Reason == 0 || len(e.Error()) > 1000 {
				t.Fatalf("Parse(%+q) = %+q, %#v", s, j.s, err)
			}
			return
		}
		if k, err := Parse(j.String()); err != nil || k != j {
			t.Fatalf("%+q gives %+q, which gives %+q, %v", s, j.s, k.s, err)
		}
		if k, err := New(j.Local(), j.Domain(), j.Resource()); err != nil || k != j {
			t.Fatalf("New of the parts of %+q = %+q, %v", j.s, k.s, err)
		}
		if !strings.Contains(j.Domain(), "%") {
			if k, err := New("", j.ASCIIDomain(), ""); err != nil || k != j.DomainJID() || !isASCII(j.ASCIIDomain()) {
				t.Fatalf("ASCIIDomain of %+q is %+q, which gives %+q, %v", j.s, j.ASCIIDomain(), k.s, err)
			}
		}
		if j.Local()+j.Domain() == "" || len(j.Local()) > MaxPartLen || len(j.Domain()) > MaxPartLen || len(j.Resource()) > MaxPartLen ||
			strings.ContainsAny(j.Local(), `"&'/:<>@ `) || strings.ContainsAny(j.Domain(), "/@ ") || !utf8.ValidString(j.s) {
			t.Fatalf("bad parts: %+q", j.s)
		}
		// What golang.org/x/text itself accepts as a user name must be that.
		if l, _, ok := strings.Cut(s, "@"); ok && j.Local() != "" {
			if p, err := precis.UsernameCaseMapped.String(l); err == nil && p != j.Local() {
				if p2, err := precis.UsernameCaseMapped.String(p); err != nil || p2 != j.Local() {
					t.Fatalf("localpart %+q, UsernameCaseMapped %+q", j.Local(), p)
				}
			}
		}
	})
}

func FuzzURI(f *testing.F) {
	for _, s := range fuzzSeeds {
		f.Add("xmpp:" + s)
	}
	for _, s := range []string{
		"xmpp://guest@example.com/support@example.com?message", "xmpp:a@b?;k=v;k;=;;#f", "jabber://a@b/c", "im:a/b@c?d", "pres:%27@c",
		"xmpp:a@b/%2F%C3%A9#%20", "XMPP:[::1]", "xmpp:a@b?q%3B;%3D=%26",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseURI(s)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || !reflect.DeepEqual(u, URI{}) || len(e.Value) > maxErrorValue {
				t.Fatalf("ParseURI(%+q) = %+v, %#v", s, u, err)
			}
			return
		}
		out := u.String()
		for i := range len(out) {
			if c := out[i]; !isUnreserved(c) && !strings.ContainsRune("%:/?#[]@!$&'()*+,;=", rune(c)) {
				t.Fatalf("%+q has a character that no URI has", out)
			}
		}
		if again, err := ParseURI(out); err != nil || !reflect.DeepEqual(again, u) || !strings.HasPrefix(out, "xmpp:") {
			t.Fatalf("%+q gives %+v, written %q, which gives %+v, %v", s, u, out, again, err)
		}
	})
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", " ", "a b", ` \20`, `c:\5commas`, `\5c5c`, `\\20\`, "d'artagnan", `"&'/:<>@\ `, "\u00e9\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e := EscapeLocal(s)
		if got := UnescapeLocal(e); got != s {
			t.Fatalf("%q escaped is %q, unescaped %q", s, e, got)
		}
		inner := strings.TrimSuffix(strings.TrimPrefix(e, " "), " ")
		if strings.ContainsAny(inner, ` "&'/:<>@`) || strings.HasPrefix(e, `\20`) || strings.HasSuffix(e, `\20`) && !strings.HasSuffix(e, `\5c20`) {
			t.Fatalf("%q escaped is %q", s, e)
		}
		if u := UnescapeLocal(s); len(u) > len(s) || UnescapeLocal(EscapeLocal(u)) != u {
			t.Fatalf("%q unescaped is %q", s, u)
		}
	})
}

// A string that a profile changes again and again has no canonical form.
func TestSettle(t *testing.T) {
	if s, err := settle(PartLocal, "aaa", func(s string) (string, error) { return "b" + s[1:], nil }); s != "baa" || err != nil {
		t.Errorf("settle = %q, %v, want \"baa\"", s, err)
	}
	_, err := settle(PartLocal, "a", func(s string) (string, error) { return s + "a", nil })
	var e *Error
	if !errors.As(err, &e) || e.Part != PartLocal || e.Reason != ReasonUnstable {
		t.Errorf("settle of what never settles: %v", err)
	}
}
