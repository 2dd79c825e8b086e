import type { ServerDuplexStream } from "@grpc/grpc-js";
import type { Logger } from "pino";
import type {
  EndpointsServer,
  Share,
  Subscribe,
  WatchRequest,
  WatchResponse,
} from "#proto/rouse/meshconfig/v1/endpoints.ts";
import type { ServiceState } from "../../registry/state.ts";
import { statusObject } from "../../sdk/answer.ts";
import { RouseError } from "../../sdk/errors.ts";
import { steadyMs } from "../../sdk/steady.ts";
import type { Control } from "../xds/control.ts";
import type { DirectLoads, DirectSource } from "./loads.ts";
import { instancesOf, sharesOf } from "./shares.ts";

/** Who says nothing for so long counts as gone: it reports every second, ms. */
const SILENCE_MS = 10_000;

type Call = ServerDuplexStream<WatchRequest, WatchResponse>;

interface Watcher {
  readonly call: Call;
  readonly asked: Subscribe;
  readonly source: DirectSource;
  number: number;
  /** What it was told last, and what that was made from. */
  told: string;
  from: readonly unknown[];
}

/** Serves rouse.meshconfig.v1.Endpoints: a stream for each caller that goes to instances directly. */
export class DirectStreams {
  readonly #control: Promise<Control>;
  readonly #loads: DirectLoads;
  readonly #log: Logger;
  readonly #calls = new Set<Call>();
  readonly #watchers = new Set<Watcher>();
  readonly #timer: NodeJS.Timeout;
  readonly #silenceMs: number;

  /** @param silenceMs How long who says nothing counts as there. */
  constructor(control: Promise<Control>, loads: DirectLoads, log: Logger, silenceMs = SILENCE_MS) {
    this.#silenceMs = silenceMs;
    this.#control = control;
    this.#loads = loads;
    this.#log = log;
    this.#timer = setInterval(() => this.#cutSilent(), silenceMs / 10);
  }

  readonly service: EndpointsServer = { watch: (call) => this.#open(call) };

  /** Tells each caller what is new for it. */
  changed(control: Control): void {
    for (const watcher of this.#watchers) this.#tell(watcher, control);
  }

  /** Ends all streams: callers go on with what they know and ask another control plane. */
  end(): void {
    clearInterval(this.#timer);
    for (const call of this.#calls) call.end();
  }

  #open(call: Call): void {
    this.#calls.add(call);
    let watcher: Watcher | undefined;
    const leave = () => {
      this.#calls.delete(call);
      if (watcher === undefined) return;
      this.#watchers.delete(watcher);
      this.#loads.disconnect(watcher.source);
    };
    call.on("cancelled", leave);
    call.on("error", leave);
    call.on("end", () => {
      leave();
      call.end();
    });
    call.on("data", ({ kind }: WatchRequest) => {
      if (kind?.$case === "report") {
        if (watcher !== undefined) this.#loads.report(watcher.source, kind.value, steadyMs());
      } else if (kind?.$case === "subscribe" && watcher === undefined) {
        const source = this.#loads.connect(steadyMs(), kind.value);
        const made: Watcher = { call, asked: kind.value, source, number: 0, told: "", from: [] };
        watcher = made;
        this.#watchers.add(made);
        void this.#control.then((control) => this.#watchers.has(made) && this.#tell(made, control));
      } else {
        leave();
        call.emit("error", statusObject(unexpected()));
      }
    });
  }

  #tell(watcher: Watcher, control: Control): void {
    const { asked, call, source } = watcher;
    const state = control.state.services.get(asked.service);
    const from = state === undefined ? [] : madeFrom(asked.service, state, control);
    // Most changes are of other services.
    if (watcher.number > 0 && same(from, watcher.from)) return;
    watcher.from = from;
    const shares = state === undefined ? [] : sharesFor(asked, state, control);
    const told = JSON.stringify(shares);
    if (watcher.number > 0 && told === watcher.told) return;
    watcher.told = told;
    watcher.number += 1;
    this.#loads.told(source, watcher.number, shares);
    call.write({ number: watcher.number, shares });
  }

  #cutSilent(): void {
    for (const { call, source, asked } of this.#watchers) {
      if (steadyMs() - source.untilMs < this.#silenceMs) continue;
      this.#log.warn({ service: asked.service }, "a caller of instances reports no more: it counts as gone");
      call.emit("error", statusObject(silent(this.#silenceMs)));
    }
  }
}

function sharesFor({ service, version, members }: Subscribe, state: ServiceState, control: Control): Share[] {
  const extrasOf = control.extrasOf;
  return members
    ? instancesOf(service, state, version, extrasOf)
    : sharesOf(service, state, version, extrasOf);
}

/** What the answer depends on; each is replaced and never changed in place. */
function madeFrom(service: string, state: ServiceState, control: Control): unknown[] {
  return [state, ...[...state.versions.values()].map((version) => control.extrasOf(service, version))];
}

function same(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index]);
}

function unexpected(): RouseError {
  return new RouseError(
    "INVALID_ARGUMENT",
    "Watch begins with one subscribe, and reports follow. Send subscribe once, and first.",
    { reason: "WATCH_MISUSED" },
  );
}

function silent(ms: number): RouseError {
  return new RouseError(
    "DEADLINE_EXCEEDED",
    `Nothing was reported for ${ms / 1_000} s. Report every second, or call through Envoy.`,
    { reason: "WATCH_SILENT" },
  );
}
