import { useEffect, useRef } from "preact/hooks";
import { Shell } from "./components/Shell.tsx";
import { lazy } from "./lazy.tsx";
import { CatalogPage } from "./pages/CatalogPage.tsx";
import { NotFound } from "./pages/NotFound.tsx";
import { type Location, useLocation } from "./router.tsx";

const ServicePage = lazy(() => import("./pages/ServicePage.tsx").then((module) => module.ServicePage));
const ReviewsPage = lazy(() => import("./pages/ReviewsPage.tsx").then((module) => module.ReviewsPage));
const HostsPage = lazy(() => import("./pages/HostsPage.tsx").then((module) => module.HostsPage));
const BuildsPage = lazy(() => import("./pages/BuildsPage.tsx").then((module) => module.BuildsPage));
const BuildPage = lazy(() => import("./pages/BuildPage.tsx").then((module) => module.BuildPage));
const OrdersPage = lazy(() => import("./work/OrdersPage.tsx").then((module) => module.OrdersPage));
const OrderPage = lazy(() => import("./work/OrderPage.tsx").then((module) => module.OrderPage));
const OperationsPage = lazy(() =>
  import("./work/OperationsPage.tsx").then((module) => module.OperationsPage),
);
const OperationPage = lazy(() => import("./work/OperationPage.tsx").then((module) => module.OperationPage));
const RunsPage = lazy(() => import("./runs/RunsPage.tsx").then((module) => module.RunsPage));
const RunPage = lazy(() => import("./runs/RunPage.tsx").then((module) => module.RunPage));
const TasksPage = lazy(() => import("./tasks/TasksPage.tsx").then((module) => module.TasksPage));
const TaskPage = lazy(() => import("./tasks/TaskPage.tsx").then((module) => module.TaskPage));
const ArtifactsPage = lazy(() =>
  import("./artifacts/ArtifactsPage.tsx").then((module) => module.ArtifactsPage),
);
const ArtifactPage = lazy(() => import("./artifacts/ArtifactPage.tsx").then((module) => module.ArtifactPage));
const ProvidersPage = lazy(() => import("./pages/ProvidersPage.tsx").then((module) => module.ProvidersPage));

/** The whole site: the shell, and the page that the path names. */
export function App() {
  const location = useLocation();
  const main = useRef<HTMLElement>(null);
  const page = location.parts.slice(0, 2).join("/");
  const first = useRef(true);
  useEffect(() => {
    // Readers of the screen begin at the new page, as after loading a document.
    if (!first.current && page !== "") main.current?.focus({ preventScroll: true });
    first.current = false;
  }, [page]);
  return (
    <Shell section={location.parts[0] ?? ""} main={main}>
      {pageOf(location)}
    </Shell>
  );
}

function pageOf({ parts: [first = "", second = "", third = "", fourth], query }: Location) {
  if (first === "") return <CatalogPage query={query} />;
  if (first === "services" && second !== "" && fourth === undefined)
    return <ServicePage key={second} service={second} tab={third} query={query} />;
  if (second === "") return listOf(first, query);
  return (third === "" && oneOf(first, second, query)) || <NotFound />;
}

function listOf(first: string, query: URLSearchParams) {
  if (first === "orders") return <OrdersPage query={query} />;
  if (first === "operations") return <OperationsPage query={query} />;
  if (first === "runs") return <RunsPage query={query} />;
  if (first === "tasks") return <TasksPage query={query} />;
  if (first === "artifacts") return <ArtifactsPage query={query} />;
  if (first === "reviews") return <ReviewsPage query={query} />;
  if (first === "hosts") return <HostsPage />;
  if (first === "builds") return <BuildsPage />;
  if (first === "providers") return <ProvidersPage />;
  return <NotFound />;
}

/** The page of one thing of a list. */
function oneOf(first: string, id: string, query: URLSearchParams) {
  if (first === "orders") return <OrderPage key={id} id={id} query={query} />;
  if (first === "operations") return <OperationPage key={id} id={id} />;
  if (first === "runs") return <RunPage key={id} id={id} />;
  if (first === "tasks") return <TaskPage key={id} id={id} />;
  if (first === "artifacts") return <ArtifactPage key={id} digest={id} />;
  if (first === "builds") return <BuildPage key={id} id={id} />;
  return undefined;
}
