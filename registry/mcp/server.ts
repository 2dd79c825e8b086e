import type { JsonValue } from "@bufbuild/protobuf";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import {
  type CallToolRequest,
  CallToolRequestSchema,
  type CallToolResult,
  ErrorCode,
  ListToolsRequestSchema,
  McpError,
  type Tool,
} from "@modelcontextprotocol/sdk/types.js";
import { RouseError } from "../../sdk/errors.ts";
import type { ContractStore } from "../catalog/contract/store.ts";
import { type Exposed, exposedServices } from "../exposed.ts";
import type { MeshFollower } from "../follower.ts";
import type { EdgeCaller } from "./caller.ts";
import { callTool, findTools, metaTools } from "./meta.ts";
import { describeTool, type ToolMethod, toolMethods } from "./tools.ts";

/** Tools in one page of the list. */
const PAGE = 100;
/** Time for a call beside its deadline and its service's start; and for one without a deadline. ms. */
const MARGIN_MS = 5_000;
const NO_DEADLINE_MS = 300_000;

export interface McpParts {
  readonly mesh: MeshFollower;
  readonly contracts: ContractStore;
  readonly caller: EdgeCaller;
  /** Names of services that words lead to, best first. */
  readonly search: (query: string) => Promise<readonly string[]>;
  /** Of the mesh. */
  readonly version: string;
}

/** What one client asked for in its URL, and who it is. */
export interface McpScope {
  /** Full names of services, or beginnings of them that end with a dot; empty: all. */
  readonly services: readonly string[];
  /** The list has the tools that find others, and only those. */
  readonly searchOnly: boolean;
  readonly authorization?: string;
}

/** An MCP server for one client: the external services' methods are its tools. */
export function mcpServer(parts: McpParts, scope: McpScope): Server {
  const server = new Server(
    { name: "rouse", version: parts.version },
    {
      capabilities: { tools: {} },
      instructions:
        "Each tool is a method of a service in a Rouse mesh. A service that sleeps is started by the call, which may take some " +
        "seconds. With many services use find_tools first, then call a tool by its name, or by call_tool.",
    },
  );
  const current = async () => toolMethods(inScope(exposedServices(await parts.mesh.state()), scope));
  const describe = async (tool: ToolMethod): Promise<Tool> =>
    describeTool(tool, await parts.contracts.get(tool.exposed.state.manifest));

  server.setRequestHandler(ListToolsRequestSchema, async ({ params }) => {
    if (scope.searchOnly) return { tools: [...metaTools] };
    const all = [...(await current()).values()];
    const from = startOf(params?.cursor, all);
    const page = await Promise.all(all.slice(from, from + PAGE).map(describe));
    const last = all[from + PAGE - 1];
    return {
      tools: params?.cursor === undefined ? [...metaTools, ...page] : page,
      // The last name, so that services which come and go meanwhile let none be missed.
      ...(last !== undefined && from + PAGE < all.length && { nextCursor: last.name }),
    };
  });

  server.setRequestHandler(CallToolRequestSchema, async ({ params }, { signal, sendNotification }) => {
    const progress = (count: number) => {
      const progressToken = params._meta?.progressToken;
      if (progressToken === undefined) return;
      const told = { method: "notifications/progress", params: { progressToken, progress: count } } as const;
      sendNotification(told).catch(() => undefined);
    };
    try {
      const tools = await current();
      if (params.name === findTools.name) return await find(params, tools);
      const [name, input] = params.name === callTool.name ? wrapped(params) : [params.name, params.arguments];
      const tool = tools.get(name);
      if (tool === undefined) throw unknownTool(name);
      return await call(tool, input ?? {}, signal, progress);
    } catch (error) {
      return failed(error);
    }
  });

  const find = async (params: CallToolRequest["params"], tools: Map<string, ToolMethod>) => {
    const { query, limit } = findTools.parse(params.arguments);
    const services = await parts.search(query);
    const order = new Map(services.map((service, index) => [service, index]));
    const words = query.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
    const rank = ({ method }: ToolMethod) => {
      const text = `${method.name} ${method.docs}`.toLowerCase();
      return -words.filter((word) => text.includes(word)).length;
    };
    const at = ({ exposed }: ToolMethod) => order.get(exposed.service) ?? order.size;
    const found = [...tools.values()]
      .filter(({ exposed }) => order.has(exposed.service))
      .sort((a, b) => rank(a) - rank(b) || at(a) - at(b));
    const described = await Promise.all(found.slice(0, limit).map(describe));
    return result({ tools: described, more: Math.max(0, found.length - limit) } as unknown as JsonValue);
  };

  const call = async (
    { exposed, method }: ToolMethod,
    input: Record<string, unknown>,
    signal: AbortSignal,
    onMessage: (count: number) => void,
  ): Promise<CallToolResult> => {
    const { manifest } = exposed.state;
    const requests = method.clientStreaming ? requestsOf(input) : [input as JsonValue];
    const longest = method.deadlineMs === 0 ? NO_DEADLINE_MS : method.deadlineMs;
    const answer = await parts.caller.call(await parts.contracts.get(manifest), method.name, requests, {
      ...(scope.authorization !== undefined && { authorization: scope.authorization }),
      deadlineMs: longest + manifest.startTimeoutMs + MARGIN_MS,
      signal,
      ...(method.serverStreaming && { onMessage }),
    });
    if (!method.serverStreaming) return result(answer.messages[0] ?? {});
    return result({ messages: [...answer.messages], truncated: answer.truncated });
  };

  return server;
}

function inScope(services: readonly Exposed[], { services: names }: McpScope): readonly Exposed[] {
  if (names.length === 0) return services;
  return services.filter(({ service }) =>
    names.some((name) => (name.endsWith(".") ? service.startsWith(name) : service === name)),
  );
}

function startOf(cursor: string | undefined, all: readonly ToolMethod[]): number {
  if (cursor === undefined) return 0;
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(cursor))
    throw new McpError(ErrorCode.InvalidParams, "The cursor is none of this list: begin again without one.");
  const next = all.findIndex(({ name }) => name === cursor);
  return next < 0 ? all.length : next + 1;
}

function wrapped({ arguments: input }: CallToolRequest["params"]): [string, Record<string, unknown>] {
  const { name, arguments: inner } = callTool.parse(input);
  return [name, inner];
}

function requestsOf(input: Record<string, unknown>): JsonValue[] {
  if (Array.isArray(input.requests)) return input.requests as JsonValue[];
  throw new RouseError(
    "INVALID_ARGUMENT",
    'This method takes a stream: give its messages as {"requests": [...]}.',
    { reason: "REQUEST_INVALID" },
  );
}

function unknownTool(name: string): RouseError {
  return new RouseError(
    "NOT_FOUND",
    `There is no tool ${name.slice(0, 200)} (any more): find_tools finds those there are.`,
    { reason: "TOOL_UNKNOWN" },
  );
}

function result(value: JsonValue): CallToolResult {
  const structured = typeof value === "object" && value !== null && !Array.isArray(value);
  return {
    content: [{ type: "text", text: JSON.stringify(value) }],
    ...(structured && { structuredContent: value as Record<string, unknown> }),
  };
}

function failed(thrown: unknown): CallToolResult {
  const { status, reason, message } = RouseError.from(thrown);
  return { isError: true, content: [{ type: "text", text: `${status} ${reason}: ${message}` }] };
}
