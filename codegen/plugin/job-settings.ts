import type { DescMethod } from "@bufbuild/protobuf";
import { DEFAULT_JOB, JOB_LIMITS } from "../../registry/jobs.ts";
import type { Manifest } from "../../registry/manifest.ts";
import { formatMemory, parseMemory } from "./memory.ts";
import type { MethodMesh } from "./mesh-options.ts";
import type { OptionReader } from "./option-reader.ts";

/** Field of the method's option, and of Job. */
const mode = [1];
const job = 3;

/** Checks what one run of a job may take; absent in the manifest of methods that are none. */
export function readJob(
  desc: DescMethod,
  mesh: MethodMesh,
  reader: OptionReader,
): Pick<Manifest["methods"][number], "job"> {
  if (mesh.mode !== "job") {
    if (mesh.job !== undefined)
      reader.problem(
        [job],
        `${desc.name} has settings of a job and is none. Add mode: MODE_JOB, or leave job out.`,
      );
    return {};
  }
  if (desc.methodKind !== "unary")
    reader.problem(
      mode,
      `${desc.name} is a stream, and a job has one request and one response. Take "stream" away; what is large goes in as artifacts and comes out as outputs.`,
    );
  const { processes, retries } = JOB_LIMITS;
  return {
    job: {
      diskBytes: readSpace("disk", 1, mesh.job?.disk ?? "", "diskBytes", reader),
      processes: reader.count(
        { name: "job.processes", path: [job, 2], value: mesh.job?.processes ?? 0 },
        { ...processes, otherwise: DEFAULT_JOB.processes },
      ),
      retries: reader.count(
        { name: "job.retries", path: [job, 3], value: mesh.job?.retries ?? 0 },
        { ...retries, otherwise: DEFAULT_JOB.retries },
      ),
      outputBytes: readSpace("outputs", 4, mesh.job?.outputs ?? "", "outputBytes", reader),
    },
  };
}

function readSpace(
  name: string,
  field: number,
  text: string,
  setting: "diskBytes" | "outputBytes",
  reader: OptionReader,
): number {
  const otherwise = DEFAULT_JOB[setting];
  const { least, most } = JOB_LIMITS[setting];
  if (text === "") return otherwise;
  const bytes = parseMemory(text);
  if (bytes !== undefined && bytes >= least && bytes <= most) return bytes;
  reader.problem(
    [job, field],
    bytes === undefined
      ? `job.${name} ${JSON.stringify(text)} is no amount of space. Write a number and one of the units Ki, Mi, Gi, Ti, K, M, G, T, such as "2Gi".`
      : `job.${name} ${JSON.stringify(text)} is out of range. Choose from ${formatMemory(least)} to ${formatMemory(most)}.`,
  );
  return otherwise;
}
