// Package sql keeps what a server stores in an SQL database. It is SQLite in one
// file, with a driver in pure Go: nothing has to be installed, and no other
// process runs.
//
//	db, err := sql.Open(ctx, sql.Config{Path: "data/etherx.db"})
//	if err != nil {
//		return err
//	}
//	defer db.Close()
//
// A [DB] has the stores of all protocols: [DB.Accounts], [DB.Rosters],
// [DB.Offline] and so on. Everything is keyed by the bare address of the
// account, in its canonical form, so virtual hosts share a file and never mix.
//
// # Durability
//
// A method that changes something returns when the change is committed. With
// [SyncFull], the default, the commit has also been brought to the disk with
// fsync: what a method has acknowledged survives the end of the process, the
// crash of the machine and the loss of power, as far as disk and file system
// keep the promise of fsync. With [SyncNormal] it survives the end of the
// process, kill -9 included, but not surely the crash of the machine; the file
// is consistent in any case.
//
// Updates that wait at the same time are committed together, in the order in
// which they came, so that many callers share the cost of one fsync. Each stands
// for itself nevertheless: one that fails changes nothing and does not touch the
// others. Only where the disk fails while a transaction is being committed do all in
// it fail; whether it is there after a crash is open then.
//
// # Contexts
//
// A context that ends while a method waits for its turn ends the method, and
// nothing has changed. Once its turn has come it is carried through; it is not
// left open whether a change has happened.
//
// # The file
//
// The database is in WAL mode: beside the file are two more, with the suffixes
// -wal and -shm, while it is open and after a crash; they belong to it and must be
// copied with it. Only the owner may read a file that [Open] makes. Several
// processes on one machine may open the same file. A network file system is
// not suitable.
//
// The schema has a version. Open brings that of an older file up to date, in one
// transaction, and refuses a file that a newer version of this package has made.
package sql
