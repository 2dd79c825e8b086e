import { z } from "zod";

/** What the contract may say of a job; proto/rouse/mesh/v1/options.proto has the same. */
export const JOB_LIMITS = {
  diskBytes: { least: 2 ** 20, most: 2 ** 40 },
  processes: { least: 16, most: 32_768 },
  retries: { least: 0, most: 10 },
  outputBytes: { least: 2 ** 20, most: 2 ** 50 },
} as const;

const within = ({ least, most }: { readonly least: number; readonly most: number }) =>
  z.number().int().min(least).max(most);

const DEFAULT_OUTPUT_BYTES = 64 * 2 ** 30;

/** What one run of a job may take beside the service's resources and the method's deadline. */
export const jobSchema = z.strictObject({
  /** Scratch space, which is held in memory. */
  diskBytes: within(JOB_LIMITS.diskBytes),
  /** Most processes and threads at one time. */
  processes: within(JOB_LIMITS.processes),
  /** How often a job that failed is tried again. */
  retries: within(JOB_LIMITS.retries),
  /** Most bytes that it puts out as outputs. */
  outputBytes: within(JOB_LIMITS.outputBytes).default(DEFAULT_OUTPUT_BYTES),
});

export type JobSettings = z.infer<typeof jobSchema>;

/** Where the contract says nothing. */
export const DEFAULT_JOB: JobSettings = {
  diskBytes: 64 * 2 ** 20,
  processes: 128,
  retries: 0,
  outputBytes: DEFAULT_OUTPUT_BYTES,
};
