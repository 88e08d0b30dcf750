// GraphiQL with one tab for each operation of graphql/operations, live over graphql-transport-ws.
import "graphiql/setup-workers/vite";
import "graphiql/style.css";
import "@graphiql/plugin-explorer/style.css";
import "./page.css";

import { explorerPlugin } from "@graphiql/plugin-explorer";
import { GraphiQL, HISTORY_PLUGIN } from "graphiql";
import { createGraphiQLFetcher } from "@graphiql/toolkit";
import { createClient } from "graphql-ws";
import { createElement as h } from "react";
import { createRoot } from "react-dom/client";

const page = JSON.parse(document.getElementById("curvecast").textContent);
const endpoint = new URL("/graphql", location.href);
const socket = new URL(endpoint);
socket.protocol = endpoint.protocol === "https:" ? "wss:" : "ws:";

const fetcher = createGraphiQLFetcher({
  url: endpoint.href,
  wsClient: createClient({ url: socket.href, lazy: true, retryAttempts: Infinity }),
});

// Tabs name addresses of one store: what was kept for another store would only find nothing.
const prefix = `curvecast:${page.store ?? ""}:`;
const storage = {
  getItem: (key) => localStorage.getItem(prefix + key),
  setItem: (key, value) => localStorage.setItem(prefix + key, value),
  removeItem: (key) => localStorage.removeItem(prefix + key),
  clear: () => Object.keys(localStorage).filter((key) => key.startsWith(prefix)).forEach((key) => localStorage.removeItem(key)),
  get length() {
    return Object.keys(localStorage).filter((key) => key.startsWith(prefix)).length;
  },
};

const tabs = page.tabs ?? [];
// GraphiQL shows what its editors held last, which is nothing where nothing was typed: the open tab knows better.
const kept = JSON.parse(storage.getItem("graphiql:tabState") ?? "null");
const open = kept?.tabs?.[kept.activeTabIndex] ?? tabs[0];

const editor = h(GraphiQL, {
  fetcher,
  storage,
  defaultTabs: tabs.length ? tabs : undefined,
  initialQuery: open?.query ?? undefined,
  initialVariables: open?.variables ?? undefined,
  defaultEditorToolsVisibility: "variables",
  plugins: [HISTORY_PLUGIN, explorerPlugin()],
});
const banner = page.banner ? h("div", { className: "banner", role: "status" }, page.banner) : null;

createRoot(document.getElementById("root")).render([banner && h("div", { key: "banner" }, banner), h("div", { key: "ide", style: { flex: 1, minHeight: 0 } }, editor)]);
