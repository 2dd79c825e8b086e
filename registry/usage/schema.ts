/** Widths of the points in time that aggregates are kept for, ms. 0: since the beginning. */
export const WIDTHS = { ever: 0, minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const;

/** How long points of each width are kept, ms. */
export const KEPT_MS: Readonly<Record<number, number>> = {
  [WIDTHS.minute]: 2 * WIDTHS.day,
  [WIDTHS.hour]: 62 * WIDTHS.day,
  [WIDTHS.day]: 800 * WIDTHS.day,
};

/**
 * `key`: who called what, with what outcome. `calls`: aggregates of each, at each width: an addition goes to all of them at
 * once, so that no roll-up can be missed. `cold`: cold starts of a version, by stage ('': the whole, 'failed').
 * `seen`: spans of cold starts that count already. `reported`: what each instance had counted when it was last heard of; it sends its sums since its start.
 */
export const SCHEMA = `
CREATE TABLE IF NOT EXISTS key (
  id INTEGER PRIMARY KEY,
  service TEXT NOT NULL, version TEXT NOT NULL, method TEXT NOT NULL, caller TEXT NOT NULL, code INTEGER NOT NULL,
  UNIQUE (service, version, method, caller, code)
);
CREATE TABLE IF NOT EXISTS calls (
  key INTEGER NOT NULL REFERENCES key ON DELETE CASCADE, width INTEGER NOT NULL, at INTEGER NOT NULL,
  calls INTEGER NOT NULL, seconds REAL NOT NULL, buckets TEXT NOT NULL,
  PRIMARY KEY (key, width, at)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS calls_at ON calls (width, at);
CREATE TABLE IF NOT EXISTS cold (
  service TEXT NOT NULL, version TEXT NOT NULL, stage TEXT NOT NULL, width INTEGER NOT NULL, at INTEGER NOT NULL,
  starts INTEGER NOT NULL, seconds REAL NOT NULL, buckets TEXT NOT NULL,
  PRIMARY KEY (service, version, stage, width, at)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS cold_at ON cold (width, at);
CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS seen_at ON seen (at);
CREATE TABLE IF NOT EXISTS reported (
  instance TEXT NOT NULL, key INTEGER NOT NULL REFERENCES key ON DELETE CASCADE,
  calls INTEGER NOT NULL, seconds REAL NOT NULL, buckets TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (instance, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS reported_at ON reported (at);
CREATE INDEX IF NOT EXISTS reported_key ON reported (key);
`;
