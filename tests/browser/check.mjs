// Open every page of a rendered book in a headless browser, print what is wrong as JSON.
//
//   node check.mjs FOLDER_OF_HTML BROWSER
//
// For each page: errors of the console, requests that leave the book, bytes of the files
// that it loads, compressed as servers send them, pixels by which it overflows a phone,
// and, in both themes and with all folds open, the violations that axe-core calls serious
// or critical.

import { readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import puppeteer from "puppeteer-core";

const [folder, executablePath] = process.argv.slice(2);
const axe = readFileSync(
  fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf-8");
const DESK = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844, isMobile: true, hasTouch: true };
const PAGES = 2; // opened at once

function audit() {
  return axe.run({ resultTypes: ["violations"], preload: false }).then(({ violations }) =>
    violations
      .filter((rule) => ["serious", "critical"].includes(rule.impact))
      .map(({ id, impact, nodes }) => ({
        id, impact, nodes: nodes.length,
        first: nodes.slice(0, 3).map(({ html, failureSummary }) =>
          html.slice(0, 200) + " | " + failureSummary.replaceAll("\n", " ")),
      })));
}

const sizes = new Map();

function sent(file) {
  if (!sizes.has(file)) sizes.set(file, gzipSync(readFileSync(file)).length);
  return sizes.get(file);
}

async function inspect(browser, file) {
  const page = await browser.newPage();
  const found = { page: relative(folder, file), errors: [], remote: [] };
  const files = new Set([file]);
  page.on("pageerror", (error) => found.errors.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") found.errors.push(message.text());
  });
  page.on("request", (request) => {
    const url = new URL(request.url());
    url.search = url.hash = "";
    if (url.protocol === "file:") files.add(fileURLToPath(url));
    else if (!["data:", "blob:", "about:"].includes(url.protocol))
      found.remote.push(url.href);
  });
  await page.emulateMediaFeatures([{ name: "prefers-reduced-motion", value: "reduce" }]);
  await page.setViewport(DESK);
  await page.goto(pathToFileURL(file).href, { waitUntil: "load", timeout: 120000 });
  await page.evaluate(async () => {
    await window.MathJax?.startup?.promise;
    for (const fold of document.querySelectorAll("details")) fold.open = true;
    const style = document.createElement("style");
    style.textContent = "* { transition: none !important; }";
    document.head.append(style);
  });
  await page.evaluate(axe);
  found.violations = {};
  for (const theme of ["light", "dark"]) {
    await page.evaluate((name) => {
      document.documentElement.dataset.theme = name;
      document.documentElement.dataset.mode = name;
    }, theme);
    found.violations[theme] = await page.evaluate(audit);
  }
  await page.setViewport(PHONE);
  found.overflow = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  found.bytes = [...files].reduce((sum, each) => sum + sent(each), 0);
  await page.close();
  return found;
}

const files = readdirSync(folder, { recursive: true })
  .filter((name) => name.endsWith(".html") && !name.startsWith("_static"))
  .map((name) => join(folder, name))
  .filter((file) => !readFileSync(file, "utf-8").includes('http-equiv="Refresh"'));
const browser = await puppeteer.launch({ executablePath, args: ["--no-sandbox"] });
const reports = [];
const queue = files.sort();
await Promise.all(Array.from({ length: PAGES }, async () => {
  for (let file = queue.shift(); file; file = queue.shift())
    reports.push(await inspect(browser, file));
}));
await browser.close();
reports.sort((a, b) => (a.page < b.page ? -1 : 1));
console.log(JSON.stringify(reports, null, 1));
