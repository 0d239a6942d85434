-- What those who are in the user directory are found by.
CREATE TABLE directory_entries (
	account TEXT PRIMARY KEY,
	fields  TEXT NOT NULL -- a JSON array of objects with "name" and "value"
) WITHOUT ROWID;

-- Who is registered with which gateway, and by what account there.
CREATE TABLE gateway_accounts (
	gateway   TEXT NOT NULL, -- its address
	account   TEXT NOT NULL,
	fields    TEXT NOT NULL, -- as in directory_entries
	suggested TEXT NOT NULL, -- a JSON array
	PRIMARY KEY (gateway, account)
) WITHOUT ROWID;
