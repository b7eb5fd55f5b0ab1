const { createRoot, React, Ruru } = await import(
  new URL("../ruru-static/ruru.js", import.meta.url).href
);

const { sessionStorage } = globalThis;
const endpoint = new URL("../graphql", import.meta.url);
const find = (id) => document.getElementById(id);
const credential = find("credential");
const organization = find("organization");
const examples = find("examples");
const viewer = find("viewer");

globalThis.MonacoEnvironment = {
  getWorker(_, label) {
    const name = { json: "jsonWorker.js", graphql: "graphqlWorker.js" }[label] ?? "editorWorker.js";
    return new Worker(new URL(`../ruru-static/${name}`, import.meta.url), { type: "module" });
  },
};

/** The headers of who asks; those that are written in the explorer's own editor come after, and win. */
function credentialHeaders() {
  return {
    ...(credential.value ? { authorization: `Bearer ${credential.value}` } : {}),
    ...(organization.value ? { "x-curestry-organization": organization.value } : {}),
  };
}

/** Sends an operation. */
async function send({ query, variables, operationName }, headers = {}, signal = null) {
  const all = new Headers({ "content-type": "application/json" });
  for (const [name, value] of Object.entries(credentialHeaders())) all.set(name, value);
  for (const [name, value] of Object.entries(headers)) all.set(name, value);
  return await fetch(endpoint, {
    method: "POST",
    headers: all,
    body: JSON.stringify({ query, variables, operationName }),
    signal,
  });
}

/** The events of a subscription, until it ends or nobody listens any more. */
async function* follow(params, headers) {
  const abort = new AbortController();
  try {
    const response = await send(params, { ...headers, accept: "text/event-stream" }, abort.signal);
    if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
      yield await response.json();
      return;
    }
    let text = "";
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      const events = (text + chunk).split("\n\n");
      text = events.pop();
      for (const event of events) {
        const data = /^data: ?(.+)$/m.exec(event)?.[1];
        if (data && /^event: ?next$/m.test(event)) yield JSON.parse(data);
      }
    }
  } finally {
    abort.abort();
  }
}

function isSubscription({ operationName }, document) {
  return document?.definitions.some(({ operation, name }) =>
    operation === "subscription" && (!operationName || name?.value === operationName)
  ) ?? false;
}

function fetcher(params, { headers = {}, documentAST } = {}) {
  return isSubscription(params, documentAST)
    ? follow(params, headers)
    : send(params, headers).then((response) => response.json());
}

const defaultQuery =
  "# Enter an API key above, then choose an example.\nquery Start {\n  viewer {\n    permissions\n  }\n}\n";
const root = createRoot(find("ruru-root"));
let shown = 0;

/** What is open in the explorer: it would open an empty tab if it were not told. */
function readOpenTab() {
  const { tabs, activeTabIndex } = JSON.parse(
    sessionStorage.getItem("graphiql:tabState") ?? '{ "tabs": [] }',
  );
  return tabs[activeTabIndex] ?? {};
}

/** Shows the explorer anew, in which it fetches the schema again; its tabs stay. */
function show({ query, variables } = readOpenTab()) {
  root.render(React.createElement(Ruru, {
    key: ++shown,
    fetcher,
    defaultQuery,
    ...(query ? { initialQuery: query } : {}),
    ...(variables ? { initialVariables: variables } : {}),
  }));
}

const allExamples = await (await fetch(new URL("examples.json", import.meta.url))).json();
let offered = [];

/** Offers what a request with these permissions can do. */
function offer(permissions) {
  offered = allExamples.filter(({ needs }) =>
    permissions !== null && needs.every((permission) => permissions.includes(permission))
  );
  examples.replaceChildren(
    new Option(
      permissions === null ? "for whoever has a key" : `${offered.length} that this key may run`,
      "",
    ),
    ...offered.map(({ title }, index) => new Option(title, String(index))),
  );
  examples.disabled = permissions === null;
}

async function askWhoAsks() {
  if (!credential.value) {
    return { text: "without a key, the API shows next to nothing", permissions: null };
  }
  const query = "{ viewer { name email role organizationSlug permissions } }";
  const { data, errors } = await (await send({ query })).json();
  const found = data?.viewer;
  if (!found) return { text: errors?.[0]?.message ?? "not known", permissions: null };
  const name = found.name ?? found.email ?? "an operator's key";
  const inWhat = found.organizationSlug ? ` in ${found.organizationSlug}` : "";
  return {
    text: `${name}${found.role ? `, ${found.role},` : ""}${inWhat}`,
    permissions: found.permissions,
  };
}

let entries = 0;

/** Everything anew for the credential that is entered. */
async function enter() {
  sessionStorage.setItem("curestry:credential", credential.value);
  sessionStorage.setItem("curestry:organization", organization.value);
  const entry = ++entries;
  show();
  const { text, permissions } = await askWhoAsks().catch((error) => ({
    text: String(error),
    permissions: null,
  }));
  if (entry !== entries) return;
  viewer.textContent = text;
  offer(permissions);
}

let waiting;
for (const field of [credential, organization]) {
  field.value = sessionStorage.getItem(`curestry:${field.id}`) ?? "";
  field.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      field.value = field.value.trim();
      enter();
    }, 400);
  });
}
examples.addEventListener("change", () => {
  const example = offered[examples.value];
  examples.value = "";
  if (!example) return;
  const { query, variables } = example;
  show({ query, variables: variables && JSON.stringify(variables, null, 2) });
});
await enter();
