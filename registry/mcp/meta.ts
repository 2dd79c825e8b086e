import type { Tool } from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";
import { RouseError } from "../../sdk/errors.ts";

const MOST_FOUND = 50;

const find = z.object({
  query: z.string().min(1).max(200).describe("Words from names, descriptions and comments."),
  limit: z.number().int().min(1).max(MOST_FOUND).default(10).describe("How many tools to return at most."),
});

const call = z.object({
  name: z.string().min(1).max(200).describe("Name of a tool that find_tools found."),
  arguments: z.record(z.string(), z.unknown()).default({}).describe("What that tool's inputSchema says."),
});

/** Finds tools where there are too many to list. */
export const findTools = {
  name: "find_tools",
  parse: (input: unknown) => parse(find, input),
};

/** Calls a tool that the client was not listed. */
export const callTool = {
  name: "call_tool",
  parse: (input: unknown) => parse(call, input),
};

/** The tools that lead to others. */
export const metaTools: readonly Tool[] = [
  {
    name: findTools.name,
    title: "Find tools",
    description:
      "Finds the tools whose service and method fit the words, best first, with their descriptions and input schemas.",
    inputSchema: z.toJSONSchema(find, { io: "input" }) as Tool["inputSchema"],
    annotations: { title: "Find tools", readOnlyHint: true, idempotentHint: true, openWorldHint: false },
  },
  {
    name: callTool.name,
    title: "Call a tool by its name",
    description: "Calls a tool that find_tools found, for clients that only call tools they were listed.",
    inputSchema: z.toJSONSchema(call, { io: "input" }) as Tool["inputSchema"],
    annotations: { title: "Call a tool by its name", readOnlyHint: false, destructiveHint: true },
  },
];

function parse<T extends z.ZodType>(schema: T, input: unknown): z.infer<T> {
  const parsed = schema.safeParse(input ?? {});
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(
    ({ path, message }) => `${path.join(".") || "arguments"}: ${message}`,
  );
  throw new RouseError("INVALID_ARGUMENT", `The arguments do not fit: ${issues.join("; ")}.`, {
    reason: "REQUEST_INVALID",
  });
}
