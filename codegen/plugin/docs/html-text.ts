import { Marked } from "marked";

/** Text that is safe in HTML, in attributes too. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}

/** Where a link of a comment may lead: out to the web, to mail, or within the docs. */
const safeLink = /^(https?:|mailto:|#|\.{0,2}\/(?!\/)|[\w.-]+(\/|$|#))/i;

const marked = new Marked({
  gfm: true,
  renderer: {
    /** A comment's own HTML is shown as it is written: a contract may come from anybody. */
    html: ({ text }) => escapeHtml(text),
    link({ href, tokens }) {
      const text = this.parser.parseInline(tokens);
      return safeLink.test(href) ? `<a href="${escapeHtml(href)}">${text}</a>` : text;
    },
    /** Nothing is loaded from elsewhere: the page is complete in itself. */
    image: ({ text, href }) => `${escapeHtml(text)} (${escapeHtml(href)})`,
  },
});

/** Markdown of a comment as HTML; its raw HTML becomes text, and its links lead to the web or within the docs. */
export function markdownToHtml(markdown: string): string {
  return markdown === "" ? "" : marked.parse(markdown, { async: false });
}
