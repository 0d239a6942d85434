package xmltok

import "sync"

// Buffers come in classes, each four times as large as the one before. What is
// above the largest is left to the garbage collector.
const (
	minBuffer  = 4 << 10
	numClasses = 6 // 4, 16, 64, 256 KiB, 1, 4 MiB
)

// buffer is data with slack behind it, all of cap(data).
type buffer struct {
	data  []byte
	class int
}

var (
	buffers [numClasses]sync.Pool
	works   = sync.Pool{New: func() any { return new(work) }}
)

// getBuffer returns a buffer of a class.
func getBuffer(class int) *buffer {
	if class < numClasses {
		if b, ok := buffers[class].Get().(*buffer); ok {
			return b
		}
	}
	return &buffer{data: make([]byte, minBuffer<<(2*class)), class: class}
}

func putBuffer(b *buffer) {
	if b.class < numClasses {
		buffers[b.class].Put(b)
	}
}

// What a work keeps in the pool is bounded, for one large element should not
// cost memory for ever.
const (
	keepOpen  = 512
	keepAttrs = 512
	keepArena = 16 << 10
)

func getWork() *work { return works.Get().(*work) }

func putWork(w *work) {
	w.forget()
	w.scope = nil
	if cap(w.open) > keepOpen {
		w.open = nil
	}
	if cap(w.attrs) > keepAttrs {
		w.attrs, w.elemAttrs = nil, nil
	}
	if cap(w.arena) > keepArena {
		w.arena = nil
	}
	if cap(w.binds) > keepOpen || cap(w.defs) > keepOpen {
		w.binds, w.defs = nil, nil
	}
	works.Put(w)
}
