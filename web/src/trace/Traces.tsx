import { useState } from "preact/hooks";
import { catalog } from "../api.ts";
import { usage } from "../clients/usage.ts";
import { ErrorNote } from "../components/Note.tsx";
import { useLoad } from "../load.ts";
import { formatMs, withWakes } from "./spans.ts";
import { Waterfall } from "./Waterfall.tsx";
import "./trace.css";

/** Latest traces of a service; one of them is shown as a waterfall. */
export function Traces({ service }: { readonly service: string }) {
  const list = useLoad(service, (signal) => usage.listTraces({ service, limit: 50 }, { signal }));
  const [chosen, setChosen] = useState("");
  const traces = list.value?.traces ?? [];
  const shown = traces.some(({ traceId }) => traceId === chosen) ? chosen : (traces[0]?.traceId ?? "");
  return (
    <section class="stack">
      <div class="row spread">
        <h2>Latest traces</h2>
        <button type="button" onClick={list.reload}>
          Look again
        </button>
      </div>
      {list.error !== undefined && <ErrorNote error={list.error} what="the traces" />}
      {list.value !== undefined && traces.length === 0 && (
        <p class="soft">
          Nobody has called {service} lately, or its calls were not traced. Try a method: it is.
        </p>
      )}
      {traces.length > 0 && (
        <div class="scroll traces">
          <table>
            <caption class="visually-hidden">{`Latest traces of ${service}`}</caption>
            <thead>
              <tr>
                <th scope="col">Began</th>
                <th scope="col">Call</th>
                <th scope="col" class="number">
                  Time
                </th>
                <th scope="col">Result</th>
              </tr>
            </thead>
            <tbody>
              {traces.map((trace) => (
                <tr key={trace.traceId} class={trace.traceId === shown ? "chosen" : ""}>
                  <td>{new Date(trace.startMs).toLocaleTimeString()}</td>
                  <td>
                    <button
                      type="button"
                      class="plain"
                      aria-pressed={trace.traceId === shown}
                      onClick={() => setChosen(trace.traceId)}
                    >
                      {trace.name}
                    </button>
                  </td>
                  <td class="number">{formatMs(trace.durationMs)}</td>
                  <td>
                    {trace.cold && <span class="badge info">cold</span>}{" "}
                    {trace.error === "" ? (
                      <span class="badge good">OK</span>
                    ) : (
                      <span class="badge bad">{trace.error}</span>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {shown !== "" && <OneTrace key={shown} traceId={shown} />}
    </section>
  );
}

function OneTrace({ traceId }: { readonly traceId: string }) {
  const trace = useLoad(traceId, async (signal) => {
    const [{ spans }, wakes] = await Promise.all([
      usage.getTrace({ traceId }, { signal }),
      catalog.listWakes({ service: "", limit: 200 }, { signal }).then(
        (answer) => answer.wakes,
        () => [],
      ),
    ]);
    return withWakes(spans, wakes);
  });
  return (
    <div class="panel">
      <h2>
        Trace <code>{traceId}</code>
      </h2>
      {trace.error !== undefined && <ErrorNote error={trace.error} what="the trace" />}
      {trace.value !== undefined && <Waterfall spans={trace.value} caption={`Spans of trace ${traceId}`} />}
    </div>
  );
}
