import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { Client, type ClientDuplexStream, credentials } from "@grpc/grpc-js";

/*
 * Simulated Envoys for the bench xds-scale: delta ADS streams of clusters (all of them) and of their endpoints, which acknowledge what
 * they are sent. Forked with the server's address. Commands: "first N" connects one that has nothing, and learns the versions of
 * everything, which are so many; "connect N" connects N that have all that, and "new N" N that have nothing; "drop" ends all connections; "watch NAME" begins to look for a change of a list of endpoints, and "wait" answers
 * when each has acknowledged it; "bytes" tells what all have received, "lost" how many connections broke, for one that breaks is made anew.
 */

const PATH = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
const LOADS = "/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats";
const CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const ENDPOINT = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";

interface Received {
  readonly name: string;
  readonly version: string;
}

type Stream = ClientDuplexStream<Buffer, Buffer>;

const address = process.argv[2] ?? "";
const versions = { [CLUSTER]: new Map<string, string>(), [ENDPOINT]: new Map<string, string>() };
const streams = new Set<Stream>();
/** What ends the connections. */
const ends = new Set<() => void>();
let bytes = 0;
let lost = 0;
/** What all wait for, and who has not got it yet. */
let watched = "";
let waiting = new Set<Stream>();
let watching = Promise.withResolvers<number>();

function open(
  node: string,
  onResponse: (stream: Stream, type: string, resources: Received[]) => void,
  again: () => void,
): Stream {
  const client = new Client(address, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.max_receive_message_length": 64 << 20,
  });
  const same = (buffer: Buffer) => buffer;
  const stream = client.makeBidiStreamRequest(PATH, same, same);
  // An Envoy has both streams with the same control plane, if that takes load reports.
  const loads = client.makeBidiStreamRequest(LOADS, same, same);
  loads.on("error", () => undefined).resume();
  loads.write(request("", { node }));
  streams.add(stream);
  const end = () => {
    streams.delete(stream);
    ends.delete(end);
    client.close();
    stream.cancel();
    loads.cancel();
  };
  ends.add(end);
  const broken = () => {
    if (!streams.has(stream)) return;
    lost++;
    waiting.delete(stream);
    end();
    again();
  };
  stream.on("error", broken).on("end", broken);
  stream.on("data", (response: Buffer) => {
    bytes += response.length;
    const { type, nonce, resources } = decode(response);
    stream.write(request(type, { nonce }));
    onResponse(stream, type, resources);
    if (type === ENDPOINT && waiting.has(stream)) look(stream, resources);
  });
  return stream;
}

/** Sees whether this is what is waited for: the list in another version than all had. */
function look(stream: Stream, resources: readonly Received[]): void {
  const found = resources.find(({ name }) => name === watched);
  if (found === undefined || found.version === versions[ENDPOINT].get(watched)) return;
  waiting.delete(stream);
  if (waiting.size > 0) return;
  versions[ENDPOINT].set(watched, found.version);
  watching.resolve(Number(process.hrtime.bigint()) / 1e6);
}

/** Connects one that has nothing; resolves when it has the endpoints of all clusters. */
function first(services: number): Promise<number> {
  return new Promise((resolve, reject) => {
    openNew(
      "first",
      (type, resources) => {
        const known = type === CLUSTER ? versions[CLUSTER] : versions[ENDPOINT];
        // A change is for look() to see.
        for (const { name, version } of resources) if (!known.has(name)) known.set(name, version);
        if (versions[ENDPOINT].size === services) resolve(services);
      },
      reject,
    );
  });
}

/** One that has nothing: it asks for the endpoints of each cluster that it is sent. */
function openNew(
  node: string,
  onResponse: (type: string, resources: readonly Received[]) => void,
  again: () => void,
): Stream {
  const asked = new Set<string>();
  const stream = open(
    node,
    (_, type, resources) => {
      const names =
        type === CLUSTER ? resources.map(({ name }) => name).filter((name) => !asked.has(name)) : [];
      for (const name of names) asked.add(name);
      if (names.length > 0) stream.write(request(ENDPOINT, { names }));
      onResponse(type, resources);
    },
    again,
  );
  stream.write(request(CLUSTER, { node }));
  return stream;
}

/** Connects those that have nothing. */
function connectNew(count: number): void {
  const connectOne = (n: number) => {
    const again = () => void waiting.add(connectOne(n));
    return openNew(`envoy-${n}`, () => undefined, again);
  };
  for (let n = 0; n < count; n++) connectOne(n);
}

function drop(): void {
  for (const end of [...ends]) end();
}

/** Connects those that come back with all they had. Their requests are the same bytes. */
function connect(count: number): void {
  const names = [...versions[ENDPOINT].keys()];
  const endpoints = request(ENDPOINT, { names, initial: versions[ENDPOINT] });
  const connectOne = (n: number) => {
    const stream = open(
      `envoy-${n}`,
      () => undefined,
      () => waiting.add(connectOne(n)),
    );
    stream.write(request(CLUSTER, { node: `envoy-${n}`, initial: versions[CLUSTER] }));
    stream.write(endpoints);
    return stream;
  };
  for (let n = 0; n < count; n++) connectOne(n);
}

function watch(name: string): void {
  watched = name;
  waiting = new Set(streams);
  watching = Promise.withResolvers();
}

function request(
  type: string,
  parts: { node?: string; names?: readonly string[]; initial?: ReadonlyMap<string, string>; nonce?: string },
): Buffer {
  const writer = new BinaryWriter();
  if (parts.node !== undefined) writer.uint32(tag(1)).fork().uint32(tag(1)).string(parts.node).join();
  if (type !== "") writer.uint32(tag(2)).string(type);
  for (const name of parts.names ?? []) writer.uint32(tag(3)).string(name);
  for (const [name, version] of parts.initial ?? []) {
    writer.uint32(tag(5)).fork().uint32(tag(1)).string(name).uint32(tag(2)).string(version).join();
  }
  if (parts.nonce !== undefined) writer.uint32(tag(6)).string(parts.nonce);
  return Buffer.from(writer.finish());
}

function decode(response: Buffer): { type: string; nonce: string; resources: Received[] } {
  const reader = new BinaryReader(response);
  const out = { type: "", nonce: "", resources: [] as Received[] };
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (field === 2) out.resources.push(resource(reader.bytes()));
    else if (field === 4) out.type = reader.string();
    else if (field === 5) out.nonce = reader.string();
    else reader.skip(wire);
  }
  return out;
}

function resource(of: Uint8Array): Received {
  const reader = new BinaryReader(of);
  let name = "";
  let version = "";
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (field === 3) name = reader.string();
    else if (field === 1) version = reader.string();
    else reader.skip(wire);
  }
  return { name, version };
}

function tag(field: number): number {
  return (field << 3) | 2;
}

async function handle(command: string): Promise<unknown> {
  const [verb, argument = ""] = command.split(" ");
  if (verb === "first") return first(Number(argument));
  if (verb === "lost") return lost;
  if (verb === "connect") return connect(Number(argument));
  if (verb === "new") return connectNew(Number(argument));
  if (verb === "drop") return drop();
  if (verb === "watch") return watch(argument);
  if (verb === "wait") return watching.promise;
  return bytes;
}

process.on(
  "message",
  (command: string) => void handle(command).then((value) => process.send?.(value ?? null)),
);
process.on("disconnect", () => process.exit());
process.send?.("ready");
