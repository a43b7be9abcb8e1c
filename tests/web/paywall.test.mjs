// The SDK against a fake fetch: what it sends where, what it keeps, what it throws.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { Paywall, PaywallError } from "../../service/web/static/paywall.js";

const PAGE = "https://news.example/articles/ferry";
const OTHER = "https://paywall.example";

function answering(body, { status = 200, headers = {} } = {}) {
  const calls = [];
  const fetch = async (address, options) => {
    calls.push({ address, ...options });
    return new Response(typeof body === "string" ? body : JSON.stringify(body), { status, headers });
  };
  return { calls, fetch };
}

function memory(entries = {}) {
  const held = new Map(Object.entries(entries));
  return {
    held,
    getItem: (key) => held.get(key) ?? null,
    setItem: (key, value) => held.set(key, value),
  };
}

test("on the page's own origin cookies do everything", async () => {
  const { calls, fetch } = answering({ granted: true, device_token: "v1.a.b" });
  const storage = memory();
  const paywall = Paywall({ page: PAGE, fetch, storage });
  await paywall.unlock("ferry");
  await paywall.unlock("ferry");
  assert.equal(calls[1].address, "https://news.example/v1/articles/ferry/unlock");
  assert.equal(calls[1].method, "POST");
  assert.equal(calls[1].credentials, "same-origin");
  assert.equal(calls[1].headers["Paywall-Device"], undefined);
  assert.deepEqual(JSON.parse(calls[1].body), { token: true });
  assert.equal(storage.held.size, 0);
});

test("the page's campaign goes along, without what the service refuses", async () => {
  const { calls, fetch } = answering({ granted: true });
  const long = "x".repeat(101);
  const query = `utm_source=letter&utm_medium=${long}&utm_campaign=a%0Ab&utm_term=t`;
  const paywall = Paywall({ page: `${PAGE}?${query}`, fetch, storage: memory() });
  await paywall.unlock("ferry");
  await paywall.checkout("off_1", "/", { newsletter: true });
  const [unlocked, bought] = calls.map((call) => JSON.parse(call.body));
  assert.deepEqual(unlocked, { token: true, campaign: { source: "letter" } });
  assert.deepEqual(bought, {
    offer: "off_1", return_to: "/", newsletter: true, campaign: { source: "letter" },
  });
});

test("a look says what led the reader here, as the read does", async () => {
  const { calls, fetch } = answering({ granted: true });
  const page = `${PAGE}?utm_source=briefing&utm_medium=email&utm_campaign=monday`;
  const paywall = Paywall({ page, fetch, storage: memory() });
  await paywall.access("ferry");
  await paywall.access("ferry", { referrer: "https://news.example.net/", campaign: null });
  assert.deepEqual(calls.map((call) => new URL(call.address).search), [
    "?utm_source=briefing&utm_medium=email", "?referrer=https%3A%2F%2Fnews.example.net%2F",
  ]);
});

test("a gift link's page hands the gift on, and a subscriber makes another", async () => {
  const { calls, fetch } = answering({ granted: true });
  const paywall = Paywall({ page: `${PAGE}?gift=gft_1.a-b`, fetch, storage: memory() });
  await paywall.unlock("ferry");
  await paywall.access("ferry");
  await paywall.give("ferry");
  await paywall.gifts("next=");
  await paywall.endGift("gft_1");
  assert.deepEqual(JSON.parse(calls[0].body), { token: true, gift: "gft_1.a-b" });
  assert.deepEqual(
    calls.map(({ method, address }) => `${method} ${address.slice("https://news.example/v1/".length)}`),
    [
      "POST articles/ferry/unlock", "GET articles/ferry/access?gift=gft_1.a-b",
      "POST articles/ferry/gift-links", "GET me/gift-links?cursor=next%3D", "DELETE me/gift-links/gft_1",
    ],
  );
});

