import type { Command } from "commander";
import { ProvidersClient } from "#proto/rouse/registry/v1/providers.ts";
import { RouseError } from "../../sdk/errors.ts";
import { unary } from "../../sdk/grpc.ts";
import { dataFolder, isOwnMesh, keyFor, readMesh, withClient } from "../connect.ts";
import { ADMINISTRATOR, administratorsKey, keepKey, keyFile, useKey } from "../keys.ts";
import { table } from "../table.ts";

interface Flags {
  registry?: string;
}

const registryOf = (flags: Flags) => flags.registry ?? readMesh().registry;
const ELSEWHERE = "the registry, when it is not that of the mesh on this host";

/** `rouse provider`: who may register, and their keys. */
export function addProvider(program: Command): void {
  const provider = program.command("provider").description("make providers of services, and their keys");
  addCreate(provider);
  addList(provider);
  addKeys(provider);
  addUse(provider);
  addWhoAmI(provider);
}

function addCreate(parent: Command): void {
  parent
    .command("create")
    .description("make a provider and its first key, which this user's commands use from then on")
    .argument("<id>", 'such as "acme-genomics": 3 to 40 of a-z, 0-9 and "-"')
    .option("--name <text>", "name for people", "")
    .option("--contact <text>", "where users of its services ask", "")
    .option("--registry <host:port>", ELSEWHERE)
    .action(async (id: string, flags: Flags & { name: string; contact: string }) => {
      const registry = registryOf(flags);
      const request = { id, name: flags.name, contact: flags.contact };
      const { key } = await withClient(
        ProvidersClient,
        registry,
        (client) => unary(client, "createProvider", request),
        // Not a provider's own, which may be kept here from before.
        process.env.ROUSE_KEY
          ? undefined
          : isOwnMesh(registry)
            ? (administratorsKey(dataFolder()) ?? null)
            : null,
      );
      console.log(`provider ${id} is there; its key, shown this once:\n${key}`);
      keepKey(registry, id, key);
      console.log(`kept in ${keyFile()}: commands of this user bring it to ${registry} from now on`);
    });
}

function addList(parent: Command): void {
  parent
    .command("list")
    .description("list the providers with their services and, for you, your keys")
    .option("--json", "print JSON")
    .option("--registry <host:port>", ELSEWHERE)
    .action(async (flags: Flags & { json?: true }) => {
      const { providers } = await withClient(ProvidersClient, registryOf(flags), (client) =>
        unary(client, "listProviders", {}),
      );
      if (flags.json === true) return console.log(JSON.stringify(providers, null, 2));
      if (providers.length === 0) return console.log('no provider yet; "rouse provider create" makes one');
      const rows = providers.map(({ id, name, contact, keys, services }) => [
        id,
        name,
        contact || "-",
        keys.map((key) => (key.revokedAtMs === 0 ? key.id : `${key.id} (revoked)`)).join(", ") || "-",
        services.join(", ") || "-",
      ]);
      for (const line of table(["PROVIDER", "NAME", "CONTACT", "KEYS", "SERVICES"], rows)) console.log(line);
    });
}

function addKeys(parent: Command): void {
  const key = parent.command("key").description("make and revoke keys of a provider");
  key
    .command("create")
    .description("make one more key; it is shown once, and the others stay good")
    .argument("[provider]", "default: the one whose key you use")
    .option("--keep", "keep it for this user's commands instead of the present one")
    .option("--registry <host:port>", ELSEWHERE)
    .action(async (given: string | undefined, flags: Flags & { keep?: true }) => {
      const registry = registryOf(flags);
      const provider = given ?? (await ownProvider(registry));
      const made = await withClient(ProvidersClient, registry, (client) =>
        unary(client, "createKey", { provider }),
      );
      console.log(`a key of ${provider}, shown this once:\n${made.key}`);
      if (flags.keep !== true) return;
      keepKey(registry, provider, made.key);
      console.log(`kept in ${keyFile()}`);
    });
  key
    .command("revoke")
    .description("end a key at once")
    .argument("<provider>")
    .argument("<key-id>", 'the part between the first and the second "_"; "rouse provider list" shows it')
    .option("--registry <host:port>", ELSEWHERE)
    .action(async (provider: string, keyId: string, flags: Flags) => {
      await withClient(ProvidersClient, registryOf(flags), (client) =>
        unary(client, "revokeKey", { provider, keyId }),
      );
      console.log(`the key ${keyId} of ${provider} is good no longer`);
    });
}

function addUse(parent: Command): void {
  parent
    .command("use")
    .description(
      `use the kept key of a provider from now on; "${ADMINISTRATOR}": none but the administrator's`,
    )
    .argument("<provider>")
    .option("--key-stdin", "keep the key that comes on standard input")
    .option("--registry <host:port>", ELSEWHERE)
    .action(async (provider: string, flags: Flags & { keyStdin?: true }) => {
      const registry = registryOf(flags);
      if (flags.keyStdin === true) await keepFromStdin(registry, provider);
      else useKey(registry, provider);
      console.log(`commands of this user go to ${registry} as ${provider} from now on`);
    });
}

async function keepFromStdin(registry: string, provider: string): Promise<void> {
  let key = "";
  for await (const chunk of process.stdin) key += String(chunk);
  key = key.trim();
  const whose = await whoAmI(registry, key);
  if (whose.provider !== provider) {
    const owner = whose.administrator ? "the administrator" : whose.provider;
    throw new RouseError(
      "INVALID_ARGUMENT",
      `The key is that of ${owner}, not of ${provider}. Name its owner.`,
      {
        reason: "FLAG_INVALID",
      },
    );
  }
  keepKey(registry, provider, key);
}

function addWhoAmI(parent: Command): void {
  parent
    .command("whoami")
    .description("say whose key your commands bring")
    .option("--registry <host:port>", ELSEWHERE)
    .action(async (flags: Flags) => {
      const registry = registryOf(flags);
      const { provider, administrator, keyId } = await whoAmI(registry);
      const from = { environment: "ROUSE_KEY", file: keyFile(), administrator: "the data folder" };
      const found = keyFor(registry);
      const where = found === undefined ? "" : `, from ${from[found.from]}`;
      console.log(`${administrator ? "the administrator" : provider} (key ${keyId}${where})`);
    });
}

function whoAmI(registry: string, key?: string) {
  return withClient(
    ProvidersClient,
    registry,
    (client) => unary(client, "whoAmI", {}),
    key === undefined ? undefined : { key, from: "environment" },
  );
}

async function ownProvider(registry: string): Promise<string> {
  const { provider } = await whoAmI(registry);
  if (provider !== "") return provider;
  throw new RouseError("INVALID_ARGUMENT", "Your key is the administrator's. Name the provider.", {
    reason: "FLAG_INVALID",
  });
}
