package dispatch

// fifo is a queue that keeps no memory when it is empty.
type fifo[T any] struct{ items []T }

func (q *fifo[T]) len() int { return len(q.items) }

func (q *fifo[T]) push(v T) { q.items = append(q.items, v) }

func (q *fifo[T]) pop() T {
	v := q.items[0]
	clear(q.items[:1])
	if q.items = q.items[1:]; len(q.items) == 0 {
		q.items = nil
	}
	return v
}
