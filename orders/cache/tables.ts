/** Tables of the cache. They are not logged: after a crash of the database they are empty, which a cache may be at any time. */
export const cacheTables: readonly string[] = [
  `CREATE UNLOGGED TABLE cache_sizes (service text PRIMARY KEY, bytes bigint NOT NULL);
   CREATE UNLOGGED TABLE cache_entries (
     service text NOT NULL,
     key text NOT NULL,
     value bytea NOT NULL,
     bytes bigint NOT NULL,
     expires_at timestamptz NOT NULL,
     used_at timestamptz NOT NULL,
     PRIMARY KEY (service, key)
   );
   ALTER TABLE cache_entries ALTER COLUMN value SET STORAGE EXTERNAL;
   CREATE INDEX cache_entries_by_use ON cache_entries (service, used_at);
   CREATE INDEX cache_entries_by_end ON cache_entries (expires_at);`,
];
