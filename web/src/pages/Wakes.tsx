import { ListWakesRequest, type ServiceState, type Wake } from "../../gen/rouse/catalog/v1/catalog.ts";
import { catalog } from "../api.ts";
import { ErrorNote } from "../components/Note.tsx";
import { Time } from "../components/Time.tsx";
import { duration } from "../format.ts";
import { useLoad } from "../load.ts";

interface Props {
  readonly service: string;
  readonly live: ServiceState | undefined;
}

/** The latest wakes; they are read again whenever a version's state changes. */
export function Wakes({ service, live }: Props) {
  const turn = live?.versions
    .map(({ version, state, generation }) => `${version} ${state} ${generation}`)
    .join();
  const { value, error } = useLoad(`${service} ${turn}`, (signal) =>
    catalog.listWakes(ListWakesRequest.create({ service, limit: 10 }), { signal }),
  );
  return (
    <section class="panel" aria-label="Latest wakes">
      <h2>Latest wakes</h2>
      {error !== undefined && <ErrorNote error={error} what="the latest wakes" />}
      {value?.wakes.length === 0 && <p class="soft">Nothing has woken it since the mesh started.</p>}
      <ul class="plain wakes">
        {value?.wakes.map((wake) => (
          <WakeBar key={`${wake.version} ${wake.generation} ${wake.heldAtMs}`} wake={wake} />
        ))}
      </ul>
    </section>
  );
}

function WakeBar({ wake }: { readonly wake: Wake }) {
  const total = wake.stages.reduce((sum, stage) => sum + stage.durationMs, 0);
  return (
    <li>
      <p class="row spread">
        <span>
          {wake.version} <span class="soft">on {wake.host || "no host"}</span> · <b>{duration(total)}</b>
        </span>
        <span class="soft">
          <Time ms={Math.round(wake.heldAtMs)} />
        </span>
      </p>
      <div class="bar" aria-hidden="true">
        {wake.stages.map((stage, index) => (
          <span key={stage.name} class={`stage s${index % 7}`} style={{ flexGrow: stage.durationMs }} />
        ))}
      </div>
      <p class="stages soft">
        {wake.stages.map((stage, index) => (
          <span key={stage.name}>
            <span class={`swatch s${index % 7}`} aria-hidden="true" />
            {stage.name} {duration(stage.durationMs)}
          </span>
        ))}
      </p>
      {wake.error !== "" && <p class="bad">{wake.error}</p>}
    </li>
  );
}
