//go:build expat && cgo

package expatdiff

/*
#cgo LDFLAGS: -lexpat
#include "log.h"
#include <stdlib.h>
#include <expat.h>

static const char *expat_message(int code) { return XML_ErrorString(code); }
*/
import "C"

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"unsafe"
)

// event is one thing that libexpat saw.
type event struct {
	kind   byte     // S start, E end, T text, C CDATA section, N namespace declaration
	at     int      // S: the place of the tag's first byte; E: behind its last one
	fields []string // S: name, and names and values of attributes in turn; T: text; N: prefix, namespace
}

// name is a name as libexpat sees it with namespaces.
type name struct{ space, local, prefix string }

func splitName(s string) name {
	parts := strings.Split(s, "\x01")
	switch len(parts) {
	case 1:
		return name{"", parts[0], ""}
	case 2:
		return name{parts[0], parts[1], ""}
	}
	return name{parts[0], parts[1], parts[2]}
}

// expat has libexpat parse doc, given in pieces that end at ends; the last of them is
// its length. The events are those before the error, if there is one.
func expat(doc []byte, ends []int) ([]event, error) {
	cEnds := make([]C.int, len(ends))
	for i, e := range ends {
		cEnds[i] = C.int(e)
	}
	if len(doc) == 0 {
		doc = make([]byte, 1) // an address, of which nothing is read
	}
	var log C.struct_log
	C.expat_log((*C.char)(unsafe.Pointer(&doc[0])), &cEnds[0], C.int(len(cEnds)), &log)
	defer C.free(unsafe.Pointer(log.data))
	events, err := parseLog(C.GoBytes(unsafe.Pointer(log.data), C.int(log.size)))
	switch {
	case err != nil:
	case log.failed < 0:
		err = errors.New("libexpat: out of memory")
	case log.failed > 0:
		err = &expatError{int(log.failed), int(log.at), C.GoString(C.expat_message(log.failed))}
	}
	return events, err
}

// expatError is an input that libexpat refuses.
type expatError struct {
	code int
	at   int // the byte
	text string
}

func (e *expatError) Error() string {
	return "libexpat: " + e.text + " (error " + strconv.Itoa(e.code) + ", byte " + strconv.Itoa(e.at) + ")"
}

var errLog = errors.New("expatdiff: malformed log")

// parseLog reads what log.c wrote. Each event is a letter, fields that end with a
// zero byte, and a byte 2.
func parseLog(b []byte) (events []event, err error) {
	for len(b) > 0 {
		end := bytes.IndexByte(b, 2)
		if end < 1 {
			return nil, errLog
		}
		e := event{kind: b[0]}
		if fields := string(b[1:end]); fields != "" {
			e.fields = strings.Split(strings.TrimSuffix(fields, "\x00"), "\x00")
		}
		if e.kind == 'S' || e.kind == 'E' {
			if len(e.fields) == 0 {
				return nil, errLog
			}
			if e.at, err = strconv.Atoi(e.fields[0]); err != nil {
				return nil, err
			}
			e.fields = e.fields[1:]
		}
		events = append(events, e)
		b = b[end+1:]
	}
	return events, nil
}