test("on another origin the device's token is kept and sent", async () => {
  const { calls, fetch } = answering({ granted: true, device_token: "v1.a.b" });
  const storage = memory();
  const paywall = Paywall({ api: OTHER, page: PAGE, fetch, storage });
  await paywall.unlock("ferry", { token: false });
  await paywall.access("ferry");
  assert.equal(calls[0].headers["Paywall-Device"], undefined);
  assert.equal(calls[1].headers["Paywall-Device"], "v1.a.b");
  assert.equal(calls[1].address, "https://paywall.example/v1/articles/ferry/access");
  assert.equal(calls[1].credentials, "include");
  assert.deepEqual([...storage.held], [["paywall.device:https://paywall.example", "v1.a.b"]]);
});

test("an origin that isn't listed is named as the reason", async () => {
  const blocked = async (address) => {
    if (address.endsWith("/.well-known/jwks.json")) return new Response("{}");
    throw new TypeError("Failed to fetch"); // all that a browser says of it
  };
  const offline = async () => {
    throw new TypeError("Failed to fetch");
  };
  const paywall = (fetch, api = OTHER) => Paywall({ api, page: PAGE, fetch, storage: memory() });
  await assert.rejects(paywall(blocked).unlock("ferry"), ({ status, message }) => {
    assert.equal(status, 0);
    assert.match(message, /^https:\/\/news\.example isn't listed in PAYWALL_ALLOWED_ORIGINS/);
    return true;
  });
  for (const away of [paywall(offline), paywall(blocked, "")]) {
    await assert.rejects(away.unlock("ferry"), { message: "The paywall can't be reached." });
  }
});

test("each API has its own token", async () => {
  const { calls, fetch } = answering({ granted: true });
  const storage = memory({ "paywall.device:https://else.example": "v1.x.y" });
  await Paywall({ api: OTHER, page: PAGE, fetch, storage }).access("ferry");
  assert.equal(calls[0].headers["Paywall-Device"], undefined);
});

test("a browser that keeps nothing still reads", async () => {
  const { calls, fetch } = answering({ granted: true, device_token: "v1.a.b" });
  const refusing = () => {
    throw new Error("blocked");
  };
  const storage = { getItem: refusing, setItem: refusing };
  const paywall = Paywall({ api: OTHER, page: PAGE, fetch, storage });
  await paywall.unlock("ferry");
  await paywall.unlock("harbour");
  assert.equal(calls[1].headers["Paywall-Device"], "v1.a.b");
});

test("teasers are asked for without credentials or device", async () => {
  const { calls, fetch } = answering({ slug: "ferry" });
  const storage = memory({ "paywall.device:https://paywall.example": "v1.a.b" });
  const teaser = await Paywall({ api: OTHER, page: PAGE, fetch, storage }).teaser("ferry");
  assert.equal(teaser.slug, "ferry");
  assert.equal(calls[0].credentials, "omit");
  assert.equal(calls[0].headers["Paywall-Device"], undefined);
});

test("a slug can't leave its place in the address", async () => {
  const { calls, fetch } = answering({});
  await Paywall({ page: PAGE, fetch }).teaser("../offers?x=#y");
  assert.equal(calls[0].address, "https://news.example/v1/articles/..%2Foffers%3Fx%3D%23y");
});

test("a wall is an answer", async () => {
  const wall = { kind: "subscribe", offers: [] };
  const { fetch } = answering({ granted: false, wall, device_token: "v1.a.b" }, { status: 402 });
  const storage = memory();
  const paywall = Paywall({ api: OTHER, page: PAGE, fetch, storage });
  const answer = await paywall.unlock("ferry");
  assert.equal(answer.granted, false);
  assert.deepEqual(answer.wall, wall);
  assert.equal(storage.held.size, 1);
});

test("checkout sends the offer and where to come back to", async () => {
  const { calls, fetch } = answering({ url: "https://checkout.example/c/1" }, { status: 201 });
  const { url } = await Paywall({ page: PAGE, fetch }).checkout("off_1", "/articles/ferry");
  assert.equal(url, "https://checkout.example/c/1");
  assert.equal(calls[0].address, "https://news.example/v1/checkout");
  assert.equal(calls[0].headers["Content-Type"], "application/json");
  assert.deepEqual(JSON.parse(calls[0].body), { offer: "off_1", return_to: "/articles/ferry" });
});

test("a problem is thrown with what it says", async () => {
  const problem = { type: "/problems/already-subscribed", detail: "Use the portal.", portal: "https://p" };
  const { fetch } = answering(problem, { status: 409 });
  await assert.rejects(Paywall({ page: PAGE, fetch }).checkout("off_1", "/"), (error) => {
    assert.ok(error instanceof PaywallError);
    assert.equal(error.message, "Use the portal.");
    assert.equal(error.status, 409);
    assert.equal(error.problem.portal, "https://p");
    assert.equal(error.retryAfter, null);
    return true;
  });
});

test("when to come back is a number", async () => {
  const { fetch } = answering({ detail: "Later." }, { status: 503, headers: { "Retry-After": "5" } });
  await assert.rejects(Paywall({ page: PAGE, fetch }).unlock("ferry"), { status: 503, retryAfter: 5 });
});

test("what isn't JSON, and no answer at all, are errors too", async () => {
  for (const status of [200, 402, 502]) {
    const { fetch } = answering("<html>", { status });
    await assert.rejects(Paywall({ page: PAGE, fetch }).unlock("ferry"), { status, problem: null });
  }
  const fetch = async () => {
    throw new TypeError("offline");
  };
  await assert.rejects(Paywall({ page: PAGE, fetch }).unlock("ferry"), (error) => {
    assert.equal(error.status, 0);
    assert.equal(error.cause.message, "offline");
    return true;
  });
});

// Signing in. A service with one session: it hands out tokens and refuses what it doesn't know.

function service({ life = 600, session = true } = {}) {
  const calls = [];
  const state = { made: 0, live: session, access: new Set(), refresh: "r0", scopes: [] };
  function issue() {
    state.made += 1;
    const access = `a${state.made}`;
    state.access.add(access);
    return { access_token: access, token_type: "Bearer", expires_in: life };
  }
  const routes = {
    "POST /v1/session/token": ({ body }) => {
      if (!state.live || (body && body.refresh_token !== state.refresh)) return [401, {}];
      if (!body) return [200, issue()];
      state.refresh = `r${state.made + 1}`;
      state.scopes.push(body.scope);
      return [200, { ...issue(), refresh_token: state.refresh }];
    },
    "POST /v1/sign-in": () => [202, { request_id: "sir_1", expires_in: 600, device_token: "v1.a.b" }],
    "POST /v1/sign-in/confirm": ({ body }) => {
      state.live = true;
      const refresh_token = body.session === "token" ? state.refresh : undefined;
      return [200, { ...issue(), refresh_token, return_to: "/articles/ferry" }];
    },
    "DELETE /v1/session": () => [204, null],
    "GET /v1/sessions": () => [200, { items: [{ id: "ses_1" }] }],
  };
  const fetch = async (address, { method, headers, body }) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    const call = { path: `${method} ${new URL(address).pathname}`, headers };
    if (body) call.body = JSON.parse(body);
    calls.push(call);
    const bearer = headers.Authorization?.replace("Bearer ", "");
    const refused = bearer && !state.access.has(bearer);
    const usual = () => [200, { granted: true, signed_in: Boolean(bearer) }];
    const [status, answer] = refused ? [401, {}] : (routes[call.path] ?? usual)(call);
    return new Response(answer && JSON.stringify(answer), { status });
  };
  const asked = (path) => calls.filter((call) => call.path === path).length;
  return { calls, state, fetch, asked };
}

