import { beforeAll, expect, test } from "vitest";
import type { RouseError } from "../sdk/errors.ts";
import { echoContract, echoPath, TestPackage } from "./testing/package.ts";

/** What is written inside the option of a service, and what the complaint is, at which field. */
const services: Record<string, { options: string; says: [field: string, message: string][] }> = {
  NoVersion: {
    options: 'owner: "a"',
    says: [["(", 'NoVersion has no version. Add one, such as version: "1.0.0".']],
  },
  NoOwner: {
    options: 'version: "1.0.0"',
    says: [
      ["(", 'NoOwner has no owner. Add who answers for the service, such as owner: "genomics@example.org".'],
    ],
  },
  BlankOwner: {
    options: 'version: "1.0.0", owner: "  "',
    says: [
      [
        "owner",
        'BlankOwner has no owner. Add who answers for the service, such as owner: "genomics@example.org".',
      ],
    ],
  },
  ShortVersion: {
    options: 'owner: "a", version: "1.0"',
    says: [
      [
        "version",
        'version "1.0" is no semantic version. Write three numbers, such as "1.4.0" or "2.0.0-beta.1".',
      ],
    ],
  },
  VVersion: {
    options: 'owner: "a", version: "v1.0.0"',
    says: [
      [
        "version",
        'version "v1.0.0" is no semantic version. Write three numbers, such as "1.4.0" or "2.0.0-beta.1".',
      ],
    ],
  },
  Memory: {
    options: 'version: "1.0.0", owner: "a", resources: {memory: "12 bananas"}',
    says: [
      [
        "memory",
        'resources.memory "12 bananas" is no amount of memory. Write a number and one of the units Ki, Mi, Gi, Ti, K, M, G, T, such as "256Mi".',
      ],
    ],
  },
  LittleMemory: {
    options: 'version: "1.0.0", owner: "a", resources: {memory: "31Mi"}',
    says: [["memory", 'resources.memory "31Mi" is too little to start in. Ask for 32Mi or more.']],
  },
  NegativeCpu: {
    options: 'version: "1.0.0", owner: "a", resources: {cpu: -1}',
    says: [
      ["cpu", "resources.cpu -1 is out of range. Write cores, more than 0 and up to 1024, such as 0.5."],
    ],
  },
  ZeroCpu: {
    options: 'version: "1.0.0", owner: "a", resources: {cpu: 0}',
    says: [["cpu", "resources.cpu 0 is out of range. Write cores, more than 0 and up to 1024, such as 0.5."]],
  },
  NanCpu: {
    options: 'version: "1.0.0", owner: "a", resources: {cpu: nan}',
    says: [
      ["cpu", "resources.cpu NaN is out of range. Write cores, more than 0 and up to 1024, such as 0.5."],
    ],
  },
  About: {
    options:
      'version: "1.0.0", owner: "a", about: {license: "Free", links: [{title: "x", url: "javascript:alert(1)"}], purpose: "a\\x1bb", keywords: [""]}',
    says: [
      ["license", 'about.license must be an SPDX expression such as "Apache-2.0" or "MIT OR Apache-2.0".'],
      ["links", "about.links.0.url must be an http or https URL without a password."],
      ["purpose", "about.purpose holds a control character (U+001B) at character 2; take it out."],
      ["keywords", "about.keywords.0 is empty."],
    ],
  },
  Bidi: {
    options: 'version: "1.0.0", owner: "a", summary: "safe \\u202e evil"',
    says: [
      [
        "summary",
        "summary holds a character that turns the direction of writing (U+202E) at character 6; take it out.",
      ],
    ],
  },
  Label: {
    options: 'version: "1.0.0", owner: "a", resources: {labels: {key: "a b", value: "c"}}',
    says: [["labels", 'labels: "a b" is no label name. Use up to 100 letters, digits, "-" and "_".']],
  },
  Times: {
    options: 'version: "1.0.0", owner: "a", start_timeout: "soon", idle_timeout: "25h"',
    says: [
      [
        "start_timeout",
        'start_timeout "soon" is no length of time. Write a number and one of the units ms, s, m, h, d, such as "30s".',
      ],
      ["idle_timeout", 'idle_timeout "25h" is out of range. Choose from 1s to 1d, or "never".'],
    ],
  },
  ShortTimes: {
    options: 'version: "1.0.0", owner: "a", start_timeout: "99ms", idle_timeout: "999ms"',
    says: [
      ["start_timeout", 'start_timeout "99ms" is out of range. Choose from 100ms to 10m.'],
      ["idle_timeout", 'idle_timeout "999ms" is out of range. Choose from 1s to 1d, or "never".'],
    ],
  },
  Never: {
    options: 'version: "1.0.0", owner: "a", start_timeout: "never"',
    says: [
      [
        "start_timeout",
        'start_timeout "never" is no length of time. Write a number and one of the units ms, s, m, h, d, such as "30s".',
      ],
    ],
  },
  Concurrency: {
    options: 'version: "1.0.0", owner: "a", target_concurrency: 10001',
    says: [["target_concurrency", "target_concurrency 10001 is out of range. Choose from 1 to 10000."]],
  },
  NoConcurrency: {
    options: 'version: "1.0.0", owner: "a", target_concurrency: 0',
    says: [["target_concurrency", "target_concurrency 0 is out of range. Choose from 1 to 10000."]],
  },
  NoInstances: {
    options: 'version: "1.0.0", owner: "a", max_instances: 0',
    says: [["max_instances", "max_instances 0 is out of range. Choose from 1 to 1000."]],
  },
  MinMax: {
    options: 'version: "1.0.0", owner: "a", min_instances: 3, max_instances: 2',
    says: [
      ["min_instances", "min_instances 3 is more than max_instances (2). Lower the one or raise the other."],
    ],
  },
  MinDefaultMax: {
    options: 'version: "1.0.0", owner: "a", min_instances: 5',
    says: [
      [
        "min_instances",
        "min_instances 5 is more than max_instances (4, its default). Lower the one or raise the other.",
      ],
    ],
  },
  Spread: {
    options:
      'version: "1.0.0", owner: "a", placement: {spread: [{over: "a b"}, {}, {over: "host", weight: 101}, {over: "rack", strict: true, weight: 5}]}',
    says: [
      [
        "spread",
        'placement.spread.0 "a b" is nothing to spread over. Write "host", "zone", or the name of a label.',
      ],
      ["spread", "placement.spread.2 is over host again. Take one of them out."],
      ["spread", "placement.spread.2.weight 101 is out of range. Choose from 1 to 100."],
      ["spread", "placement.spread.3.weight has no effect on what is strict. Take one of them out."],
    ],
  },
  Affinity: {
    options:
      'version: "1.0.0", owner: "a", placement: {affinity: [{label: "ssd"}, {label: "a=b", service: "c"}], anti_affinity: {service: "not one"}}',
    says: [
      [
        "affinity",
        'placement.affinity.0 "ssd" is no label. Write its name, "=" and its value, such as "disk=ssd" or "zone=eu-1".',
      ],
      [
        "affinity",
        'placement.affinity.1 must name a label or a service, one of them. Write {label: "disk=ssd"} or {service: "genome.v1.GenomeService"}; for both, write two.',
      ],
      [
        "anti_affinity",
        'placement.anti_affinity.0 "not one" is no service. Write its full name, such as "genome.v1.GenomeService".',
      ],
    ],
  },
  Crowd: {
    options: `version: "1.0.0", owner: "a", placement: {anti_affinity: [${Array(17).fill('{label: "a=b"}').join(", ")}]}`,
    says: [["anti_affinity", "placement.anti_affinity has 17 rules. Keep to 16 at most."]],
  },
  Cost: {
    options: 'version: "1.0.0", owner: "a", placement: {max_cost_per_hour: -1}',
    says: [
      [
        "max_cost_per_hour",
        "placement.max_cost_per_hour -1 is out of range. Write more than 0, such as 1.5, in the unit of the hosts' cost, or leave it out.",
      ],
    ],
  },
  LoneCore: {
    options: 'version: "1.0.0", owner: "a", placement: {core: true}, min_instances: 1',
    says: [
      [
        "min_instances",
        "min_instances 1 is less than the 2 that a service with placement.core has at least. Raise it, or take core out.",
      ],
    ],
  },
  Watermarks: {
    options: 'version: "1.0.0", owner: "a", scaling: {high_watermark: 1.5, low_watermark: -1}',
    says: [
      [
        "high_watermark",
        "scaling.high_watermark 1.5 is out of range. Write a share from 0.1 to 1, such as 0.8.",
      ],
      [
        "low_watermark",
        "scaling.low_watermark -1 is out of range. Write a share from 0 to 0.9, such as 0.5.",
      ],
    ],
  },
  LowOverHigh: {
    options: 'version: "1.0.0", owner: "a", scaling: {high_watermark: 0.5}',
    says: [
      [
        "high_watermark",
        "scaling.low_watermark (0.5, its default) is not less than scaling.high_watermark 0.5: instances would come and go. Lower the one or raise the other.",
      ],
    ],
  },
  Windows: {
    options:
      'version: "1.0.0", owner: "a", scaling: {stable_window: "1s", panic_window: "10m", scale_down_delay: "2h"}',
    says: [
      ["stable_window", 'scaling.stable_window "1s" is out of range. Choose from 2s to 1h.'],
      ["panic_window", 'scaling.panic_window "10m" is out of range. Choose from 1s to 5m.'],
      ["scale_down_delay", 'scaling.scale_down_delay "2h" is out of range. Choose from 0ms to 1h.'],
    ],
  },
  PanicOverStable: {
    options: 'version: "1.0.0", owner: "a", scaling: {stable_window: "10s", panic_window: "20s"}',
    says: [
      [
        "panic_window",
        "scaling.panic_window 20s is longer than scaling.stable_window 10s. Shorten the one or lengthen the other.",
      ],
    ],
  },
  Standby: {
    options: 'version: "1.0.0", owner: "a", standby: {instances: 101, keep: "8d"}',
    says: [
      ["instances", "standby.instances 101 is out of range. Choose from 0 to 100."],
      ["keep", 'standby.keep "8d" is out of range. Choose from 1s to 7d.'],
    ],
  },
  HashOfNothing: {
    options: 'version: "1.0.0", owner: "a", load_balancing: LOAD_BALANCING_RING_HASH',
    says: [
      [
        "load_balancing",
        'load_balancing ring_hash needs a header to hash, and there is no session_key. Add one, such as session_key: "session-id".',
      ],
    ],
  },
  SessionOfClients: {
    options: 'version: "1.0.0", owner: "a", session_key: "s", load_balancing: LOAD_BALANCING_CLIENT',
    says: [
      [
        "load_balancing",
        "load_balancing client and session_key exclude each other: a session's calls find their instance by its key. Take one of them out.",
      ],
    ],
  },
  SlowStarts: {
    options: 'version: "1.0.0", owner: "a", balancing: {slow_start: "1h"}',
    says: [["slow_start", 'balancing.slow_start "1h" is out of range. Choose from 1s to 15m.']],
  },
  SlowSessions: {
    options: 'version: "1.0.0", owner: "a", session_key: "s", balancing: {slow_start: "10s"}',
    says: [
      [
        "slow_start",
        "balancing.slow_start has no effect with a session_key: new instances get no share there that could grow. Take it out, or balance by round_robin or least_request.",
      ],
    ],
  },
  SlowNothing: {
    options:
      'version: "1.0.0", owner: "a", load_balancing: LOAD_BALANCING_NONE, balancing: {slow_start: "10s"}',
    says: [
      [
        "slow_start",
        "balancing.slow_start has no effect with load_balancing none: new instances get no share there that could grow. Take it out, or balance by round_robin or least_request.",
      ],
    ],
  },
  Sessions: {
    options:
      'version: "1.0.0", owner: "a", session_key: "s", sessions: {idle_timeout: "25h", retire_timeout: "x", hand_over_timeout: "6m"}',
    says: [
      ["idle_timeout", 'sessions.idle_timeout "25h" is out of range. Choose from 1s to 1d.'],
      [
        "retire_timeout",
        'sessions.retire_timeout "x" is no length of time. Write a number and one of the units ms, s, m, h, d, such as "30s".',
      ],
      ["hand_over_timeout", 'sessions.hand_over_timeout "6m" is out of range. Choose from 100ms to 5m.'],
    ],
  },
  SessionsOfWorkers: {
    options: 'version: "1.0.0", owner: "a", session_key: "s", workers: {kind: KIND_THREADS, count: 2}',
    says: [
      [
        "kind",
        "workers and session_key exclude each other: a session lives in one process. Take one of them out, or write workers: {count: 1}.",
      ],
    ],
  },
  NoSessions: {
    options: 'version: "1.0.0", owner: "a", sessions: {idle_timeout: "1m"}',
    says: [
      [
        "idle_timeout",
        'sessions has no effect without a session_key. Name the request header that tells sessions apart, such as session_key: "session-id".',
      ],
    ],
  },
  Workers: {
    options: 'version: "1.0.0", owner: "a", workers: {kind: KIND_THREADS, count: 65, pin_cores: true}',
    says: [["count", "workers.count 65 is out of range. Choose from 1 to 64."]],
  },
  WorkersMemory: {
    options: 'version: "1.0.0", owner: "a", resources: {memory: "128Mi"}, workers: {count: 4}',
    says: [
      [
        "count",
        "4 worker processes share resources.memory 128 MiB, and each needs 48 MiB to start in. Ask for 192Mi or more, or have fewer.",
      ],
    ],
  },
  Header: {
    options: 'version: "1.0.0", owner: "a", session_key: "my session"',
    says: [
      [
        "session_key",
        'session_key "my session" is no header name. Use letters, digits, "-", "_" and ".", such as "session-id".',
      ],
    ],
  },
  TakenHeader: {
    options: 'version: "1.0.0", owner: "a", session_key: "grpc-timeout"',
    says: [
      [
        "session_key",
        'session_key "grpc-timeout" has a meaning of its own in gRPC. Choose another name, such as "session-id".',
      ],
    ],
  },
  BinaryHeader: {
    options: 'version: "1.0.0", owner: "a", session_key: "session-bin"',
    says: [
      [
        "session_key",
        'session_key "session-bin" has a meaning of its own in gRPC. Choose another name, such as "session-id".',
      ],
    ],
  },
  Summary: {
    options: String.raw`version: "1.0.0", owner: "a", summary: "one\ntwo"`,
    says: [["summary", "summary has several lines. Keep it to one, and put the rest into description."]],
  },
  LongSummary: {
    options: `version: "1.0.0", owner: "a", summary: "${"x".repeat(201)}"`,
    says: [["summary", "summary has 201 characters. Shorten it to 200 at most."]],
  },
  Exposure: {
    options: 'version: "1.0.0", owner: "a"',
    says: [],
  },
};

