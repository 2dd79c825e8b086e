/** Traces with their spans, the services that take part in each, and the wake that each Envoy cluster began with. */
export const SCHEMA = `
CREATE TABLE IF NOT EXISTS trace (
  id TEXT PRIMARY KEY, spans INTEGER NOT NULL, bytes INTEGER NOT NULL, at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS trace_at ON trace (at);
CREATE TABLE IF NOT EXISTS span (
  trace TEXT NOT NULL REFERENCES trace ON DELETE CASCADE, id TEXT NOT NULL,
  parent TEXT NOT NULL, name TEXT NOT NULL, service TEXT NOT NULL, start REAL NOT NULL, duration REAL NOT NULL,
  error TEXT NOT NULL, attributes TEXT NOT NULL, cluster TEXT NOT NULL,
  PRIMARY KEY (trace, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS part (
  service TEXT NOT NULL, trace TEXT NOT NULL REFERENCES trace ON DELETE CASCADE, at INTEGER NOT NULL,
  PRIMARY KEY (service, trace)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS part_at ON part (service, at);
CREATE INDEX IF NOT EXISTS part_trace ON part (trace);
CREATE TABLE IF NOT EXISTS wake (
  cluster TEXT PRIMARY KEY, trace TEXT NOT NULL REFERENCES trace ON DELETE CASCADE, start REAL NOT NULL, end REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS wake_trace ON wake (trace);
`;
