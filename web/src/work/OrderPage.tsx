import { useState } from "preact/hooks";
import { type Order, OrderState } from "../../gen/rouse/orders/v1/orders.ts";
import { RouseError, wantsKey, withKey } from "../api.ts";
import { orders } from "../clients/orders.ts";
import { KeyField } from "../components/KeyField.tsx";
import { ErrorNote, Note } from "../components/Note.tsx";
import { Time } from "../components/Time.tsx";
import { plural } from "../format.ts";
import { withQuery } from "../router.tsx";
import { useStream } from "../stream.ts";
import { useTitle } from "../title.ts";
import { CancelWork } from "./CancelWork.tsx";
import { OrderLog } from "./OrderLog.tsx";
import { orderName } from "./OrdersPage.tsx";
import { OrderTaskPanel } from "./OrderTaskPanel.tsx";
import { OrderTasks } from "./OrderTasks.tsx";
import { isOver, orderWord, taskWord } from "./order-state.ts";
import { Progress } from "./Progress.tsx";
import { TaskGraph } from "./TaskGraph.tsx";
import { usedText } from "./used.ts";
import { WorkBadge } from "./WorkBadge.tsx";
import { WorkError } from "./WorkError.tsx";
import { WorkTabs } from "./WorkTabs.tsx";

/** One order as it changes: its workflow, tasks, what they used and put out, and their log. */
export function OrderPage({ id, query }: { readonly id: string; readonly query: URLSearchParams }) {
  const [order, setOrder] = useState<Order>();
  // Taking it up again begins a new stream.
  const [turn, setTurn] = useState(0);
  useTitle(order === undefined ? "Order" : `Order ${orderName(order)}`);
  const stream = useStream(`${id} ${turn}`, {
    endless: false,
    open: (signal) => orders.watchOrder({ id }, { signal, deadlineMs: 0 }),
    onMessage: setOrder,
  });
  const task = query.get("task") ?? (order?.tasks.length === 1 ? (order.tasks[0]?.name ?? "") : "");
  return (
    <div class="stack">
      <WorkTabs here="orders" />
      <div class="row">
        <h1>Order {order === undefined ? <span class="mono">{id.slice(0, 8)}</span> : orderName(order)}</h1>
        {order !== undefined && <WorkBadge state={orderWord(order.state)} />}
      </div>
      {stream.status === "ended" && stream.error !== undefined && (
        <WorkError error={stream.error} what="the order" />
      )}
      {order === undefined && stream.status !== "ended" && <p class="loading">Loading …</p>}
      {order !== undefined && (
        <Found order={order} task={task} turn={turn} onRetried={() => setTurn(turn + 1)} />
      )}
    </div>
  );
}

interface FoundProps {
  readonly order: Order;
  readonly task: string;
  readonly turn: number;
  readonly onRetried: () => void;
}

function Found({ order, task, turn, onRetried }: FoundProps) {
  const { id, state, error, progress, tasks, tasksSucceeded, taskCount, queuedBefore } = order;
  const over = isOver(state);
  const selected = tasks.find(({ name }) => name === task);
  return (
    <>
      {error !== undefined && (
        <Note kind={state === OrderState.ORDER_STATE_CANCELLED ? "warning" : "error"}>
          {error.message} <code class="reason">{error.reason}</code>
        </Note>
      )}
      {state === OrderState.ORDER_STATE_QUEUED && (
        <Note>
          {queuedBefore === 0
            ? "It is next in the queue."
            : `${plural(queuedBefore, "order stands", "orders stand")} before it in the queue.`}
        </Note>
      )}
      {state === OrderState.ORDER_STATE_RUNNING && (
        <Progress fraction={progress} note={`${tasksSucceeded} of ${plural(taskCount, "task")}`} />
      )}
      {tasks.length > 1 && (
        <section class="panel" aria-label="Workflow">
          <h2>Workflow</h2>
          <TaskGraph
            tasks={tasks.map((one) => ({
              name: one.name,
              needs: one.needs,
              state: taskWord(one.state),
              progress: taskWord(one.state) === "running" ? one.progress?.fraction : undefined,
            }))}
            selected={task}
            href={(name) => withQuery({ task: name === task ? "" : name })}
          />
        </section>
      )}
      {selected !== undefined && <OrderTaskPanel task={selected} tasks={tasks} />}
      <Facts order={order} />
      {over ? (
        state !== OrderState.ORDER_STATE_SUCCEEDED && <Retry id={id} onDone={onRetried} />
      ) : (
        <CancelWork what="order" cancel={(reason) => orders.cancelOrder({ id, reason }, withKey())} />
      )}
      {tasks.length > 1 && <OrderTasks tasks={tasks} />}
      <OrderLog id={id} task={selected?.name ?? ""} turn={turn} />
    </>
  );
}

function Facts({ order }: { readonly order: Order }) {
  const { id, priority, metadata, createdAtMs, endedAtMs, expiresAtMs, caller, asker, used } = order;
  const text = usedText(used);
  return (
    <dl class="facts panel">
      <dt>Given</dt>
      <dd>
        <Time ms={createdAtMs} /> by {caller || asker || "somebody outside the mesh"}, priority {priority}
      </dd>
      {text !== "" && (
        <>
          <dt>Used</dt>
          <dd>{text}</dd>
        </>
      )}
      {endedAtMs > 0n && (
        <>
          <dt>Ended</dt>
          <dd>
            <Time ms={endedAtMs} />, forgotten <Time ms={expiresAtMs} />
          </dd>
        </>
      )}
      {Object.entries(metadata).map(([key, value]) => [
        <dt key={key}>{key}</dt>,
        <dd key={`${key} value`}>{value}</dd>,
      ])}
      <dt>Id</dt>
      <dd class="mono">{id}</dd>
    </dl>
  );
}

function Retry({ id, onDone }: { readonly id: string; readonly onDone: () => void }) {
  const [error, setError] = useState<RouseError>();
  const retry = async () => {
    setError(undefined);
    try {
      await orders.retryOrder({ id }, withKey());
      onDone();
    } catch (thrown) {
      setError(RouseError.from(thrown));
    }
  };
  return (
    <div class="row">
      <button type="button" onClick={() => void retry()}>
        Take it up again
      </button>
      <span class="soft">Tasks that have succeeded are not done again.</span>
      {error !== undefined && <ErrorNote error={error} what="taking it up again" />}
      {wantsKey(error) && <KeyField />}
    </div>
  );
}