/** What is written inside a method, whether it's async, and the complaint. */
const methods: Record<string, { options: string; says?: string; at?: string; stream?: true }> = {
  HourDeadline: { options: 'deadline: "1h"' },
  LongDeadline: {
    options: 'deadline: "61m"',
    says: 'deadline "61m" is out of range. Choose from 1ms to 1h.',
  },
  AsyncDeadline: { options: 'mode: MODE_ASYNC, deadline: "30d"' },
  LongAsyncDeadline: {
    options: 'mode: MODE_ASYNC, deadline: "31d"',
    says: 'deadline "31d" is out of range. Choose from 1ms to 30d.',
  },
  NoDeadline: { options: 'deadline: "0s"', says: 'deadline "0s" is out of range. Choose from 1ms to 1h.' },
  JobDeadline: {
    options:
      'mode: MODE_JOB, deadline: "30d", job: {disk: "1Ti", processes: 32768, retries: 10, outputs: "100Ti"}',
  },
  BadDisk: {
    options: 'mode: MODE_JOB, job: {disk: "much"}',
    at: "disk",
    says: 'job.disk "much" is no amount of space. Write a number and one of the units Ki, Mi, Gi, Ti, K, M, G, T, such as "2Gi".',
  },
  LittleDisk: {
    options: 'mode: MODE_JOB, job: {disk: "1Ki"}',
    at: "disk",
    says: 'job.disk "1Ki" is out of range. Choose from 1Mi to 1Ti.',
  },
  FewProcesses: {
    options: "mode: MODE_JOB, job: {processes: 1}",
    at: "processes",
    says: "job.processes 1 is out of range. Choose from 16 to 32768.",
  },
  ManyRetries: {
    options: "mode: MODE_JOB, job: {retries: 11}",
    at: "retries",
    says: "job.retries 11 is out of range. Choose from 0 to 10.",
  },
  NoJob: {
    options: "mode: MODE_ASYNC, job: {retries: 1}",
    at: "retries",
    says: "NoJob has settings of a job and is none. Add mode: MODE_JOB, or leave job out.",
  },
  StreamJob: {
    options: "mode: MODE_JOB",
    at: "mode",
    stream: true,
    says: 'StreamJob is a stream, and a job has one request and one response. Take "stream" away; what is large goes in as artifacts and comes out as outputs.',
  },
  BadDeadline: {
    options: 'deadline: "10 seconds"',
    says: 'deadline "10 seconds" is no length of time. Write a number and one of the units ms, s, m, h, d, such as "30s".',
  },
};

