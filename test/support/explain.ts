import { rouseOk } from "./rouse.ts";

/** The lines that `rouse explain` prints. */
export async function rouseExplain(data: string, service: string, ...version: string[]): Promise<string[]> {
  return (await rouseOk(["explain", service, ...version, "--data", data])).trimEnd().split("\n");
}
