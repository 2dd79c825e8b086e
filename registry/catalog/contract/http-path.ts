import { type DescMethod, getOption, hasOption, isMessage, toJson } from "@bufbuild/protobuf";
import { z } from "zod";
import type { Contract } from "./contract.ts";

const rule = z.object({
  get: z.string().optional(),
  put: z.string().optional(),
  post: z.string().optional(),
  delete: z.string().optional(),
  patch: z.string().optional(),
  custom: z.object({ kind: z.string(), path: z.string() }).optional(),
});

/** Verb and path of a method's JSON calls: what google.api.http says, else "POST /<service>/<method>". */
export function httpPath({ types }: Contract, method: DescMethod): string {
  const otherwise = `POST /${method.parent.typeName}/${method.name}`;
  const extension = types.getExtension("google.api.http");
  if (extension?.message === undefined || !hasOption(method, extension)) return otherwise;
  const value: unknown = getOption(method, extension);
  if (!isMessage(value, extension.message)) return otherwise;
  const parsed = rule.safeParse(toJson(extension.message, value, { registry: types }));
  if (!parsed.success) return otherwise;
  const { custom, ...verbs } = parsed.data;
  const [found] = Object.entries(verbs).filter(([, path]) => path !== undefined && path !== "");
  if (found !== undefined) return `${found[0].toUpperCase()} ${found[1]}`;
  return custom === undefined ? otherwise : `${custom.kind} ${custom.path}`;
}
