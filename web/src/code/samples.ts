import type { DescMessage, DescMethod } from "@bufbuild/protobuf";
import { methodName } from "../../../codegen/names.ts";
import { isJob } from "../try/job.ts";
import type { Json } from "../try/json.ts";
import { goText, pythonLiteral, shellWord } from "./quote.ts";
import { tsRequest } from "./ts-literal.ts";

/** What a sample is made of. */
export interface SampleFacts {
  readonly method: DescMethod;
  readonly request: Json;
  /** Version that is called. */
  readonly version: string;
  /** Address of the edge, such as "http://127.0.0.1:8080". */
  readonly edge: string;
}

/** A way to call a method. */
export interface Sample {
  readonly id: string;
  readonly title: string;
  /** What is needed before. */
  readonly before: string;
  /** undefined: it cannot be done so, and `before` says why. */
  readonly text: string | undefined;
}

/** Samples for all languages; of a job, which is ordered, by the command line. */
export function samplesOf(facts: SampleFacts): Sample[] {
  if (isJob(facts.method)) return [rouseOrder(facts)];
  return [typescript, browser, rouseCall, curl, python, go, grpcurl].map((make) => make(facts));
}

function shape({ method }: SampleFacts) {
  const { methodKind } = method;
  return {
    requests: methodKind === "client_streaming" || methodKind === "bidi_streaming",
    answers: methodKind === "server_streaming" || methodKind === "bidi_streaming",
  };
}

function nameOf({ method }: SampleFacts): string {
  return `${method.parent.typeName}/${method.name}`;
}

function stem({ method }: SampleFacts): string {
  return method.parent.file.name;
}

function host({ edge }: SampleFacts): string {
  return new URL(edge).host;
}

function typescript(facts: SampleFacts): Sample {
  const { requests, answers } = shape(facts);
  const { method, version } = facts;
  const service = method.parent.name;
  const call = `client.${methodName(method.name)}(${requests ? "requests()" : tsRequest(method.input, facts.request)})`;
  const make = requests
    ? `async function* requests() {\n  yield ${tsRequest(method.input, facts.request, "  ")};\n}\n\n`
    : "";
  return {
    id: "typescript",
    title: "TypeScript",
    before: "In a package with the contract below proto/: rouse gen writes the client.",
    text:
      `import { create${service}Client } from "./gen/${stem(facts)}.client.ts";\n\n${make}` +
      `using client = create${service}Client({ target: ${JSON.stringify(host(facts))}, version: ${JSON.stringify(version)} });\n` +
      `${answers ? `for await (const answer of ${call}) {\n  console.log(answer);\n}` : `console.log(await ${call});`}\n`,
  };
}

function browser(facts: SampleFacts): Sample {
  const { requests, answers } = shape(facts);
  const { method, version, edge } = facts;
  const service = method.parent.name;
  const call = `client.${methodName(method.name)}(${tsRequest(method.input, facts.request)})`;
  return {
    id: "browser",
    title: "Browser",
    before: requests
      ? "Browsers cannot send a stream of requests over gRPC-web, so a page cannot call this method."
      : "gRPC-web, in a page that your bundler builds: rouse gen writes the client.",
    text: requests
      ? undefined
      : `import { create${service}BrowserClient } from "./gen/${stem(facts)}.browser.ts";\n\n` +
        `const client = create${service}BrowserClient({ baseUrl: ${JSON.stringify(edge)}, version: ${JSON.stringify(version)} });\n` +
        `${answers ? `for await (const answer of ${call}) {\n  console.log(answer);\n}` : `console.log(await ${call});`}\n`,
  };
}

/** The command line that makes the same call. */
export function rouseCallLine({ method, request, version }: Omit<SampleFacts, "edge">): string {
  return `rouse call --version ${shellWord(version)} ${method.parent.typeName}/${method.name} ${shellWord(JSON.stringify(request))}`;
}

/** The command line that orders a job. */
export function rouseOrderLine({ method, request, version }: Omit<SampleFacts, "edge">): string {
  return `rouse order --version ${shellWord(version)} ${method.parent.typeName}/${method.name} ${shellWord(JSON.stringify(request))}`;
}

