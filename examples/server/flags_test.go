package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/etherx-go/xmpp/examples/internal/markdown"
	"github.com/etherx-go/xmpp/jid"
	"github.com/etherx-go/xmpp/server"
)

// defaults returns the options without any flag, changed by fn.
func defaults(fn func(*options)) *options {
	o := &options{
		domains: []string{"localhost"},
		listen:  "127.0.0.1:5222", listenTLS: "127.0.0.1:5223",
		listenS2S: "127.0.0.1:5269", dialback: true,
		listenComponent: "127.0.0.1:5347",
		data:            "etherx-data",
		later:           map[string]string{},
	}
	if fn != nil {
		fn(o)
	}
	return o
}

func TestParse(t *testing.T) {
	tests := []struct {
		args string // separated by spaces; '' is an empty one
		want func(*options)
	}{
		{"", nil},
		{"-domain capulet.example", func(o *options) { o.domains = []string{"capulet.example"} }},
		{"-domain capulet.example -domain montague.example", func(o *options) {
			o.domains = []string{"capulet.example", "montague.example"}
		}},
		{"-listen [::1]:15222", func(o *options) { o.listen = "[::1]:15222" }},
		{"-listen ''", func(o *options) { o.listen = "" }},
		{"-listen-tls :5223", func(o *options) { o.listenTLS = ":5223" }},
		{"-listen-tls ''", func(o *options) { o.listenTLS = "" }},
		{"-data memory", func(o *options) { o.data = "memory" }},
		{"-user juliet:r0m30 -user romeo:a:b", func(o *options) {
			o.users = []user{{"juliet", "r0m30"}, {"romeo", "a:b"}}
		}},
		{"-register", func(o *options) { o.register = true }},
		{"-allow-plaintext", func(o *options) { o.allowPlaintext = true }},
		{"-allow-plaintext -listen localhost:5222", func(o *options) { o.allowPlaintext, o.listen = true, "localhost:5222" }},
		{"-allow-plaintext -listen [::1]:5222", func(o *options) { o.allowPlaintext, o.listen = true, "[::1]:5222" }},
		{"-allow-plaintext -listen '' -listen-tls :5223", func(o *options) {
			o.allowPlaintext, o.listen, o.listenTLS = true, "", ":5223"
		}},
		{"-legacy", func(o *options) { o.legacy = true }},
		{"-cert c.pem -key k.pem", func(o *options) { o.cert, o.key = "c.pem", "k.pem" }},
		{"-max-stanza 65536", func(o *options) { o.maxStanza = 65536 }},
		{"-max-stanza -1 -rate -1", func(o *options) { o.maxStanza, o.rate = -1, -1 }},
		{"-rate 1000", func(o *options) { o.rate = 1000 }},
		{"-listen-s2s ''", func(o *options) { o.listenS2S = "" }},
		{"-listen-s2s :5269 -s2s-ca roots.pem", func(o *options) { o.listenS2S, o.s2sCA = ":5269", "roots.pem" }},
		{"-s2s-map example.org=192.0.2.1:5269", func(o *options) {
			o.s2sMap = map[jid.JID]string{jid.MustParse("example.org"): "192.0.2.1:5269"}
		}},
		{"-s2s-map Capulet.example=[::1]:15269 -s2s-map localhost=xmpp.example.net:1", func(o *options) {
			o.s2sMap = map[jid.JID]string{
				jid.MustParse("capulet.example"): "[::1]:15269", jid.MustParse("localhost"): "xmpp.example.net:1",
			}
		}},
		{"-dialback", nil},
		{"-dialback=false", func(o *options) { o.dialback = false }},
		{"-s2s-plaintext", func(o *options) { o.s2sPlaintext = true }},
		{"-s2s-plaintext -listen-s2s [::1]:5269", func(o *options) { o.s2sPlaintext, o.listenS2S = true, "[::1]:5269" }},
		{"-s2s-plaintext -listen-s2s ''", func(o *options) { o.s2sPlaintext, o.listenS2S = true, "" }},
		{"-dns 127.0.0.1:5353", func(o *options) { o.dns = "127.0.0.1:5353" }},
		{"-dns 127.0.0.1:5353 -dns ''", nil},
		{"-listen-http ''", nil},
		{"-listen-component ''", func(o *options) { o.listenComponent = "" }},
		{"-component gw.localhost=s3cret -component SMS.localhost=a=b -listen-component :5347", func(o *options) {
			o.listenComponent = ":5347"
			o.components = map[string]server.Component{"gw.localhost": {Secret: "s3cret"}, "sms.localhost": {Secret: "a=b"}}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			var stderr bytes.Buffer
			got, err := parse(fields(tt.args), &stderr)
			if err != nil {
				t.Fatal(err)
			}
			if want := defaults(tt.want); !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			if stderr.Len() > 0 {
				t.Errorf("written: %s", &stderr)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct{ args, want string }{
		{"-nothing", "flag provided but not defined: -nothing"},
		{"serve", `unexpected argument "serve"`},
		{"-domain", "flag needs an argument: -domain"},
		{"-domain juliet@capulet.example", `invalid value "juliet@capulet.example" for flag -domain: not a domain`},
		{"-domain ''", `invalid value "" for flag -domain: *`},
		{"-user juliet", `invalid value "juliet" for flag -user: want name:password`},
		{"-user :r0m30", `invalid value ":r0m30" for flag -user: want name:password`},
		{"-user juliet:", `invalid value "juliet:" for flag -user: want name:password`},
		{"-cert c.pem", "-cert and -key go together"},
		{"-key k.pem", "-cert and -key go together"},
		{"-data ''", "-data is empty: name a folder, or memory"},
		{"-listen '' -listen-tls ''", "there is nothing to listen on: -listen and -listen-tls are empty"},
		{"-allow-plaintext -listen :5222", "-allow-plaintext is refused: :5222 is not a loopback address"},
		{"-allow-plaintext -listen 192.0.2.1:5222", "-allow-plaintext is refused: 192.0.2.1:5222 is not a loopback address"},
		{"-allow-plaintext -listen localhost", "-allow-plaintext is refused: localhost is not a loopback address"},
		{"-max-stanza -2", "-max-stanza and -rate are numbers of bytes, 0 for the default or -1 for no limit"},
		{"-rate -2", "-max-stanza and -rate are numbers of bytes, 0 for the default or -1 for no limit"},
		{"-rate fast", `invalid value "fast" for flag -rate: parse error`},
		{"-listen-http :5280", "-listen-http: HTTP (WebSocket, BOSH, metrics) is not in this version"},
		{"-admin juliet@localhost", "-admin: administration is not in this version"},
		{"-component bot", `invalid value "bot" for flag -component: want name=secret`},
		{"-component bot=", `invalid value "bot=" for flag -component: want name=secret`},
		{"-component a@bot=secret", `invalid value "a@bot=secret" for flag -component: want name=secret`},
		{"-component bot=a -component BOT=b", `invalid value "BOT=b" for flag -component: bot has a secret already`},
		{"-s2s-map example.org", `invalid value "example.org" for flag -s2s-map: want domain=host:port`},
		{"-s2s-map =192.0.2.1:5269", `invalid value "=192.0.2.1:5269" for flag -s2s-map: want domain=host:port`},
		{"-s2s-map a@example.org=192.0.2.1:5269", `invalid value "a@example.org=192.0.2.1:5269" for flag -s2s-map: want domain=host:port`},
		{"-s2s-map example.org=192.0.2.1", `invalid value "example.org=192.0.2.1" for flag -s2s-map: want domain=host:port`},
		{"-s2s-map example.org=:5269", `invalid value "example.org=:5269" for flag -s2s-map: want domain=host:port`},
		{"-s2s-map example.org=192.0.2.1:0", `invalid value "example.org=192.0.2.1:0" for flag -s2s-map: want domain=host:port`},
		{"-s2s-map a.example=h:1 -s2s-map A.example=h:2", `invalid value "A.example=h:2" for flag -s2s-map: a.example has a place already`},
		{"-dns 127.0.0.1", `invalid value "127.0.0.1" for flag -dns: want host:port`},
		{"-s2s-plaintext -dialback=false", "-s2s-plaintext needs -dialback: without TLS there are no certificates"},
		{"-s2s-plaintext -listen-s2s :5269", "-s2s-plaintext is refused: :5269 is not a loopback address"},
		{"-dialback=maybe", `invalid boolean value "maybe" for -dialback: *`},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			var stderr bytes.Buffer
			_, err := parse(fields(tt.args), &stderr)
			if err == nil {
				t.Fatal("accepted")
			}
			if want, open := strings.CutSuffix(tt.want, "*"); err.Error() != want && !(open && strings.HasPrefix(err.Error(), want)) {
				t.Errorf("got  %s\nwant %s", err, tt.want)
			}
			// main prints the error, and nothing else is printed.
			if stderr.Len() > 0 || strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one sentence: %q, %q", err, &stderr)
			}
		})
	}
}

// fields splits a line at spaces; ” stands for an empty field.
func fields(line string) []string {
	args := strings.Fields(line)
	for i := range args {
		if args[i] == "''" {
			args[i] = ""
		}
	}
	return args
}

func TestHelp(t *testing.T) {
	var stderr bytes.Buffer
	if _, err := parse([]string{"-h"}, &stderr); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("got %v", err)
	}
	new(options).flagSet().VisitAll(func(f *flag.Flag) {
		if !strings.Contains(stderr.String(), "  -"+f.Name+" ") && !strings.Contains(stderr.String(), "  -"+f.Name+"\n") {
			t.Errorf("no help for -%s", f.Name)
		}
	})
}