const REFRESH = "POST /v1/session/token";

/** Web Locks as far as they are used here: one holder at a time, the others in their order. */
function oneAtATime() {
  let last = Promise.resolve();
  return {
    request(name, callback) {
      const mine = last.then(() => callback({ name }));
      last = mine.catch(() => {});
      return mine;
    },
  };
}

test("signing in by code keeps the session as tokens where cookies don't travel", async () => {
  const { calls, fetch } = service();
  const storage = memory();
  const paywall = Paywall({ api: OTHER, page: PAGE, fetch, storage });
  const { request_id: requestId } = await paywall.signIn("ana@example.org", "/articles/ferry");
  assert.deepEqual(calls[0].body, {
    email: "ana@example.org", return_to: "/articles/ferry", session: "token",
  });
  assert.deepEqual(await paywall.confirm({ requestId, code: "012345" }), {
    return_to: "/articles/ferry",
  });
  assert.deepEqual(calls[1].body, { request_id: "sir_1", code: "012345", session: "token" });
  assert.equal(calls[1].headers["Paywall-Device"], "v1.a.b");
  await paywall.unlock("ferry");
  assert.equal(calls[2].headers.Authorization, "Bearer a1");
  // Another page of the site finds it.
  await Paywall({ api: OTHER, page: PAGE, fetch, storage }).access("ferry");
  assert.equal(calls[3].headers.Authorization, "Bearer a1");
  await paywall.teaser("ferry");
  assert.equal(calls[4].headers.Authorization, undefined);
});

