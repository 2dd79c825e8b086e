/** The page that shows an OpenAPI document and tries it out; everything in it is served from here. */
export function page(service: string, document: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(service)} · OpenAPI</title>
<link rel="icon" href="/favicon.svg">
<link rel="stylesheet" href="/openapi/-/swagger-ui.css">
</head>
<body>
<main id="document" data-url="${escapeHtml(document)}"></main>
<script src="/openapi/-/swagger-ui-bundle.js"></script>
<script src="/openapi/-/page.js"></script>
</body>
</html>
`;
}

/** What the page runs. No validator elsewhere is asked. */
export const pageScript = `SwaggerUIBundle({
  url: document.getElementById("document").dataset.url,
  dom_id: "#document",
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  validatorUrl: null,
});
`;

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
