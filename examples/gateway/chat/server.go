package chat

import (
	"bufio"
	"context"
	"crypto/subtle"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	maxMissed  = 100              // events that wait for somebody who is not there
	maxContact = 500              // people on a contact list
	maxQueued  = 1000             // lines that wait to be written, more than both
	writeTime  = 10 * time.Second // that a line may take to be written
)

// Server is the network. The zero Server has no users, and is ready to use; it is
// safe for concurrent use, and remembers nothing when it ends.
type Server struct {
	mu     sync.Mutex
	people map[string]*person
}

// person is a number.
type person struct {
	password string
	contacts map[string]bool // the contact list: whether he may see them
	status   Event           // what others see; its Status is never ""
	session  *session        // nil: he is not there
	missed   []Event
}

// session is a connection. Its fields are under the lock of the server.
type session struct {
	number string // "" before LOGIN
	out    chan string
	over   bool // out is closed
}

// SetUser adds a number, or changes its password.
func (s *Server) SetUser(number, password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.people[number]; p != nil {
		p.password = password
		return
	}
	if s.people == nil {
		s.people = make(map[string]*person)
	}
	s.people[number] = &person{password: password, contacts: make(map[string]bool), status: offline(number)}
}

func offline(number string) Event { return Event{Kind: StatusChanged, From: number, Status: Offline} }

// Serve serves who connects to l, until ctx ends or l fails, and closes l. It returns
// when all connections have ended; the error is nil if ctx has.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	var conns sync.WaitGroup
	defer conns.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	context.AfterFunc(ctx, func() { l.Close() })
	for {
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		conns.Go(func() { s.ServeConn(ctx, conn) })
	}
}

// ServeConn serves a connection until it or ctx ends, and closes it.
func (s *Server) ServeConn(ctx context.Context, conn net.Conn) {
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	c := &session{out: make(chan string, maxQueued)}
	var writer sync.WaitGroup
	writer.Go(func() { write(conn, c.out) })
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, MaxLine)
	for lines.Scan() {
		s.command(c, lines.Text())
	}
	s.mu.Lock()
	s.leave(c)
	s.mu.Unlock()
	writer.Wait()
}

// write writes lines until there are no more, and closes the connection.
func write(conn net.Conn, lines <-chan string) {
	var err error
	for line := range lines {
		if err == nil {
			conn.SetWriteDeadline(time.Now().Add(writeTime))
			_, err = io.WriteString(conn, line+"\n")
		}
		if err != nil {
			conn.Close() // the reader notices
		}
	}
	conn.Close()
}

// command does what a line says, and answers.
func (s *Server) command(c *session, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	verb, rest, _ := strings.Cut(line, " ")
	first, text, _ := strings.Cut(rest, " ")
	text = unescape.Replace(text)
	var answer string
	var err error
	switch verb {
	case "LOGIN":
		err = s.login(c, first, text)
	case "CHECK":
		err = s.check(first, text)
	default:
		answer, err = s.own(c.number, verb, first, text)
	}
	switch {
	case err != nil:
		s.say(c, "ERR "+string(err.(Error)))
	case answer != "":
		s.say(c, "OK "+answer)
	default:
		s.say(c, "OK")
	}
	if verb == "QUIT" {
		s.leave(c)
	}
}

// own does a command for which one has to be logged in.
func (s *Server) own(number, verb, first, text string) (answer string, err error) {
	me, other := s.people[number], s.people[first]
	if me == nil {
		return "", ErrLogin
	}
	switch verb {
	case "QUIT":
		return "", nil
	case "LIST":
		return strings.Join(slices.Sorted(maps.Keys(me.contacts)), " "), nil
	case "STATUS":
		return "", s.setStatus(number, Status(first), text)
	}
	do := map[string]func(me, other *person, from, to, text string) error{
		"ADD": s.add, "REMOVE": s.remove, "ALLOW": s.allow, "DENY": s.deny, "SEND": s.send,
	}[verb]
	switch {
	case do == nil:
		return "", ErrCommand
	case other == nil:
		return "", ErrUnknown
	}
	return "", do(me, other, number, first, text)
}