test("the account has a token of its own, which the page's edge never gets", async () => {
  const { calls, state, fetch } = service();
  const storage = memory({ [`paywall.session:${OTHER}`]: JSON.stringify({ refresh: "r0" }) });
  const paywall = Paywall({ api: OTHER, page: PAGE, fetch, storage });
  await paywall.unlock("ferry");
  await paywall.sessions();
  assert.deepEqual(state.scopes, ["articles:read", "account"]);
  assert.equal(calls.at(-1).headers.Authorization, "Bearer a2");
  assert.equal(await paywall.token(), "a1");
  await paywall.me();
  assert.equal(calls.at(-1).headers.Authorization, "Bearer a2");
  // Who signs in anew keeps nothing of the former reader's.
  await paywall.confirm({ token: "secret" });
  await paywall.me();
  assert.equal(calls.at(-1).headers.Authorization, "Bearer a4");
});

test("on the page's own origin the session is a cookie, and nothing is kept", async () => {
  const { calls, fetch } = service();
  const storage = memory();
  const paywall = Paywall({ page: "https://cookies.example/", fetch, storage });
  await paywall.confirm({ token: "secret" });
  assert.deepEqual(calls[0].body, { token: "secret", session: "cookie" });
  await paywall.unlock("ferry");
  assert.equal(calls[1].headers.Authorization, undefined);
  assert.equal(await paywall.token(), "a1");
  assert.equal(storage.held.size, 0);
  await paywall.signOut();
  assert.equal(await paywall.token(), "a2"); // asked for anew: nothing is remembered
});

test("a token is used again until shortly before it expires", async (t) => {
  t.after(() => mock.timers.reset());
  const { fetch, asked } = service();
  const paywall = Paywall({ page: "https://cached.example/", fetch });
  mock.timers.enable({ apis: ["Date"], now: 0 });
  assert.equal(await paywall.token(), "a1");
  mock.timers.setTime(569_000);
  assert.equal(await paywall.token(), "a1");
  mock.timers.setTime(571_000);
  assert.equal(await paywall.token(), "a2");
  assert.equal(asked(REFRESH), 2);
});

