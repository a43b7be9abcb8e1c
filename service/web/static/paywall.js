/**
 * Paywall for frontends: teasers, access, the read itself, the way to Checkout, and signing in.
 * An ES module without dependencies; types in paywall.d.ts.
 *
 *   import { Paywall } from "https://paywall.example.org/static/paywall.js";
 *
 *   const paywall = Paywall({ api: "https://paywall.example.org" });   // "" on the same host
 *   const answer = await paywall.unlock("harbour-wall");               // the read: it may count
 *   if (answer.granted) show(answer.article.body_html, answer.notice);
 *   else if (await chosen(answer.wall)) {
 *     const { url } = await paywall.checkout(offerId, location.pathname);
 *     location.assign(url);                                            // to Stripe's page
 *   }
 *
 *   const { request_id } = await paywall.signIn(email, location.pathname);
 *   await paywall.confirm({ requestId: request_id, code });            // the code from the mail
 *   const bearer = await paywall.token();                              // for your own edge
 *
 * Call unlock() once the reader really sees the article, never while the page is prefetched or
 * prerendered. A wall is an answer, not an error. Everything else that isn't a success is thrown as
 * PaywallError with the service's problem (RFC 9457): `status` is 0 where nothing was answered,
 * `retryAfter` is in seconds where the service says when to come back.
 *
 * On the API's own origin cookies do everything, and the page holds no secret but an access token of
 * some minutes, in memory. On another origin, which the operator lists in PAYWALL_ALLOWED_ORIGINS,
 * cookies may not travel: the device's token and the session's are then kept in localStorage, for that
 * API alone, and sent as `Paywall-Device` and `Authorization`. `session: "cookie"` keeps them out of
 * it on a sister host (www. and api. of one site), where cookies do travel.
 */

/** What an access token is for: articles, here and at your edge; or the account, here alone. */
const READING = "articles:read";
const ACCOUNT = "account";
/** Milliseconds before its end at which an access token is renewed. */
const EARLY = 30_000;
/** Milliseconds in which what another tab holds arrives here; later costs a request, no more. */
const EN_ROUTE = 20;
/** Milliseconds of a day; the longest pause between two showings of a notice, in days. */
const DAY = 86_400_000;
const LONGEST_PAUSE = 366;
/** Notices that a device says it was shown; the service refuses more. */
const MOST_SEEN = 20;
const KEY = /^[0-9a-f]{12}$/;
/** The longest value of a campaign that the service takes; it takes no control characters either. */
const LONGEST_VALUE = 100;
const UNPRINTED = /[\p{Cc}\p{Cs}]/u;

