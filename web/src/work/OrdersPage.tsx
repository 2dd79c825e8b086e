import { ListOrdersRequest, type Order } from "../../gen/rouse/orders/v1/orders.ts";
import { orders } from "../clients/orders.ts";
import { Note } from "../components/Note.tsx";
import { Time } from "../components/Time.tsx";
import { duration } from "../format.ts";
import { useLoad } from "../load.ts";
import { Link } from "../router.tsx";
import { useTitle } from "../title.ts";
import { ranFor } from "./operation-state.ts";
import { isOver, orderStates, orderWord } from "./order-state.ts";
import { useEvery } from "./use-every.ts";
import { costText } from "./used.ts";
import { WorkBadge } from "./WorkBadge.tsx";
import { WorkError } from "./WorkError.tsx";
import { WorkFilters } from "./WorkFilters.tsx";
import { WorkTabs } from "./WorkTabs.tsx";

/** How often the list is read again while something of it is under way, ms. */
const AGAIN_MS = 2_000;
const MOST = 200;

/** The latest orders, with filters that are in the address. */
export function OrdersPage({ query }: { readonly query: URLSearchParams }) {
  useTitle("Orders");
  const service = query.get("service") ?? "";
  const state = query.get("state") ?? "";
  const { value, error, reload } = useLoad(`orders ${service} ${state}`, (signal) => {
    const request = { service, limit: MOST, ...(state !== "" && { state: orderStates.get(state) ?? 0 }) };
    return orders.listOrders(ListOrdersRequest.create(request), { signal });
  });
  useEvery(AGAIN_MS, value?.orders.some((order) => !isOver(order.state)) ?? false, reload);
  return (
    <div class="stack">
      <h1>Work</h1>
      <WorkTabs here="orders" />
      <WorkFilters
        text={{ name: "service", label: "Service", value: service }}
        state={state}
        states={[...orderStates.keys()]}
        reload={reload}
      />
      {error !== undefined && <WorkError error={error} what="the orders" />}
      {value === undefined && error === undefined && <p class="loading">Loading …</p>}
      {value?.orders.length === 0 && (
        <Note>
          There is no order{service !== "" || state !== "" ? " like that" : " yet"}.{" "}
          <code>rouse order WORKFLOW.json</code> gives one.
        </Note>
      )}
      {value !== undefined && value.orders.length > 0 && <OrderTable orders={value.orders} />}
      {value?.orders.length === MOST && <p class="soft">{`These are the latest ${MOST}.`}</p>}
    </div>
  );
}

function OrderTable({ orders }: { readonly orders: readonly Order[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys.
    <div class="panel scroll" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th>Order</th>
            <th>State</th>
            <th>Tasks</th>
            <th class="number">Priority</th>
            <th class="number">Cost</th>
            <th>By</th>
            <th>Given</th>
            <th class="number">Took</th>
          </tr>
        </thead>
        <tbody>
          {orders.map((order) => (
            <tr key={order.id}>
              <td>
                <Link href={`/orders/${order.id}`}>{orderName(order)}</Link>
              </td>
              <td>
                <WorkBadge state={orderWord(order.state)} note={order.error?.message ?? ""} />
              </td>
              <td>{`${order.tasksSucceeded} of ${order.taskCount}`}</td>
              <td class="number">{order.priority}</td>
              <td class="number">{costText(order.used?.cost ?? 0)}</td>
              <td>{order.caller || order.asker || "outside"}</td>
              <td>
                <Time ms={order.createdAtMs} />
              </td>
              <td class="number">{tookText(order)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Its name, or else the beginning of its id. */
export function orderName({ name, id }: Pick<Order, "name" | "id">): string {
  return name === "" ? id.slice(0, 8) : name;
}

function tookText(order: Order): string {
  const ms = ranFor(order);
  return ms === undefined ? "" : duration(ms);
}
