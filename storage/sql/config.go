package sql

import (
	"cmp"
	"crypto"
	"errors"
	"time"
)

// Sync says what a change survives once a method has acknowledged it.
type Sync uint8

const (
	// SyncFull waits for the disk at each commit: the loss of power too.
	SyncFull Sync = iota
	// SyncNormal leaves it to the operating system when to write: the end of
	// the process, but not surely that of the machine. It is many times faster
	// where fsync is slow.
	SyncNormal
)

// The defaults of a Config.
const (
	DefaultBusyTimeout = 5 * time.Second
	DefaultReaders     = 4
	DefaultBatch       = 256
)

// Config says which database is opened, and how. Path is required.
type Config struct {
	// Path is the file of an SQLite database. It is made if it is not there,
	// and the folder, too.
	Path string
	// Sync says what an acknowledged change survives.
	Sync Sync
	// BusyTimeout is how long to wait for a lock that another process has; 0
	// stands for DefaultBusyTimeout.
	BusyTimeout time.Duration
	// Readers is how many reads can run at the same time; 0 stands for
	// DefaultReaders. Each costs a connection, with up to 2 MiB of cache.
	Readers int
	// Batch is how many updates may be committed together; 0 stands for
	// DefaultBatch, 1 commits each on its own.
	Batch int

	// Hashes are the hashes that SCRAM keys are made for. nil stands for
	// SHA-256 and SHA-1.
	Hashes []crypto.Hash
	// Upgrades are hashes that keys are made for too, and that clients of accounts
	// without such keys are asked for keys of (XEP-0480). With a mechanism that is
	// offered nobody can log in who has no keys for it: so a hash is best only here
	// until the accounts have its keys, and then in Hashes as well.
	Upgrades []crypto.Hash
	// Iterations is the iteration count of new SCRAM keys; 0 stands for
	// sasl.DefaultIterations.
	Iterations int
	// Legacy keeps the hash that DIGEST-MD5 needs too, which is as good as the
	// password to everybody who gets hold of it. It applies to passwords that
	// are set while it is on.
	Legacy bool
	// Passwords keeps the passwords themselves too, which the digest of
	// jabber:iq:auth needs (XEP-0078). It applies as Legacy does.
	Passwords bool
}

func (c Config) withDefaults() (Config, error) {
	if c.Path == "" {
		return c, errors.New("storage/sql: no path is given")
	}
	if c.Sync > SyncNormal || c.BusyTimeout < 0 || c.Readers < 0 || c.Batch < 0 || c.Iterations < 0 {
		return c, errors.New("storage/sql: a setting is out of range")
	}
	c.BusyTimeout = cmp.Or(c.BusyTimeout, DefaultBusyTimeout)
	c.Readers = cmp.Or(c.Readers, DefaultReaders)
	c.Batch = cmp.Or(c.Batch, DefaultBatch)
	if c.Hashes == nil {
		c.Hashes = []crypto.Hash{crypto.SHA256, crypto.SHA1}
	}
	return c, nil
}
