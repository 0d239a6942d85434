//go:build interop

package interop

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etherx-go/xmpp/interop/internal/peer"
)

// stage is a set of clients of one server: foreign ones or our own. What they
// are told to do, and what they see, are lines as slixmpp_stage.py has them.
type stage interface {
	Do(t testing.TB, who, op string, args map[string]any) []string
	Settle(t testing.TB)
	Take() []string
	Clear(t testing.TB)
}

// TestIM has slixmpp clients go through instant messaging, on every server with
// the same outcome.
func TestIM(t *testing.T) {
	testIM(t, "slixmpp", openSlixmppStage)
}

func openSlixmppStage(t *testing.T, s *peer.Server) stage { return peer.NewSlixmppStage(t, s) }

func testIM(t *testing.T, client string, open func(*testing.T, *peer.Server) stage) {
	t.Parallel()
	all := slices.Concat(imRows, syncRows)
	rows := make([][]imStep, len(all))
	for i, row := range all {
		rows[i] = parseScript(t, row.name, row.script)
	}
	for _, tt := range servers[:3] { // the last differs in how clients log in
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := tt.start(t)
			stage := open(t, s)
			for i, row := range all {
				t.Run(row.name, func(t *testing.T) {
					s.Watch(t)
					p := &play{
						stage: stage, versions: []string{tt.name + " " + client, tt.name, client},
						home:  func(string) *peer.Server { return s },
						names: []string{"@nobody", nobody(s), "@server", s.Domain},
					}
					p.run(t, row, rows[i])
				})
			}
		})
	}
}

// imRow is one conversation.
type imRow struct {
	name string
	// cast is who takes part from the beginning, online, with a roster that was
	// asked for and a presence that was sent: user/resource, separated by spaces.
	cast string
	// absent are users who have an account and are not online.
	absent string
	// friends are two of the cast who subscribe to each other first.
	friends string
	// script is what they do and what comes of it. A line
	//
	//	> user/resource command key=value ...
	//
	// is a command, and the lines after it are all that may come of it: what the
	// command returns, and for every client, after its name and a colon, what it
	// was sent, in an order as far as lane says. "@user" stands for a bare JID and "@server" for the domain.
	//
	//	>> user/resource command key=value ...
	//
	// is a command whose outcome, but for "ok", is a part of that of the next one: the
	// clients are not asked in between whether they have seen everything.
	//
	//	? who: why
	//
	// begins the outcome with a peer that differs, and must say why: a server, a
	// client, or a server and a client. "end" after who says that the rest of the
	// script is not for that one.
	script string
}

// imStep is a command and its outcomes.
type imStep struct {
	who, op string
	args    map[string]any
	silent  bool // the outcome is looked at later
	want    outcome
	differs map[string]outcome // by who differs
}

type outcome struct {
	why   string
	lines []string
	end   bool // the rest of the row is left out
}

// parseScript reads the script of a row.
func parseScript(t *testing.T, name, script string) []imStep {
	t.Helper()
	var steps []imStep
	var at string // whose outcome the lines are; empty for the common one
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		line, isSilent := cutSilent(line)
		command, isCommand := strings.CutPrefix(line, "> ")
		exception, isException := strings.CutPrefix(line, "? ")
		if line != "" && !isCommand && len(steps) == 0 {
			t.Fatalf("%s: %q before the first command", name, line)
		}
		switch {
		case line == "":
		case isCommand:
			at = ""
			steps = append(steps, parseCommand(t, name, command))
			steps[len(steps)-1].silent = isSilent
		case isException:
			who, why, ok := strings.Cut(exception, ": ")
			if !ok || why == "" {
				t.Fatalf("%s: %q does not say why", name, line)
			}
			var end bool
			at, end = strings.CutSuffix(who, " end")
			steps[len(steps)-1].differs[at] = outcome{why: why, end: end}
		case at != "":
			o := steps[len(steps)-1].differs[at]
			o.lines = append(o.lines, line)
			steps[len(steps)-1].differs[at] = o
		default:
			steps[len(steps)-1].want.lines = append(steps[len(steps)-1].want.lines, line)
		}
	}
	return steps
}

func cutSilent(line string) (rest string, isSilent bool) {
	rest, isSilent = strings.CutPrefix(line, ">")
	if !isSilent || !strings.HasPrefix(rest, ">") {
		return line, false
	}
	return rest, true
}

// parseCommand reads "who op key=value key='two words'". A key that is there
// several times is a list.
func parseCommand(t *testing.T, name, command string) imStep {
	t.Helper()
	var words []string
	quoted := false
	for word := range strings.SplitSeq(command, " ") {
		if quoted {
			words[len(words)-1] += " " + word
		} else {
			words = append(words, word)
		}
		if strings.Count(word, "'")%2 == 1 {
			quoted = !quoted
		}
	}
	if len(words) < 2 || quoted {
		t.Fatalf("%s: %q is not a command", name, command)
	}
	step := imStep{who: words[0], op: words[1], args: map[string]any{}, differs: map[string]outcome{}}
	for _, word := range words[2:] {
		key, value, ok := strings.Cut(word, "=")
		if !ok {
			t.Fatalf("%s: %q in %q has no value", name, word, command)
		}
		value = strings.Trim(value, "'")
		switch old := step.args[key].(type) {
		case nil:
			step.args[key] = value
		case string:
			step.args[key] = []string{old, value}
		case []string:
			step.args[key] = append(old, value)
		}
	}
	return step
}

// play is a row on a stage.
type play struct {
	stage    stage
	versions []string                       // under which names an outcome may differ, the closest first
	home     func(user string) *peer.Server // where the user has the account
	names    []string                       // what stands for other addresses, and these, in turn
	accounts map[string]peer.Account
}

