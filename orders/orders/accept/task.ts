import type { DescMethod, Registry } from "@bufbuild/protobuf";
import type { MeshState } from "../../../registry/state.ts";
import { RouseError } from "../../../sdk/errors.ts";
import { parseArtifactUri } from "../../artifacts/uri.ts";
import { type Settled, settleMethod } from "../../settle.ts";
import { checkParameters } from "../contract/parameters.ts";
import { misfit, type Shape, shapeAt, shapeWords } from "../contract/shape.ts";
import { looksLikeReference } from "../reference.ts";
import { CALL_RETRIES, DATA_NAME, LONGEST_CALL_MS, MOST_RETRIES, orderInvalid } from "./limits.ts";
import { checkMetadata } from "./metadata.ts";
import { type NamedTask, readReference, referenceInvalid } from "./workflow.ts";

/** A method with its messages. */
export interface ContractMethod {
  readonly descriptor: DescMethod;
  readonly types: Registry;
}

/** A task whose method is known. */
export interface SettledTask extends NamedTask {
  readonly settled: Settled;
  readonly kind: "job" | "call";
  readonly contract: ContractMethod;
  /** Its own, over those of the order. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly retries: number;
  readonly deadlineMs: number;
}

/** Where the contracts are. */
export interface Catalog {
  readonly state: MeshState;
  contract(service: string, version: string, method: string): Promise<ContractMethod>;
}

/**
 * Settles the method of a task, and checks what can be checked of it alone.
 *
 * @param outside The order came in through the edge.
 * @throws RouseError as {@link settleMethod}; FAILED_PRECONDITION METHOD_STREAMS; INVALID_ARGUMENT METADATA_INVALID, ORDER_INVALID.
 */
export async function settleTask(
  task: NamedTask,
  orderMetadata: Readonly<Record<string, string>>,
  catalog: Catalog,
  outside: boolean,
): Promise<SettledTask> {
  const { spec, name } = task;
  const settled = inTask(name, () => settleMethod(catalog.state, spec, outside));
  const { method, state, version } = settled;
  if (method.clientStreaming || method.serverStreaming) {
    throw new RouseError(
      "FAILED_PRECONDITION",
      `Task "${name}": ${spec.service}/${spec.method} is a stream, and a task has one request and one response. Order another method.`,
      { reason: "METHOD_STREAMS", metadata: { task: name } },
    );
  }
  const kind = method.mode === "job" ? "job" : "call";
  const metadata = { ...orderMetadata, ...spec.metadata };
  checkMetadata(metadata, state.manifest, kind, name);
  const usual =
    kind === "job" ? (method.job?.retries ?? 0) : method.idempotency === "unknown" ? 0 : CALL_RETRIES;
  const retries = spec.retries ?? usual;
  if (retries > MOST_RETRIES)
    throw orderInvalid(`task "${name}" is to be retried ${retries} times, ${MOST_RETRIES} at most`);
  const contract = await catalog.contract(spec.service, version, spec.method);
  return {
    ...task,
    settled,
    kind,
    contract,
    metadata,
    retries,
    deadlineMs: method.deadlineMs || LONGEST_CALL_MS,
  };
}

/** Says of an error which task it is about. */
function inTask<T>(name: string, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    const { status, message, reason, metadata } = RouseError.from(thrown);
    throw new RouseError(status, `Task "${name}": ${message}`, {
      reason,
      metadata: { ...metadata, task: name },
      cause: thrown,
    });
  }
}

/**
 * Checks parameters and inputs of a task, and that what it takes from others is there and fits.
 *
 * @returns URIs of the artifacts that it names itself, by the name of the input.
 * @throws RouseError INVALID_ARGUMENT PARAMETERS_INVALID, REFERENCE_INVALID, INPUT_INVALID, ARTIFACT_URI_INVALID.
 */
export function checkTask(task: SettledTask, others: ReadonlyMap<string, SettledTask>): Map<string, string> {
  const { name, spec, kind, contract } = task;
  const { descriptor, types } = contract;
  for (const { path, from, shape } of checkParameters(spec.parameters, descriptor.input, types, name)) {
    const source = shapeOf(name, from, others);
    const why = misfit(source, shape);
    if (why !== undefined)
      throw referenceInvalid(name, `${path} wants ${shapeWords(shape)}, and "${from}" is ${why}`);
  }
  const inputs = Object.entries(spec.inputs);
  const [first] = inputs;
  if (kind === "call" && first !== undefined)
    throw inputInvalid(
      name,
      `input "${first[0]}" has no place: ${spec.service}/${spec.method} is called, and only jobs have inputs. Put the artifact's URI into its parameters`,
    );
  const uris = new Map<string, string>();
  for (const [input, text] of inputs) {
    if (!DATA_NAME.test(input))
      throw inputInvalid(
        name,
        `${JSON.stringify(input.slice(0, 120))} is no name of an input: up to 100 letters, digits, ".", "_" and "-"`,
      );
    if (looksLikeReference(text)) shapeOf(name, text, others);
    else {
      inTask(name, () => parseArtifactUri(text));
      uris.set(input, text);
    }
  }
  return uris;
}

function shapeOf(name: string, from: string, others: ReadonlyMap<string, SettledTask>): Shape {
  const reference = readReference(name, from);
  const source = others.get(reference.task);
  if (source === undefined) throw referenceInvalid(name, `"${from}" names a task that is not there`);
  if (reference.part === "outputs") {
    if (source.kind === "job") return { kind: "text" };
    const { service, method } = source.spec;
    throw referenceInvalid(
      name,
      `"${from}" is nothing: ${service}/${method} is called, and only jobs have outputs. Its result is tasks.${reference.task}.result`,
    );
  }
  const shape = shapeAt(source.contract.descriptor.output, reference.path);
  if (typeof shape === "string") throw referenceInvalid(name, `"${from}" is nothing: ${shape}`);
  return shape;
}

function inputInvalid(task: string, why: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", `Task "${task}": ${why}.`, {
    reason: "INPUT_INVALID",
    metadata: { task },
  });
}