function rouseOrder(facts: SampleFacts): Sample {
  return {
    id: "order",
    title: "rouse order",
    before:
      "A job is not called but ordered, and runs once in a sandbox of its own. On a host of the mesh; inputs by --input NAME=ARTIFACT.",
    text: `${rouseOrderLine(facts)}\n`,
  };
}

function rouseCall(facts: SampleFacts): Sample {
  const { requests } = shape(facts);
  return {
    id: "rouse",
    title: "rouse call",
    before: requests
      ? 'On a host of the mesh. One argument for each request, or "-" for JSON lines from stdin.'
      : "On a host of the mesh.",
    text: `${rouseCallLine(facts)}\n`,
  };
}

function curl(facts: SampleFacts): Sample {
  const { requests, answers } = shape(facts);
  const lines = [
    `curl -sS${answers ? "N" : ""} ${shellWord(`${facts.edge}/${nameOf(facts)}`)}`,
    "  -H 'content-type: application/json'",
    `  -H ${shellWord(`rouse-version: ${facts.version}`)}`,
    `  -d ${shellWord(JSON.stringify(facts.request))}`,
  ];
  return {
    id: "curl",
    title: "curl",
    before: requests
      ? "JSON over HTTP takes one request for each call, so a stream of requests needs gRPC."
      : "JSON over HTTP at the mesh's edge.",
    text: requests ? undefined : `${lines.join(" \\\n")}\n`,
  };
}

function pythonType(desc: DescMessage): string {
  const path = [desc.name];
  for (let at = desc.parent; at !== undefined; at = at.parent) path.unshift(at.name);
  return `${moduleOf(desc.file.name)}_pb2.${path.join(".")}`;
}

/** Name of the module of a file: "genome/v1/genome" → "genome". */
function moduleOf(file: string): string {
  return file.slice(file.lastIndexOf("/") + 1).replaceAll(/[^\w]/g, "_");
}

function pythonImport(file: string, suffix: string): string {
  const folder = file.includes("/") ? file.slice(0, file.lastIndexOf("/")).replaceAll("/", ".") : "";
  return `${folder === "" ? "" : `from ${folder} `}import ${moduleOf(file)}${suffix}`;
}

function python(facts: SampleFacts): Sample {
  const { method, version } = facts;
  const { requests, answers } = shape(facts);
  const file = stem(facts);
  const type = pythonType(method.input);
  const imports = new Set([pythonImport(file, "_pb2_grpc"), pythonImport(method.input.file.name, "_pb2")]);
  const call = `stub.${method.name}(${requests ? "iter([request])" : "request"}, metadata=[("rouse-version", ${JSON.stringify(version)})])`;
  const show = "print(json_format.MessageToJson(answer))";
  return {
    id: "python",
    title: "Python",
    before:
      "pip install grpcio grpcio-tools, then python -m grpc_tools.protoc -I proto --python_out=. --grpc_python_out=. " +
      `${file}.proto, and the same for what it imports.`,
    text:
      `import grpc\nfrom google.protobuf import json_format\n${[...imports].sort().join("\n")}\n\n` +
      `with grpc.insecure_channel(${JSON.stringify(host(facts))}) as channel:\n` +
      `    stub = ${moduleOf(file)}_pb2_grpc.${method.parent.name}Stub(channel)\n` +
      `    request = json_format.ParseDict(${pythonLiteral(facts.request, "    ")}, ${type}())\n` +
      (answers ? `    for answer in ${call}:\n        ${show}\n` : `    answer = ${call}\n    ${show}\n`),
  };
}

/**
 * Package of a file as buf's managed mode names it: "genome/v1/genome" → "example.org/yours/gen/genome/v1", name
 * "genomev1"; the well-known types have packages of their own.
 */
function goPackage(file: string): { path: string; name: string } {
  const [, known] = /^google\/protobuf\/(\w+)$/.exec(file) ?? [];
  if (known !== undefined) {
    const name = `${known.replaceAll("_", "")}pb`;
    return { path: `google.golang.org/protobuf/types/known/${name}`, name };
  }
  const path = file.includes("/") ? file.slice(0, file.lastIndexOf("/")) : "";
  return {
    path: `example.org/yours/gen/${path}`,
    name: path.split("/").slice(-2).join("").replaceAll(/[^\w]/g, "") || moduleOf(file),
  };
}

