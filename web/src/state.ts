import { useEffect, useState } from "preact/hooks";
import { type ServiceState, WatchStateRequest } from "../gen/rouse/catalog/v1/catalog.ts";
import { catalog } from "./api.ts";
import { follow, type StreamState } from "./stream.ts";

/** The live state of one service, or of all, by a stream that all its readers share. */
class LiveState {
  readonly #service: string;
  readonly #readers = new Set<() => void>();
  #services = new Map<string, ServiceState>();
  #stream: StreamState = { status: "connecting", error: undefined };
  #stop: (() => void) | undefined;
  #fresh = true;

  constructor(service: string) {
    this.#service = service;
  }

  get stream(): StreamState {
    return this.#stream;
  }

  get(name: string): ServiceState | undefined {
    return this.#services.get(name);
  }

  read(reader: () => void): () => void {
    this.#readers.add(reader);
    this.#stop ??= follow({
      open: (signal) => {
        this.#fresh = true;
        return catalog.watchState(WatchStateRequest.create({ service: this.#service }), {
          signal,
          deadlineMs: 0,
        });
      },
      onMessage: ({ services, removed }) => {
        // The first answer has all: what it lacks is gone.
        if (this.#fresh) this.#services = new Map();
        this.#fresh = false;
        for (const service of services) this.#services.set(service.name, service);
        for (const name of removed) this.#services.delete(name);
        this.#tell();
      },
      onState: (stream) => {
        this.#stream = stream;
        this.#tell();
      },
    });
    return () => {
      this.#readers.delete(reader);
      if (this.#readers.size > 0) return;
      this.#stop?.();
      this.#stop = undefined;
    };
  }

  #tell(): void {
    for (const reader of [...this.#readers]) reader();
  }
}

const streams = new Map<string, LiveState>();

function liveState(service: string): LiveState {
  let live = streams.get(service);
  if (live === undefined) {
    live = new LiveState(service);
    streams.set(service, live);
  }
  return live;
}

/**
 * The live state of a service; undefined before it is known. The component is drawn again with each change.
 *
 * @param of "all" shares one stream of all services; "one" opens one of this service alone.
 */
export function useServiceState(name: string, of: "all" | "one"): ServiceState | undefined {
  const live = liveState(of === "all" ? "" : name);
  const [state, setState] = useState(live.get(name));
  useEffect(() => {
    setState(live.get(name));
    return live.read(() => setState(live.get(name)));
  }, [live, name]);
  return state;
}

/** How the stream of a service's live state ("": of all) is doing. */
export function useStateStream(service: string): StreamState {
  const live = liveState(service);
  const [stream, setStream] = useState(live.stream);
  useEffect(() => live.read(() => setStream(live.stream)), [live]);
  return stream;
}
