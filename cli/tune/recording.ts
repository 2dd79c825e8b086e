import { readFile, writeFile } from "node:fs/promises";
import { z } from "zod";
import { ScalingClient } from "#proto/rouse/orchestrator/v1/scaling.ts";
import type { Sample } from "../../orchestrator/scaling/sample.ts";
import { RouseError } from "../../sdk/errors.ts";
import { unary } from "../../sdk/grpc.ts";
import { withClient } from "../connect.ts";

/** A version's load as it was recorded. */
const recordingSchema = z.object({
  schema: z.literal("rouse.load/v1"),
  service: z.string(),
  version: z.string(),
  samples: z.array(
    z.object({
      /** ms since 1970. */
      atMs: z.number().min(0),
      spanMs: z.union([z.literal(1_000), z.literal(60_000)]),
      inProgress: z.number().min(0),
      most: z.number().min(0),
      issued: z.number().min(0),
      instances: z.number().min(0),
    }),
  ),
});
export type LoadRecording = z.infer<typeof recordingSchema>;

/** Asks the orchestrator at "host:port" for a version's load. */
export async function fetchRecording(
  control: string,
  service: string,
  version: string,
): Promise<LoadRecording> {
  const { samples } = await withClient(ScalingClient, control, (client) =>
    unary(client, "getLoad", { service, version }),
  );
  return recordingSchema.parse({ schema: "rouse.load/v1", service, version, samples });
}

/** How many instances the load of a version needs now, and why; 0 while it is cold. */
export async function fetchNeed(
  control: string,
  service: string,
  version: string,
): Promise<{ wanted: number; reason: string }> {
  return withClient(ScalingClient, control, (client) => unary(client, "getLoad", { service, version }));
}

/** Writes a recording to a file, one sample a line. */
export async function writeRecording(file: string, recording: LoadRecording): Promise<void> {
  const { samples, ...head } = recording;
  const lines = samples.map((sample: Sample) => JSON.stringify(sample)).join(",\n");
  const text = `${JSON.stringify(head).slice(0, -1)},"samples":[\n${lines}\n]}\n`;
  await writeFile(file, text);
}

/** Reads what {@link writeRecording} wrote. @throws RouseError INVALID_ARGUMENT RECORDING_INVALID. */
export async function readRecording(file: string): Promise<LoadRecording> {
  try {
    return recordingSchema.parse(JSON.parse(await readFile(file, "utf8")));
  } catch (cause) {
    const why = cause instanceof z.ZodError ? (cause.issues[0]?.message ?? "") : (cause as Error).message;
    throw new RouseError(
      "INVALID_ARGUMENT",
      `${file} is no recorded load (${why}). "rouse tune SERVICE VERSION --export FILE" writes one.`,
      { reason: "RECORDING_INVALID", cause },
    );
  }
}
