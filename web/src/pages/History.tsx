import { ListHistoryRequest } from "../../gen/rouse/registry/v1/releases.ts";
import { releases } from "../clients/releases.ts";
import { ErrorNote } from "../components/Note.tsx";
import { Time } from "../components/Time.tsx";
import { useLoad } from "../load.ts";

/** All that happened to a service, newest first. */
export function History({ service }: { readonly service: string }) {
  const { value, error } = useLoad(service, (signal) =>
    releases.listHistory(ListHistoryRequest.create({ service, limit: 200 }), { signal }),
  );
  if (error !== undefined) return <ErrorNote error={error} what="the history" />;
  if (value === undefined) return <p class="loading">Loading …</p>;
  if (value.entries.length === 0) return <p class="soft">Nothing has been recorded yet.</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys.
    <div class="panel scroll" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th>When</th>
            <th>Who</th>
            <th>What</th>
            <th>Version</th>
            <th>Tag</th>
            <th>Detail</th>
          </tr>
        </thead>
        <tbody>
          {value.entries.map((entry, index) => (
            <tr key={index}>
              <td>
                <Time ms={entry.atMs} />
              </td>
              <td>{entry.by}</td>
              <td>{entry.what}</td>
              <td>{entry.version}</td>
              <td>{entry.tag}</td>
              <td>
                {entry.detail}
                {entry.revision > 0n && <span class="soft"> revision {String(entry.revision)}</span>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