for (const [how, api] of [["cookie", "https://tabs.example"], ["token", OTHER]]) {
  test(`two tabs share one refresh (${how})`, async () => {
    const { fetch, asked } = service();
    const storage = memory({ [`paywall.session:${OTHER}`]: JSON.stringify({ refresh: "r0" }) });
    const locks = oneAtATime();
    const tab = () => Paywall({ api, page: "https://tabs.example/", fetch, storage, locks });
    const [one, two] = [tab(), tab()];
    const tokens = await Promise.all([one.token(), two.token(), one.token(), two.token()]);
    assert.deepEqual(new Set(tokens), new Set(["a1"]));
    assert.equal(asked(REFRESH), 1);
    assert.equal(await tab().token(), "a1"); // a tab that is opened later asks the others
    assert.equal(asked(REFRESH), 1);
  });
}

test("where storage is blocked, and locks with it, a page still asks", async () => {
  const { fetch } = service();
  const locks = { request: () => Promise.reject(new DOMException("denied", "SecurityError")) };
  const paywall = Paywall({ page: "https://blocked.example/", fetch, locks });
  assert.equal(await paywall.token(), "a1");
});

test("without locks one page still asks once", async () => {
  const { fetch, asked } = service();
  const paywall = Paywall({ page: "https://lockless.example/", fetch });
  await Promise.all([paywall.token(), paywall.token(), paywall.token()]);
  assert.equal(asked(REFRESH), 1);
});

test("a refused token is renewed once, and the call repeated once", async () => {
  const { state, fetch, asked } = service();
  const storage = memory({ [`paywall.session:${OTHER}`]: JSON.stringify({ refresh: "r0" }) });
  const paywall = Paywall({ api: OTHER, page: PAGE, fetch, storage });
  await paywall.unlock("ferry");
  state.access.clear(); // the keys were revoked
  const answers = await Promise.all([paywall.unlock("ferry"), paywall.access("harbour")]);
  assert.deepEqual(answers.map((answer) => answer.signed_in), [true, true]);
  assert.equal(asked(REFRESH), 2);
  assert.equal(JSON.parse(storage.held.get(`paywall.session:${OTHER}`)).refresh, "r2");
});

test("a session that was ended elsewhere is forgotten, and the reader reads on unknown", async () => {
  const { state, fetch, asked } = service();
  const storage = memory({ [`paywall.session:${OTHER}`]: JSON.stringify({ refresh: "r0" }) });
  const paywall = Paywall({ api: OTHER, page: PAGE, fetch, storage });
  await paywall.unlock("ferry");
  state.live = false;
  state.access.clear();
  assert.equal((await paywall.unlock("ferry")).signed_in, false);
  assert.equal(storage.held.get(`paywall.session:${OTHER}`), "null");
  const before = asked(REFRESH);
  await paywall.unlock("ferry");
  assert.equal(asked(REFRESH), before);
  await assert.rejects(paywall.token(), { status: 401 });
});

test("signing out forgets the session, also where it has ended already", async () => {
  for (const live of [true, false]) {
    const { state, fetch } = service();
    const storage = memory({ [`paywall.session:${OTHER}`]: JSON.stringify({ refresh: "r0" }) });
    const paywall = Paywall({ api: OTHER, page: PAGE, fetch, storage });
    state.live = live;
    await paywall.signOut();
    assert.equal(storage.held.get(`paywall.session:${OTHER}`), "null");
  }
});

test("devices, the portal and a checkout that ends in the page", async () => {
  const { calls, fetch } = service();
  const paywall = Paywall({ page: "https://calls.example/", fetch });
  assert.deepEqual(await paywall.sessions(), [{ id: "ses_1" }]);
  await paywall.endSession("a/b");
  await paywall.me();
  await paywall.portal("/account");
  await paywall.complete("cs_1", "claim");
  assert.deepEqual(calls.map(({ path }) => path).slice(1), [
    "DELETE /v1/sessions/a%2Fb",
    "GET /v1/me",
    "POST /v1/portal",
    "POST /v1/checkout/cs_1/complete",
  ]);
  assert.deepEqual(calls[3].body, { return_to: "/account" });
  assert.deepEqual(calls[4].body, { claim: "claim", session: "cookie" });
});

