import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Level } from "@bufbuild/protobuf/wkt";
import type { Manifest } from "../../registry/manifest.ts";
import type { Problem } from "../problems.ts";
import { readJob } from "./job-settings.ts";
import type { MethodMesh } from "./mesh-options.ts";
import { OptionReader } from "./option-reader.ts";

/** The options of a method, checked, with its defaults. */
export type MethodSettings = Pick<
  Manifest["methods"][number],
  "mode" | "deadlineMs" | "idempotency" | "durable" | "job"
>;

const minute = 60_000;
const hour = 60 * minute;

/** Checks the options of a method against the limits in rouse/mesh/v1/options.proto. */
export function readMethodSettings(
  desc: DescMethod,
  mesh: MethodMesh | undefined,
  problems: Problem[],
): MethodSettings {
  const idempotency = idempotencyOf(desc);
  const streams = desc.methodKind !== "unary";
  const otherwise = mesh?.mode === "job" ? hour : streams ? 0 : minute;
  if (mesh === undefined) return { mode: "sync", deadlineMs: otherwise, idempotency };
  const reader = new OptionReader(desc, problems);
  const durable = mesh.durable && readDurable(desc, mesh, reader);
  const mode = durable && mesh.mode === "unspecified" ? "both" : readMode(mesh, reader);
  const most = mode === "sync" ? hour : 30 * 24 * hour;
  const deadlineMs = reader.duration(
    { name: "deadline", path: [2], text: mesh.deadline },
    { least: 1, most, otherwise: durable ? 0 : otherwise },
  );
  return { mode, deadlineMs, idempotency, ...(durable && { durable }), ...readJob(desc, mesh, reader) };
}

/** Whether the method can be durable, as its option wants it. */
function readDurable(desc: DescMethod, mesh: MethodMesh, reader: OptionReader): boolean {
  if (desc.methodKind !== "unary") {
    reader.problem(
      [4],
      `${desc.name} is a stream, and only unary methods can be durable. Answer with one message, or take durable away.`,
    );
    return false;
  }
  if (mesh.mode === "job") {
    reader.problem(
      [4],
      `${desc.name} is durable and a job. A job runs once, in a sandbox without network; take durable away, or mode.`,
    );
  }
  if (mesh.mode === "sync") {
    reader.problem(
      [1],
      `${desc.name} is durable, so that its calls are operations, and mode is sync. Leave mode out (callers choose), or write MODE_ASYNC.`,
    );
  }
  return true;
}

function readMode(mesh: MethodMesh, reader: OptionReader): MethodSettings["mode"] {
  if (mesh.mode === "async" || mesh.mode === "both" || mesh.mode === "job") return mesh.mode;
  if (mesh.mode !== "sync" && mesh.mode !== "unspecified")
    reader.problem([1], `mode ${mesh.mode} is unknown. Choose a value of rouse/mesh/v1/options.proto.`);
  return "sync";
}

function idempotencyOf(desc: DescMethod): MethodSettings["idempotency"] {
  if (desc.idempotency === Level.NO_SIDE_EFFECTS) return "no_side_effects";
  return desc.idempotency === Level.IDEMPOTENT ? "idempotent" : "unknown";
}
