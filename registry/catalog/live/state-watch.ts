import type { ServerWritableStream } from "@grpc/grpc-js";
import type { WatchStateRequest, WatchStateResponse } from "#proto/rouse/catalog/v1/catalog.ts";
import { statusObject } from "../../../sdk/answer.ts";
import type { MeshFollower } from "../../follower.ts";
import type { MeshState } from "../../state.ts";
import { liveService } from "../view.ts";
import { Outlet } from "./outlet.ts";

type Call = ServerWritableStream<WatchStateRequest, WatchStateResponse>;

/** Versions and instances that one message tells, about: it stays far below the 4 MiB that clients of gRPC take. */
const MOST_ROWS = 4_000;

interface Watcher {
  /** Empty: all services. */
  readonly service: string;
  readonly outlet: Outlet<WatchStateResponse>;
  /** Services whose change it has not been told. */
  readonly changed: Set<string>;
}

/**
 * Tells the live state of services to those who watch. Nothing runs while nothing changes; a change is made into one message for
 * all who watch it; a reader that is slow skips what it missed and gets the newest.
 */
export class StateWatch {
  readonly #mesh: MeshFollower;
  readonly #isWaking: (service: string, version: string) => boolean;
  readonly #watchers = new Set<Watcher>();
  readonly #unsubscribe: () => void;
  #seen: MeshState["services"] = new Map();
  /** The messages of the newest change, by what was asked. */
  #newest = new Map<string, WatchStateResponse>();
  #newestNames: ReadonlySet<string> = new Set();
  /** The first answer for all services, while the state is the same. */
  #first: readonly WatchStateResponse[] | undefined;

  /** @param isWaking Whether calls are held for a version. */
  constructor(mesh: MeshFollower, isWaking: (service: string, version: string) => boolean) {
    this.#mesh = mesh;
    this.#isWaking = isWaking;
    this.#unsubscribe = mesh.onChange(({ services }) => {
      const before = this.#seen;
      this.#seen = services;
      const changed = new Set<string>();
      for (const [name, service] of services) if (before.get(name) !== service) changed.add(name);
      for (const name of before.keys()) if (!services.has(name)) changed.add(name);
      this.touch(changed);
    });
  }

  /** These services have changed. */
  touch(names: ReadonlySet<string>): void {
    this.#newest = new Map();
    this.#newestNames = names;
    this.#first = undefined;
    for (const { service, changed, outlet } of this.#watchers) {
      if (service === "") for (const name of names) changed.add(name);
      else if (names.has(service)) changed.add(service);
      if (changed.size > 0) outlet.wake();
    }
  }

  /** Serves one watcher until it goes. */
  async serve(call: Call): Promise<void> {
    const { service } = call.request;
    const watcher: Watcher = { service, outlet: new Outlet(call), changed: new Set() };
    try {
      await this.#mesh.state();
      this.#watchers.add(watcher);
      const first = service === "" ? this.#everything() : [this.#message(new Set([service]), service)];
      for (const message of first) await watcher.outlet.write(message);
      while (!watcher.outlet.gone) {
        if (watcher.changed.size === 0) {
          await watcher.outlet.rest();
          continue;
        }
        const names = new Set(watcher.changed);
        watcher.changed.clear();
        for (const message of this.#changes(names, service)) await watcher.outlet.write(message);
      }
    } catch (thrown) {
      call.emit("error", statusObject(thrown));
    } finally {
      this.#watchers.delete(watcher);
    }
  }

  /** How many watch. */
  get size(): number {
    return this.#watchers.size;
  }

  close(): void {
    this.#unsubscribe();
    for (const { outlet } of this.#watchers) outlet.end();
  }

  #everything(): readonly WatchStateResponse[] {
    this.#first ??= this.#messages(this.#seen.keys());
    return this.#first;
  }

  /** One who kept up gets the message that all get. */
  #changes(names: ReadonlySet<string>, service: string): readonly WatchStateResponse[] {
    if (service !== "") return [this.#message(names, service)];
    const newest = this.#newestNames;
    const keptUp = names.size === newest.size && [...names].every((name) => newest.has(name));
    if (keptUp && this.#rows(names) <= MOST_ROWS) return [this.#message(newest, "")];
    return this.#messages(names);
  }

  #message(names: ReadonlySet<string>, key: string): WatchStateResponse {
    let message = this.#newest.get(key);
    if (message === undefined) {
      [message] = this.#messages(names);
      this.#newest.set(key, message);
    }
    return message;
  }

  /** The state of these services, in as many messages as it needs. */
  #messages(names: Iterable<string>): [WatchStateResponse, ...WatchStateResponse[]] {
    let current: WatchStateResponse = { services: [], removed: [], more: false };
    const messages: [WatchStateResponse, ...WatchStateResponse[]] = [current];
    let rows = 0;
    for (const name of [...names].sort()) {
      rows += this.#rows([name]);
      if (rows > MOST_ROWS && current.services.length > 0) {
        current.more = true;
        current = { services: [], removed: [], more: false };
        messages.push(current);
        rows = this.#rows([name]);
      }
      const state = this.#seen.get(name);
      if (state === undefined) current.removed.push(name);
      else
        current.services.push(
          liveService(name, state, { isWaking: (version) => this.#isWaking(name, version) }),
        );
    }
    return messages;
  }

  #rows(names: Iterable<string>): number {
    let rows = 0;
    for (const name of names) {
      rows++;
      for (const { instances } of this.#seen.get(name)?.versions.values() ?? []) rows += 1 + instances.length;
    }
    return rows;
  }
}
