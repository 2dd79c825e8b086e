import { catalog } from "../api.ts";
import { ErrorNote } from "../components/Note.tsx";
import { useLoad } from "../load.ts";
import { ServiceTab } from "./ServiceTab.tsx";

interface Props {
  readonly service: string;
  readonly tab: string;
  readonly query: URLSearchParams;
}

export function ServicePage({ service, tab, query }: Props) {
  const spec = query.get("version") ?? "";
  const contract = useLoad(`${service} ${spec}`, (signal) =>
    catalog.getContract({ service, spec }, { signal }),
  );
  if (contract.error !== undefined) return <ErrorNote error={contract.error} what="the contract" />;
  if (contract.value === undefined) return <p class="loading">Loading …</p>;
  return (
    <div class="stack">
      <h1>{service}</h1>
      <ServiceTab tab={tab} service={service} contract={contract.value} query={query} />
    </div>
  );
}
