// Requests to Airflow and to the plugin's own route, with the session of whoever looks at the page.

export class ApiError extends Error {
  constructor(status, whose = "Airflow's API") {
    super(`${whose} answered ${status}.`);
    this.status = status;
  }
}

const API = new URL("../api/v2/", document.baseURI);
const RENDER = new URL("report", document.baseURI);
const PAGE = 100;

export async function get(path, query = {}) {
  const url = new URL(path, API);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  const reply = await fetch(url, { credentials: "same-origin", headers: { Accept: "application/json" } });
  if (!reply.ok) throw new ApiError(reply.status);
  return reply.json();
}

export async function all(path, field, query = {}) {
  const found = [];
  for (;;) {
    const page = await get(path, { ...query, limit: PAGE, offset: found.length });
    found.push(...page[field]);
    if (!page[field].length || found.length >= (page.total_entries ?? 0)) return found;
  }
}

// Have XComs put into words and shapes. The route knows nothing but what it is sent.
export async function render(body) {
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  const reply = await fetch(RENDER, { method: "POST", credentials: "same-origin", headers, body });
  if (!reply.ok) throw new ApiError(reply.status, "The tab's server side");
  return reply.json();
}
