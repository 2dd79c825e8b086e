import { Client } from "pg";

const CONNECT_MS = 10_000;

interface ClientSettings {
  /** By which the database knows the connection. */
  readonly name: string;
  /** For the server's settings, as "-c search_path=…". */
  readonly options?: string;
  /** How long a connection is waited for, ms. Default 10,000. */
  readonly connectMs?: number;
}

/** A connection beside the pool's, whose statements may take as long as they take. It is still to be opened. */
export function ownClient(url: string, { name, options, connectMs = CONNECT_MS }: ClientSettings): Client {
  return new Client({
    connectionString: url,
    application_name: name,
    connectionTimeoutMillis: connectMs,
    keepAlive: true,
    ...(options !== undefined && { options }),
  });
}