func (p *play) run(t *testing.T, row imRow, steps []imStep) {
	p.accounts = map[string]peer.Account{}
	defer p.stage.Clear(t)
	cast := strings.Fields(row.cast)
	for _, who := range append(slices.Clone(cast), strings.Fields(row.absent)...) {
		user, _, _ := strings.Cut(who, "/")
		if _, known := p.accounts[user]; !known {
			a := p.account(user)
			p.home(user).AddUser(t, a.User, a.Password)
		}
	}
	for _, who := range cast {
		for _, op := range []string{"login", "roster", "presence"} {
			if lines := p.do(t, imStep{who: who, op: op}); lines[0] != "ok" {
				t.Fatalf("%s %s: %q", who, op, lines)
			}
		}
	}
	if row.friends != "" {
		one, other, _ := strings.Cut(row.friends, " ")
		p.befriend(t, one, other)
	}
	p.stage.Settle(t)
	p.stage.Take()
	for _, step := range steps {
		want := step.want
		for _, version := range slices.Backward(p.versions) {
			if differing, ok := step.differs[version]; ok {
				want = differing
			}
		}
		got := p.do(t, step)
		if step.silent {
			if !slices.Equal(got, []string{"ok"}) {
				t.Errorf(">> %s %s %v: %q", step.who, step.op, step.args, got)
			}
			continue
		}
		got = append(got, p.seen(t, len(want.lines)-len(got))...)
		if got, want := inOrder(got), inOrder(want.lines); !slices.Equal(got, want) {
			t.Errorf("> %s %s %v\ngot:\n\t%s\nwant:\n\t%s", step.who, step.op, step.args,
				strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
		}
		if want.end {
			return
		}
	}
}

// befriend has two clients subscribe to each other's presence.
func (p *play) befriend(t *testing.T, one, other string) {
	t.Helper()
	for _, side := range [][2]string{{one, other}, {other, one}} {
		for i, presence := range []string{"subscribe", "subscribed"} {
			user, _, _ := strings.Cut(side[1-i], "/")
			p.do(t, imStep{who: side[i], op: "presence", args: map[string]any{"to": "@" + user, "type": presence}})
			p.stage.Settle(t)
		}
	}
}

// account returns the account of a user of the row, of its own for each play.
func (p *play) account(user string) peer.Account {
	a, ok := p.accounts[user]
	if !ok {
		name := fmt.Sprintf("%s-%d", user, accountNumber.Add(1))
		a = peer.Account{User: name, Domain: p.home(user).Domain, Password: "pass&word"}
		p.accounts[user] = a
	}
	return a
}

// do has the stage do a step, and returns what that returns.
func (p *play) do(t *testing.T, step imStep) []string {
	t.Helper()
	args := map[string]any{}
	for key, value := range step.args {
		switch value := value.(type) {
		case string:
			args[key] = p.address(value)
		case []string:
			list := make([]string, len(value))
			for i := range value {
				list[i] = p.address(value[i])
			}
			args[key] = list
		}
	}
	if step.op == "login" || step.op == "register" {
		user, resource, _ := strings.Cut(step.who, "/")
		args["jid"] = p.account(user).JID() + "/" + resource
		if args["password"] == nil {
			args["password"] = p.account(user).Password
		}
	}
	return p.roles(p.stage.Do(t, step.who, step.op, args))
}

// address replaces the names of users, and the others, by their JIDs.
func (p *play) address(text string) string {
	for user, a := range p.accounts {
		text = strings.ReplaceAll(text, "@"+user, a.JID())
	}
	return strings.NewReplacer(p.names...).Replace(text)
}

// roles replaces JIDs by the names.
func (p *play) roles(lines []string) []string {
	var pairs []string
	for user, a := range p.accounts {
		pairs = append(pairs, a.JID(), "@"+user)
	}
	for i := 0; i < len(p.names); i += 2 {
		pairs = append(pairs, p.names[i+1], p.names[i])
	}
	replacer := strings.NewReplacer(pairs...)
	for i := range lines {
		lines[i] = replacer.Replace(lines[i])
	}
	return lines
}

// seen returns what the clients were sent: what is there once all that came
// before has been handled, and while that is less than n lines what comes late.
func (p *play) seen(t *testing.T, n int) []string {
	t.Helper()
	const limit, interval = 10 * time.Second, 50 * time.Millisecond
	late := time.NewTimer(limit)
	defer late.Stop()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	var lines []string
	for {
		p.stage.Settle(t)
		lines = append(lines, p.roles(p.stage.Take())...)
		if len(lines) >= n {
			return lines
		}
		select {
		case <-late.C:
			return lines
		case <-ticker.C:
		}
	}
}

// inOrder sorts the lines by what they share with those among which the order
// matters, and leaves that.
func inOrder(lines []string) []string {
	lines = slices.Clone(lines)
	slices.SortStableFunc(lines, func(a, b string) int { return strings.Compare(lane(a), lane(b)) })
	return lines
}

// lane returns what lines have in common whose order matters: it is one for what
// a command returned, and for each client one for its messages, one for the
// pushes of each contact, and for each sender of presence one for its presence
// and one for the rest.
func lane(line string) string {
	who, rest, ok := strings.Cut(line, ": ")
	if !ok {
		return ""
	}
	word, details, _ := strings.Cut(rest, " ")
	first, _, _ := strings.Cut(details, " ")
	switch {
	case word == "push":
		return who + ": push " + first
	case word == "presence" && strings.Contains(details, "subscribe"):
		return who + ": presence " + first + " subscription"
	case word == "presence":
		return who + ": presence " + first
	}
	return who + ": " + word
}