export class PaywallError extends Error {
  constructor(message, { status = 0, problem = null, retryAfter = null, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "PaywallError";
    this.status = status;
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

export function Paywall({ api = "", page, fetch, storage, session, locks, consents = [] } = {}) {
  const here = page ?? globalThis.location?.href;
  const base = new URL(api || "/", here);
  const isForeign = here === undefined || new URL(here).origin !== base.origin;
  const send = fetch ?? ((address, options) => globalThis.fetch(address, options));
  const device = isForeign ? kept(storage, `paywall.device:${base.origin}`) : null;
  const kind = session ?? (isForeign ? "token" : "cookie");
  const name = `paywall.session:${base.origin}`;
  const signedIn = heldSession({
    ask,
    name,
    held: kind === "token" ? asJson(kept(storage, name)) : shared(name),
    locks: locks ?? globalThis.navigator?.locks,
  });

  async function ask(method, path, { body, isPublic = false, bearer = null } = {}) {
    const headers = { Accept: "application/json" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (bearer) headers.Authorization = `Bearer ${bearer}`;
    const token = isPublic ? null : device?.read();
    if (token) headers["Paywall-Device"] = token;
    if (consents.length > 0 && !isPublic) headers["Paywall-Consent"] = consents.join(",");
    // Public answers allow every origin, and browsers then refuse credentials.
    const credentials = isPublic ? "omit" : isForeign ? "include" : "same-origin";
    const options = { method, headers, credentials };
    if (body !== undefined) options.body = JSON.stringify(body);
    let response;
    try {
      response = await send(`${base.origin}${path}`, options);
    } catch (cause) {
      const isUnlisted = !isPublic && isForeign && here !== undefined && (await reached());
      const reason = isUnlisted
        ? `${new URL(here).origin} isn't listed in PAYWALL_ALLOWED_ORIGINS of ${base.origin}.`
        : "The paywall can't be reached.";
      throw new PaywallError(reason, { cause });
    }
    if (response.status === 204) return null;
    const answer = await response.json().catch(() => null);
    if (answer?.device_token) device?.write(answer.device_token);
    if (answer !== null && (response.ok || (response.status === 402 && answer.wall))) return answer;
    throw new PaywallError(answer?.detail ?? answer?.title ?? "The answer can't be read.", {
      status: response.status,
      problem: answer,
      retryAfter: Number(response.headers.get("Retry-After")) || null,
    });
  }

  /** Whether the service answers what every page may read: then it doesn't want this one. */
  const reached = () =>
    send(`${base.origin}/.well-known/jwks.json`, { credentials: "omit" }).then(
      ({ ok }) => ok,
      () => false,
    );

  /** For the reader who is signed in; a refused token is renewed once. */
  async function call(method, path, body, scope = ACCOUNT) {
    const bearer = await signedIn.bearer(scope);
    try {
      return await ask(method, path, { body, bearer });
    } catch (error) {
      if (bearer === null || error.status !== 401) throw error;
      signedIn.expire(scope, bearer);
      return ask(method, path, { body, bearer: await signedIn.bearer(scope) });
    }
  }

  const address = () => globalThis.location?.href ?? page;
  const shown = asJson(kept(storage, `paywall.notices:${base.origin}`));
  const today = () => Math.floor(Date.now() / DAY);

  /** How many days ago this device was shown each notice that may rest; undefined: none. */
  function seen() {
    const days = Object.entries(shown.read() ?? {}).map(([key, day]) => [key, today() - day]);
    const ours = days.filter(([key, ago]) => KEY.test(key) && Number.isInteger(ago));
    const lately = ours.filter(([, ago]) => ago >= 0 && ago < LONGEST_PAUSE).sort(([, a], [, b]) => a - b);
    return lately.length > 0 ? Object.fromEntries(lately.slice(0, MOST_SEEN)) : undefined;
  }

  function remember({ key, every_days: pause }) {
    if (pause === null) return;
    const before = Object.entries(seen() ?? {}).map(([each, ago]) => [each, today() - ago]);
    shown.write({ ...Object.fromEntries(before), [key]: today() });
  }

  const article = (slug) => `/v1/articles/${encodeURIComponent(slug)}`;
  return Object.freeze({
    /** What everybody may read of the article. Counts nothing. */
    teaser: (slug) => ask("GET", article(slug), { isPublic: true }),
    /** What unlock() would answer to a reader who came from there. Counts nothing. */
    access: (slug, { referrer, campaign = campaignOf(address()), gift = giftOf(address()) } = {}) => {
      const asked = { referrer, utm_source: campaign?.source, utm_medium: campaign?.medium, gift };
      return call("GET", `${article(slug)}/access${queryOf(asked)}`, undefined, READING);
    },
    /**
     * The read: `{granted: true, article, meter, …}`, or `{granted: false, wall, meter, …}`.
     * The page's `utm_*` go along, here and with checkout(), and the `gift` of a gift link. Show the answer's `notice`
     * where there is one: it counts as shown, and rests for its days on this device.
     */
    async unlock(slug, { token = true, referrer, campaign = campaignOf(address()), gift = giftOf(address()) } = {}) {
      const read = { token, referrer, campaign, gift };
      const unlocked = (body) => call("POST", `${article(slug)}/unlock`, body, READING);
      const answer = await unlocked({ ...read, seen: seen() }).catch((error) => {
        // While releases change, one that doesn't know `seen` may answer; it has counted nothing.
        const isUnknown = error.problem?.errors?.some(({ field }) => field === "body.seen");
        if (!isUnknown) throw error;
        return unlocked(read);
      });
      if (answer.notice) remember(answer.notice);
      return answer;
    },
    /** Deprecated: the same as the answer's `notice`, out of its `notices`. */
    notice: (notices) => notices?.[0] ?? null,
    /** A gift link of the article, for the subscriber who is signed in; it ends their older one. */
    give: (slug) => call("POST", `${article(slug)}/gift-links`),
    /** A page of the links that the reader has made; `next_cursor` leads to the next. */
    gifts: (cursor) => call("GET", `/v1/me/gift-links${cursor ? `?cursor=${encodeURIComponent(cursor)}` : ""}`),
    /** Switches a link off, for those who came by it too. */
    endGift: (id) => call("DELETE", `/v1/me/gift-links/${encodeURIComponent(id)}`),
    /**
     * Opens a Checkout session; send the reader to `url`. They come back to `returnTo`.
     * A pass for one article needs that article's slug as `article`; other offers ignore it. `gift` goes with
     * an offer of that kind: `{email, send_at}`. `seats` goes with an offer that has `most_seats`.
     * 409 `has-access`: a comp or a subscription elsewhere opens it already; `despiteAccess` buys all the same.
     */
    checkout(offer, returnTo, { article: slug, promotionCode, newsletter, referrer, campaign, gift, seats, despiteAccess } = {}) {
      return call("POST", "/v1/checkout", {
        offer, return_to: returnTo, article: slug, promotion_code: promotionCode, newsletter, referrer,
        gift, seats, despite_access: despiteAccess,
        campaign: campaign ?? campaignOf(address()),
      });
    },
    /** Signs a buyer in who came back to this page; `claim` is the checkout's. */
    async complete(sessionId, claim) {
      const path = `/v1/checkout/${encodeURIComponent(sessionId)}/complete`;
      signedIn.keep(await call("POST", path, { claim, session: kind }));
    },
    /**
     * Mails a code, which works with the answer's `request_id`, here alone; and a link where the
     * session is a cookie.
     * `newsletter` is whether the box with the operator's wording was ticked; leave it out without one.
     */
    signIn: (email, returnTo, { newsletter } = {}) =>
      call("POST", "/v1/sign-in", { email, return_to: returnTo, session: kind, newsletter }),
    /** Signs in, by `{requestId, code}` or by a link's `{token}`. */
    async confirm({ requestId, code, token, newsletter }) {
      const body = { token, request_id: requestId, code, session: kind, newsletter };
      const { return_to, ...tokens } = await call("POST", "/v1/sign-in/confirm", body);
      signedIn.keep(tokens);
      return { return_to };
    },
    /** A token for reading, good for a while; all tabs share it. 401 where nobody is signed in. */
    token: () => signedIn.token(READING),
    /** Who is signed in, and what is open to them. */
    me: () => call("GET", "/v1/me"),
    /** What is open to the reader, a page at a time; `cursor` is `more_grants` of `me()`, or the page's before. */
    grants: (cursor) => call("GET", `/v1/me/grants${cursor ? `?cursor=${encodeURIComponent(cursor)}` : ""}`),
    /** The devices the reader is signed in on. */
    sessions: async () => (await call("GET", "/v1/sessions")).items,
    endSession: (id) => call("DELETE", `/v1/sessions/${encodeURIComponent(id)}`),
    /** Signs out here; who is signed out already stays so. */
    async signOut() {
      try {
        await call("DELETE", "/v1/session");
      } catch (error) {
        if (error.status !== 401) throw error;
      }
      signedIn.forget();
    },
    /** Stripe's customer portal, within 15 minutes of signing in; send the reader to `url`. */
    portal: (returnTo) => call("POST", "/v1/portal", { return_to: returnTo }),
  });
}

/** The `utm_*` of a page's address, without values that the service refuses; undefined: none. */
function campaignOf(address) {
  const query = address === undefined ? null : new URL(address).searchParams;
  const named = ["source", "medium", "campaign"]
    .map((name) => [name, query?.get(`utm_${name}`)])
    .filter(([, value]) => value && value.length <= LONGEST_VALUE && !UNPRINTED.test(value));
  return named.length > 0 ? Object.fromEntries(named) : undefined;
}

/** A query of the values that there are. */
function queryOf(values) {
  const query = String(new URLSearchParams(Object.entries(values).filter(([, value]) => value)));
  return query && `?${query}`;
}

/** What a gift link's address hands on; undefined: it is none. */
function giftOf(address) {
  const gift = address === undefined ? null : new URL(address).searchParams.get("gift");
  return gift && gift.length <= LONGEST_VALUE && !UNPRINTED.test(gift) ? gift : undefined;
}

/** The session's access tokens by scope, and its refresh token where it isn't a cookie; `held` is where. */
function heldSession({ ask, name, held, locks }) {
  const renewing = {};

  function fresh(scope) {
    const { access, until = 0 } = held.read()?.[scope] ?? {};
    return until - EARLY > Date.now() ? access : null;
  }

  /** `before` is what is kept beside the answer's tokens; a new sign-in keeps nothing. */
  function keep({ access_token: access, expires_in: seconds, refresh_token: refresh }, scope = READING, before = {}) {
    const until = Date.now() + seconds * 1000;
    held.write({ ...before, refresh: refresh ?? before.refresh, [scope]: { access, until } });
    return access;
  }

  async function renew(scope) {
    const refresh = held.read()?.refresh;
    try {
      const body = refresh && { refresh_token: refresh, scope };
      return keep(await ask("POST", "/v1/session/token", { body }), scope, held.read() ?? {});
    } catch (error) {
      // Unless another tab has signed in anew meanwhile, the session is over.
      if (error.status === 401 && held.read()?.refresh === refresh) held.write(null);
      throw error;
    }
  }

  /** One tab asks for all. Where two do, the service gives both the same successor for 30 s. */
  async function renewOnce(scope) {
    if (!locks) return renew(scope);
    const inTurn = async () => {
      if (!fresh(scope)) await new Promise((resolve) => setTimeout(resolve, EN_ROUTE));
      return fresh(scope) ?? renew(scope);
    };
    return locks.request(name, inTurn).catch((error) => {
      if (error.name !== "SecurityError") throw error;
      return renew(scope); // storage is blocked, and locks with it
    });
  }

  async function token(scope) {
    return fresh(scope) ?? (renewing[scope] ??= renewOnce(scope).finally(() => delete renewing[scope]));
  }

  return {
    keep: (answer) => keep(answer),
    token,
    forget: () => held.write(null),
    /** What to send as Authorization: null where a cookie is enough, or nobody is signed in. */
    async bearer(scope) {
      if (!held.read()?.refresh) return null;
      return token(scope).catch((error) => {
        if (error.status === 401) return null;
        throw error;
      });
    },
    /** The service has refused this access token before its time. */
    expire(scope, access) {
      const now = held.read();
      if (now?.[scope]?.access === access) held.write({ ...now, [scope]: null });
    },
  };
}

/** A text kept for one API; in memory where the browser refuses to keep anything. */
function kept(storage, key) {
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
    write(text) {
      held = text;
      try {
        place()?.setItem(key, text);
      } catch {
        // Blocked or full: it lasts as long as the page.
      }
    },
  };
}

function asJson({ read, write }) {
  return {
    read() {
      try {
        return JSON.parse(read());
      } catch {
        return null; // whatever is there isn't ours
      }
    },
    write: (value) => write(JSON.stringify(value)),
  };
}

/** A value in memory, the same in all tabs of the origin; it is gone with the last of them. */
function shared(name) {
  let held = null;
  let channel = null;
  function tabs() {
    if (channel === null && globalThis.BroadcastChannel) {
      channel = new BroadcastChannel(name);
      channel.onmessage = ({ data: { asks, value } }) => {
        if (!asks) held = value;
        else if (held !== null) channel.postMessage({ value: held });
      };
      channel.postMessage({ asks: true });
      channel.unref?.(); // Node would wait for messages for ever
    }
    return channel;
  }
  return {
    read() {
      tabs();
      return held;
    },
    write(value) {
      held = value;
      tabs()?.postMessage({ value });
    },
  };
}
