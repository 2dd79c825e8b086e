import { type OrderTask, OrderTaskKind } from "../../gen/rouse/orders/v1/orders.ts";
import { ArtifactLink } from "../artifacts/ArtifactLink.tsx";
import { Note } from "../components/Note.tsx";
import { Time } from "../components/Time.tsx";
import { bytes, plural } from "../format.ts";
import { Link, servicePath, withQuery } from "../router.tsx";
import { LongText } from "./LongText.tsx";
import { taskWord } from "./order-state.ts";
import { Progress } from "./Progress.tsx";
import { usedText } from "./used.ts";
import { pretty } from "./value-text.ts";
import { WorkBadge } from "./WorkBadge.tsx";
import "./work.css";

interface Props {
  readonly task: OrderTask;
  /** All of the order. */
  readonly tasks: readonly OrderTask[];
}

/** All that is known of one task of an order. */
export function OrderTaskPanel({ task, tasks }: Props) {
  const { name, service, version, method, kind, state, error, progress, waitsFor, parameters, result } = task;
  const word = taskWord(state);
  return (
    <section class="panel stack" aria-label={`Task ${name}`}>
      <div class="row spread">
        <h2 class="row">
          {name} <WorkBadge state={word} />
        </h2>
        <Link href={withQuery({ task: "" })}>All tasks</Link>
      </div>
      {error !== undefined && (
        <Note kind={word === "failed" ? "error" : "warning"}>
          {error.message} <code class="reason">{error.reason}</code>
        </Note>
      )}
      {waitsFor !== "" && <Note>{`It waits for ${waitsFor}.`}</Note>}
      {word === "running" && progress !== undefined && <Progress {...progress} />}
      <dl class="facts">
        <dt>{kind === OrderTaskKind.ORDER_TASK_KIND_JOB ? "Job" : "Call"}</dt>
        <dd>
          <Link href={servicePath(service, "contract", { version })}>{service}</Link>/{method}, version{" "}
          {version}
        </dd>
        <Ran task={task} />
        {Object.entries(task.inputs).map(([input, uri]) => [
          <dt key={input}>Input {input}</dt>,
          <dd key={`${input} of`}>
            <ArtifactLink uri={settled(uri, tasks)} />
          </dd>,
        ])}
        {task.outputs.map((output) => [
          <dt key={output.name}>Output {output.name}</dt>,
          <dd key={`${output.name} is`}>
            <ArtifactLink uri={output.uri} />{" "}
            <span class="soft">
              {bytes(output.bytes)}
              {output.mediaType !== "" && ` · ${output.mediaType}`}
            </span>
          </dd>,
        ])}
        {[...Object.entries(task.metadata), ...Object.entries(task.said)].map(([key, value]) => [
          <dt key={key}>{key}</dt>,
          <dd key={`${key} value`}>{value}</dd>,
        ])}
      </dl>
      {parameters !== "" && <Text title="Parameters" text={pretty(parameters)} open={false} />}
      {result !== "" && <Text title="Result" text={pretty(result)} open />}
    </section>
  );
}

/** The URI that "tasks.NAME.outputs.OUTPUT" stands for; the reference while the output is not there. */
function settled(text: string, tasks: readonly OrderTask[]): string {
  const [, name, output] = /^tasks\.([^.]+)\.outputs\.(.+)$/.exec(text) ?? [];
  const task = tasks.find((one) => one.name === name);
  return task?.outputs.find((one) => one.name === output)?.uri ?? text;
}

function Ran({ task }: { readonly task: OrderTask }) {
  const { host, attempts, retries, used, retryAtMs } = task;
  const text = usedText(used);
  return (
    <>
      {attempts > 0 && (
        <>
          <dt>Attempts</dt>
          <dd>
            {`${plural(attempts, "attempt")}, at most ${retries + 1}`}
            {host !== "" && `, on ${host}`}
            {retryAtMs > 0n && (
              <>
                , again <Time ms={retryAtMs} />
              </>
            )}
          </dd>
        </>
      )}
      {text !== "" && (
        <>
          <dt>Used</dt>
          <dd>{text}</dd>
        </>
      )}
    </>
  );
}

/** Longest text that is drawn, characters. */
const LONGEST = 20_000;

function Text({
  title,
  text,
  open,
}: {
  readonly title: string;
  readonly text: string;
  readonly open: boolean;
}) {
  return (
    <details open={open}>
      <summary>{title}</summary>
      <LongText text={text} most={LONGEST} />
    </details>
  );
}
