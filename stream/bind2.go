package stream

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/stanza"
)

// NSBind2 is the namespace of Bind 2 (XEP-0386).
const NSBind2 = "urn:xmpp:bind:0"

// generated is how long the part of a resource is that a server makes: 80 bits in
// base 32 are not guessed.
const generated = 16

// Bind2 is the client's side of resource binding within the authentication
// (XEP-0386). The server makes the resource.
type Bind2 struct {
	// Tag is the name of the software, which the resource begins with, for
	// everybody to see. It must say nothing of the user or the device.
	Tag string
	// Features are what is enabled with the binding, where the server offers it.
	Features []BindRequest
	// Bound reports the full address, and the <bound/> in which the server tells
	// more; it may be nil.
	Bound func(address jid.JID, bound stanza.Element)
}

// BindRequest is something that a client enables as it binds a resource.
type BindRequest struct {
	// Var is the name under which the server offers it (XEP-0386, section 3.1),
	// for instance urn:xmpp:carbons:2.
	Var string
	// Request is the element that asks for it.
	Request stanza.Raw
	// Bound is called when a resource was bound and the feature was asked for, with
	// the <bound/> in which the server answers; it may be nil. An error ends the
	// stream.
	Bound func(c *Conn, bound stanza.Element) error
}

// request appends the <bind/> to ask with, and returns what it asks for. offered is
// the server's <bind/>; nothing is asked for if it is zero.
func (b *Bind2) request(dst []byte, offered stanza.Element) ([]byte, []BindRequest) {
	if b == nil || offered.IsZero() {
		return dst, nil
	}
	vars := offeredVars(offered)
	dst = append(dst, "<bind xmlns='"+NSBind2+"'>"...)
	if b.Tag != "" {
		dst = stanza.AppendTextElement(dst, "tag", b.Tag)
	}
	var asked []BindRequest
	for _, f := range b.Features {
		if slices.Contains(vars, f.Var) {
			dst = append(dst, f.Request...)
			asked = append(asked, f)
		}
	}
	return append(dst, "</bind>"...), asked
}

// offeredVars returns the features that a server can enable as it binds. The examples
// of XEP-0198, section 9.3, have no <inline/> around them.
func offeredVars(offered stanza.Element) (vars []string) {
	for _, in := range []stanza.Element{offered.Child(NSBind2, "inline"), offered} {
		for f := range in.Children() {
			if f.Is(NSBind2, "feature") {
				vars = append(vars, f.Attr("var"))
			}
		}
	}
	return vars
}

// finish takes the server's <bound/>.
func (b *Bind2) finish(c *Conn, address jid.JID, bound stanza.Element, asked []BindRequest) error {
	if !address.IsFull() {
		return fmt.Errorf("stream: bind: the server bound a resource, and gave the address %q", address)
	}
	for _, f := range asked {
		if f.Bound == nil {
			continue
		}
		if err := f.Bound(c, bound); err != nil {
			return err
		}
	}
	if b.Bound != nil {
		b.Bound(address, bound)
	}
	return nil
}

// Bind2Server is the server's side of resource binding within the authentication
// (XEP-0386).
type Bind2Server struct {
	// Bind binds the resource for who has logged in, and returns the full address;
	// it may take another resource. Another session of the same client, which is
	// found by [Login.UserAgent] or has the same resource, is for Bind to end:
	// "the server SHOULD terminate any earlier sessions from the same client". So
	// are offline messages for Bind to drop: the client reads the archive.
	//
	// An error does not undo the authentication: the client is told of no binding,
	// and can try that of RFC 6120, which says what is wrong.
	Bind func(ctx context.Context, l *Login, resource string) (jid.JID, error)
	// Bound, if not nil, is called like that of [ServeBind].
	Bound func(l *Login)
	// Features are what can be enabled with the binding.
	Features []BindFeature
	// Metadata, if not nil, returns what <bound/> says in any case: the state of the
	// archive (XEP-0313, section 5).
	Metadata func(ctx context.Context, l *Login) (stanza.Raw, error)
	// Secret makes the resources, so that nobody can tell them, and they stay the
	// same. nil = random for the process; servers of one cluster should share one,
	// and keep it over restarts.
	Secret []byte
}

// BindFeature is something that a server can enable as it binds a resource.
type BindFeature struct {
	// Var is the name under which it is offered.
	Var string
	// Requests names the elements that ask for it.
	Requests []xml.Name
	// Enable enables it for who has logged in, whose resource is bound and cannot be
	// reached yet. What it returns goes into <bound/>. An error is reported, and the
	// login goes on.
	Enable func(ctx context.Context, l *Login, request stanza.Element) (stanza.Raw, error)
}

// appendOffer appends what is offered inline.
func (b *Bind2Server) appendOffer(dst []byte, more ...string) []byte {
	vars := more
	for _, f := range b.Features {
		vars = append(vars, f.Var)
	}
	if len(vars) == 0 {
		return append(dst, "<bind xmlns='"+NSBind2+"'/>"...)
	}
	dst = append(dst, "<bind xmlns='"+NSBind2+"'><inline>"...)
	for _, v := range vars {
		dst = append(stanza.AppendAttr(append(dst, "<feature"...), "var", v), "/>"...)
	}
	return append(dst, "</inline></bind>"...)
}

// feature returns the one that an element asks for, nil if it is none.
func (b *Bind2Server) feature(name xml.Name) *BindFeature {
	for i := range b.Features {
		if slices.Contains(b.Features[i].Requests, name) {
			return &b.Features[i]
		}
	}
	return nil
}

// resourceSecret makes the resources where no Secret is set.
var resourceSecret = sync.OnceValue(func() []byte {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	return b
})

// resource makes a resource: the tag and something that nobody can tell, which is the
// same again for the same account, client and tag. "The SASL2 <user-agent> id itself
// MUST NOT be exposed by the server in the generated resource identifier" (section
// 3.2.1). A tag that cannot be in a resource is left out.
func (b *Bind2Server) resource(l *Login, tag string) string {
	made := rand.Text()[:generated]
	if l.UserAgent.ID != "" {
		secret := b.Secret
		if secret == nil {
			secret = resourceSecret()
		}
		mac := hmac.New(sha256.New, secret)
		for _, part := range []string{l.Account.String(), l.UserAgent.ID, tag} {
			io.WriteString(mac, part)
			mac.Write([]byte{0})
		}
		made = base32.StdEncoding.EncodeToString(mac.Sum(nil))[:generated]
	}
	if tag == "" {
		return made
	}
	if j, err := l.Account.WithResource(tag + "/" + made); err == nil {
		return j.Resource()
	}
	return made
}
