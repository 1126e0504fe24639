// usage: node check.mjs SUMMARY.md...
//
// Reads job summaries as GitHub does: Mermaid's own parser must take each graph within its limits, and the Markdown must
// become nothing but the tables, links and folds that Hotpod writes, whatever names it holds. Exit code 1 if not.
import fs from "node:fs";
import { JSDOM } from "jsdom";

// Mermaid wants a browser.
const browser = new JSDOM("<!doctype html><body></body>").window;
globalThis.window = browser;
globalThis.document = browser.document;
for (const name of ["Element", "SVGElement", "HTMLElement", "Node", "DOMParser", "NodeFilter", "DocumentFragment",
  "HTMLTemplateElement", "NamedNodeMap", "HTMLFormElement"]) globalThis[name] = browser[name];
const { default: mermaid } = await import("mermaid");
const { marked } = await import("marked");
mermaid.initialize({ startOnLoad: false, maxTextSize: 50_000, maxEdges: 500 });

const maxSummary = 1 << 20;
const elements = ["H2", "H3", "P", "TABLE", "THEAD", "TBODY", "TR", "TH", "TD", "A", "CODE", "PRE", "DETAILS", "SUMMARY", "BR", "UL", "LI", "STRONG", "EM"];
const addresses = /^https:\/\/github\.com\/(hotpod-dev\/hotpod\/blob\/main\/docs\/checks\/HP\d+\.md|[\w.-]+\/[\w.-]+\/blob\/[0-9a-f]{40}\/[^"<>()\s]+)$/;
// What GitHub turns into mentions, references, emoji and links: in no text but code.
const magic = /@[a-z0-9]|(^|\s)#\d|:[a-z_]+:|https?:\/\/|www\./i;

const failed = new Set();
function fail(file, text) {
  failed.add(file);
  console.log(`${file}: ${text}`);
}

async function graphs(file, text) {
  const blocks = [...text.matchAll(/^```mermaid\n([\s\S]*?)^```$/gm)].map(match => match[1]);
  if (blocks.length !== text.split("```mermaid").length - 1) fail(file, "a graph does not end");
  for (const block of blocks) {
    try {
      const { diagramType } = await mermaid.parse(block);
      if (diagramType !== "flowchart-v2") fail(file, `a graph is a ${diagramType}`);
      const { db } = await mermaid.mermaidAPI.getDiagramFromText(block);
      if (block.length > 50_000 || db.getEdges().length > 500) fail(file, "a graph is larger than GitHub shows");
      const nodes = block.split("\n").filter(line => /^  \w+[[{]/.test(line)).length;
      if (db.getVertices().size !== nodes) fail(file, `a name became a node: ${db.getVertices().size} for ${nodes}`);
    } catch (error) {
      fail(file, `a graph does not parse: ${error.message}\n${block}`);
    }
  }
  return blocks.length;
}

function markup(file, text) {
  const page = new JSDOM(`<body>${marked.parse(text, { gfm: true })}</body>`).window.document.body;
  for (const element of page.querySelectorAll("*")) {
    if (!elements.includes(element.tagName)) fail(file, `holds <${element.tagName.toLowerCase()}>`);
    for (const { name, value } of element.attributes) {
      const known = name === "open" || (name === "class" && value === "language-mermaid") || (name === "href" && addresses.test(value));
      if (!known) fail(file, `<${element.tagName.toLowerCase()}> has ${name}="${value}"`);
    }
    if (element.tagName === "TR" && element.children.length !== element.closest("table").querySelectorAll("th").length) fail(file, "a row has a cell too many");
  }
  const texts = page.ownerDocument.createTreeWalker(page, browser.NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const { textContent, parentElement } = texts.currentNode;
    if (!parentElement.closest("code") && magic.test(textContent)) fail(file, `would be linked: ${textContent}`);
  }
}

for (const file of process.argv.slice(2)) {
  const text = fs.readFileSync(file, "utf8");
  if (Buffer.byteLength(text) > maxSummary) fail(file, "larger than GitHub takes");
  const count = await graphs(file, text);
  markup(file, text);
  console.log(`${file}: ${count} graphs, ${Buffer.byteLength(text)} bytes${failed.has(file) ? "" : ", ok"}`);
}
process.exit(failed.size ? 1 : 0);
