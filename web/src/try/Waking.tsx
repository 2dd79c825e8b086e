import { useEffect, useState } from "preact/hooks";
import { catalog } from "../api.ts";
import { useStream } from "../stream.ts";
import type { Run } from "./run.ts";

interface Props {
  readonly run: Run;
  readonly service: string;
  readonly version: string;
}

const steps = [
  ["held", "Envoy holds the call"],
  ["starting", "an instance starts"],
  ["warm", "it runs and answers"],
] as const;

/** A call that waits for its first answer: how long, and how far the service's waking is. */
export function Waking({ run, service, version }: Props) {
  const [now, setNow] = useState(() => Date.now());
  const [state, setState] = useState("");
  const [host, setHost] = useState("");
  const [usualMs, setUsualMs] = useState(0);
  useStream(`${service}@${version}`, {
    open: (signal) => catalog.watchState({ service }, { signal, deadlineMs: 0 }),
    onMessage({ services }) {
      const found = services
        .find(({ name }) => name === service)
        ?.versions.find((one) => one.version === version);
      if (found === undefined) return;
      setState(found.state);
      setHost(found.instances[0]?.host ?? "");
    },
  });
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 100);
    const controller = new AbortController();
    catalog.listWakes({ service, limit: 5 }, { signal: controller.signal }).then(
      ({ wakes }) => {
        const times = wakes
          .filter((wake) => wake.error === "" && wake.version === version)
          .map(({ stages }) => stages.reduce((sum, { durationMs }) => sum + durationMs, 0))
          .sort((a, b) => a - b);
        setUsualMs(times[Math.floor(times.length / 2)] ?? 0);
      },
      // Without it, no estimate is shown.
      () => {},
    );
    return () => {
      clearInterval(timer);
      controller.abort();
    };
  }, []);
  const elapsed = Math.max(0, now - run.startedAtMs);
  // A warm service answers before anybody could read this.
  if (elapsed < 150) return <div class="try-waking quiet" />;
  // A call to a cold version is held already: an instance registers only when it serves.
  const at = state === "warm" ? 2 : ["starting", "cold", "standby"].includes(state) ? 1 : -1;
  return (
    <div class="try-waking" data-testid="waking">
      <p role="status">{sentence(state, host)}</p>
      <p class="soft try-clock" aria-hidden="true">
        {`${(elapsed / 1_000).toFixed(1)} s`}
        {usualMs > 0 && at < 2 && ` of usually ${(usualMs / 1_000).toFixed(1)} s`}
      </p>
      {usualMs > 0 && at < 2 ? (
        <progress aria-label="Waking" max={1} value={Math.min(0.97, elapsed / usualMs)} />
      ) : (
        <progress aria-label="Waiting" />
      )}
      {at >= 0 && (
        <ol class="try-steps" aria-label="Stages">
          {steps.map(([name, text], i) => (
            <li key={name} class={i < at ? "past" : i === at ? "now" : ""}>
              {text}
            </li>
          ))}
        </ol>
      )}
    </div>
  );
}

function sentence(state: string, host: string): string {
  switch (state) {
    case "cold":
      return "The service was asleep: this call wakes it.";
    case "standby":
      return "The service was frozen: this call thaws it.";
    case "starting":
      return `The service wakes: an instance starts${host === "" ? "" : ` on ${host}`}.`;
    case "warm":
      return "The service runs; it has not answered yet.";
    case "":
      return "Waiting for the answer.";
    default:
      return `The service is ${state}; waiting for the answer.`;
  }
}
