/**
 * Paywall for frontends: teasers, access, the read itself and the way to Checkout.
 * An ES module without dependencies; types in paywall.d.ts.
 *
 *   import { Paywall } from "https://paywall.example.org/static/paywall.js";
 *
 *   const paywall = Paywall({ api: "https://paywall.example.org" });   // "" on the same host
 *   const answer = await paywall.unlock("harbour-wall");               // the read: it may count
 *   if (answer.granted) show(answer.article.body_html);
 *   else if (await chosen(answer.wall)) {
 *     const { url } = await paywall.checkout(offerId, location.pathname);
 *     location.assign(url);                                            // to Stripe's page
 *   }
 *
 * Call unlock() once the reader really sees the article, never while the page is prefetched or
 * prerendered. A wall is an answer, not an error. Everything else that isn't a success is thrown as
 * PaywallError with the service's problem (RFC 9457): `status` is 0 where nothing was answered,
 * `retryAfter` is in seconds where the service says when to come back.
 *
 * On the API's own origin cookies do everything. On another one, which the operator lists in
 * PAYWALL_ALLOWED_ORIGINS, cookies may not travel: the device's token that the service then answers
 * is kept in localStorage, for that API alone, and sent as `Paywall-Device`.
 */

export class PaywallError extends Error {
  constructor(message, { status = 0, problem = null, retryAfter = null, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "PaywallError";
    this.status = status;
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

export function Paywall({ api = "", page, fetch, storage } = {}) {
  const here = page ?? globalThis.location?.href;
  const base = new URL(api || "/", here);
  const isForeign = here === undefined || new URL(here).origin !== base.origin;
  const send = fetch ?? ((address, options) => globalThis.fetch(address, options));
  const device = isForeign ? keptDevice(storage, base.origin) : null;

  async function call(method, path, { body, isPublic = false } = {}) {
    const headers = { Accept: "application/json" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const token = isPublic ? null : device?.read();
    if (token) headers["Paywall-Device"] = token;
    // Public answers allow every origin, and browsers then refuse credentials.
    const credentials = isPublic ? "omit" : isForeign ? "include" : "same-origin";
    const options = { method, headers, credentials };
    if (body !== undefined) options.body = JSON.stringify(body);
    let response;
    try {
      response = await send(`${base.origin}${path}`, options);
    } catch (cause) {
      throw new PaywallError("The paywall can't be reached.", { cause });
    }
    const answer = await response.json().catch(() => null);
    if (answer?.device_token) device?.write(answer.device_token);
    if (answer !== null && (response.ok || (response.status === 402 && answer.wall))) return answer;
    throw new PaywallError(answer?.detail ?? answer?.title ?? "The answer can't be read.", {
      status: response.status,
      problem: answer,
      retryAfter: Number(response.headers.get("Retry-After")) || null,
    });
  }

  const article = (slug) => `/v1/articles/${encodeURIComponent(slug)}`;
  return Object.freeze({
    /** What everybody may read of the article. Counts nothing. */
    teaser: (slug) => call("GET", article(slug), { isPublic: true }),
    /** What unlock() would answer. Counts nothing. */
    access: (slug) => call("GET", `${article(slug)}/access`),
    /** The read: `{granted: true, article, meter, …}`, or `{granted: false, wall, meter, …}`. */
    unlock: (slug, { token = true, referrer } = {}) =>
      call("POST", `${article(slug)}/unlock`, { body: { token, referrer } }),
    /** Opens a Checkout session; send the reader to `url`. They come back to `returnTo`. */
    checkout: (offer, returnTo) =>
      call("POST", "/v1/checkout", { body: { offer, return_to: returnTo } }),
  });
}

/** The device's token for one API; in memory where the browser refuses to keep anything. */
function keptDevice(storage, origin) {
  const key = `paywall.device:${origin}`;
  let held = null;
  const place = () => storage ?? globalThis.localStorage;
  return {
    read() {
      try {
        return place()?.getItem(key) ?? held;
      } catch {
        return held;
      }
    },
    write(token) {
      held = token;
      try {
        place()?.setItem(key, token);
      } catch {
        // Blocked or full: the token lasts as long as the page.
      }
    },
  };
}
