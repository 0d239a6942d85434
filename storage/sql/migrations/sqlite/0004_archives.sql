-- Message archives. The ids of an archive are in its order, as strings of octets.
CREATE TABLE archives (
	archive    TEXT PRIMARY KEY,
	last_id    TEXT NOT NULL,    -- the last that was given, also if its message is gone
	messages   INTEGER NOT NULL, -- rows of archive_messages
	disordered INTEGER NOT NULL  -- the clock was set back: times are not in the order of ids
) WITHOUT ROWID;

CREATE TABLE archive_messages (
	archive   TEXT NOT NULL,
	id        TEXT NOT NULL,
	peer      TEXT NOT NULL,    -- the bare address of who it is from or to
	resource  TEXT NOT NULL,    -- '' if there is none
	at        INTEGER NOT NULL, -- whole milliseconds
	groupchat INTEGER NOT NULL,
	stanza    TEXT NOT NULL
);
CREATE UNIQUE INDEX archive_messages_id ON archive_messages (archive, id);
CREATE INDEX archive_messages_peer ON archive_messages (archive, peer, id);

CREATE TABLE archive_preferences (
	account TEXT PRIMARY KEY,
	prefs   TEXT NOT NULL -- the element <prefs xmlns='urn:xmpp:mam:2'/>
) WITHOUT ROWID;
