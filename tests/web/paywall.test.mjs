// The SDK against a fake fetch: what it sends where, what it keeps, what it throws.

import assert from "node:assert/strict";
import { test } from "node:test";

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
