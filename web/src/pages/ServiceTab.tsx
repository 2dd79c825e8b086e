import type { GetContractResponse } from "../../gen/rouse/catalog/v1/catalog.ts";
import { lazy } from "../lazy.tsx";

const Try = lazy(() => import("../try/TryMethod.tsx").then((module) => module.TryMethod));
const Code = lazy(() => import("../try/CodeSamples.tsx").then((module) => module.CodeSamples));
const Usage = lazy(() => import("../charts/UsageCharts.tsx").then((module) => module.UsageCharts));
const Logs = lazy(() => import("../logs/LogView.tsx").then((module) => module.LogView));
const Traces = lazy(() => import("../trace/Traces.tsx").then((module) => module.Traces));

interface Props {
  readonly tab: string;
  readonly service: string;
  readonly contract: GetContractResponse;
  readonly query: URLSearchParams;
}

/** A tab of a service's page; each is loaded when it is first opened. */
export function ServiceTab({ tab, service, contract, query }: Props) {
  const { version } = contract;
  const wanted = query.get("method") ?? "";
  const method =
    contract.methods.find(({ name }) => name === wanted)?.name ?? contract.methods[0]?.name ?? "";
  const instance = query.get("instance") ?? "";
  switch (tab) {
    case "try":
      return <Try key={method} service={service} version={version} contract={contract} method={method} />;
    case "code":
      return <Code service={service} version={version} contract={contract} method={method} />;
    case "usage":
      return <Usage service={service} version={version} />;
    case "logs":
      return <Logs service={service} version={version} {...(instance === "" ? {} : { instance })} />;
    case "traces":
      return <Traces service={service} />;
    default:
      return null;
  }
}
