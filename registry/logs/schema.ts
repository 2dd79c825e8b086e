/** Lines of output, in the order in which they came, and the instances that wrote them. */
export const SCHEMA = `
CREATE TABLE IF NOT EXISTS instance (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
  service TEXT NOT NULL, version TEXT NOT NULL, host TEXT NOT NULL,
  stdout INTEGER NOT NULL DEFAULT 0, stderr INTEGER NOT NULL DEFAULT 0, last INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS instance_service ON instance (service, version);
CREATE TABLE IF NOT EXISTS line (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  instance INTEGER NOT NULL REFERENCES instance ON DELETE CASCADE,
  at INTEGER NOT NULL, stderr INTEGER NOT NULL, text TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS line_instance ON line (instance, id);
CREATE TABLE IF NOT EXISTS host (name TEXT PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID;
`;
