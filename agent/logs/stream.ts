import type { LogLine, LogsRequest } from "#proto/rouse/agent/v1/agent.ts";
import { RouseError } from "../../sdk/errors.ts";
import type { Agent } from "../agent.ts";
import type { ManagedInstance } from "../instance.ts";
import { Channel } from "./channel.ts";

/** Lines from the past when the caller names no number. */
const defaultTail = 100;

/**
 * The output that a request asks for: of one instance, or of all of a service, those to come included when it
 * follows. Output of several instances comes in the order in which it is read.
 *
 * @throws RouseError INVALID_ARGUMENT LOGS_OF_WHAT, NOT_FOUND INSTANCE_UNKNOWN.
 */
export async function* streamLogs(
  agent: Agent,
  request: LogsRequest,
  signal: AbortSignal,
): AsyncGenerator<LogLine> {
  const { instanceId, service, version, follow } = request;
  if ((instanceId === "") === (service === ""))
    throw new RouseError("INVALID_ARGUMENT", "Name either an instance or a service whose output you want.", {
      reason: "LOGS_OF_WHAT",
    });
  const tail = request.tail === 0 ? defaultTail : request.tail;
  const query = { tail, follow, signal };
  if (instanceId !== "") {
    yield* linesOf(agent, agent.get(instanceId), query);
    return;
  }
  const wanted = ({ record: { spec } }: ManagedInstance) =>
    spec.service === service && (version === "" || spec.version === version);
  const present = agent.instances.filter(wanted);
  if (!follow) {
    for (const instance of present) yield* linesOf(agent, instance, query);
    return;
  }
  const channel = new Channel<LogLine>(signal);
  const pump = async (instance: ManagedInstance) => {
    for await (const line of linesOf(agent, instance, query)) await channel.put(line);
  };
  const add = (instance: ManagedInstance) => void pump(instance).catch(() => {});
  for (const instance of present) add(instance);
  const forget = agent.onNewcomer((instance) => {
    if (wanted(instance)) add(instance);
  });
  try {
    yield* channel;
  } finally {
    forget();
  }
}

async function* linesOf(
  agent: Agent,
  instance: ManagedInstance,
  query: { tail: number; follow: boolean; signal: AbortSignal },
): AsyncGenerator<LogLine> {
  const instanceId = instance.record.id;
  for await (const line of agent.output(instance, query)) yield { instanceId, ...line };
}
