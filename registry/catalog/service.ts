import { readFileSync } from "node:fs";
import { type CatalogServer, CatalogService } from "#proto/rouse/catalog/v1/catalog.ts";
import { answer } from "../../sdk/answer.ts";
import { barredVersions } from "../approval.ts";
import type { RegistryContext } from "../context.ts";
import { resolveSpec, unknownService } from "../spec.ts";
import type { MeshState, ServiceState } from "../state.ts";
import { Abouts } from "./abouts.ts";
import { compareContracts, type Side } from "./contract/compare.ts";
import { contractDocs } from "./contract/docs.ts";
import { printContract } from "./contract/print.ts";
import { ContractStore } from "./contract/store.ts";
import { DecisionsFeed } from "./live/decisions.ts";
import { encodeOnce } from "./live/encode-once.ts";
import { HostsFeed } from "./live/hosts-watch.ts";
import { StateWatch } from "./live/state-watch.ts";
import { Waking } from "./live/waking.ts";
import { CatalogIndex } from "./search/catalog-index.ts";
import { checkSearch, MOST_QUERY, search } from "./search/search.ts";
import { type Beside, serviceDetails } from "./view.ts";
import { WakeReader } from "./wakes.ts";

/** The definition of rouse.catalog.v1.Catalog that the server takes: news for many readers is encoded once. */
export const catalogDefinition: typeof CatalogService = {
  ...CatalogService,
  watchState: {
    ...CatalogService.watchState,
    responseSerialize: encodeOnce(CatalogService.watchState.responseSerialize),
  },
  watchHosts: {
    ...CatalogService.watchHosts,
    responseSerialize: encodeOnce(CatalogService.watchHosts.responseSerialize),
  },
};

export interface CatalogOptions {
  /** "host:port" of the control plane. */
  readonly control?: string;
}

export interface Catalog {
  readonly server: CatalogServer;
  /** Resolves when all that Consul holds now can be searched. */
  settled(): Promise<void>;
  /** Ends the streams and what they are fed by. */
  close(): void;
}

/** The service rouse.catalog.v1.Catalog: what people read. */
export function catalogService(
  { consul, mesh, log }: RegistryContext,
  options: CatalogOptions = {},
): Catalog {
  const contracts = new ContractStore(consul);
  const abouts = new Abouts(consul, log, (services) => index.touch(services));
  const index = new CatalogIndex({ mesh, abouts, contracts, log });
  const wakes = new WakeReader(options.control);
  const waking = new Waking(wakes.client, (services) => states.touch(services));
  const states = new StateWatch(mesh, (service, version) => waking.has(service, version));
  const hosts = new HostsFeed(consul, mesh, log);
  const decisions = new DecisionsFeed(consul, log);
  const besideOf = (service: string): Beside => ({
    about: (version) => abouts.get(service, version),
    isWaking: (version) => waking.has(service, version),
  });

  const current = async (): Promise<MeshState> => {
    const state = await mesh.state();
    await abouts.ready;
    return state;
  };
  const known = async (name: string): Promise<ServiceState> => {
    const { services } = await current();
    const found = services.get(name);
    if (found !== undefined) return found;
    const near = index.index
      .search(name.slice(0, MOST_QUERY), (id) => services.has(id))
      .found.map(({ id }) => id);
    throw unknownService(name.slice(0, 300), services.keys(), near);
  };
  const side = async (service: string, spec: string): Promise<Side> => {
    const state = await known(service);
    const tags = Object.fromEntries([...state.tags].map(([tag, members]) => [tag, [...members]]));
    const versions = [...state.versions.keys()];
    const barred = barredVersions(state);
    const version = resolveSpec({ service, versions, tags, barred }, spec.slice(0, 200));
    const manifest = state.versions.get(version)?.manifest;
    if (manifest === undefined) throw unknownService(service, []);
    return { manifest, contract: await contracts.get(manifest) };
  };

  return {
    server: {
      search: answer(async (request) => {
        checkSearch(request);
        await current();
        await index.caughtUp();
        return search(index.index, await current(), besideOf, request);
      }),
      getService: answer(async ({ name }) => {
        const service = await known(name);
        return serviceDetails(name, service, besideOf(name));
      }),
      getContract: answer(async ({ service, spec }) => {
        const { manifest, contract } = await side(service, spec);
        return contractDocs(manifest, contract);
      }),
      compareVersions: answer(async (request) => {
        const [from, to] = await Promise.all([
          side(request.service, request.from),
          side(request.service, request.to),
        ]);
        return {
          changes: compareContracts(from, to),
          fromText: printContract(from.contract),
          toText: printContract(to.contract),
        };
      }),
      watchState: (call) => void states.serve(call),
      watchHosts: (call) => void hosts.serve(call),
      watchDecisions: (call) => decisions.serve(call),
      listWakes: answer(({ service, limit }) => wakes.list(service, limit)),
      getMesh: answer(async () => ({
        consulUi: new URL(
          "/ui/",
          /^https?:/.test(consul.address) ? consul.address : `http://${consul.address}`,
        ).href,
        version: ownVersion,
        runtime: hosts.runtimes().join(", "),
      })),
    },
    settled: async () => {
      await mesh.ready;
      await index.settled();
    },
    close() {
      states.close();
      hosts.close();
      decisions.close();
      index.close();
      abouts.close();
      waking.close();
      wakes.close();
    },
  };
}

const packageJson = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};
const ownVersion = packageJson.version;
