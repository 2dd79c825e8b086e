import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** What becomes of what goes between clients and the database. */
export type Mood = "quick" | "slow" | "away" | "mute";

/** Stands between clients and a PostgreSQL that listens on a socket in a folder. */
export interface DatabaseProxy {
  /** Of the form postgresql://… */
  readonly url: string;
  /**
   * How it is from now on: "slow" keeps everything back for `slowMs`, in both directions; "away" breaks all connections and refuses
   * new ones; "mute" takes everything and passes nothing on, as a host does that was cut off.
   */
  become(mood: Mood, slowMs?: number): void;
  close(): Promise<void>;
}

/** @param socket of the PostgreSQL. */
export async function proxyDatabase(socket: string): Promise<DatabaseProxy> {
  let mood: Mood = "quick";
  let delayMs = 0;
  let changed = Promise.withResolvers<void>();
  const open = new Set<Socket>();
  const pass = async (from: Socket, to: Socket) => {
    try {
      for await (const chunk of from) {
        if (mood === "slow") await sleep(delayMs);
        while (mood === "mute") await changed.promise;
        if (!to.write(chunk)) await once(to, "drain");
      }
      to.end();
    } catch {
      // One end is gone, and so is the other.
    } finally {
      from.destroy();
      to.destroy();
    }
  };
  const server = createServer((client) => {
    client.on("error", () => undefined);
    if (mood === "away") return void client.resetAndDestroy();
    const database = connect(socket);
    database.on("error", () => client.destroy());
    for (const end of [client, database]) {
      open.add(end);
      end.on("close", () => open.delete(end));
    }
    void pass(client, database);
    void pass(database, client);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const breakAll = () => {
    for (const end of open) end.destroy();
  };
  const become = (next: Mood, slowMs = 0) => {
    mood = next;
    delayMs = slowMs;
    changed.resolve();
    changed = Promise.withResolvers();
    if (next === "away") breakAll();
  };
  return {
    url: `postgresql://rouse@127.0.0.1:${(server.address() as AddressInfo).port}/postgres`,
    become,
    async close() {
      become("away");
      server.close();
      await once(server, "close");
    },
  };
}