test("what stands in the storage and isn't ours counts as nothing", async () => {
  const { calls, fetch } = service();
  const storage = memory({ [`paywall.session:${OTHER}`]: "{half" });
  await Paywall({ api: OTHER, page: PAGE, fetch, storage }).unlock("ferry");
  assert.equal(calls[0].headers.Authorization, undefined);
});

test("a device says which notices it was shown, and how many days ago", async (t) => {
  const weekly = { key: "aaaaaaaaaaaa", every_days: 7 };
  const notices = { ferry: weekly, mill: { key: "bbbbbbbbbbbb", every_days: null } };
  for (const held of ["{}", '{"c": 3, "dddddddddddd": "x", "eeeeeeeeeeee": 1}', "{half"]) {
    const said = [];
    const fetch = async (address, { body }) => {
      said.push(JSON.parse(body).seen);
      const notice = notices[new URL(address).pathname.split("/")[3]];
      return new Response(JSON.stringify({ granted: true, notice }));
    };
    t.mock.timers.enable({ apis: ["Date"], now: Date.UTC(2026, 2, 10, 9) });
    const storage = memory({ [`paywall.notices:${OTHER}`]: held });
    const paywall = Paywall({ api: OTHER, page: PAGE, fetch, storage });
    for (const slug of ["mill", "ferry", "ferry"]) await paywall.unlock(slug);
    for (const now of [Date.UTC(2026, 2, 16, 1), Date.UTC(2027, 2, 17, 1)]) {
      t.mock.timers.setTime(now);
      await paywall.unlock("mill");
    }
    t.mock.timers.reset();
    assert.deepEqual(said, [undefined, undefined, { [weekly.key]: 0 }, { [weekly.key]: 6 }, undefined]);
  }
});

test("a release that doesn't know what rests is asked again without it", async () => {
  const held = JSON.stringify({ aaaaaaaaaaaa: Math.floor(Date.now() / 86_400_000) });
  const refusing = (field) => async (address, { body }) => {
    bodies.push(JSON.parse(body));
    const problem = { detail: "Invalid.", errors: [{ field, message: "…" }] };
    const isRefused = bodies.at(-1).seen !== undefined;
    return new Response(JSON.stringify(isRefused ? problem : { granted: true }), { status: isRefused ? 422 : 200 });
  };
  const bodies = [];
  const options = { api: OTHER, page: PAGE, storage: memory({ [`paywall.notices:${OTHER}`]: held }) };
  const answer = await Paywall({ ...options, fetch: refusing("body.seen") }).unlock("ferry");
  assert.equal(answer.granted, true);
  assert.deepEqual(bodies, [{ token: true, seen: { aaaaaaaaaaaa: 0 } }, { token: true }]);
  await assert.rejects(Paywall({ ...options, fetch: refusing("body.campaign") }).unlock("ferry"), { status: 422 });
  assert.equal(bodies.length, 3);
});

test("a page that reads notices gets the notice, also once it rests", async () => {
  const notice = { key: "aaaaaaaaaaaa", every_days: 7 };
  const { fetch } = answering({ granted: true, notice, notices: [notice] });
  const paywall = Paywall({ api: OTHER, page: PAGE, fetch, storage: memory() });
  const { notices } = await paywall.unlock("ferry");
  assert.deepEqual(paywall.notice(notices), notice);
  assert.equal(paywall.notice([]), null);
});

test("what the reader agreed to goes along with what isn't public", async () => {
  const { calls, fetch } = service();
  const paywall = Paywall({ api: OTHER, page: PAGE, fetch, consents: ["experiments"], storage: memory() });
  await paywall.unlock("ferry");
  assert.equal(calls[0].headers["Paywall-Consent"], "experiments");
  await Paywall({ api: OTHER, page: PAGE, fetch, storage: memory() }).unlock("ferry");
  assert.equal(calls[1].headers["Paywall-Consent"], undefined);
});
