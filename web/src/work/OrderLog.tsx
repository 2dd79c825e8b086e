import type { OrderLogLine } from "../../gen/rouse/orders/v1/orders.ts";
import { orders } from "../clients/orders.ts";
import { LogLines, useLogLines } from "../components/LogLines.tsx";
import { WorkError } from "./WorkError.tsx";

interface Props {
  readonly id: string;
  /** Only of this task; "": all. */
  readonly task: string;
  /** Changes when the order is taken up again: its log goes on then. */
  readonly turn: number;
}

/** What the tasks of an order have written, attempt by attempt, as it comes. */
export function OrderLog({ id, task, turn }: Props) {
  const { lines, status, error } = useLogLines(`${id} ${task} ${turn}`, (signal) =>
    orders.orderLogs({ id, task, follow: true }, { signal, deadlineMs: 0 }),
  );
  return (
    <section class="stack" aria-label="Log">
      <h2>{task === "" ? "Log" : `Log of ${task}`}</h2>
      {status === "ended" && error !== undefined && <WorkError error={error} what="the log" />}
      {lines.length === 0 && error === undefined && (
        <p class="soft">{status === "ended" ? "Nothing was written." : "Nothing is written yet."}</p>
      )}
      {lines.length > 0 && (
        <LogLines label="Lines of the log" lines={lines}>
          {lines.map((line, index) => (
            <div
              key={index}
              class={line.stream === "stderr" ? "stderr" : line.stream === "order" ? "soft" : ""}
            >
              <span class="step">{heading(line) === heading(lines[index - 1]) ? "" : heading(line)}</span>
              <span>{line.line}</span>
            </div>
          ))}
        </LogLines>
      )}
    </section>
  );
}

function heading(line: OrderLogLine | undefined): string {
  if (line === undefined) return "";
  return line.attempt > 1 ? `${line.task} (${line.attempt})` : line.task;
}
