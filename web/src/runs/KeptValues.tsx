import { ListKeptRequest } from "../../gen/rouse/orders/v1/runs.ts";
import { runs } from "../clients/runs.ts";
import { Time } from "../components/Time.tsx";
import { bytes } from "../format.ts";
import { useLoad } from "../load.ts";
import { Link } from "../router.tsx";
import { Value } from "../work/Value.tsx";
import { WorkError } from "../work/WorkError.tsx";

const MOST = 200;

/** What runs of a service have kept for those after them, by key and name. */
export function KeptValues({ service }: { readonly service: string }) {
  const { value, error } = useLoad(`kept ${service}`, (signal) =>
    runs.listKept(ListKeptRequest.create({ service, limit: MOST }), { signal }),
  );
  if (error !== undefined) return <WorkError error={error} what="what is kept" />;
  if (value === undefined || value.kept.length === 0) return null;
  return (
    <section class="panel" aria-label="Kept values">
      <h2>Kept values</h2>
      <p class="soft">What calls with a key have kept for the next ones.</p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys. */}
      <div class="scroll" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th>Key</th>
              <th>Name</th>
              <th class="number">Size</th>
              <th>Kept</th>
              <th>By run</th>
              <th>Value</th>
            </tr>
          </thead>
          <tbody>
            {value.kept.map(({ key, name, value: kept, valueBytes, run, keptAtMs }) => (
              <tr key={JSON.stringify([key, name])}>
                <td>{key}</td>
                <td>{name}</td>
                <td class="number">{bytes(Number(valueBytes))}</td>
                <td>
                  <Time ms={keptAtMs} />
                </td>
                <td class="mono">
                  <Link href={`/runs/${run}`}>{run.slice(0, 8)}</Link>
                </td>
                <td>
                  <Value
                    title={kept.length < Number(valueBytes) ? "Its beginning" : "Value"}
                    bytes={kept}
                    open={false}
                  />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {value.kept.length === MOST && <p class="soft">{`These are the first ${MOST}.`}</p>}
    </section>
  );
}
