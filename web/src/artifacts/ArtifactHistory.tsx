import { artifacts } from "../clients/artifacts.ts";
import { Time } from "../components/Time.tsx";
import { useLoad } from "../load.ts";
import { WorkError } from "../work/WorkError.tsx";

/** All that was said of an artifact and done to it, by whom and when. */
export function ArtifactHistory({ uri }: { readonly uri: string }) {
  const { value, error } = useLoad(`history ${uri}`, (signal) => artifacts.listHistory({ uri }, { signal }));
  return (
    <section class="stack" aria-label="History">
      <h2>History</h2>
      {error !== undefined && <WorkError error={error} what="the history" />}
      {value !== undefined && value.events.length > 0 && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys.
        <div class="panel scroll" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th>When</th>
                <th>By</th>
                <th>What</th>
                <th>Facts</th>
              </tr>
            </thead>
            <tbody>
              {value.events.map((event, index) => (
                <tr key={index}>
                  <td>
                    <Time ms={event.atMs} />
                  </td>
                  <td>{event.by}</td>
                  <td>{event.what}</td>
                  <td>
                    {Object.entries(event.facts)
                      .map(([key, value]) => `${key}=${value}`)
                      .join(", ")}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
