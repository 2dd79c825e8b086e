export function UsageCharts({ service, version }: { readonly service: string; readonly version: string }) {
  return <h2>{`${service}@${version}`}</h2>;
}