/** The same for what is said of a method beside its deadline: what comes before its types, and the field that is at fault. */
const durables: Record<string, { options: string; stream?: string; field?: string; says?: string }> = {
  Durable: { options: "durable: true" },
  DurableAsync: { options: 'durable: true, mode: MODE_ASYNC, deadline: "30d"' },
  DurableSync: {
    options: "mode: MODE_SYNC, durable: true",
    field: "mode",
    says: "DurableSync is durable, so that its calls are operations, and mode is sync. Leave mode out (callers choose), or write MODE_ASYNC.",
  },
  DurableJob: {
    options: "mode: MODE_JOB, durable: true",
    field: "durable",
    says: "DurableJob is durable and a job. A job runs once, in a sandbox without network; take durable away, or mode.",
  },
  DurableStream: {
    options: "durable: true",
    stream: "stream ",
    field: "durable",
    says: "DurableStream is a stream, and only unary methods can be durable. Answer with one message, or take durable away.",
  },
};

const lines = [
  'syntax = "proto3";',
  "package echo.v1;",
  'import "rouse/mesh/v1/options.proto";',
  "message EchoRequest {}",
  "message EchoResponse {}",
];
const expected: string[] = [];
for (const [name, { options, says }] of Object.entries(services)) {
  lines.push(`service ${name} {`, `  option (rouse.mesh.v1.service) = {${options}};`);
  const line = lines.at(-1) ?? "";
  for (const [field, message] of says) {
    const column = (field === "(" ? line.indexOf(field) : line.indexOf(`${field}:`)) + 1;
    expected.push(`${echoPath}:${lines.length}:${column}: ${message}`);
  }
  lines.push("}");
}
lines.push("service Methods {", '  option (rouse.mesh.v1.service) = {version: "1.0.0", owner: "a"};');
for (const [name, { options, says, at = "deadline", stream }] of Object.entries(methods)) {
  lines.push(`  rpc ${name}(EchoRequest) returns (${stream ? "stream " : ""}EchoResponse) {`);
  lines.push(`    option (rouse.mesh.v1.method) = {`, `      ${options}`, "    };", "  }");
  const column = 7 + options.indexOf(at);
  if (says !== undefined) expected.push(`${echoPath}:${lines.length - 2}:${column}: ${says}`);
}
for (const [name, { options, stream = "", field = "", says }] of Object.entries(durables)) {
  lines.push(`  rpc ${name}(EchoRequest) returns (${stream}EchoResponse) {`);
  lines.push(`    option (rouse.mesh.v1.method) = {`, `      ${options}`, "    };", "  }");
  const column = 7 + options.indexOf(field);
  if (says !== undefined) expected.push(`${echoPath}:${lines.length - 2}:${column}: ${says}`);
}
lines.push("}");

