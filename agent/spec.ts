import { existsSync } from "node:fs";
import { isAbsolute } from "node:path";
import type { InstanceSpec } from "#proto/rouse/agent/v1/agent.ts";
import { RouseError } from "../sdk/errors.ts";

/** Start timeout when the spec has none, ms. */
const defaultStartTimeoutMs = 30_000;

/** @throws RouseError INVALID_ARGUMENT INSTANCE_ID_INVALID. */
export function checkId(id: string): void {
  if (/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(id)) return;
  throw new RouseError(
    "INVALID_ARGUMENT",
    `"${id}" is no instance id: at most 63 of a-z, 0-9 and -, beginning and ending with a letter or digit.`,
    { reason: "INSTANCE_ID_INVALID" },
  );
}

/**
 * Checks what an orchestrator asks for and fills in what it left out.
 *
 * @throws RouseError INVALID_ARGUMENT SPEC_INVALID, FAILED_PRECONDITION MOUNT_MISSING.
 */
export function checkSpec(spec: InstanceSpec | undefined): InstanceSpec {
  if (spec === undefined) throw invalid("it is missing");
  if (spec.service === "" || spec.version === "") throw invalid("service and version must be set");
  if ((spec.bundle === "") === (spec.image === ""))
    throw invalid("exactly one of bundle and image must be set");
  if (!(spec.cpu > 0)) throw invalid(`cpu is ${spec.cpu}, it must be above 0 cores`);
  if (spec.memoryBytes < 6 * 2 ** 20)
    throw invalid(`memory_bytes is ${spec.memoryBytes}, it must be 6 MiB at least`);
  if (spec.imagePort > 65_535) throw invalid(`image_port is ${spec.imagePort}, it must be at most 65535`);
  for (const { source, target } of spec.mounts) {
    if (!isAbsolute(source) || !isAbsolute(target))
      throw invalid(`mount ${source}:${target} must have absolute paths`);
    if (!existsSync(source))
      throw new RouseError(
        "FAILED_PRECONDITION",
        `${spec.service} ${spec.version} mounts ${source}, which does not exist on this host. Put it there, or register the version with another path.`,
        { reason: "MOUNT_MISSING" },
      );
  }
  return { ...spec, startTimeoutMs: spec.startTimeoutMs || defaultStartTimeoutMs };
}

function invalid(what: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", `The instance spec is invalid: ${what}.`, {
    reason: "SPEC_INVALID",
  });
}
