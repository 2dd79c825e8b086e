import { type ReleasesServer, type Review, Review_State } from "#proto/rouse/registry/v1/releases.ts";
import { answer } from "../../sdk/answer.ts";
import { mayChange } from "../access.ts";
import type { RegistryContext } from "../context.ts";
import { readHistory, trimHistory } from "../history/index.ts";
import { unknownService } from "../spec.ts";
import type { ServiceState, WeightedVersion } from "../state.ts";
import { gateContext } from "./context.ts";
import { decideReview } from "./decide.ts";
import { checkPromotion, promote } from "./promote.ts";
import { listReviewers, setReviewer } from "./reviewers.ts";
import { listReviews } from "./reviews.ts";
import { rollback } from "./rollback.ts";

/** Clients take 4 MiB in one message. */
const LARGEST_ANSWER = 3 * 2 ** 20;

/** As many of the first as fit into an answer. */
function newest(reviews: readonly Review[]): Review[] {
  let bytes = 0;
  return reviews.filter((review) => {
    bytes += Buffer.byteLength(JSON.stringify(review));
    return bytes <= LARGEST_ANSWER;
  });
}

/** Entries of the history when the caller gives no limit, and at most. */
const HISTORY = { byDefault: 100, most: 1_000 };

/** The service rouse.registry.v1.Releases. What it changes, the mesh's state shows from then on. */
export function releasesService(context: RegistryContext): ReleasesServer {
  const { consul, mesh, access } = context;
  const gate = gateContext(context);
  const checkKnown = async (service: string): Promise<void> => {
    const { services } = await mesh.state();
    if (!services.has(service)) throw unknownService(service, services.keys());
  };
  const until = (service: string, holds: (state: ServiceState) => boolean) =>
    mesh.until(({ services }) => {
      const state = services.get(service);
      return state !== undefined && holds(state);
    });
  const names = (tag: string, wanted: readonly WeightedVersion[]) => (state: ServiceState) =>
    JSON.stringify(state.tags.get(tag) ?? []) === JSON.stringify(wanted);
  return {
    checkPromotion: answer(async (request) => {
      await checkKnown(request.service);
      return checkPromotion(gate, request);
    }),
    promote: answer(async (request, metadata) => {
      const caller = await access.identify(metadata);
      const { service, version, tag } = request;
      await checkKnown(service);
      await mayChange(context, caller, service);
      const response = await promote(gate, caller, request);
      await trimHistory(consul, service);
      if (response.done) await until(service, names(tag, [{ version, weight: 1 }]));
      return response;
    }),
    decideReview: answer(async (request, metadata) => {
      const caller = await access.identify(metadata);
      const review = await decideReview(gate, caller, request);
      const { service, version, tag } = review;
      await trimHistory(consul, service);
      const approved = review.state === Review_State.APPROVED;
      if (tag === "") {
        const shown = approved ? undefined : "denied";
        await until(service, ({ versions }) => (versions.get(version)?.approval ?? undefined) === shown);
      } else if (approved) await until(service, names(tag, [{ version, weight: 1 }]));
      return { review };
    }),
    listReviews: answer(async ({ service, openOnly }) => {
      const reviews = await listReviews(consul, service);
      const wanted = openOnly ? reviews.filter(({ state }) => state === Review_State.OPEN) : reviews;
      return { reviews: newest(wanted) };
    }),
    setReviewer: answer(async ({ provider, reviews }, metadata) => {
      const caller = await access.identify(metadata);
      return { reviewers: await setReviewer(consul, caller, provider, reviews) };
    }),
    listReviewers: answer(async () => ({ reviewers: await listReviewers(consul) })),
    rollback: answer(async (request, metadata) => {
      const caller = await access.identify(metadata);
      const { service, tag } = request;
      await checkKnown(service);
      await mayChange(context, caller, service);
      const { versions, ...response } = await rollback(gate, caller, request);
      await trimHistory(consul, service);
      await until(service, names(tag, versions));
      return response;
    }),
    listHistory: answer(async ({ service, limit }) => {
      const most = Math.min(limit === 0 ? HISTORY.byDefault : limit, HISTORY.most);
      const entries = await readHistory(context, service, most);
      // A service that is gone keeps its history.
      if (entries.length === 0) await checkKnown(service);
      return { entries };
    }),
  };
}
