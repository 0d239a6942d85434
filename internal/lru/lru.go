// Package lru has a map with a bound: of more entries than that, those go that
// were not used for the longest time.
package lru

import "container/list"

// Map is a bounded map. The zero Map is ready to use. It is not safe for
// concurrent use.
type Map[K comparable, V any] struct {
	entries map[K]*list.Element
	order   list.List // of *entry, the one used last in front
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

// Get returns the value of key, and whether there is one. It counts as used.
func (m *Map[K, V]) Get(key K) (v V, ok bool) {
	el, ok := m.entries[key]
	if !ok {
		return v, false
	}
	m.order.MoveToFront(el)
	return el.Value.(*entry[K, V]).value, true
}

// Put sets the value of key. If there are more than max entries now, the one
// goes that was not used for the longest time; a negative max is no bound.
func (m *Map[K, V]) Put(key K, v V, max int) {
	if el, ok := m.entries[key]; ok {
		el.Value.(*entry[K, V]).value = v
		m.order.MoveToFront(el)
		return
	}
	if m.entries == nil {
		m.entries = make(map[K]*list.Element)
	}
	m.entries[key] = m.order.PushFront(&entry[K, V]{key, v})
	for max >= 0 && m.order.Len() > max {
		last := m.order.Back()
		delete(m.entries, last.Value.(*entry[K, V]).key)
		m.order.Remove(last)
	}
}

// Delete removes key, if it is there.
func (m *Map[K, V]) Delete(key K) {
	if el, ok := m.entries[key]; ok {
		m.order.Remove(el)
		delete(m.entries, key)
	}
}

// Len returns how many entries there are.
func (m *Map[K, V]) Len() int { return m.order.Len() }
