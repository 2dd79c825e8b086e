import { lexer, type Token, type Tokens } from "marked";
import type { ComponentChildren, VNode } from "preact";
import { OutsideLink } from "./OutsideLink.tsx";
import "./markdown.css";

/**
 * Markdown of a provider's, as elements: nothing of it is ever parsed as HTML. Raw HTML is shown as it is written, images
 * as links, and links lead to http, https and mailto only.
 */
export function Markdown({ text }: { readonly text: string }) {
  return <div class="markdown">{blocks(tokensOf(text))}</div>;
}

function tokensOf(text: string): readonly Token[] {
  try {
    return lexer(text, { gfm: true });
  } catch {
    // Nested beyond what the parser's stack takes.
    return [{ type: "paragraph", raw: text, text, tokens: [{ type: "text", raw: text, text }] }];
  }
}

function blocks(tokens: readonly Token[]): ComponentChildren[] {
  return tokens.map((token, index) => block(token, index));
}

function block(token: Token, key: number): ComponentChildren {
  switch (token.type) {
    case "space":
    case "def":
      return null;
    case "heading": {
      const heading = token as Tokens.Heading;
      // The page has h1 and h2 of its own.
      return heading.depth < 3 ? (
        <h3 key={key}>{inline(heading.tokens)}</h3>
      ) : (
        <h4 key={key}>{inline(heading.tokens)}</h4>
      );
    }
    case "code":
      return (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys.
        <pre key={key} tabIndex={0}>
          <code>{(token as Tokens.Code).text}</code>
        </pre>
      );
    case "blockquote":
      return <blockquote key={key}>{blocks((token as Tokens.Blockquote).tokens)}</blockquote>;
    case "list":
      return list(token as Tokens.List, key);
    case "table":
      return table(token as Tokens.Table, key);
    case "hr":
      return <hr key={key} />;
    case "paragraph":
      return <p key={key}>{inline((token as Tokens.Paragraph).tokens)}</p>;
    case "text": {
      const { tokens, text } = token as Tokens.Text;
      return <span key={key}>{tokens === undefined ? unescaped(text) : inline(tokens)}</span>;
    }
    default:
      return <p key={key}>{token.raw}</p>;
  }
}

function list({ ordered, start, items }: Tokens.List, key: number): VNode {
  const entries = items.map((item, index) => (
    <li key={index}>
      {item.task ? (item.checked ? "☑ " : "☐ ") : ""}
      {blocks(item.tokens.filter(({ type }) => type !== "checkbox"))}
    </li>
  ));
  if (!ordered) return <ul key={key}>{entries}</ul>;
  return (
    <ol key={key} start={start === "" ? 1 : start}>
      {entries}
    </ol>
  );
}

function table({ header, rows }: Tokens.Table, key: number): VNode {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys.
    <div class="scroll" key={key} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {header.map((cell, index) => (
              <th key={index}>{inline(cell.tokens)}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={index}>
              {row.map((cell, column) => (
                <td key={column}>{inline(cell.tokens)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function inline(tokens: readonly Token[]): ComponentChildren[] {
  return tokens.map((token, key) => {
    switch (token.type) {
      case "strong":
        return <strong key={key}>{inline((token as Tokens.Strong).tokens)}</strong>;
      case "em":
        return <em key={key}>{inline((token as Tokens.Em).tokens)}</em>;
      case "del":
        return <del key={key}>{inline((token as Tokens.Del).tokens)}</del>;
      case "codespan":
        return <code key={key}>{(token as Tokens.Codespan).text}</code>;
      case "br":
        return <br key={key} />;
      case "link":
      case "image": {
        const { href, text } = token as Tokens.Link;
        const tokens = token.type === "link" ? (token as Tokens.Link).tokens : [];
        return (
          <OutsideLink key={key} url={href}>
            {tokens.length === 0 ? text : inline(tokens)}
          </OutsideLink>
        );
      }
      case "escape":
        return unescaped((token as Tokens.Escape).text);
      case "text": {
        const { tokens, text } = token as Tokens.Text;
        return tokens === undefined ? unescaped(text) : inline(tokens);
      }
      default:
        return token.raw;
    }
  });
}

/** The entities that writers use for what Markdown would take as its own. */
function unescaped(text: string): string {
  return text
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&amp;/g, "&");
}
