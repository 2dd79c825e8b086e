import { ListReviewsRequest, type Review, Review_State } from "../../gen/rouse/registry/v1/releases.ts";
import { releases } from "../clients/releases.ts";
import { ErrorNote, Note } from "../components/Note.tsx";
import { Time } from "../components/Time.tsx";
import { useLoad } from "../load.ts";
import { Link, navigate, servicePath, withQuery } from "../router.tsx";
import { useTitle } from "../title.ts";
import { Decision } from "./Decision.tsx";
import { Findings } from "./Findings.tsx";
import "./reviews.css";

/** What waits for a decision, and with "?all=1" what was decided. */
export function ReviewsPage({ query }: { readonly query: URLSearchParams }) {
  useTitle("Reviews");
  const all = query.get("all") === "1";
  const { value, error, reload } = useLoad(String(all), (signal) =>
    releases.listReviews(ListReviewsRequest.create({ openOnly: !all }), { signal }),
  );
  return (
    <div class="stack">
      <div class="row spread">
        <h1>Reviews</h1>
        <label class="row">
          <input
            type="checkbox"
            checked={all}
            onChange={(event) => navigate(withQuery({ all: event.currentTarget.checked ? "1" : "" }))}
          />
          Show decided ones
        </label>
      </div>
      {error !== undefined && <ErrorNote error={error} what="the reviews" />}
      {value?.reviews.length === 0 && <Note>No review is open.</Note>}
      {value?.reviews.map((review) => (
        <ReviewPanel key={review.id} review={review} onDecided={reload} />
      ))}
      {value === undefined && error === undefined && <p class="loading">Loading …</p>}
    </div>
  );
}

function ReviewPanel({ review, onDecided }: { readonly review: Review; readonly onDecided: () => void }) {
  const open = review.state === Review_State.STATE_OPEN;
  const approved = review.state === Review_State.STATE_APPROVED;
  return (
    <section class="panel stack review" aria-label={`${review.service} ${review.version}`}>
      <div class="row spread">
        <h2>
          <Link href={servicePath(review.service, "", { version: review.version })}>
            {review.service} {review.version}
          </Link>
          {review.tag !== "" && <> → {review.tag}</>}
        </h2>
        <span class={`badge ${open ? "warn" : approved ? "good" : "bad"}`}>
          {open ? "open" : approved ? "approved" : "denied"}
        </span>
      </div>
      <p class="soft">
        {review.askedBy} asked <Time ms={review.askedAtMs} />
        {" · "}
        <Link href={servicePath(review.service, "versions", { to: review.version })}>Compare</Link>
      </p>
      {review.message !== "" && <blockquote>{review.message}</blockquote>}
      <Findings findings={review.findings} />
      {review.overrideReason !== "" && (
        <Note kind="warning">
          <strong>To be promoted although it breaks callers:</strong> {review.overrideReason}
        </Note>
      )}
      {open ? (
        <Decision id={review.id} onDecided={onDecided} />
      ) : (
        <p>
          {approved ? "Approved" : "Denied"} by {review.decidedBy} <Time ms={review.decidedAtMs} />:{" "}
          {review.decisionMessage}
        </p>
      )}
    </section>
  );
}