function go(facts: SampleFacts): Sample {
  const { method, version } = facts;
  const { requests, answers } = shape(facts);
  const service = goPackage(stem(facts));
  const input = goPackage(method.input.file.name);
  const path = [method.input.name];
  for (let at = method.input.parent; at !== undefined; at = at.parent) path.unshift(at.name);
  const packages = new Map([service, input].map((one) => [one.path, one.name]));
  const stop = "if err != nil {\n\t\tlog.Fatal(err)\n\t}";
  const receive = `for {\n\t\tanswer, err := stream.Recv()\n\t\tif err == io.EOF {\n\t\t\tbreak\n\t\t}\n\t\tif err != nil {\n\t\t\tlog.Fatal(err)\n\t\t}\n\t\tfmt.Println(protojson.Format(answer))\n\t}`;
  const send = `if err := stream.Send(request); err != nil {\n\t\tlog.Fatal(err)\n\t}`;
  const body = requests
    ? `stream, err := client.${method.name}(ctx)\n\t${stop}\n\t${send}\n\t${
        answers
          ? `if err := stream.CloseSend(); err != nil {\n\t\tlog.Fatal(err)\n\t}\n\t${receive}`
          : `answer, err := stream.CloseAndRecv()\n\t${stop}\n\tfmt.Println(protojson.Format(answer))`
      }`
    : answers
      ? `stream, err := client.${method.name}(ctx, request)\n\t${stop}\n\t${receive}`
      : `answer, err := client.${method.name}(ctx, request)\n\t${stop}\n\tfmt.Println(protojson.Format(answer))`;
  const imports = [
    '"context"',
    '"fmt"',
    ...(answers ? ['"io"'] : []),
    '"log"',
    "",
    ...[
      ...[...packages].map(([from, name]) => ({ from, name: from.endsWith(`/${name}`) ? "" : `${name} ` })),
      ...[
        "google.golang.org/grpc",
        "google.golang.org/grpc/credentials/insecure",
        "google.golang.org/grpc/metadata",
        "google.golang.org/protobuf/encoding/protojson",
      ].map((from) => ({ from, name: "" })),
    ]
      // As gofmt sorts them.
      .sort((a, b) => (a.from < b.from ? -1 : 1))
      .map(({ from, name }) => `${name}${JSON.stringify(from)}`),
  ];
  return {
    id: "go",
    title: "Go",
    before:
      "buf generate with protoc-gen-go and protoc-gen-go-grpc in managed mode; put your module's path for example.org/yours.",
    text: `package main

import (
${imports.map((line) => (line === "" ? "" : `\t${line}`)).join("\n")}
)

func main() {
	conn, err := grpc.NewClient(${JSON.stringify(host(facts))}, grpc.WithTransportCredentials(insecure.NewCredentials()))
	${stop}
	defer conn.Close()
	client := ${service.name}.New${method.parent.name}Client(conn)
	request := &${input.name}.${path.join("_")}{}
	if err := protojson.Unmarshal([]byte(${goText(JSON.stringify(facts.request))}), request); err != nil {
		log.Fatal(err)
	}
	ctx := metadata.AppendToOutgoingContext(context.Background(), "rouse-version", ${JSON.stringify(version)})
	${body}
}
`,
  };
}

function grpcurl(facts: SampleFacts): Sample {
  const plain = facts.edge.startsWith("https:") ? "" : " -plaintext";
  const lines = [
    `grpcurl${plain} -protoset contract.binpb`,
    `  -H ${shellWord(`rouse-version: ${facts.version}`)}`,
    `  -d ${shellWord(JSON.stringify(facts.request))}`,
    `  ${host(facts)} ${nameOf(facts)}`,
  ];
  return {
    id: "grpcurl",
    title: "grpcurl",
    before: "With the contract as a file, from the link below.",
    text: `${lines.join(" \\\n")}\n`,
  };
}
