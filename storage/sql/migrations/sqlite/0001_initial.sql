-- Accounts are bare addresses in their canonical form, compared by octets.
-- Times are microseconds since 1970-01-01T00:00:00Z.

CREATE TABLE accounts (
	account TEXT PRIMARY KEY,
	scram   TEXT NOT NULL, -- SCRAM keys in the form of RFC 5803, separated by spaces
	ha1     TEXT NOT NULL  -- of DIGEST-MD5, in hex; '' if it is not kept
) WITHOUT ROWID;

CREATE TABLE rosters (
	account TEXT PRIMARY KEY,
	epoch   TEXT NOT NULL,    -- drawn at random when the roster is made
	updates INTEGER NOT NULL, -- since then
	entries INTEGER NOT NULL  -- rows of roster_entries
) WITHOUT ROWID;

CREATE TABLE roster_entries (
	account      TEXT NOT NULL,
	contact      TEXT NOT NULL,
	name         TEXT NOT NULL,
	group_names  TEXT NOT NULL,    -- a JSON array, '' if there are none
	subscription INTEGER NOT NULL, -- 1 to, 2 from, 3 both
	ask          INTEGER NOT NULL,
	approved     INTEGER NOT NULL,
	hidden       INTEGER NOT NULL,
	request      TEXT NOT NULL,    -- a presence stanza, or ''
	PRIMARY KEY (account, contact)
) WITHOUT ROWID;

CREATE TABLE last_presences (
	account TEXT PRIMARY KEY,
	at      INTEGER NOT NULL,
	stanza  TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE privacy_lists (
	account TEXT PRIMARY KEY,
	lists   TEXT NOT NULL -- the element <query xmlns='jabber:iq:privacy'/>
) WITHOUT ROWID;

-- An id is never used twice, not even after its message is gone.
CREATE TABLE offline_messages (
	id      INTEGER PRIMARY KEY AUTOINCREMENT,
	account TEXT NOT NULL,
	at      INTEGER NOT NULL,
	stanza  TEXT NOT NULL
);
CREATE INDEX offline_messages_account ON offline_messages (account, id);

CREATE TABLE offline_counts (
	account  TEXT PRIMARY KEY,
	messages INTEGER NOT NULL -- rows of offline_messages
) WITHOUT ROWID;

CREATE TABLE vcards (
	account TEXT PRIMARY KEY,
	card    TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE private_elements (
	account TEXT NOT NULL,
	space   TEXT NOT NULL,
	local   TEXT NOT NULL,
	element TEXT NOT NULL,
	PRIMARY KEY (account, space, local)
) WITHOUT ROWID;