let error: RouseError;
beforeAll(async () => {
  await using made = await TestPackage.create({ [echoPath]: `${lines.join("\n")}\n` });
  error = await made.generateError();
});

test("all problems are told at once", () => {
  expect(error.reason).toBe("CONTRACT_INVALID");
  expect(error.status).toBe("INVALID_ARGUMENT");
  const [head, ...problems] = error.message.split("\n");
  expect(head).toBe(`The contract has ${expected.length} problems:`);
  expect(problems).toEqual([...expected, "Nothing was written."]);
});

test('limits themselves and "never" are taken', async () => {
  await using made = await TestPackage.create({
    [echoPath]: echoContract({
      options:
        'version: "1.0.0-rc.1", owner: "a", resources: {cpu: 0.01, memory: "32Mi"}, start_timeout: "10m", ' +
        'idle_timeout: "never", target_concurrency: 10000, min_instances: 4, session_key: "X-Session-Id", ' +
        'placement: {core: true, spread: {over: "zone", weight: 1}, affinity: {label: "disk="}, prefer: PREFER_CHEAP, max_cost_per_hour: 0.01}, ' +
        'scaling: {stable_window: "4s", scale_down_delay: "0s"}, standby: {instances: 0}, load_balancing: LOAD_BALANCING_RING_HASH, ' +
        'sessions: {idle_timeout: "1s", hand_over_timeout: "5m"}',
      methods: `rpc Echo(EchoRequest) returns (EchoResponse) { option (rouse.mesh.v1.method).deadline = "1ms"; }
  rpc Follow(EchoRequest) returns (stream EchoResponse);
  rpc Ask(EchoRequest) returns (EchoResponse) { option idempotency_level = IDEMPOTENT; }
  rpc Dig(EchoRequest) returns (EchoResponse) { option (rouse.mesh.v1.method).mode = MODE_JOB; }`,
    }),
  });
  await made.generate();
  const { descriptorSet, ...manifest } = JSON.parse(
    await made.read("gen/echo.v1.EchoService.manifest.json"),
  ) as Record<string, unknown>;
  expect(typeof descriptorSet).toBe("string");
  expect(manifest).toEqual({
    schema: "rouse.manifest/v1",
    service: "echo.v1.EchoService",
    version: "1.0.0-rc.1",
    summary: "",
    description: "",
    owner: "a",
    exposure: "internal",
    resources: { cpu: 0.01, memory: 33_554_432, gpu: 0, labels: {} },
    startTimeoutMs: 600_000,
    idleTimeoutMs: 0,
    targetConcurrency: 10_000,
    minInstances: 4,
    maxInstances: 4,
    sessionKey: "x-session-id",
    loadBalancing: "ring_hash",
    sessions: { idleMs: 1_000, retireMs: 600_000, handOverMs: 300_000 },
    placement: {
      core: true,
      spread: [
        { over: "host", strict: true, weight: 100 },
        { over: "zone", strict: false, weight: 1 },
      ],
      affinity: [{ label: "disk=", strict: false, weight: 50 }],
      antiAffinity: [],
      prefer: "cheap",
      maxCostPerHour: 0.01,
    },
    scaling: {
      highWatermark: 0.8,
      lowWatermark: 0.5,
      stableWindowMs: 4_000,
      panicWindowMs: 4_000,
      scaleDownDelayMs: 0,
    },
    standby: { instances: 0, keepMs: 1_800_000 },
    methods: [
      ["Echo", false, 1, "unknown"],
      ["Follow", true, 0, "unknown"],
      ["Ask", false, 60_000, "idempotent"],
      ["Dig", false, 3_600_000, "unknown"],
    ].map(([name, serverStreaming, deadlineMs, idempotency]) => ({
      name,
      input: "echo.v1.EchoRequest",
      output: "echo.v1.EchoResponse",
      clientStreaming: false,
      serverStreaming,
      mode: name === "Dig" ? "job" : "sync",
      deadlineMs,
      idempotency,
      ...(name === "Dig" && {
        job: { diskBytes: 67_108_864, processes: 128, retries: 0, outputBytes: 68_719_476_736 },
      }),
      docs: "",
    })),
  });
});
