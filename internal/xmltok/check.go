package xmltok

// Check reports whether b is one complete element, well-formed by itself: it
// uses no prefix that it does not declare, and nothing is before or behind it.
// The rules are those of a [Scanner]; the error is an [*Error]. It is safe for
// concurrent use.
func Check(b []byte, lim Limits) error {
	lim = lim.filled()
	if len(b) > lim.Element {
		return limitElement.at(int64(lim.Element))
	}
	class := 0
	for minBuffer<<(2*class) < len(b)+slack {
		class++
	}
	tmp := getBuffer(class)
	defer putBuffer(tmp)
	n := copy(tmp.data, b)
	clear(tmp.data[n : n+slack])
	w := getWork()
	defer putWork(w)
	return w.check(tmp.data[:n+slack], n, &lim)
}

func (w *work) check(b []byte, n int, lim *Limits) error {
	if b[0] != '<' || n > 1 && (b[1] == '/' || b[1] == '!' || b[1] == '?') {
		at, f := notElement(b, 0)
		return f.at(int64(at))
	}
	w.reset(noScope, lim, false)
	switch st := w.run(b, n); {
	case st == more && w.last(b, n) != bad:
		return faultUnfinished.at(int64(n))
	case st != done:
		return w.fault.at(int64(w.faultAt))
	case w.end < n:
		at, f := badChar(b, w.end, faultTrailing)
		return f.at(int64(at))
	}
	return nil
}
