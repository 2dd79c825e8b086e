import type { ServerDuplexStream } from "@grpc/grpc-js";
import type { ActivateRequest, ActivateResponse } from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import type { Target } from "../registry/target.ts";
import { statusObject } from "../sdk/answer.ts";
import { steadyMs } from "../sdk/steady.ts";
import { AWAY_MS } from "./demand.ts";
import { goBeyond } from "./go-beyond.ts";
import type { Orchestrator } from "./orchestrator.ts";
import { servingInstance } from "./serving.ts";

type Stream = ServerDuplexStream<ActivateRequest, ActivateResponse>;

let streams = 0;

/** Serves one mesh-config: takes what it wants and reports, tells what gets ready. */
export function activate(orchestrator: Orchestrator, stream: Stream): void {
  streams += 1;
  let source: string | undefined;
  const number = streams;
  const unsubscribe = orchestrator.subscribe((response) => stream.write(response));
  const leave = () => {
    unsubscribe();
    if (source !== undefined) leaveBehind(orchestrator, source);
    source = undefined;
  };
  stream.on("data", (request: ActivateRequest) => {
    try {
      if (request.kind?.$case === "hello")
        source = hello(orchestrator, stream, request.kind.value.id, number);
      else if (source !== undefined) take(orchestrator, source, request);
    } catch (thrown) {
      leave();
      stream.emit("error", statusObject(thrown));
    }
  });
  stream.on("cancelled", leave);
  stream.on("error", leave);
  stream.on("end", () => {
    leave();
    stream.end();
  });
}

function hello(orchestrator: Orchestrator, stream: Stream, id: string, number: number): string {
  const fencingToken = orchestrator.requireLeading();
  // A new stream of the same mesh-config may come before the old one is known to be broken.
  const source = `${id}/${number}`;
  orchestrator.demand.connect(source, id);
  orchestrator.log.info({ meshConfig: id }, "mesh-config connected");
  stream.write({ kind: { $case: "leading", value: { id: orchestrator.id, fencingToken } } });
  return source;
}

/** Keeps what a mesh-config said until its Envoys are with another one, or it is back itself. */
function leaveBehind(orchestrator: Orchestrator, source: string): void {
  if (!orchestrator.demand.lose(source)) return;
  setTimeout(() => {
    orchestrator.demand.disconnect(source);
    orchestrator.evaluateAll();
  }, AWAY_MS).unref();
}

function take(orchestrator: Orchestrator, source: string, { kind, sentMs }: ActivateRequest): void {
  orchestrator.requireLeading();
  const { demand } = orchestrator;
  const laterMs = sentMs === undefined ? 0 : steadyMs() - sentMs;
  switch (kind?.$case) {
    case "wanted": {
      const { target, heldSinceMs, thawing } = kind.value;
      if (target === undefined) return;
      demand.want(source, target, heldSinceMs + laterMs, thawing);
      demand.touch(target, steadyMs());
      sayIfServing(orchestrator, target);
      orchestrator.evaluate(target.service, target.version);
      return;
    }
    case "loads": {
      const { loads, untilMs, envoys } = kind.value;
      const touched = demand.report(source, loads, untilMs === 0 ? 0 : untilMs + laterMs, envoys);
      for (const { target: called, zone, issued } of kind.value.callers)
        if (called !== undefined) orchestrator.placer.callers.note(called, zone, issued, steadyMs());
      const news = orchestrator.sessions.report(source, kind.value.sessions, steadyMs());
      for (const { service, version } of [...touched, ...news]) orchestrator.evaluate(service, version);
      return;
    }
    case "drained": {
      const { target, reopened } = kind.value;
      if (target === undefined) return;
      if (reopened) demand.markReopened(source, target);
      else demand.markDrained(source, target);
      orchestrator.evaluate(target.service, target.version);
      return;
    }
    case "behind":
      if (kind.value.target !== undefined) void goBeyond(orchestrator, kind.value.target);
      return;
  }
}

/** A wish may cross the news that it came true. */
function sayIfServing(orchestrator: Orchestrator, target: Target): void {
  const instance = servingInstance(orchestrator, target);
  if (instance === undefined) return;
  const { id: instanceId, address, host } = instance;
  const ready = { kind: { $case: "ready" as const, value: { target, instanceId, address, host } } };
  orchestrator.announce(ready);
  orchestrator.settle(target, { ready });
}
