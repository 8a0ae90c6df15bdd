// Requests to Airflow and to the plugin's own route, with the session of whoever looks at the page.

export class ApiError extends Error {
  constructor(status, server = "Airflow's API") {
    super(`${server} answered ${status}.`);
    this.status = status;
  }
}

const API = new URL("../api/v2/", document.baseURI);
const RENDER = new URL("report", document.baseURI);
const PAGE_SIZE = 100;

export async function get(path, query = {}) {
  const url = new URL(path, API);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return request(url, { headers: { Accept: "application/json" } });
}

// Get a list, page by page; it is in this field of the replies.
export async function getAll(path, field, query = {}) {
  const items = [];
  for (;;) {
    const page = await get(path, { ...query, limit: PAGE_SIZE, offset: items.length });
    items.push(...page[field]);
    if (!page[field].length || items.length >= (page.total_entries ?? 0)) return items;
  }
}

// Let the plugin's route turn XComs into texts and shapes; it knows nothing but what it is sent.
export async function render(body) {
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  return request(RENDER, { method: "POST", headers, body }, "The tab's server side");
}

async function request(url, options, server) {
  const reply = await fetch(url, { credentials: "same-origin", ...options });
  if (!reply.ok) throw new ApiError(reply.status, server);
  return reply.json();
}