func (s *Server) check(number, password string) error {
	p := s.people[number]
	if p == nil || subtle.ConstantTimeCompare([]byte(p.password), []byte(password)) == 0 {
		return ErrPassword
	}
	return nil
}

func (s *Server) login(c *session, number, password string) error {
	if c.number != "" {
		return ErrCommand
	}
	if err := s.check(number, password); err != nil {
		return err
	}
	me := s.people[number]
	if old := me.session; old != nil {
		s.say(old, Event{Kind: Bye, Text: "You have logged in elsewhere."}.String())
		s.leave(old)
	}
	c.number, me.session = number, c
	for _, e := range me.missed {
		s.say(c, e.String())
	}
	me.missed = nil
	for contact, visible := range me.contacts {
		if p := s.people[contact]; visible && p.session != nil {
			s.say(c, p.status.String())
		}
	}
	return s.setStatus(number, Online, "")
}

// setStatus tells those who may see it.
func (s *Server) setStatus(number string, status Status, text string) error {
	if status != Online && status != Away && status != Busy {
		return ErrCommand
	}
	me := s.people[number]
	me.status.Status, me.status.Text = status, text
	s.show(number)
	return nil
}

func (s *Server) show(number string) {
	for _, p := range s.people {
		if p.contacts[number] && p.session != nil {
			s.say(p.session, s.people[number].status.String())
		}
	}
}

func (s *Server) add(me, other *person, from, to, text string) error {
	switch {
	case me.contacts[to]: // as before
		s.tell(me, Event{Kind: Allowed, From: to})
		if other.session != nil {
			s.tell(me, other.status)
		}
	case len(me.contacts) >= maxContact:
		return ErrFull
	default:
		me.contacts[to] = false
		s.tell(other, Event{Kind: Asked, From: from, Text: text})
	}
	return nil
}

func (s *Server) remove(me, other *person, from, to, _ string) error {
	_, was := me.contacts[to]
	_, reverse := other.contacts[from]
	delete(me.contacts, to)
	delete(other.contacts, from)
	if was || reverse {
		s.tell(other, Event{Kind: Removed, From: from})
	}
	return nil
}

func (s *Server) allow(me, other *person, from, _, _ string) error {
	if visible, asked := other.contacts[from]; !asked || visible {
		return nil
	}
	other.contacts[from] = true
	s.tell(other, Event{Kind: Allowed, From: from})
	if other.session != nil {
		s.tell(other, me.status)
	}
	return nil
}

func (s *Server) deny(_, other *person, from, _, _ string) error {
	if _, asked := other.contacts[from]; asked {
		delete(other.contacts, from)
		s.tell(other, Event{Kind: Denied, From: from})
	}
	return nil
}

func (s *Server) send(_, other *person, from, _, text string) error {
	if other.session == nil {
		return ErrOffline
	}
	s.tell(other, Event{Kind: Message, From: from, Text: text})
	return nil
}

// tell tells somebody something, now or when he comes.
func (s *Server) tell(p *person, e Event) {
	switch {
	case p.session != nil:
		s.say(p.session, e.String())
	case len(p.missed) < maxMissed:
		p.missed = append(p.missed, e)
	}
}

// say queues a line. Who does not read them is thrown out.
func (s *Server) say(c *session, line string) {
	if c.over {
		return
	}
	select {
	case c.out <- line:
	default:
		s.leave(c)
	}
}

// leave ends a session.
func (s *Server) leave(c *session) {
	if c.over {
		return
	}
	c.over = true
	close(c.out)
	if me := s.people[c.number]; me != nil && me.session == c {
		me.session, me.status = nil, offline(c.number)
		s.show(c.number)
	}
}
