import type { Amounts } from "./host.ts";

/** Sums of decimal fractions differ in the last bits. */
export const TOLERANCE = 1e-9;

export interface Kind {
  readonly name: keyof Amounts;
  readonly unit: string;
  readonly tolerance: number;
  readonly round: (amount: number, up: boolean) => number;
}

export const KINDS: readonly Kind[] = [
  { name: "gpu", unit: "GPUs", tolerance: 0, round: (count) => count },
  { name: "cpu", unit: "cores", tolerance: TOLERANCE, round: roundCores },
  { name: "memory", unit: "MiB", tolerance: 0, round: roundMebibytes },
];

export function roundCores(cores: number, up: boolean): number {
  return up ? Math.ceil(cores * 100 - 1e-6) / 100 : Math.round(cores * 100) / 100;
}

export function roundMebibytes(bytes: number, up: boolean): number {
  return up ? Math.ceil(bytes / 2 ** 20) : Math.floor(bytes / 2 ** 20);
}

/** "8 cores", "1 GiB memory", "2 GPUs", of all that is needed; rounded up. */
export function amountWords({ cpu, memory, gpu }: Amounts): string[] {
  const mebi = roundMebibytes(memory, true);
  const size = mebi % 1_024 === 0 ? `${mebi / 1_024} GiB` : `${mebi} MiB`;
  return [
    ...(cpu > 0 ? [`${roundCores(cpu, true)} ${cpu === 1 ? "core" : "cores"}`] : []),
    ...(memory > 0 ? [`${size} memory`] : []),
    ...(gpu > 0 ? [`${gpu} ${gpu === 1 ? "GPU" : "GPUs"}`] : []),
  ];
}