// TestDocumentedFlags compares the table in docs/server.md with the flags.
func TestDocumentedFlags(t *testing.T) {
	documented := make(map[string]string) // name to default
	for _, row := range markdown.Tables(t, "docs/server.md", "flag", "default", "meaning") {
		name, _, _ := strings.Cut(strings.Trim(row[0], "`"), " ")
		if documented[name] != "" {
			t.Errorf("%s stands twice in the table", name)
		}
		documented[name] = strings.Trim(row[1], "`")
	}
	o := new(options)
	o.later = make(map[string]string)
	o.flagSet().VisitAll(func(f *flag.Flag) {
		name := "-" + f.Name
		def, ok := documented[name]
		delete(documented, name)
		if _, isLater := later[f.Name]; isLater {
			if ok {
				t.Errorf("%s is in the table, and not in this version", name)
			}
			return
		}
		want := f.DefValue
		switch want {
		case "false":
			want = "off"
		case "true":
			want = "on"
		case "": // the flags that have a default of another kind
			want = map[string]string{"-domain": "localhost", "-cert": "self-signed", "-key": "self-signed"}[name]
		}
		if !ok || def != want {
			t.Errorf("%s has the default %q, in the table %q (%v)", name, want, def, ok)
		}
	})
	for name := range documented {
		t.Errorf("%s is in the table, and no flag", name)
	}
	text := markdown.Read(t, "docs/server.md")
	for name := range later {
		if !strings.Contains(text, "`-"+name+"`") {
			t.Errorf("docs/server.md does not say that -%s comes later", name)
		}
	}
}

// TestDocumentedCommands: every command in the documents that starts this
// server has flags that are accepted.
func TestDocumentedCommands(t *testing.T) {
	n := 0
	for _, c := range markdown.Commands(t) {
		if len(c.Args) < 3 || fmt.Sprint(c.Args[:3]) != "[go run ./examples/server]" {
			continue
		}
		n++
		if _, err := parse(c.Args[3:], t.Output()); err != nil {
			t.Errorf("%s: %q: %v", c.File, c.Args, err)
		}
	}
	if n == 0 {
		t.Error("no document says how to start the server")
	}
}
