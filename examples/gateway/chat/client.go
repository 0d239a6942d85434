package chat

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
)

// Client is a connection with a session. It is safe for concurrent use.
type Client struct {
	conn    net.Conn
	answers chan string // closed when the connection has ended
	mu      sync.Mutex  // held during a command
}

// Login logs in on conn, which is the client's from then on. What comes is told to
// handle, in order, by the goroutine that reads: it must not call the client. The last
// event is always a Bye.
func Login(ctx context.Context, conn net.Conn, number, password string, handle func(Event)) (*Client, error) {
	c := newClient(conn, handle)
	if _, err := c.do(ctx, "LOGIN", number, password); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// Check returns ErrPassword if that is not the password of the number. It closes conn.
func Check(ctx context.Context, conn net.Conn, number, password string) error {
	defer conn.Close()
	_, err := newClient(conn, func(Event) {}).do(ctx, "CHECK", number, password)
	return err
}

func newClient(conn net.Conn, handle func(Event)) *Client {
	c := &Client{conn: conn, answers: make(chan string, 1)}
	go c.read(handle)
	return c
}

// SetStatus shows a status.
func (c *Client) SetStatus(ctx context.Context, s Status, text string) error {
	return c.run(ctx, "STATUS", string(s), text)
}

// Add puts somebody on the contact list, and asks to see his status.
func (c *Client) Add(ctx context.Context, number, text string) error {
	return c.run(ctx, "ADD", number, text)
}

// Remove takes somebody off the contact list; neither sees the other any more.
func (c *Client) Remove(ctx context.Context, number string) error {
	return c.run(ctx, "REMOVE", number)
}

// Allow lets somebody who has asked see the status.
func (c *Client) Allow(ctx context.Context, number string) error { return c.run(ctx, "ALLOW", number) }

// Deny does not let somebody see the status, or not any more.
func (c *Client) Deny(ctx context.Context, number string) error { return c.run(ctx, "DENY", number) }

// Send sends a message. The error is ErrOffline if there is nobody to read it.
func (c *Client) Send(ctx context.Context, number, text string) error {
	return c.run(ctx, "SEND", number, text)
}

// List returns the contact list.
func (c *Client) List(ctx context.Context) ([]string, error) {
	answer, err := c.do(ctx, "LIST")
	return strings.Fields(answer), err
}

// Close ends the session.
func (c *Client) Close() error { return c.conn.Close() }

func (c *Client) run(ctx context.Context, words ...string) error {
	_, err := c.do(ctx, words...)
	return err
}

// do sends a command and waits for the answer. A ctx that ends before ends the
// connection, for an answer that comes later would be taken for another's.
func (c *Client) do(ctx context.Context, words ...string) (answer string, err error) {
	if len(words) > 1 && (words[1] == "" || strings.Contains(words[1], " ")) {
		return "", ErrUnknown // it would be read as something else
	}
	line := escape.Replace(strings.TrimRight(strings.Join(words, " "), " ")) + "\n"
	if len(line) > MaxLine {
		return "", ErrLong
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	defer context.AfterFunc(ctx, func() { c.conn.Close() })()
	if _, err := io.WriteString(c.conn, line); err != nil {
		return "", errors.Join(ctx.Err(), err)
	}
	line, ok := <-c.answers
	if !ok {
		return "", errors.Join(ctx.Err(), io.ErrUnexpectedEOF)
	}
	switch verb, rest, _ := strings.Cut(line, " "); verb {
	case "OK":
		return rest, nil
	case "ERR":
		return "", Error(rest)
	}
	return "", fmt.Errorf("chat: an answer %q", line)
}

// read reads what comes until the connection ends.
func (c *Client) read(handle func(Event)) {
	bye := Event{Kind: Bye}
	defer func() { handle(bye) }()
	defer close(c.answers)
	defer c.conn.Close()
	lines := bufio.NewScanner(c.conn)
	lines.Buffer(nil, 2*MaxLine) // an event is a little longer than its command
	for lines.Scan() {
		line, isEvent := strings.CutPrefix(lines.Text(), "* ")
		if !isEvent {
			select {
			case c.answers <- line:
				continue
			default: // there is one for each command, and one command at a time
				return
			}
		}
		e, err := parseEvent(line)
		if err != nil || e.Kind == Bye {
			bye.Text = e.Text
			return
		}
		handle(e)
	}
}
