import type {
  GetContractResponse,
  GetServiceResponse,
  ServiceState,
  VersionInfo,
} from "../../gen/rouse/catalog/v1/catalog.ts";
import { catalog } from "../api.ts";
import { ErrorNote } from "../components/Note.tsx";
import { lazy } from "../lazy.tsx";
import { useLoad } from "../load.ts";
import { ContractView } from "./ContractView.tsx";
import { MethodChoice } from "./MethodChoice.tsx";
import { NotFound } from "./NotFound.tsx";
import { Overview } from "./Overview.tsx";

const Try = lazy(() => import("../try/TryMethod.tsx").then((module) => module.TryMethod));
const Code = lazy(() => import("../code/CodeSamples.tsx").then((module) => module.CodeSamples));
const Usage = lazy(() => import("../charts/UsageCharts.tsx").then((module) => module.UsageCharts));
const Logs = lazy(() => import("../logs/LogView.tsx").then((module) => module.LogView));
const Traces = lazy(() => import("../trace/Traces.tsx").then((module) => module.Traces));
const Versions = lazy(() => import("./Versions.tsx").then((module) => module.Versions));
const History = lazy(() => import("./History.tsx").then((module) => module.History));

interface Props {
  readonly tab: string;
  readonly service: string;
  /** Empty: the registry says neither versions nor states. */
  readonly version: string;
  readonly info: VersionInfo | undefined;
  readonly known: GetServiceResponse | undefined;
  readonly live: ServiceState | undefined;
  readonly query: URLSearchParams;
}

/** A tab of a service's page; what is not the overview is loaded when it is first opened. */
export function ServiceTab(props: Props) {
  const { tab, service, version, query } = props;
  const instance = query.get("instance") ?? "";
  switch (tab) {
    case "":
      return <Overview {...props} />;
    case "contract":
    case "try":
    case "code":
      return <WithContract {...props} />;
    case "usage":
      return <Usage service={service} version={query.get("version") ?? ""} />;
    case "logs":
      return (
        <Logs
          service={service}
          version={query.get("version") ?? ""}
          {...(instance === "" ? {} : { instance })}
        />
      );
    case "traces":
      return <Traces service={service} />;
    case "versions":
      return <Versions {...props} />;
    case "history":
      return <History key={version} service={service} />;
    default:
      return <NotFound />;
  }
}

/** The tabs that need the version's contract. */
function WithContract({ tab, service, version, query }: Props) {
  const { value, error } = useLoad(`${service} ${version}`, (signal) =>
    catalog.getContract({ service, spec: version }, { signal }),
  );
  if (error !== undefined) return <ErrorNote error={error} what="the contract" />;
  if (value === undefined) return <p class="loading">Loading …</p>;
  if (tab === "contract") return <ContractView service={service} contract={value} query={query} />;
  return <MethodPart tab={tab} service={service} contract={value} query={query} />;
}

function MethodPart({
  tab,
  service,
  contract,
  query,
}: Pick<Props, "tab" | "service" | "query"> & { readonly contract: GetContractResponse }) {
  const wanted = query.get("method") ?? "";
  const method = contract.methods.find(({ name }) => name === wanted)?.name ?? contract.methods[0]?.name;
  if (method === undefined) return <p>This contract has no method.</p>;
  const props = { service, version: contract.version, contract, method };
  return (
    <div class="stack">
      <MethodChoice contract={contract} method={method} />
      {tab === "try" ? <Try key={method} {...props} /> : <Code {...props} />}
    </div>
  );
}
