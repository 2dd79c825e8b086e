import type { SetHostModeRequest, SetHostModeResponse } from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import type { ConsulClient } from "../../registry/consul.ts";
import {
  type HostMode,
  type HostModeState,
  hostModes,
  updateHostRecord,
} from "../../registry/host-record.ts";
import { RouseError } from "../../sdk/errors.ts";
import { steadyMs } from "../../sdk/steady.ts";
import type { Orchestrator } from "../orchestrator.ts";

/**
 * As SetHostMode of the API.
 *
 * @throws RouseError NOT_FOUND HOST_UNKNOWN, INVALID_ARGUMENT HOST_MODE_INVALID or HOST_REASON_MISSING; what
 *   {@link updateHostRecord} throws.
 */
export async function setHostMode(
  orchestrator: Orchestrator,
  consul: ConsulClient,
  request: SetHostModeRequest,
): Promise<SetHostModeResponse> {
  const hosts = orchestrator.mesh.hosts().map(({ host }) => host);
  const { host } = request;
  if (!hosts.includes(host)) {
    const those = hosts.length === 0 ? "there is none" : `there are ${hosts.sort().join(", ")}`;
    throw new RouseError("NOT_FOUND", `The mesh has no host "${host}"; ${those}.`, {
      reason: "HOST_UNKNOWN",
    });
  }
  const mode = modeOf(request, steadyMs());
  const before = orchestrator.mesh.hosts().find((one) => one.host === host)?.mode.mode;
  await updateHostRecord(consul, host, (record) => ({ ...record, mode }));
  if (before !== mode.mode)
    orchestrator.decisions.add({ kind: `host-${mode.mode}`, host, reason: mode.reason || "by a person" });
  return {};
}

/** What a request asks for. @throws RouseError INVALID_ARGUMENT. */
export function modeOf({ host, mode, reason, deadlineMs }: SetHostModeRequest, nowMs: number): HostModeState {
  if (!isMode(mode))
    throw new RouseError(
      "INVALID_ARGUMENT",
      `"${mode}" is no mode for host ${host}: it is one of ${hostModes.join(", ")}.`,
      { reason: "HOST_MODE_INVALID" },
    );
  if (mode !== "active" && reason.trim() === "")
    throw new RouseError(
      "INVALID_ARGUMENT",
      `Host ${host} needs a reason to be ${mode}: whoever wonders about it later is told.`,
      { reason: "HOST_REASON_MISSING" },
    );
  const limited = deadlineMs > 0 && (mode === "draining" || mode === "maintenance");
  return { mode, reason: reason.trim(), atMs: nowMs, ...(limited ? { deadlineMs: nowMs + deadlineMs } : {}) };
}

function isMode(text: string): text is HostMode {
  return (hostModes as readonly string[]).includes(text);
}
