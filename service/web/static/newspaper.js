/**
 * Opens a metered article as the reader arrives, and sends forms that work once only once. The pages
 * work without it: whatever fails here leaves the form in place, which does the same by a POST.
 */
import { Paywall } from "./paywall.js";

const story = document.getElementById("story");
if (story?.dataset.article) arrival(document).then(() => open(story));

// A double click would use a link or code up, and drop the answer that signs the browser in.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!("once" in form.dataset)) return;
  if (form.getAttribute("aria-busy") === "true") event.preventDefault();
  form.setAttribute("aria-busy", "true");
});
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) for (const form of document.forms) form.removeAttribute("aria-busy");
});

/** Resolves when the page is really looked at: not prerendered, not in a background tab. */
async function arrival(page) {
  if (page.prerendering) await once(page, "prerenderingchange");
  while (page.visibilityState !== "visible") await once(page, "visibilitychange");
}

function once(target, event) {
  return new Promise((resolve) => target.addEventListener(event, resolve, { once: true }));
}

async function open(story) {
  const form = story.querySelector("form");
  form.addEventListener("submit", () => form.setAttribute("aria-busy", "true"));
  let answer;
  try {
    const { referrer } = document;
    answer = await Paywall().unlock(story.dataset.article, { token: false, referrer });
  } catch {
    return;
  }
  // Who has sent the form meanwhile gets the page it answers.
  if (form.getAttribute("aria-busy") === "true") return;
  const hadFocus = form.contains(document.activeElement);
  if (answer.granted) showText(story, answer.article.body_html);
  else showWall(story, form, answer.wall);
  showMeter(answer, story.dataset);
  if (hadFocus) story.querySelector("[tabindex]")?.focus({ preventScroll: true });
}

function showText(story, html) {
  const text = document.createElement("div");
  text.className = "prose paywall";
  text.tabIndex = -1;
  text.innerHTML = html; // sanitised by the service when it was published
  story.replaceChildren(text);
}

function showMeter({ granted, meter }, { window, renewed }) {
  const line = document.getElementById("meter");
  if (!granted || meter === null) {
    line.remove();
    return;
  }
  const articles = meter.limit === 1 ? "free article" : "free articles";
  line.textContent =
    meter.remaining > 0
      ? `${meter.remaining} of ${meter.limit} ${articles} left ${window}`
      : `You have read your ${meter.limit} ${articles} ${window}. There are new ones on ${renewed}.`;
}

function showWall(story, form, { kind, note, title, text, offers }) {
  const wall = document.getElementById("wall-template").content.cloneNode(true);
  const part = (name) => wall.querySelector(`[data-wall="${name}"]`);
  part("note").textContent = note;
  part("title").textContent = title;
  part("text").textContent = text;
  part("offers").append(...offers.map(offerCard));
  for (const name of kind === "register" ? ["already"] : ["register", "or"]) part(name).remove();
  if (!offers.some((offer) => offer.kind === "pass")) part("passes")?.remove();
  if (offers.length === 0) for (const name of ["or", "offers", "paying"]) part(name)?.remove();
  form.replaceWith(wall);
  story.querySelector(".preview").classList.add("fading");
}

function offerCard({ id, name, kind, price_text: price, trial_days: trialDays }) {
  const card = document.getElementById("offer-template").content.cloneNode(true);
  const button = card.querySelector("button");
  card.querySelector('[name="offer"]').value = id;
  card.querySelector(".offer-name").textContent = name;
  card.querySelector(".offer-name").id = id;
  card.querySelector(".offer-price").textContent = price;
  button.setAttribute("aria-describedby", id);
  if (trialDays > 0) button.textContent = button.dataset.trial;
  else if (kind === "pass") button.textContent = button.dataset.pass;
  return card;
}
